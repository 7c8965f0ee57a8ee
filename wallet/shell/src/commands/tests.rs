//! Tests of the commands: what they do from the command line on, and which exit code a failure has.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use chain::address::Address;
use chain::genesis::Network;
use chain::key::OutputKey;
use tempfile::TempDir;
use testkit::test_chain::{TestChain, network};
use testkit::test_directory::{self, SharedDirectory};
use testkit::test_node::{self, SharedState};
use wallet::accounts::Account;
use wallet::keystore::{KeyFile, Stretching};
use wallet::seed::Seed;
use wallet::wallet_directory::WalletDirectory;
use wire::Message;
use wire::peer::PeerMessage;

use super::*;

static ADAM: LazyLock<Seed> = LazyLock::new(|| Seed::from_entropy([1; 16]));
static BOB: LazyLock<Seed> = LazyLock::new(|| Seed::from_entropy([2; 16]));
static NETWORK: LazyLock<Arc<Network>> =
    LazyLock::new(|| network(&[first_key(&ADAM), first_key(&BOB)]));

fn first_key(seed: &Seed) -> OutputKey {
    Account::new(seed).receive_key(0)
}

/// A network of one miner and one directory, and Adam's directory with 100 coins.
pub(crate) struct Rig {
    pub miner: SharedState,
    pub directory: SharedDirectory,
    bootstrap: String,
    place: TempDir,
    passphrase: PathBuf,
}

impl Rig {
    pub fn new(passphrase: &str) -> Self {
        let (miner_at, miner) = test_node::start(TestChain::new(Arc::clone(&NETWORK)));
        let (bootstrap, directory) = test_directory::start(&NETWORK, &[miner_at]);
        let place = tempfile::tempdir().unwrap();
        let files = WalletDirectory::open(place.path()).unwrap();
        let key_file = KeyFile::seal(&ADAM, passphrase, Stretching::LEAST).unwrap();
        key_file.save(&files.key_file()).unwrap();
        let file = place.path().join("passphrase");
        fs::write(&file, passphrase).unwrap();
        let rig = Self { miner, directory, bootstrap, place, passphrase: file };
        rig.register("Bob", &BOB);
        rig
    }

    pub fn register(&self, name: &str, seed: &Seed) {
        let account = Account::new(seed);
        let secret = account.secret(&account.receive_key(0)).unwrap();
        self.directory.lock().unwrap().register(&NETWORK, name, &secret);
    }

    pub fn options(&self, arguments: &str) -> WalletOptions {
        let place = self.place.path().to_str().unwrap();
        let passphrase = self.passphrase.to_str().unwrap();
        let flags =
            ["--data-dir", place, "--bootstrap", &self.bootstrap, "--passphrase-file", passphrase];
        let words = ["lode-wallet", "Adam"].into_iter().chain(arguments.split_whitespace());
        Cli::try_parse_from(words.chain(flags)).unwrap().options
    }

    fn run(&self, arguments: &str) -> Result<(), CommandError> {
        run(&self.options(arguments))
    }

    /// The exit code and the message of a command that must fail.
    fn fails(&self, arguments: &str) -> (u8, String) {
        let error = self.run(arguments).unwrap_err();
        (error.exit().code(), error.to_string())
    }

    pub fn pending(&self) -> usize {
        self.miner.lock().unwrap().chain.pending.len()
    }
}

#[test]
fn every_command_that_looks_works_without_a_passphrase() {
    let rig = Rig::new("secret");
    fs::write(&rig.passphrase, "not asked for").unwrap();
    for command in ["balance", "history", "receive", "coins", "contacts", "miners", "wait"] {
        rig.run(command).unwrap();
        rig.run(&format!("{command} --json")).unwrap();
    }
}

#[test]
fn a_payment_by_name_is_made_pinned_and_explained() {
    let rig = Rig::new("secret");
    rig.run("send Bob 5 --fee 0.1 --explain").unwrap();
    rig.run("send bob 1 --json").unwrap();
    assert_eq!(rig.pending(), 2);
    rig.run("contacts").unwrap();
    let files = WalletDirectory::open(rig.place.path()).unwrap();
    let contacts = wallet::contacts::Contacts::load(&files.contacts(), "dlode").unwrap();
    assert_eq!(contacts.get("Bob").unwrap().key, first_key(&BOB));
}

#[test]
fn each_refusal_has_its_exit_code_and_a_message_of_two_lines_at_most() {
    let rig = Rig::new("secret");
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let mut misspelt = address.clone();
    misspelt.replace_range(20..21, if &address[20..21] == "q" { "p" } else { "q" });
    let foreign = Address { prefix: "lode".to_owned(), key: first_key(&BOB) }.to_string();
    let cases = [
        ("send Nobody 1".to_owned(), 3, "nobody here is called"),
        ("send Bob 1000".to_owned(), 3, "is available"),
        ("send Bob 0".to_owned(), 3, "the amount is zero"),
        ("send Bob 0.00000001".to_owned(), 3, "more than the payment"),
        ("send Bob 1 --fee 2".to_owned(), 3, "more than the payment"),
        ("send Bob 1 --fee 0".to_owned(), 3, "too low"),
        (format!("send {misspelt} 1"), 2, "checksum failed"),
        (format!("send {foreign} 1"), 7, "for the network"),
        ("contacts add Eve nonsense".to_owned(), 2, "not an address"),
        ("contacts remove Eve".to_owned(), 3, "no contact"),
        ("balance --auto".to_owned(), 2, "--auto"),
    ];
    for (arguments, code, part) in cases {
        let words = arguments.replace("balance --auto", "--auto balance");
        let (got, message) = rig.fails(&words);
        assert!(got == code && message.contains(part), "{arguments}: {got} {message}");
        assert!(message.lines().count() <= 2, "{message}");
    }
    assert_eq!(rig.pending(), 0);
}

#[test]
fn amounts_that_are_none_do_not_pass_the_command_line() {
    for amount in ["x", "-1", "1.000000001", "1000000000000", "1,5", ""] {
        let parsed = Cli::try_parse_from(["lode-wallet", "Adam", "send", "Bob", amount]);
        assert!(parsed.is_err(), "{amount}");
    }
}

#[test]
fn a_wrong_passphrase_pays_nothing_and_ends_with_6() {
    let rig = Rig::new("secret");
    fs::write(&rig.passphrase, "Secret").unwrap();
    let (code, message) = rig.fails("send Bob 1");
    assert!(code == 6 && message.starts_with("the passphrase is wrong: try again"), "{message}");
    assert_eq!(rig.fails("words").0, 6);
    assert_eq!(rig.pending(), 0);
}

#[test]
fn a_changed_key_behind_a_known_name_is_not_paid_and_ends_with_3() {
    let rig = Rig::new("");
    rig.run("send Bob 1").unwrap();
    rig.register("Bob", &Seed::from_entropy([6; 16]));
    let (code, message) = rig.fails("send Bob 1");
    assert!(code == 3 && message.contains("posing as Bob"), "{code} {message}");
    assert_eq!(rig.pending(), 1);
    rig.run("contacts remove Bob").unwrap();
    rig.run("send Bob 1").unwrap();
    assert_eq!(rig.pending(), 2);
}

#[test]
fn without_a_terminal_a_look_alike_is_not_paid_and_ends_with_3_unless_somebody_says_yes() {
    let rig = Rig::new("");
    rig.run("send Bob 1").unwrap();
    rig.register("B0b", &Seed::from_entropy([6; 16]));
    let (code, message) = rig.fails("send B0b 1");
    assert!(code == 3 && message.starts_with("NOT PAID"), "{code} {message}");
    assert_eq!(rig.pending(), 1);
    rig.run("send B0b 1 --yes").unwrap();
    rig.run("send B0b 1").unwrap();
    assert_eq!(rig.pending(), 3);
}

#[test]
fn a_yes_is_to_the_key_that_was_asked_about_and_to_no_later_one() {
    let rig = Rig::new("");
    rig.run("send Bob 1").unwrap();
    let (asked, later) = (Seed::from_entropy([6; 16]), Seed::from_entropy([5; 16]));
    rig.register("B0b", &asked);
    let options = rig.options("send B0b 1");
    let Some(WalletCommand::Send(order)) = &options.command else { panic!("it is a payment") };
    let mut session = opening::synced(&options).unwrap();
    let yes = |error: &ReceiverError| {
        let address = NETWORK.spec.address(first_key(&asked)).to_string();
        assert!(error.to_string().contains(&address), "{error}");
        rig.register("B0b", &later);
        Ok(true)
    };
    let meant = send::receiver(&mut session, order, yes).unwrap();
    assert_eq!(meant.key, first_key(&asked));
}

#[test]
fn a_payment_that_a_miner_refused_is_not_shown_as_sent() {
    let rig = Rig::new("");
    rig.miner.lock().unwrap().refuses = Some("it is full".to_owned());
    let mut session = opening::synced(&rig.options("balance")).unwrap();
    let bob = session.receiver("Bob").unwrap();
    let made = session.pay(&bob, "3".parse().unwrap(), session.fee_auto()).unwrap();
    let shown = send::report(&session, &bob, &made, false).to_string();
    assert!(!shown.contains("sent") && !shown.contains("pending"), "{shown}");
    assert!(shown.contains("not taken by Miner1; it is offered again"), "{shown}");
}

#[test]
fn a_repeated_id_pays_nothing_more_and_another_payment_under_it_ends_with_3() {
    let rig = Rig::new("secret");
    for _ in 0..2 {
        rig.run("send Bob 5 --id rent").unwrap();
        // The second time nothing is signed, so nobody is asked for the passphrase.
        fs::write(&rig.passphrase, "wrong").unwrap();
    }
    let (code, message) = rig.fails("send Bob 6 --id rent");
    assert!(code == 3 && message.contains("5.00000000 to Bob"), "{code} {message}");
    rig.miner.lock().unwrap().chain.mine_pending(first_key(&ADAM));
    rig.run("send Bob 5 --id rent --wait --json").unwrap();
    assert_eq!(rig.pending(), 0);
    assert_eq!(rig.miner.lock().unwrap().chain.history(&first_key(&BOB)).len(), 2, "and genesis");
}

#[test]
fn what_a_miner_refused_is_the_same_payment_when_it_is_repeated() {
    let rig = Rig::new("");
    rig.miner.lock().unwrap().refuses = Some("it is full".to_owned());
    assert_eq!(rig.fails("send Bob 5").0, 3);
    rig.miner.lock().unwrap().refuses = None;
    rig.run("send Bob 5").unwrap();
    assert_eq!(rig.pending(), 1);
    rig.run("send Bob 5").unwrap();
    assert_eq!(rig.pending(), 2, "this one was told, so the next one is another");
}

#[test]
fn a_second_wallet_on_one_directory_ends_with_5() {
    let rig = Rig::new("");
    rig.run("contacts").unwrap();
    let _held = WalletDirectory::open(rig.place.path()).unwrap();
    assert_eq!(rig.fails("balance").0, 5);
}

#[test]
fn a_damaged_key_ends_with_5_and_names_the_file() {
    let rig = Rig::new("");
    let path = rig.place.path().join("wallet").join("key");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, message) = rig.fails("balance");
    assert!(code == 5 && message.contains("damaged"), "{code} {message}");
}

#[test]
fn a_wallet_is_the_same_again_from_its_words_and_never_replaces_another() {
    let rig = Rig::new("");
    assert_eq!(rig.fails("restore").0, 3);
    rig.run("words").unwrap();
}

#[test]
fn a_miner_that_finds_blocks_without_end_does_not_hold_a_command_up() {
    let rig = Rig::new("");
    {
        let mut miner = rig.miner.lock().unwrap();
        miner.mines_meanwhile = u32::MAX;
        miner.deceit = |question, _, answer| match question {
            Message::Peer(PeerMessage::GetBlocks(hashes)) => {
                Some(Message::Peer(PeerMessage::BlocksNotFound(hashes.clone())))
            }
            _ => Some(answer),
        };
    }
    assert_eq!(rig.fails("balance").0, 4);
}

#[test]
fn a_miner_that_takes_no_payment_is_told_with_3() {
    let rig = Rig::new("");
    rig.miner.lock().unwrap().refuses = Some("it is full".to_owned());
    let (code, message) = rig.fails("send Bob 1");
    assert!(code == 3 && message.contains("it is full"), "{code} {message}");
}

/// What a command prints as JSON is documented, field by field.
#[test]
fn every_field_of_every_object_is_documented() {
    const DOCUMENT: &str = include_str!("../../../../docs/json.md");
    let rig = Rig::new("");
    let options = rig.options("balance");
    rig.run("send Bob 2").unwrap();
    let mut session = opening::synced(&options).unwrap();
    let bob = session.receiver("Bob").unwrap();
    let made = session.pay(&bob, "3".parse().unwrap(), session.fee_auto()).unwrap();
    rig.miner.lock().unwrap().chain.mine_pending(first_key(&ADAM));
    let waited = wait::wait(&mut session, vec![made.payment.txid], 1).unwrap();
    let objects = [
        object(&balance::report(&session)),
        object(&history::report(&session)),
        object(&receive::report(&session)),
        object(&coins::report(&session)),
        object(&contacts::report(&session)),
        object(&miners::report(&mut session).unwrap()),
        object(&send::report(&session, &bob, &made, true)),
        object(&waited),
    ];
    for object in objects {
        let command = object["command"].as_str().unwrap().to_owned();
        let heading = format!("## `lode {command} --json`");
        let (_, section) = DOCUMENT.split_once(&heading).expect(&heading);
        let section = section.split("\n## ").next().unwrap();
        check_documented(&command, &object, section);
    }
}

fn object<R: Report>(report: &R) -> serde_json::Value {
    serde_json::from_str(&report::json(report).unwrap()).unwrap()
}

fn check_documented(command: &str, value: &serde_json::Value, section: &str) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let is_common = name == "v" || name == "command";
                assert!(is_common || section.contains(&format!("`{name}`")), "{command}: {name}");
                check_documented(command, value, section);
            }
        }
        serde_json::Value::Array(entries) => {
            assert!(!entries.is_empty(), "{command}: an empty list shows nothing");
            entries.iter().for_each(|entry| check_documented(command, entry, section));
        }
        _ => {}
    }
}
