//! Ctrl-C and Ctrl-D at every question of a wallet: how the program goes on or ends, and that the
//! terminal is afterwards as it was before. No node runs: the network is pinned.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "prompts/keyboard.rs"]
mod keyboard;

use std::sync::Arc;

use chain::genesis::Network;
use chain::key::{OutputKey, SecretKey};
use client::data_directory::pin;
use keyboard::{CTRL_C, CTRL_D, Keyboard, LODE};
use tempfile::TempDir;
use testkit::test_chain::{self, TestChain};
use testkit::{samples, test_directory, test_node};
use wallet::contacts::{ContactSource, Contacts};
use wallet::keystore::{self, Stretching};
use wallet::seed::Seed;
use wallet::wallet_directory::WalletDirectory;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u32 = 130;

const NEW: &str = "New passphrase for Adam (Enter for none): ";
const AGAIN: &str = "The same again: ";
const OLD: &str = "Passphrase of Adam: ";
const PROMPT: &str = "Adam> ";

fn network() -> Network {
    Network::new(samples::spec()).unwrap()
}

/// A directory that is pinned to a network, as an earlier run leaves it; no wallet in it yet.
fn pinned() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    pin(home.path(), &network()).unwrap();
    home
}

/// The same with a wallet under a passphrase.
fn protected() -> TempDir {
    let home = pinned();
    let files = WalletDirectory::open(home.path()).unwrap();
    let seed = Seed::from_entropy([1; 16]);
    keystore::create(&files, &network(), &seed, "secret", Stretching::LEAST).unwrap();
    home
}

fn open(home: &TempDir, command: &str) -> Keyboard {
    // Nobody listens on the port that is called discard.
    let place = home.path().to_str().unwrap();
    Keyboard::open(&format!("wallet Adam {command} --bootstrap 127.0.0.1:9 --data-dir {place}"))
}

fn has_key(home: &TempDir) -> bool {
    home.path().join("wallet").join("key").exists()
}

#[test]
fn at_a_question_about_a_new_wallet_they_end_the_program_and_leave_no_wallet() {
    for command in ["", "receive"] {
        for (key, code) in [(CTRL_C, INTERRUPTED), (CTRL_D, 6)] {
            let home = pinned();
            let mut first = open(&home, command);
            first.answer(NEW, key);
            assert_eq!(first.end(), Ok(code), "{}", first.shown());
            let mut second = open(&home, command);
            second.answer(NEW, "secret\r");
            second.answer(AGAIN, key);
            assert_eq!(second.end(), Ok(code), "{}", second.shown());
            assert!(!has_key(&home), "half a wallet was left");
        }
    }
}

#[test]
fn at_the_question_for_the_recovery_words_they_end_the_program_and_leave_no_wallet() {
    for (key, code) in [(CTRL_C, INTERRUPTED), (CTRL_D, 2)] {
        let home = pinned();
        let mut words = open(&home, "restore");
        words.answer("Recovery words: ", "legal winner");
        // Ctrl-U takes the line back: Ctrl-D means something only where nothing is typed.
        words.press(&format!("\u{15}{key}"));
        assert_eq!(words.end(), Ok(code), "{}", words.shown());
        assert!(!has_key(&home) && !words.shown().contains("legal"));
    }
}

#[test]
fn at_the_passphrase_of_a_single_command_they_end_it() {
    let home = protected();
    for (key, code) in [(CTRL_C, INTERRUPTED), (CTRL_D, 6)] {
        let mut words = open(&home, "words");
        words.answer(OLD, key);
        assert_eq!(words.end(), Ok(code), "{}", words.shown());
        let told = words.shown().contains("lode: ");
        assert_eq!(told, key == CTRL_D, "whoever presses Ctrl-C need not be told");
    }
}

#[test]
fn at_every_question_of_send_they_go_back_to_the_prompt_of_the_shell() {
    let home = protected();
    let address = network().spec.address(OutputKey([7; 32])).to_string();
    let answers = [("Receiver: ", address.as_str()), ("Amount: ", "5"), ("Fee ", ""), (OLD, "")];
    let mut shell = open(&home, "");
    shell.wait_for(PROMPT);
    let at_prompt = shell.modes();
    for key in [CTRL_C, CTRL_D] {
        for left_at in 0..answers.len() {
            shell.press("send\r");
            for (question, answer) in &answers[..left_at] {
                shell.answer(question, &format!("{answer}\r"));
            }
            shell.answer(answers[left_at].0, key);
            shell.wait_for(PROMPT);
            shell.wait_for_modes(&at_prompt);
        }
    }
    shell.press("send\r");
    for (question, answer) in &answers[..3] {
        shell.answer(question, &format!("{answer}\r"));
    }
    shell.answer(OLD, "secret\r");
    shell.wait_for("no miner has answered yet");
    shell.wait_for(PROMPT);
    shell.press(CTRL_D);
    assert_eq!(shell.end(), Ok(0), "{}", shell.shown());
}

/// Types `secret` at `question` of a wallet's command, in the system's own shell, and returns all
/// that was shown until that shell obeys again.
fn shown_in_a_shell(home: &TempDir, command: &str, typed: &[(&str, &str)]) -> String {
    let mut shell = Keyboard::open_shell();
    let place = home.path().to_str().unwrap();
    shell.press(&format!(
        "{LODE} wallet Adam {command} --bootstrap 127.0.0.1:9 --data-dir {place}; echo code $?.\r"
    ));
    for (question, keys) in typed {
        shell.answer(question, keys);
    }
    shell.wait_for("code ");
    shell.press("echo $((6 * 7)) is the answer\r");
    shell.wait_for("42 is the answer");
    shell.shown()
}

const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";

/// A secret that came in several lines: nobody obeys the rest of it, shows it or writes it down.
#[test]
fn what_is_typed_behind_a_secret_is_dropped_with_it() {
    for secret in ["secret\recho stray\r", "wrong\recho stray\recho stray\r", "\u{3}echo stray\r"] {
        let shown = shown_in_a_shell(&protected(), "words", &[(OLD, secret)]);
        assert!(!shown.contains("stray"), "{shown}");
    }
    let home = pinned();
    let twice = [(NEW, "secret\rstray\r"), (AGAIN, "secret\recho stray\r")];
    let shown = shown_in_a_shell(&home, "receive", &twice);
    // No miner answers.
    assert!(shown.contains("code 4.") && has_key(&home) && !shown.contains("stray"), "{shown}");
}

#[test]
fn words_that_are_pasted_one_a_line_restore_the_wallet_and_are_never_shown() {
    let (home, lines) = (pinned(), WORDS.replace(' ', "\r\n") + "\r\necho stray\r");
    let typed = [("Recovery words: ", lines.as_str()), (NEW, "\r")];
    let shown = shown_in_a_shell(&home, "restore", &typed);
    assert!(shown.contains("code 0.") && has_key(&home), "{shown}");
    assert_eq!(shown_in_a_shell(&home, "words", &[]).matches(WORDS).count(), 1);
    // Wrong ones as well.
    let (home, wrong) = (pinned(), lines.replace("yellow", "yellows"));
    let refused = shown_in_a_shell(&home, "restore", &[("Recovery words: ", &wrong)]);
    assert!(refused.contains("code 2.") && !has_key(&home), "{refused}");
    for shown in [shown, refused] {
        let is_shown = WORDS.split(' ').any(|word| shown.contains(word));
        assert!(!is_shown && !shown.contains("stray"), "{shown}");
    }
}

/// Behind a secret that the wallet's own shell asks for, too.
#[test]
fn what_is_typed_behind_the_passphrase_of_the_shell_is_no_command() {
    let home = protected();
    let address = network().spec.address(OutputKey([7; 32])).to_string();
    let mut shell = open(&home, "");
    shell.answer(PROMPT, &format!("send {address} 5\r"));
    shell.answer(OLD, "secret\rcontacts\rhunter2\r");
    shell.wait_for(PROMPT);
    shell.answer("", "hunter3\r");
    shell.wait_for("begins with no command");
    shell.answer(PROMPT, "help\r");
    shell.answer(PROMPT, CTRL_D);
    assert_eq!(shell.end(), Ok(0), "{}", shell.shown());
    assert!(!shell.shown().contains("no contacts yet"), "{}", shell.shown());
    let typed = std::fs::read_to_string(home.path().join("wallet").join("shell_history")).unwrap();
    assert!(typed.contains("help") && !typed.contains("hunter"), "{typed}");
}

/// Somebody new who looks like somebody known: on a terminal one is asked, and Enter is a no.
#[test]
fn a_look_alike_is_paid_after_a_yes_only() {
    let network = test_chain::network(&[]);
    let (miner, _) = test_node::start(TestChain::new(Arc::clone(&network)));
    let (bootstrap, directory) = test_directory::start(&network, &[miner]);
    let eve = SecretKey::from_bytes([6; 32]).unwrap();
    directory.lock().unwrap().register(&network, "AIice", &eve);
    let home = tempfile::tempdir().unwrap();
    pin(home.path(), &network).unwrap();
    {
        let files = WalletDirectory::open(home.path()).unwrap();
        let seed = Seed::from_entropy([1; 16]);
        keystore::create(&files, &network, &seed, "", Stretching::LEAST).unwrap();
        let mut contacts = Contacts::load(&files.contacts(), "dlode").unwrap();
        contacts.add("Alice", OutputKey([7; 32]), ContactSource::Added).unwrap();
    }
    let place = home.path().to_str().unwrap();
    let open = |command| {
        Keyboard::open(&format!("wallet Adam {command} --bootstrap {bootstrap} --data-dir {place}"))
    };
    let question = "Pay nevertheless (yes, or Enter for no)? ";
    for (answer, told) in [("\r", "NOT PAID"), ("no\r", "NOT PAID"), ("yes\r", "is available")] {
        let mut single = open("send AIice 1");
        single.answer(question, answer);
        assert_eq!(single.end(), Ok(3), "{}", single.shown());
        let last = single.shown().lines().last().unwrap().to_owned();
        assert!(last.contains(told), "{last}");
    }
    let mut shell = open("");
    for answer in ["\r", CTRL_C, "yess\r"] {
        shell.answer(PROMPT, "send AIice\r");
        shell.answer(question, answer);
    }
    shell.answer(PROMPT, "send AIice 1\r");
    shell.answer(question, "YES\r");
    shell.wait_for("is available");
    shell.answer(PROMPT, "send AIice 1 --yes\r");
    shell.wait_for("is available");
    shell.answer(PROMPT, CTRL_D);
    assert_eq!(shell.end(), Ok(0), "{}", shell.shown());
}

#[test]
fn ctrl_c_ends_a_wallet_that_asks_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut wallet = open(&home, "");
    wallet.wait_for("waiting for the bootstrap node");
    wallet.press(CTRL_C);
    assert_eq!(wallet.end(), Err("Interrupt".to_owned()), "{}", wallet.shown());
}
