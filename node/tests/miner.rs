//! Miners as processes of their own: they join, come back, are asked, and end cleanly.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "documentation/json_page.rs"]
mod json_page;
#[path = "miner/processes.rs"]
mod processes;
#[path = "miner/questions.rs"]
mod questions;
#[path = "miner/refusals.rs"]
mod refusals;

use processes::{Home, Running, until};
use testkit::HeldPort;

#[test]
fn the_environment_stands_for_the_flag() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let mut command = home.command("miner Miner1 --listen 127.0.0.1:0 --threads 0 --json");
    command.env("LODE_BOOTSTRAP", format!("localhost:{}", home.bootstrap_address().port()));
    let mut miner = Running::of(command);
    let address = miner.address();
    until("connected", || home.ask(&address, "status")["peers"] == 1);
}

#[cfg(unix)]
#[test]
fn a_terminated_miner_flushes_takes_its_pass_away_and_leaves_a_sound_directory() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    for signal in ["TERM", "INT"] {
        let mut miner = home.miner("Miner1", "--threads 1 --min-txs 0");
        let address = miner.address();
        until("a block", || home.ask(&address, "status")["height"].as_u64() >= Some(1));
        let pass = home.data_of("Miner1").join("operator.json");
        assert!(pass.exists());
        miner.signal(signal);
        assert_eq!(miner.end(), 0, "{}", miner.errors());
        assert!(!pass.exists());
        let directory = home.data_of("Miner1");
        let (code, out, err) = home.lode(&format!("verify {}", directory.display()));
        assert_eq!(code, 0, "{out}{err}");
    }
}

#[test]
fn a_damaged_address_book_costs_a_warning_and_nothing_else() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let held = HeldPort::any();
    let address = held.address().to_string();
    let mut miner = home.miner_at("Miner1", &address, "--threads 0");
    miner.ready();
    miner.kill();
    std::fs::write(home.data_of("Miner1").join("addresses.json"), "{\"v\":1").unwrap();
    let mut again = home.miner_at("Miner1", &address, "--threads 0");
    again.ready();
    assert!(again.errors().contains("addresses.json is damaged"), "{}", again.errors());
    until("connected", || {
        home.ask(&address, "peers")["peers"].as_array().is_some_and(|peers| peers.len() > 1)
    });
}
