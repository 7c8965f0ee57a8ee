//! Who comes first waits, and what is killed comes back.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::network::{Network, alone};
use crate::terminal::Terminal;

/// How long after the start of the bootstrap node all that waited for it may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

fn height(status: &Value) -> u64 {
    status["height"].as_u64().unwrap()
}

#[test]
fn whoever_comes_before_the_bootstrap_node_waits_for_it() {
    let _alone = alone();
    let network = Network::new(3);
    let miners: Vec<Terminal> = (1..=3).map(|number| network.miner(number, "")).collect();
    let mut adam = network.wallet("Adam");
    for waiting in miners.iter().chain([&adam]) {
        waiting.wait_for("waiting for the bootstrap node");
    }
    let started = Instant::now();
    let _bootstrap = network.bootstrap();
    adam.wait_for_within("(Enter for none): ", CONNECTED_WITHIN);
    for number in 1..=3 {
        let node = network.miner_address(number);
        let left = CONNECTED_WITHIN.saturating_sub(started.elapsed());
        network.ask_until(("peers", &node), left, |peers| {
            let mut peers = peers["peers"].as_array()?.iter();
            peers.any(|peer| peer["name"] == "bootstrap" && peer["role"] == "node").then_some(())
        });
    }
    let connected = started.elapsed();
    eprintln!("connected after {connected:?}");
    assert!(connected < CONNECTED_WITHIN, "{connected:?}");
    adam.type_line("");
    adam.wait_for("100.00000000 (pending, from the faucet)");
}

#[test]
fn a_killed_miner_catches_up_in_five_seconds() {
    let _alone = alone();
    let network = Network::new(2);
    let _bootstrap = network.bootstrap();
    let _one = network.miner(1, "--min-txs 0");
    let mut two = network.miner(2, "--min-txs 0");
    network.wait_for_height(&network.miner_address(2), 3);
    two.kill();
    let one = network.miner_address(1);
    network.wait_for_status(&one);
    let missed = height(&network.ask("status", &one).unwrap()) + 5;
    network.wait_for_height(&one, missed);
    let started = Instant::now();
    let _two = network.miner(2, "--min-txs 0");
    network.wait_for_height(&network.miner_address(2), missed);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_wallet_takes_another_miner_when_its_own_dies_and_says_so() {
    let _alone = alone();
    let network = Network::new(2);
    let _bootstrap = network.bootstrap();
    let flags = "--min-txs 1 --max-wait off";
    let mut miners = [Some(network.miner(1, flags)), Some(network.miner(2, flags))];
    for number in 1..=2 {
        network.wait_for_status(&network.miner_address(number));
    }
    let mut adam = network.new_wallet("Adam");
    adam.ask_again("balance", "100.00000000 LODE confirmed");
    let held = (1..=2).find(|number| {
        network.ask("status", &network.miner_address(*number)).unwrap()["wallets"] == 1
    });
    let held = held.expect("one of the miners has the wallet");
    miners[held - 1].take().unwrap().kill();
    adam.wait_for(&format!("lost Miner{held}"));
    adam.wait_for(&format!("connected again: Miner{}", 3 - held));
    adam.ask("send Adam 1", "sent 1.00000000 to Adam");
}
