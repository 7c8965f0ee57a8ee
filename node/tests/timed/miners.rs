//! How soon miners find each other, their bootstrap node, and one chain.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::data_directory::pinned_network;
use client::directory_client::DirectoryClient;
use client::node_client::{ClientError, Timeouts};
use serde_json::Value;
use testkit::{HeldPort, PATIENCE};

use crate::limit::within;
use crate::processes::{Home, until};

/// The computer may be busy.
const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };

#[test]
fn a_miner_that_comes_first_waits_and_is_connected_within_two_seconds() {
    within(Duration::from_secs(2), || {
        let home = Home::new();
        let mut miner = home.miner("Miner1", "--threads 0");
        let waits = format!("waiting for the bootstrap node at {}", home.bootstrap_address());
        until("it says that it waits", || miner.errors().contains(&waits));
        let _bootstrap = home.bootstrap();
        let listens = Instant::now();
        assert_eq!(miner.ready()["role"], "relay");
        let address = miner.address();
        until("they are connected", || {
            home.ask(&address, "peers")["peers"][0]["name"] == "bootstrap"
        });
        let took = listens.elapsed();
        assert_eq!(miner.errors().matches("waiting").count(), 1, "{}", miner.errors());
        took
    });
}

#[test]
fn a_miner_finds_its_network_again_without_the_bootstrap_node_in_ten_seconds() {
    within(Duration::from_secs(10), || {
        let home = Home::new();
        let bootstrap = home.bootstrap();
        let mut stays = home.miner("Miner1", "--threads 0");
        let mut comes_back = home.miner("Miner2", "--threads 0");
        let first = stays.address();
        comes_back.ready();
        until("the miners know each other", || {
            let file = home.data_of("Miner2").join("addresses.json");
            std::fs::read_to_string(file).is_ok_and(|text| text.contains(&first))
        });
        drop(bootstrap);
        comes_back.kill();
        // At another port: nobody can find it, so it must find the others.
        let mut again = home.miner("Miner2", "--threads 0");
        let restarted = Instant::now();
        let address = again.address();
        until("it is back", || {
            let peers = home.ask(&address, "peers");
            peers["peers"].as_array().unwrap().iter().any(|peer| peer["name"] == "Miner1")
        });
        let took = restarted.elapsed();
        assert!(again.errors().contains("going on with"), "{}", again.errors());
        took
    });
}

#[test]
fn a_miner_tells_of_the_loss_of_the_bootstrap_node_and_is_listed_again_in_five_seconds() {
    within(Duration::from_secs(5), || {
        let home = Home::new();
        let bootstrap = home.bootstrap();
        let mut miner = home.miner("Miner1", "--threads 0");
        let address: SocketAddr = miner.address().parse().unwrap();
        let network = pinned_network(&home.data_of("Miner1")).unwrap();
        let listed = || -> Result<bool, ClientError> {
            let directory = home.bootstrap_address();
            let mut client = DirectoryClient::connect(directory, &network, TIMEOUTS)?;
            let miners = client.miners()?;
            Ok(miners.iter().any(|miner| miner.name == "Miner1" && miner.address == address))
        };
        until("it is listed", || listed().is_ok_and(|listed| listed));
        drop(bootstrap);
        until("it tells of the loss", || miner.errors().contains("it is lost"));
        let _bootstrap = home.bootstrap();
        let back = Instant::now();
        until("it tells of the return", || miner.errors().contains("is back"));
        until("it is listed again", || listed().is_ok_and(|listed| listed));
        let took = back.elapsed();
        assert_eq!(miner.errors().matches("is back").count(), 1, "{}", miner.errors());
        took
    });
}

#[test]
fn two_halves_that_mined_apart_become_one_chain_in_five_seconds() {
    within(Duration::from_secs(5), || {
        let home = Home::new();
        // Two networks of processes with one spec, which know nothing of each other.
        let first = home.bootstrap();
        let spec = home.data_of("bootstrap").join("spec.toml");
        let held = [(); 3].map(|()| HeldPort::any());
        let [west, places @ ..] = held.each_ref().map(|held| held.address().to_string());
        let second = home.bootstrap_in("west", &west, &format!("--spec {}", spec.display()));
        let bootstraps = [home.bootstrap_address().to_string(), west];
        let (mut firsts, mut tips) = (Vec::new(), Vec::new());
        // West goes on until it is higher: two chains of the same work would never become one.
        let mut goal = 3;
        for ((bootstrap, address), name) in bootstraps.iter().zip(&places).zip(["East", "West"]) {
            let flags = "--threads 1 --min-txs 0";
            let mut mining = home.miner_of(bootstrap, name, address, flags);
            mining.ready();
            until("blocks", || home.ask(address, "status")["height"].as_u64() >= Some(goal));
            firsts.push(home.ask(address, "block 1")["hash"].clone());
            home.stop(address);
            assert_eq!(mining.end(), 0, "{}", mining.errors());
            let directory = home.data_of(name);
            let (_, verified, _) = home.lode(&format!("verify {} --json", directory.display()));
            let verified: Value = serde_json::from_str(&verified).unwrap();
            tips.push(verified["tip"].clone());
            goal = verified["height"].as_u64().unwrap() + 1;
        }
        drop((first, second));
        assert_ne!(firsts[0], firsts[1], "one went on with the blocks of the other");
        assert_ne!(tips[0], tips[1]);
        let [east, west] = &places;
        let mut one = home.miner_of(&bootstraps[0], "East", east, "--threads 0");
        let join = format!("--threads 0 --peer {east}");
        let mut other = home.miner_of(&bootstraps[1], "West", west, &join);
        assert_eq!(one.ready()["genesis"], other.ready()["genesis"]);
        let both_run = Instant::now();
        until("one chain", || {
            let tip = |address: &str| home.ask(address, "status")["tip"].clone();
            tip(east) == tip(west) && tips.contains(&tip(east))
        });
        both_run.elapsed()
    });
}
