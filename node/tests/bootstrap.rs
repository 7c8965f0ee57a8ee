//! `lode bootstrap` as a process: it makes a network, goes on with it, and forgets nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "documentation/json_page.rs"]
mod json_page;
#[path = "miner/processes.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod processes;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use chain::amount::{Amount, COIN};
use chain::genesis::Network;
use chain::key::SecretKey;
use client::data_directory::pinned_network;
use client::directory_client::DirectoryClient;
use client::node_client::{NodeClient, Timeouts};
use json_page::assert_documented;
use processes::{ANYWHERE, Home, Running, until};
use serde_json::Value;
use testkit::PATIENCE;
use wire::directory::{FaucetOutcome, NameOutcome, NameRecord};

/// The computer may be busy.
const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };

const BOOTSTRAP: &str = "bootstrap --listen 127.0.0.1:0 --difficulty 8 --json";

fn network(ready: &Value) -> Network {
    pinned_network(Path::new(ready["directory"].as_str().unwrap())).unwrap()
}

fn call(running: &mut Running) -> DirectoryClient {
    let ready = running.ready();
    let address: SocketAddr = ready["address"].as_str().unwrap().parse().unwrap();
    DirectoryClient::connect(address, &network(&ready), TIMEOUTS).unwrap()
}

/// Starts `lode` expecting a refusal: exit code and message, which has two lines at most.
fn refused(home: &Home, arguments: &str) -> (i32, String) {
    let (code, out, err) = home.lode(arguments);
    assert_eq!(out, "");
    let lines: Vec<&str> = err.lines().filter(|line| line.starts_with("lode: ")).collect();
    assert_eq!(lines.len(), 1, "{err}");
    (code, lines[0].to_owned())
}

#[test]
fn a_new_network_is_ready_with_every_field_documented_and_ends_cleanly() {
    let home = Home::new();
    let mut bootstrap = home.start(BOOTSTRAP);
    let ready = bootstrap.ready();
    assert_eq!((&ready["v"], &ready["role"]), (&1.into(), &"bootstrap".into()));
    assert_eq!((&ready["difficulty"], &ready["threads"]), (&8.into(), &0.into()));
    assert_documented(&ready, &["## `lode bootstrap --json`"]);
    let network = network(&ready);
    assert_eq!(network.spec.address_prefix, "tlode");
    assert_eq!(network.spec.allocations.len(), 1000);
    let directory = Path::new(ready["directory"].as_str().unwrap());
    let genesis = ready["genesis"].as_str().unwrap();
    assert!(directory.ends_with(format!("lode/tlode-{}/bootstrap", &genesis[..8])));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(directory.join("faucet.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    home.stop(ready["address"].as_str().unwrap());
    assert_eq!(bootstrap.end(), 0, "{}", bootstrap.errors());
}

#[test]
fn people_read_what_runs_and_what_to_type_next() {
    let home = Home::new();
    let running = home.start("bootstrap --listen 127.0.0.1:0 --difficulty 8");
    until("the advice", || running.errors().contains("lode wallet Adam --bootstrap 127.0.0.1:"));
    let said = running.errors();
    assert!(said.starts_with("a new network "), "{said}");
    assert!(said.contains("lode miner Miner1 9001 --bootstrap 127.0.0.1:"), "{said}");
    assert!(said.contains("8 bits at the start"), "{said}");
}

#[test]
fn names_and_payouts_survive_a_kill_and_the_next_start_goes_on_with_the_network() {
    let home = Home::new();
    let mut bootstrap = home.start(BOOTSTRAP);
    let ready = bootstrap.ready();
    let network = network(&ready);
    let secret = SecretKey::from_bytes([7; 32]).unwrap();
    let record = NameRecord::sign("Adam", 1, network.genesis_hash(), &secret, &[0; 32]);
    let mut client = call(&mut bootstrap);
    assert_eq!(client.put_name(&record).unwrap(), NameOutcome::Held);
    let paid = client.ask_faucet(secret.output_key()).unwrap();
    let FaucetOutcome::Paid { txid, amount } = paid else {
        panic!("{paid:?}");
    };
    assert_eq!(amount, Amount(100 * COIN));
    bootstrap.kill();
    for said in ["name Adam belongs to tlode1", "faucet pays 100.00000000"] {
        assert!(bootstrap.errors().contains(said), "{said}: {}", bootstrap.errors());
    }
    let mut again = home.start("bootstrap --listen 127.0.0.1:0 --json");
    let ready_again = again.ready();
    assert_eq!(ready_again["genesis"], ready["genesis"]);
    assert_eq!(ready_again["directory"], ready["directory"]);
    let mut client = call(&mut again);
    assert_eq!(client.name("adam").unwrap(), Some(record));
    assert_eq!(client.names().unwrap(), ["Adam"]);
    assert_eq!(client.ask_faucet(secret.output_key()).unwrap(), paid);
    let address = again.address().parse().unwrap();
    let mut wallet = NodeClient::connect(address, &network, TIMEOUTS).unwrap();
    until("the payout is pending again", || {
        let pending = wallet.pending(secret.output_key()).unwrap();
        pending.iter().any(|transfer| transfer.txid() == txid)
    });
}

#[cfg(unix)]
#[test]
fn a_terminated_bootstrap_node_flushes_takes_its_pass_away_and_leaves_a_sound_directory() {
    let home = Home::new();
    let mut bootstrap = home.start(BOOTSTRAP);
    let address = bootstrap.address();
    let mut miner = home.miner_of(&address, "Miner1", ANYWHERE, "--threads 1 --min-txs 0");
    let mined = miner.address();
    until("blocks", || home.ask(&mined, "status")["height"].as_u64() >= Some(3));
    home.stop(&mined);
    assert_eq!(miner.end(), 0, "{}", miner.errors());
    let (_, verified, _) =
        home.lode(&format!("verify {} --json", home.data_of("Miner1").display()));
    let tip = serde_json::from_str::<Value>(&verified).unwrap()["tip"].clone();
    // It may have stopped before the other node had asked for its last block.
    let _again = home.miner_of(&address, "Miner1", ANYWHERE, "--threads 1");
    until("it has all blocks", || home.ask(&address, "status")["tip"] == tip);
    let directory = home.data_of("bootstrap");
    let pass = directory.join("operator.json");
    assert!(pass.exists());
    bootstrap.signal("TERM");
    assert_eq!(bootstrap.end(), 0, "{}", bootstrap.errors());
    assert!(!pass.exists());
    let (code, out, err) = home.lode(&format!("verify {} --json", directory.display()));
    assert_eq!(code, 0, "{out}{err}");
    let verified: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&verified["ok"], &verified["tip"]), (&true.into(), &tip), "{verified}");
}

#[test]
fn a_flag_that_contradicts_the_network_is_refused_by_name_and_one_that_agrees_is_not() {
    let home = Home::new();
    let mut bootstrap = home.start(BOOTSTRAP);
    let address = bootstrap.address();
    home.stop(&address);
    assert_eq!(bootstrap.end(), 0);
    for (flags, named) in [
        ("--difficulty 9", "--difficulty"),
        ("--spacing 7s", "--spacing"),
        ("--retarget fixed", "--retarget"),
        ("--coin Gold:AU", "--coin"),
    ] {
        let (code, said) = refused(&home, &format!("bootstrap --listen 127.0.0.1:0 {flags}"));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(named) && said.contains("--data-dir"), "{said}");
    }
    let mut again =
        home.start("bootstrap --listen 127.0.0.1:0 --difficulty 2x --spacing 10s --json");
    assert_eq!(again.ready()["genesis"], bootstrap.ready()["genesis"]);
}

#[test]
fn a_port_and_a_directory_in_use_are_named_with_their_exit_codes() {
    let home = Home::new();
    let mut bootstrap = home.start(BOOTSTRAP);
    let address = bootstrap.address();
    let elsewhere = tempfile::tempdir().unwrap();
    let there = elsewhere.path().display();
    let (code, said) = refused(&home, &format!("bootstrap --listen {address} --data-dir {there}"));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&address) && said.contains("another port"), "{said}");
    let (code, said) = refused(&home, "bootstrap --listen 127.0.0.1:0");
    assert_eq!(code, 5, "{said}");
}

#[test]
fn several_networks_are_listed_and_one_must_be_said() {
    let home = Home::new();
    let mut directories = Vec::new();
    let first = home.start(BOOTSTRAP).ready()["directory"].as_str().unwrap().to_owned();
    let spec = fs::read_to_string(Path::new(&first).join("spec.toml")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), spec.replace("coin_name = \"Lode\"", "coin_name = \"Gold\"")).unwrap();
    let other = format!("bootstrap --listen 127.0.0.1:0 --spec {} --json", file.path().display());
    let mut other = home.start(&other);
    directories.extend([first, other.ready()["directory"].as_str().unwrap().to_owned()]);
    assert_ne!(directories[0], directories[1]);
    let (code, said) = refused(&home, "bootstrap --listen 127.0.0.1:0");
    assert_eq!(code, 2, "{said}");
    assert!(directories.iter().all(|directory| said.contains(directory)), "{said}");
    // A spec of others has no key here: its faucet is empty.
    let key = SecretKey::from_bytes([7; 32]).unwrap().output_key();
    assert_eq!(call(&mut other).ask_faucet(key).unwrap(), FaucetOutcome::Empty);
    drop(other);
    let named = format!("bootstrap --listen 127.0.0.1:0 --data-dir {} --json", directories[1]);
    assert_eq!(home.start(&named).ready()["coin"], "Gold");
    let contradicting =
        format!("bootstrap --data-dir {} --spec {}", directories[0], file.path().display());
    let (code, said) = refused(&home, &contradicting);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("coin_name") && said.contains("--spec"), "{said}");
}

#[test]
fn a_bad_field_of_a_spec_and_a_bad_faucet_key_are_named() {
    let home = Home::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "coin_name = 7").unwrap();
    let (code, said) = refused(&home, &format!("bootstrap --spec {}", file.path().display()));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("coin_name"), "{said}");
    let directory = home.start(BOOTSTRAP).ready()["directory"].as_str().unwrap().to_owned();
    fs::write(Path::new(&directory).join("faucet.key"), "secret").unwrap();
    let (code, said) = refused(&home, "bootstrap --listen 127.0.0.1:0");
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("faucet.key"), "{said}");
}

#[test]
fn a_miner_that_runs_is_listed_and_mines_a_payout_of_the_faucet() {
    let home = Home::new();
    let mut bootstrap = home.start(BOOTSTRAP);
    let mut miner =
        home.miner_of(&bootstrap.address(), "Miner1", ANYWHERE, "--threads 1 --min-txs 1");
    let address = miner.address();
    let mut client = call(&mut bootstrap);
    until("it is listed", || {
        let miners = client.miners().unwrap();
        miners.iter().any(|entry| entry.name == "Miner1" && entry.address.to_string() == address)
    });
    let key = SecretKey::from_bytes([7; 32]).unwrap().output_key();
    assert!(matches!(client.ask_faucet(key).unwrap(), FaucetOutcome::Paid { .. }));
    let network = network(&bootstrap.ready());
    let mut wallet = NodeClient::connect(address.parse().unwrap(), &network, TIMEOUTS).unwrap();
    until("the payout is mined", || {
        wallet.history(key).unwrap().is_some_and(|history| history.entries.len() == 1)
    });
}

#[test]
fn outsiders_join_a_running_devnet_and_are_paid_and_listed() {
    let home = Home::new();
    let mut devnet = home
        .start("devnet --miners 1 --wallets 2 --threads 1 --difficulty 8 --pause 24h..24h --json");
    let ready = devnet.ready();
    let nodes = ready["nodes"].as_array().unwrap();
    let home_of_first = nodes[0]["directory"].as_str().unwrap();
    let network = pinned_network(Path::new(home_of_first)).unwrap();
    let at = ready["bootstrap"].as_str().unwrap();
    let mut client = DirectoryClient::connect(at.parse().unwrap(), &network, TIMEOUTS).unwrap();
    let miners = client.miners().unwrap();
    let listed: Vec<&str> = miners.iter().map(|miner| miner.name.as_str()).collect();
    assert_eq!(listed, ["miner1"]);
    let key = SecretKey::from_bytes([7; 32]).unwrap().output_key();
    assert!(matches!(client.ask_faucet(key).unwrap(), FaucetOutcome::Paid { .. }));
    let mut extra = home.miner_of(at, "Extra", ANYWHERE, "--threads 0");
    let address = extra.address();
    until("the outsider is listed", || {
        let miners = client.miners().unwrap();
        miners.iter().any(|miner| miner.address.to_string() == address)
    });
    until("it has the payout's block", || {
        home.ask(&address, "status")["height"].as_u64() >= Some(1)
    });
}
