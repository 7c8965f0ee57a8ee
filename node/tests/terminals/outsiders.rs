//! A running devnet takes in whoever comes: a wallet and a miner of their own processes.

use std::fs;

use client::data_directory::pinned_network;
use client::directory_client::DirectoryClient;
use client::node_client::Timeouts;
use serde_json::Value;
use testkit::{HeldPort, PATIENCE, poll_until_ok};

use crate::network::{Network, alone};
use crate::terminal::Terminal;

/// The computer may be busy.
const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };

#[test]
fn an_outsider_joins_a_running_devnet_with_a_wallet_and_a_miner() {
    let _alone = alone();
    let network = Network::new(0);
    let listen = network.bootstrap_address();
    let devnet = Terminal::open(
        network.home(),
        &format!("devnet --listen {listen} --difficulty 10 --retarget fixed --spacing 1s"),
    );
    devnet.wait_for(&listen);
    let mut zoe = network.new_wallet("Zoe");
    zoe.ask_again("balance", "100.00000000 LODE confirmed");
    let paid = zoe.ask_until("send Adam 2 0.01", "the payment's txid", |below| {
        let (_, after) = below.split_once("sent 2.00000000 to Adam, fee 0.01000000")?;
        after.split_once(", tx ")?.1.get(..64).map(str::to_owned)
    });
    zoe.ask_again("balance", "97.99000000 LODE confirmed");
    assert_adam_has_it(&network, &paid);
    let held = HeldPort::any();
    let extra = format!("miner Extra {} --bootstrap {listen} --min-txs 0 --threads 1", held.port);
    let extra = Terminal::open(network.home(), &extra);
    let node = held.address().to_string();
    network.ask_until(("status", &node), |status| (status["height"].as_u64()? > 0).then_some(()));
    network.ask_until(("status", &node), |status| {
        (status["tip"] == network.ask("status", &listen)?["tip"]).then_some(())
    });
    wait_for_a_block_of(&extra, &network);
}

/// Waits until a block that the outsider says it found is on the chain that the devnet's node holds
/// to be the best.
fn wait_for_a_block_of(extra: &Terminal, network: &Network) {
    let listen = network.bootstrap_address();
    let is_there = |(height, hash): &(String, String)| {
        let block = network.ask(&format!("block {height}"), &listen);
        // People are shown the first digits behind the zeros.
        block.is_some_and(|block| {
            let there = block["hash"].as_str().unwrap();
            there.trim_start_matches('0').starts_with(hash)
        })
    };
    poll_until_ok("a block that the outsider found, at the devnet", PATIENCE, || {
        let found = extra.wait_until("a block it found", blocks_found);
        if found.iter().any(is_there) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

/// Height and shown digits of each block that a miner says it found; `None` when there is none.
fn blocks_found(shown: &str) -> Option<Vec<(String, String)>> {
    let lines = shown.lines().filter_map(|line| line.split_once(" found block "));
    let words = lines.filter_map(|(_, block)| block.trim().split_once(' '));
    let found: Vec<_> =
        words.map(|(height, hash)| (height.to_owned(), hash.trim().to_owned())).collect();
    (!found.is_empty()).then_some(found)
}

/// The devnet's node holds the payment to be confirmed, with 2 coins to whom the directory calls
/// Adam.
fn assert_adam_has_it(network: &Network, paid: &str) {
    let listen = network.bootstrap_address();
    let mut networks = fs::read_dir(network.home().join("lode")).unwrap();
    let zoe = networks.next().unwrap().unwrap().path().join("Zoe");
    let chain = pinned_network(&zoe).unwrap();
    let mut directory =
        DirectoryClient::connect(listen.parse().unwrap(), &chain, TIMEOUTS).unwrap();
    let adam = directory.name("Adam").unwrap().unwrap().key;
    let adam = chain.spec.address(adam).to_string();
    let tx = network.ask_until((&format!("tx {paid}"), &listen), |tx| {
        (tx["status"] == "confirmed").then(|| tx.clone())
    });
    let received = |output: &Value| output["amount"] == "2.00000000" && output["address"] == *adam;
    assert!(tx["outputs"].as_array().unwrap().iter().any(received), "nothing to {adam}: {tx}");
}
