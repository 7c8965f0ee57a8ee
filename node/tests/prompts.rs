//! Ctrl-C and Ctrl-D at every question of a wallet: how the program goes on or ends, and that the
//! terminal is afterwards as it was before. No node runs: the network is pinned.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "prompts/keyboard.rs"]
mod keyboard;

use chain::genesis::Network;
use chain::key::OutputKey;
use client::data_directory::pin;
use keyboard::{CTRL_C, CTRL_D, Keyboard};
use tempfile::TempDir;
use testkit::samples;
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

#[test]
fn ctrl_c_ends_a_wallet_that_asks_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut wallet = open(&home, "");
    wallet.wait_for("waiting for the bootstrap node");
    wallet.press(CTRL_C);
    assert_eq!(wallet.end(), Err("Interrupt".to_owned()), "{}", wallet.shown());
}
