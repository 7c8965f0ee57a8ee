//! Miners as processes of their own: they join, wait, come back, are asked, and end cleanly.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "documentation/json_page.rs"]
mod json_page;
#[path = "miner/processes.rs"]
mod processes;
#[path = "miner/questions.rs"]
mod questions;
#[path = "miner/refusals.rs"]
mod refusals;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::data_directory::pinned_network;
use client::directory_client::DirectoryClient;
use client::node_client::{ClientError, Timeouts};
use processes::{Home, Running, until};
use serde_json::Value;

#[test]
fn a_miner_that_comes_first_waits_and_is_connected_within_two_seconds() {
    let home = Home::new();
    let bootstrap = home.free_port();
    let mut miner = home.miner("Miner1", bootstrap, "--threads 0");
    until(10, "it says that it waits", || {
        miner.errors().contains(&format!("waiting for the bootstrap node at 127.0.0.1:{bootstrap}"))
    });
    let started = home.bootstrap(bootstrap);
    let listens = Instant::now();
    assert_eq!(miner.ready()["role"], "relay");
    let address = miner.address();
    let connected = || home.ask(&address, "peers")["peers"][0]["name"] == "bootstrap";
    until(2, "they are connected", connected);
    let waited = listens.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    let said = miner.errors().matches("waiting").count();
    assert_eq!(said, 1, "{}", miner.errors());
    drop(started);
}

#[test]
fn the_environment_stands_for_the_flag() {
    let home = Home::new();
    let port = home.free_port();
    let _bootstrap = home.bootstrap(port);
    let mut command = home.command("miner Miner1 --listen 127.0.0.1:0 --threads 0 --json");
    command.env("LODE_BOOTSTRAP", format!("localhost:{port}"));
    let mut miner = Running::of(command);
    let address = miner.address();
    until(10, "connected", || home.ask(&address, "status")["peers"] == 1);
}

#[test]
fn a_miner_finds_its_network_again_without_the_bootstrap_node() {
    let home = Home::new();
    let port = home.free_port();
    let bootstrap = home.bootstrap(port);
    let mut stays = home.miner("Miner1", port, "--threads 0");
    let mut comes_back = home.miner("Miner2", port, "--threads 0");
    let first = stays.address();
    comes_back.ready();
    until(20, "the miners know each other", || {
        let file = home.data_of("Miner2").join("addresses.json");
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(&first))
    });
    drop(bootstrap);
    comes_back.kill();
    // At another port: nobody can find it, so it must find the others.
    let mut again = home.miner("Miner2", port, "--threads 0");
    let restarted = Instant::now();
    let address = again.address();
    until(10, "it is back", || {
        let peers = home.ask(&address, "peers");
        peers["peers"].as_array().unwrap().iter().any(|peer| peer["name"] == "Miner1")
    });
    assert!(restarted.elapsed() < Duration::from_secs(10));
    assert!(again.errors().contains("going on with"), "{}", again.errors());
}

#[test]
fn a_miner_is_listed_tells_of_the_loss_of_the_bootstrap_node_and_is_listed_again() {
    let home = Home::new();
    let port = home.free_port();
    let bootstrap = home.bootstrap(port);
    let mut miner = home.miner("Miner1", port, "--threads 0");
    let address: SocketAddr = miner.address().parse().unwrap();
    let network = pinned_network(&home.data_of("Miner1")).unwrap();
    let listed = || -> Result<bool, ClientError> {
        let directory = SocketAddr::from(([127, 0, 0, 1], port));
        let mut client = DirectoryClient::connect(directory, &network, Timeouts::default())?;
        let miners = client.miners()?;
        Ok(miners.iter().any(|miner| miner.name == "Miner1" && miner.address == address))
    };
    until(5, "it is listed", || listed().is_ok_and(|listed| listed));
    drop(bootstrap);
    until(15, "it tells of the loss", || miner.errors().contains("it is lost"));
    let _bootstrap = home.bootstrap(port);
    let back = Instant::now();
    until(5, "it tells of the return", || miner.errors().contains("is back"));
    until(5, "it is listed again", || listed().is_ok_and(|listed| listed));
    assert!(back.elapsed() < Duration::from_secs(5));
    assert_eq!(miner.errors().matches("is back").count(), 1, "{}", miner.errors());
}

#[test]
fn two_halves_that_mined_apart_become_one_chain() {
    let home = Home::new();
    let ports = [home.free_port(), home.free_port()];
    // Two networks of processes with one spec, which know nothing of each other.
    let first = home.bootstrap(ports[0]);
    let spec = home.data_of("bootstrap").join("spec.toml");
    let second = home.bootstrap_in("west", ports[1], &format!("--spec {}", spec.display()));
    let bootstraps = [first, second];
    let (mut addresses, mut firsts, mut tips) = (Vec::new(), Vec::new(), Vec::new());
    for (port, (name, blocks)) in ports.into_iter().zip([("East", 6), ("West", 3)]) {
        let mut mining = home.miner(name, port, "--threads 1 --min-txs 0");
        let address = mining.address();
        until(60, "blocks", || home.ask(&address, "status")["height"].as_u64() >= Some(blocks));
        firsts.push(home.ask(&address, "block 1")["hash"].clone());
        home.stop(&address);
        assert_eq!(mining.end(), 0, "{}", mining.errors());
        let directory = home.data_of(name);
        let (_, verified, _) = home.lode(&format!("verify {} --json", directory.display()));
        tips.push(serde_json::from_str::<Value>(&verified).unwrap()["tip"].clone());
        addresses.push((name, address, port));
    }
    drop(bootstraps);
    assert_ne!(firsts[0], firsts[1], "one went on with the blocks of the other");
    assert_ne!(tips[0], tips[1]);
    let (east, west) = (&addresses[0], &addresses[1]);
    let mut one = home.miner_at(east.0, &east.1, east.2, "--threads 0");
    let join = format!("--threads 0 --peer {}", east.1);
    let mut other = home.miner_at(west.0, &west.1, west.2, &join);
    assert_eq!(one.ready()["genesis"], other.ready()["genesis"]);
    until(5, "one chain", || {
        let tip = |address: &str| home.ask(address, "status")["tip"].clone();
        tip(&east.1) == tip(&west.1) && tips.contains(&tip(&east.1))
    });
}

#[cfg(unix)]
#[test]
fn a_terminated_miner_flushes_takes_its_pass_away_and_leaves_a_sound_directory() {
    let home = Home::new();
    let port = home.free_port();
    let _bootstrap = home.bootstrap(port);
    for signal in ["TERM", "INT"] {
        let mut miner = home.miner("Miner1", port, "--threads 1 --min-txs 0");
        let address = miner.address();
        until(60, "a block", || home.ask(&address, "status")["height"].as_u64() >= Some(1));
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
    let port = home.free_port();
    let _bootstrap = home.bootstrap(port);
    let mut miner = home.miner("Miner1", port, "--threads 0");
    let address = miner.address();
    miner.kill();
    std::fs::write(home.data_of("Miner1").join("addresses.json"), "{\"v\":1").unwrap();
    let mut again = home.miner_at("Miner1", &address, port, "--threads 0");
    again.ready();
    assert!(again.errors().contains("addresses.json is damaged"), "{}", again.errors());
    until(10, "connected", || {
        home.ask(&address, "peers")["peers"].as_array().is_some_and(|peers| peers.len() > 1)
    });
}
