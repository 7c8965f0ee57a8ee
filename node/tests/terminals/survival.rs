//! What is killed comes back: nodes, wallets, the bootstrap node, all of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::network::{Network, alone};
use crate::terminal::{PATIENCE, Terminal};

const NAMES: [&str; 5] = ["Adam", "Bob", "Conor", "David", "Evan"];

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
    let bootstrap = network.bootstrap();
    bootstrap.wait_for(&network.bootstrap_address());
    let started = Instant::now();
    adam.wait_for("(Enter for none): ");
    for number in 1..=3 {
        let node = network.miner_address(number);
        network.ask_until(("status", &node), PATIENCE, |_| Some(()));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
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

/// Blocks of ten bits take a millisecond: miners that begin at the same moment find rivals of equal
/// work, and both stay until the next payment. So each waits longer than the one before.
const PATIENCES: [&str; 3] =
    ["--min-txs 100 --max-wait 1s", "--min-txs 100 --max-wait 20s", "--min-txs 100 --max-wait 40s"];

/// Every transaction of the best chain, from the tip down.
fn confirmed(network: &Network, node: &str) -> BTreeSet<String> {
    let tip = height(&network.ask("status", node).unwrap());
    let mut found = BTreeSet::new();
    for at in 1..=tip {
        let block = network.ask(&format!("block {at}"), node).unwrap();
        for tx in block["listed"].as_array().unwrap().iter().filter(|tx| tx["kind"] == "transfer") {
            found.insert(tx["txid"].as_str().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn all_nine_are_killed_under_traffic_and_nothing_is_lost() {
    let _alone = alone();
    let network = Network::new(3);
    let bootstrap = network.bootstrap();
    let miners = (1..=3).map(|number| network.miner(number, PATIENCES[number - 1]));
    let mut nodes: Vec<Terminal> = [bootstrap].into_iter().chain(miners).collect();
    let mut wallets: Vec<Terminal> = NAMES.iter().map(|name| network.new_wallet(name)).collect();
    for wallet in &mut wallets {
        wallet.ask_again("balance", "100.00000000 LODE confirmed");
    }
    for (payer, receiver) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
        wallets[payer].ask(&format!("send {} 1 0.01", NAMES[receiver]), "sent 1.00000000");
    }
    // Conor stays at the prompt while everything he talks to dies.
    let mut open = wallets.remove(2);
    open.ask_again("balance", "99.99000000 LODE confirmed");
    let kept = confirmed(&network, &network.miner_address(1));
    assert!(kept.len() >= 6, "five first coins and a payment at least: {kept:?}");
    let mut late = wallets.remove(0);
    // Signed, handed over, and perhaps in no block when the lights go out.
    late.ask("send Evan 2 0.01", "sent 2.00000000 to Evan");
    for killed in nodes.iter_mut().chain(&mut wallets).chain([&mut late]) {
        killed.kill();
    }
    drop((nodes, wallets, late));
    open.wait_for("waiting for a miner");

    let started = Instant::now();
    let mut adam = network.wallet("Adam");
    let mut evan = network.wallet("Evan");
    let mut nodes = vec![network.miner(3, PATIENCES[2]), network.miner(1, PATIENCES[0])];
    nodes.push(network.bootstrap());
    nodes.push(network.miner(2, PATIENCES[1]));
    let addresses: Vec<String> = (1..=3).map(|number| network.miner_address(number)).collect();
    let one_tip = || {
        let tips = addresses.iter().map(|node| network.ask("status", node));
        let tips: Option<BTreeSet<String>> =
            tips.map(|status| Some(status?["tip"].as_str()?.to_owned())).collect();
        tips.is_some_and(|tips| tips.len() == 1)
    };
    while !one_tip() {
        assert!(started.elapsed() < Duration::from_secs(15), "no one tip after 15 s");
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let again = confirmed(&network, &network.miner_address(2));
    assert!(kept.is_subset(&again), "a confirmed payment is gone");
    open.wait_for("connected again");
    // 100 - 1 - 0.01 - 2 - 0.01, and 100 + 1 + 2: the payment of the last moment is made once.
    adam.ask_again("balance", "96.98000000 LODE confirmed");
    evan.ask_again("balance", "103.00000000 LODE confirmed");
    // Names mean whom they meant.
    open.ask("send Adam 1 0.01", "sent 1.00000000 to Adam");
    adam.ask_again("balance", "97.98000000 LODE confirmed");
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
