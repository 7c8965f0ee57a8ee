//! The program `lode-wallet` from outside, where no bootstrap node answers: keys, words, codes.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use assert_cmd::Command;
use chain::genesis::Network;
use chain::spec::ChainSpec;
use client::data_directory::pin;
use tempfile::TempDir;
use testkit::test_chain::{self, TestChain};
use testkit::{samples, test_directory, test_node};

/// Nobody listens on the port that is called discard.
const NOBODY: &str = "127.0.0.1:9";

const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

fn network(prefix: &str) -> Network {
    let spec = ChainSpec { address_prefix: prefix.to_owned(), ..samples::spec() };
    Network::new(spec).expect("the spec is sound")
}

/// A directory that is pinned to a network, as an earlier run leaves it.
fn pinned(prefix: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("there is room");
    pin(directory.path(), &network(prefix)).expect("the directory is new");
    directory
}

fn run(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lode-wallet"));
    command.arg("Adam").args(arguments).arg("--data-dir").arg(directory);
    command.args(["--bootstrap", NOBODY]).write_stdin(input).output().expect("the program starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text").trim().to_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints text")
}

#[test]
fn a_wallet_is_restored_from_its_words_and_shows_them_again() {
    let directory = pinned("tlode");
    let restored = run(directory.path(), &["restore"], &format!("  {WORDS}\n"));
    assert_eq!(code(&restored), 0, "{}", errors(&restored));
    assert!(told(&restored).starts_with("tlode1p"));
    assert!(errors(&restored).contains("no passphrase"), "an empty one is told");
    assert_eq!(told(&run(directory.path(), &["words"], "")), WORDS);
    let again = run(directory.path(), &["restore"], WORDS);
    assert_eq!(code(&again), 3, "{}", errors(&again));
}

#[test]
fn wrong_words_are_named_without_repeating_them() {
    let directory = pinned("tlode");
    let wrong = WORDS.replace("winner thank yellow", "thank winner yellow");
    for words in [wrong.as_str(), "legal winner", "", &format!("{WORDS}x")] {
        let refused = run(directory.path(), &["restore"], words);
        assert_eq!(code(&refused), 2, "{}", errors(&refused));
        assert!(!errors(&refused).contains("legal"));
    }
    assert!(!directory.path().join("wallet").join("key").exists());
}

#[test]
fn a_passphrase_from_a_file_protects_the_words_and_a_wrong_one_ends_with_6() {
    let directory = pinned("tlode");
    let file = directory.path().join("passphrase");
    std::fs::write(&file, "open sesame\n").unwrap();
    let flag = ["--passphrase-file", file.to_str().unwrap()];
    let restore = ["restore", flag[0], flag[1]];
    assert_eq!(code(&run(directory.path(), &restore, WORDS)), 0);
    let words = ["words", flag[0], flag[1]];
    assert_eq!(told(&run(directory.path(), &words, "")), WORDS);
    let piped = run(directory.path(), &["words", flag[0], "-"], "open sesame\nmore\n");
    assert_eq!(told(&piped), WORDS);
    let wrong = run(directory.path(), &["words", flag[0], "-"], "open\n");
    assert_eq!((code(&wrong), told(&wrong).as_str()), (6, ""));
    let nobody = run(directory.path(), &["words"], "open sesame\n");
    assert_eq!(code(&nobody), 6, "it never guesses that a pipe is a passphrase");
}

/// A pipe with the passphrase before the commands.
#[test]
fn from_a_pipe_the_first_line_is_the_passphrase_and_the_rest_are_commands() {
    for (secret, name) in [("hunter2", "-"), ("hunter2", "/dev/stdin"), ("", "-")] {
        let place = tempfile::tempdir().unwrap();
        let network = Arc::new(network("dlode"));
        let (miner, _) = test_node::start(TestChain::new(Arc::clone(&network)));
        let (bootstrap, _) = test_directory::start(&network, &[miner]);
        let run = |input: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lode-wallet"));
            command.args(["Adam", "--passphrase-file", name, "--bootstrap", &bootstrap]);
            command.arg("--data-dir").arg(place.path()).timeout(testkit::PATIENCE);
            command.write_stdin(input).output().expect("the program starts")
        };
        let address = network.spec.address(chain::key::OutputKey([7; 32])).to_string();
        // The first run makes the wallet, the second one opens it.
        for _ in 0..2 {
            let input = format!("{secret}\nreceive\nsend {address} 1\ncontacts\nexit\nmore\n");
            let ended = run(&input);
            assert_eq!(code(&ended), 0, "{}", errors(&ended));
            let lines: Vec<String> = told(&ended).lines().map(str::to_owned).collect();
            let [received, contacts] = &lines[..] else { panic!("{lines:?}") };
            assert!(received.starts_with("dlode1p") && contacts.starts_with("no contacts"));
            let errors = errors(&ended);
            assert!(errors.contains("is available") && !errors.contains("hunter2"), "{errors}");
            assert!(!errors.contains("no command"), "{errors}");
        }
        let wrong = run("hunter3\nreceive\n");
        let is_told = errors(&wrong).contains("hunter");
        // A wallet without a passphrase does not ask what its first line was.
        assert_eq!((code(&wrong), is_told), (if secret.is_empty() { 0 } else { 6 }, false));
    }
}

/// Where nothing can be written, as on a disk that is full.
#[cfg(target_os = "linux")]
#[test]
fn a_payment_that_cannot_be_shown_ends_with_8_and_is_the_same_when_it_is_repeated() {
    use chain::encoding::Decode;
    use chain::transaction::Transaction;
    use std::collections::BTreeSet;

    let place = tempfile::tempdir().unwrap();
    let seed = wallet::seed::Seed::from_entropy([1; 16]);
    let funded = wallet::accounts::Account::new(&seed).receive_key(0);
    let network = test_chain::network(&[funded]);
    let (miner, state) = test_node::start(TestChain::new(Arc::clone(&network)));
    let (bootstrap, _) = test_directory::start(&network, &[miner]);
    pin(place.path(), &network).unwrap();
    let address = network.spec.address(chain::key::OutputKey([7; 32])).to_string();
    let program = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lode-wallet"));
        command.arg("Adam").args(words).args(["--bootstrap", &bootstrap]);
        command.arg("--data-dir").arg(place.path()).stdin(std::process::Stdio::null());
        command
    };
    let made = || {
        let submitted = state.lock().unwrap().submitted.clone();
        let txids = submitted.iter().map(|bytes| Transaction::decode(bytes).unwrap().txid());
        txids.collect::<BTreeSet<_>>().len()
    };
    let restored = run(place.path(), &["restore"], &seed.words());
    assert_eq!(code(&restored), 0, "{}", errors(&restored));
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for words in [&["send", &address, "1"][..], &["send", &address, "1", "--json"]] {
        let before = made();
        for _ in 0..3 {
            let ended = program(words).stdout(full()).output().unwrap();
            assert_eq!(code(&ended), 8, "{}", errors(&ended));
            let errors = errors(&ended);
            assert!(errors.contains("PAID") && errors.contains("pays nothing more"), "{errors}");
        }
        assert_eq!(made(), before + 1, "it was paid once");
        let shown = program(words).output().unwrap();
        assert!(code(&shown) == 0 && told(&shown).contains("1.00000000"), "{}", told(&shown));
        assert_eq!(made(), before + 1, "and is shown now");
        assert_eq!(code(&program(words).output().unwrap()), 0);
        assert_eq!(made(), before + 2, "the next one is another");
    }
    // Somebody who has read enough is no failure.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(code(&program(&["send", &address, "2"]).stdout(writer).output().unwrap()), 0);
    // In the wallet's own shell the first one that cannot be shown is the last one that is made.
    let (before, lines) = (made(), format!("send {address} 3\nsend {address} 3\n"));
    let input = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &input, lines.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut &input).unwrap();
    let ended = program(&[]).stdin(input).stdout(full()).output().unwrap();
    assert_eq!((code(&ended), made()), (8, before + 1), "{}", errors(&ended));
    // Earlier lines of a pipe would be paid again: it is not the whole of it that may be repeated.
    let errors_told = errors(&ended);
    assert!(errors_told.contains("the same line again"), "{errors_told}");
    assert!(!errors_told.contains("the same command"), "{errors_told}");
    // Shown when it was sent, and not when it was in a block: the order was not told in full.
    let (before, words) = (made(), ["send", &address, "4", "--wait"]);
    let (line, piped) = (takes_one_line(), std::process::Stdio::piped());
    let waiting = program(&words).stdout(line).stderr(piped).spawn().unwrap();
    testkit::poll_until("it is paid", testkit::PATIENCE, || (made() > before).then_some(()));
    let mine = || state.lock().unwrap().chain.mine_pending(chain::key::OutputKey([9; 32]));
    mine();
    let ended = waiting.wait_with_output().unwrap();
    assert_eq!(code(&ended), 8, "{}", errors(&ended));
    let mut again = Command::new(env!("CARGO_BIN_EXE_lode-wallet"));
    again.arg("Adam").args(words).args(["--bootstrap", &bootstrap, "--data-dir"]).arg(place.path());
    let shown = again.timeout(testkit::PATIENCE).output().unwrap();
    assert_eq!(made(), before + 1, "{}", errors(&shown));
    assert!(code(&shown) == 0 && told(&shown).contains("confirmations"), "{}", told(&shown));
}

/// Takes one line, and then nothing more.
#[cfg(target_os = "linux")]
fn takes_one_line() -> std::os::fd::OwnedFd {
    use std::os::unix::net::UnixDatagram;

    let (writer, reader) = UnixDatagram::pair().expect("there is room");
    writer.set_nonblocking(true).expect("it is open");
    // Full, but for what is read here. Never closed, as a reader that went away is no failure.
    while writer.send(b"x").is_ok() {}
    reader.recv(&mut [0; 1]).expect("it is full");
    std::mem::forget(reader);
    writer.into()
}

#[test]
fn on_the_main_network_no_wallet_is_made_without_a_passphrase() {
    let directory = pinned("lode");
    let refused = run(directory.path(), &["receive"], "");
    assert_eq!(code(&refused), 6, "{}", errors(&refused));
    assert!(!directory.path().join("wallet").join("key").exists());
}

#[test]
fn a_question_about_a_wallet_that_does_not_exist_makes_none() {
    let directory = pinned("tlode");
    let key = directory.path().join("wallet").join("key");
    for question in ["balance", "history", "coins", "contacts", "miners", "wait", "words"] {
        let refused = run(directory.path(), &[question], "");
        assert_eq!(code(&refused), 3, "{question}: {}", errors(&refused));
        let advice =
            "no wallet Adam yet: check the name, or make it with `lode wallet Adam receive`";
        assert!(errors(&refused).contains(advice), "{question}: {}", errors(&refused));
        assert!(errors(&refused).lines().count() <= 2 && !key.exists(), "{question}");
    }
    // Whoever names a passphrase wants a wallet.
    let file = directory.path().join("passphrase");
    std::fs::write(&file, "open sesame\n").unwrap();
    let made =
        run(directory.path(), &["contacts", "--passphrase-file", file.to_str().unwrap()], "");
    assert!(code(&made) == 0 && key.exists(), "{}", errors(&made));
}

#[test]
fn a_bootstrap_node_that_does_not_answer_is_an_error_after_some_seconds_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = run(directory.path(), &["balance"], "");
    assert_eq!(code(&nobody), 4);
    let errors = errors(&nobody);
    assert!(errors.starts_with("waiting for the bootstrap node"), "{errors}");
    assert!(errors.contains("lode bootstrap") && errors.lines().count() <= 3, "{errors}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_told_in_two_lines() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["fly"][..], &["send", "Bob"], &["send", "Bob", "much"]] {
        let refused = run(directory.path(), arguments, "");
        assert_eq!(code(&refused), 2);
        assert_eq!(errors(&refused).lines().count(), 2, "{}", errors(&refused));
    }
}

#[test]
fn contacts_can_be_kept_while_nobody_answers() {
    let directory = pinned("tlode");
    assert_eq!(code(&run(directory.path(), &["restore"], WORDS)), 0);
    let address = network("tlode").spec.address(chain::key::OutputKey([7; 32])).to_string();
    let added = run(directory.path(), &["contacts", "add", "Bob", &address], "");
    assert!(told(&added).contains(&address), "{}", errors(&added));
    let foreign = network("dlode").spec.address(chain::key::OutputKey([7; 32])).to_string();
    assert_eq!(code(&run(directory.path(), &["contacts", "add", "Eve", &foreign], "")), 7);
    assert_eq!(code(&run(directory.path(), &["contacts", "remove", "bob"], "")), 0);
    assert!(told(&run(directory.path(), &["contacts"], "")).starts_with("no contacts"));
}
