//! What a wallet refuses on the command line: the exit code, and what to do in two lines at most.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "miner/processes.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod processes;

use std::path::PathBuf;

use chain::address::Address;
use chain::key::{OutputKey, SecretKey};
use processes::{Home, Running};
use wallet::contacts::{ContactSource, Contacts};
use wallet::wallet_directory::WalletDirectory;

/// Nobody listens on the port that is called discard.
const NOBODY: &str = "127.0.0.1:9";

/// A running network, and the wallets Adam, under a passphrase, and Bob.
struct Rig {
    home: Home,
    bootstrap: String,
    passphrase: PathBuf,
    places: tempfile::TempDir,
    _nodes: [Running; 2],
}

impl Rig {
    fn new() -> Self {
        let home = Home::new();
        let mut node = home.bootstrap();
        let bootstrap = node.address();
        let mut miner = home.miner("Miner1", "--threads 0");
        miner.ready();
        let places = tempfile::tempdir().unwrap();
        let passphrase = places.path().join("right");
        std::fs::write(&passphrase, "secret\n").unwrap();
        let rig = Self { home, bootstrap, passphrase, places, _nodes: [node, miner] };
        for name in ["Adam", "Bob"] {
            let (code, _, told) = rig.wallet(&format!("{name} balance"));
            assert_eq!(code, 0, "{told}");
        }
        rig
    }

    /// Runs a wallet's command with the right passphrase: exit code, output, errors.
    fn wallet(&self, arguments: &str) -> (i32, String, String) {
        let file = self.passphrase.display();
        self.plain(&format!("{arguments} --bootstrap {} --passphrase-file {file}", self.bootstrap))
    }

    /// The same without a passphrase and a bootstrap node.
    fn plain(&self, arguments: &str) -> (i32, String, String) {
        self.home.lode(&format!("wallet {arguments}"))
    }

    fn adams(&self) -> PathBuf {
        self.home.data_of("Adam")
    }
}

/// Whether it is refused with `code`, and says each of `parts` in two lines at most.
fn assert_refused(outcome: (i32, String, String), code: i32, parts: &[&str]) {
    let (got, out, errors) = outcome;
    assert!(got == code && out.is_empty(), "{got}: {out}{errors}");
    assert!(errors.lines().count() <= 2 && errors.contains("lode: "), "{errors}");
    for part in parts {
        assert!(errors.contains(part), "no {part:?} in {errors}");
    }
}

fn key(number: u8) -> OutputKey {
    SecretKey::from_bytes([number; 32]).unwrap().output_key()
}

#[test]
fn a_payment_that_cannot_be_made_says_why_and_what_to_do() {
    let rig = Rig::new();
    let address = Address { prefix: "tlode".to_owned(), key: key(7) }.to_string();
    let mut misspelt = address.clone();
    misspelt.replace_range(20..21, if &address[20..21] == "q" { "p" } else { "q" });
    let foreign = Address { prefix: "lode".to_owned(), key: key(7) };
    let send = |rest: &str| rig.wallet(&format!("Adam send {rest}"));
    assert_refused(send("Nobody 1"), 3, &["nobody here is called", "check the spelling"]);
    assert_refused(send("Bob 1000000"), 3, &["is available", "send less, or wait"]);
    assert_refused(send(&format!("{misspelt} 1")), 2, &["checksum failed", "ask for it again"]);
    assert_refused(send(&format!("{foreign} 1")), 7, &["for the network", "\"tlode\""]);
    assert_refused(send("Bob much"), 2, &["--help"]);
}

#[test]
fn a_key_that_changed_behind_a_known_name_is_not_paid() {
    let rig = Rig::new();
    let files = WalletDirectory::open(&rig.adams()).unwrap();
    let mut contacts = Contacts::load(&files.contacts(), "tlode").unwrap();
    contacts.add("Bob", key(7), ContactSource::Directory).unwrap();
    drop((contacts, files));
    let parts = ["NOT PAID", "ask them", "contacts remove Bob"];
    assert_refused(rig.wallet("Adam send Bob 1"), 3, &parts);
    assert_eq!(rig.wallet("Adam contacts remove Bob").0, 0);
    // Now only the money is missing: a miner that mines nothing confirms nothing.
    assert_refused(rig.wallet("Adam send Bob 1"), 3, &["is available"]);
}

#[test]
fn a_wrong_passphrase_signs_nothing_and_says_what_is_left() {
    let rig = Rig::new();
    let wrong = rig.places.path().join("wrong");
    std::fs::write(&wrong, "Secret\n").unwrap();
    for command in ["words", "send Bob 1"] {
        let file = wrong.display();
        let bootstrap = &rig.bootstrap;
        let arguments = format!("Adam {command} --bootstrap {bootstrap} --passphrase-file {file}");
        assert_refused(rig.plain(&arguments), 6, &["wrong", "try again", "words restore"]);
        let nobody = rig.plain(&format!("Adam {command} --bootstrap {bootstrap}"));
        assert_refused(nobody, 6, &["--passphrase-file FILE"]);
    }
}

#[test]
fn a_wallet_is_not_restored_over_another_one() {
    let rig = Rig::new();
    assert_refused(rig.wallet("Adam restore"), 3, &["choose another name or directory"]);
}

#[test]
fn a_bootstrap_node_that_does_not_answer_is_named_with_what_starts_one() {
    let home = Home::new();
    let outcome = home.lode(&format!("wallet Adam balance --bootstrap {NOBODY}"));
    assert_refused(outcome, 4, &[NOBODY, "`lode bootstrap`", "--bootstrap ADDR:PORT"]);
}
