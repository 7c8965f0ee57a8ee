//! How soon terminals are connected, catch up, and mine payments that are short of a block.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{PATIENCE, poll_until};

use crate::limit::within;
use crate::network::Network;
use crate::terminal::Terminal;

/// How long payments that are short of a block wait.
const WAIT: Duration = Duration::from_secs(3);

#[test]
fn whoever_comes_before_the_bootstrap_node_waits_for_it_and_is_connected_in_two_seconds() {
    within(Duration::from_secs(2), || {
        let network = Network::new(3);
        let miners: Vec<Terminal> = (1..=3).map(|number| network.miner(number, "")).collect();
        let mut adam = network.wallet("Adam");
        for waiting in miners.iter().chain([&adam]) {
            waiting.wait_for("waiting for the bootstrap node");
        }
        let started = Instant::now();
        let _bootstrap = network.bootstrap();
        adam.wait_for("(Enter for none): ");
        for number in 1..=3 {
            network.ask_until(("peers", &network.miner_address(number)), |peers| {
                let mut peers = peers["peers"].as_array()?.iter();
                let is_it = |peer: &Value| peer["name"] == "bootstrap" && peer["role"] == "node";
                peers.any(is_it).then_some(())
            });
        }
        let connected = started.elapsed();
        adam.type_line("");
        adam.wait_for("100.00000000 (pending, from the faucet)");
        connected
    });
}

#[test]
fn a_killed_miner_catches_up_in_five_seconds() {
    within(Duration::from_secs(5), || {
        let network = Network::new(2);
        let _bootstrap = network.bootstrap();
        let _one = network.miner(1, "--min-txs 0");
        let mut two = network.miner(2, "--min-txs 0");
        network.wait_for_height(&network.miner_address(2), 3);
        two.kill();
        let one = network.miner_address(1);
        network.wait_for_status(&one);
        let missed = network.ask("status", &one).unwrap()["height"].as_u64().unwrap() + 5;
        network.wait_for_height(&one, missed);
        let started = Instant::now();
        let _two = network.miner(2, "--min-txs 0");
        network.wait_for_height(&network.miner_address(2), missed);
        started.elapsed()
    });
}

#[test]
fn payments_short_of_a_block_are_mined_at_most_five_seconds_after_the_longest_wait() {
    within(WAIT + Duration::from_secs(5), || {
        let network = Network::new(3);
        let _bootstrap = network.bootstrap();
        let flags = format!("--min-txs 4 --max-wait {}s", WAIT.as_secs());
        let _miners: Vec<Terminal> = (1..=3).map(|number| network.miner(number, &flags)).collect();
        for number in 1..=3 {
            network.wait_for_status(&network.miner_address(number));
        }
        let (not_yet, arrived, _adam) = first_payment(&network);
        let _others = ["Bob", "Conor"].map(|name| network.new_wallet(name));
        network.wait_for_height(&network.miner_address(1), 1);
        let (longest, shortest) = (not_yet.elapsed(), arrived.elapsed());
        assert!(longest >= WAIT, "a block too early: {longest:?}");
        shortest
    });
}

/// A wallet that the faucet pays; a moment just before the payment came to the miners, and one just
/// after it.
fn first_payment(network: &Network) -> (Instant, Instant, Terminal) {
    let mut adam = network.wallet("Adam");
    adam.wait_for("(Enter for none): ");
    adam.type_line("");
    let (not_yet, arrived) = poll_until("the faucet pays", PATIENCE, || {
        let not_yet = Instant::now();
        let is_pending =
            |number| network.ask("status", &network.miner_address(number)).unwrap()["pending"] != 0;
        (1..=3).any(is_pending).then(|| (not_yet, Instant::now()))
    });
    (not_yet, arrived, adam)
}
