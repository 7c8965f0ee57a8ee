//! What the original system's page walks through, and the numbers it names.

use serde_json::Value;

use crate::network::{Network, alone};
use crate::terminal::Terminal;

const NAMES: [&str; 5] = ["Adam", "Bob", "Conor", "David", "Evan"];

fn miners(network: &Network, flags: &str) -> Vec<Terminal> {
    (1..=3).map(|number| network.miner(number, flags)).collect()
}

/// Waits until all three miners know of so many pending payments.
fn wait_for_pending(network: &Network, pending: u64) {
    for number in 1..=3 {
        let node = network.miner_address(number);
        network.ask_until(("status", &node), |status| (status["pending"] == pending).then_some(()));
    }
}

fn statuses(network: &Network) -> Vec<Value> {
    (1..=3).map(|number| network.ask("status", &network.miner_address(number)).unwrap()).collect()
}

/// No miner has a block above `height`, and none searches.
fn assert_resting_at(network: &Network, height: u64) {
    for status in statuses(network) {
        assert_eq!((&status["height"], &status["mining"]), (&height.into(), &"resting".into()));
    }
}

#[test]
fn nine_terminals_pay_by_name_and_mine_at_the_fourth_payment() {
    let _alone = alone();
    let network = Network::new(3);
    let mut terminals = vec![network.bootstrap_with("--coin Trump:TRUMP")];
    terminals.extend(miners(&network, "--min-txs 4 --max-wait off"));
    let mut wallets: Vec<Terminal> = Vec::new();
    for (before, name) in NAMES.iter().enumerate() {
        if before == 3 {
            // Three new wallets were paid, and nobody mines for three.
            wait_for_pending(&network, 3);
            assert_resting_at(&network, 0);
        }
        wallets.push(network.new_wallet(name));
        wallets[before].wait_for("100.00000000 (pending, from the faucet)");
    }
    for number in 1..=3 {
        network.wait_for_height(&network.miner_address(number), 1);
    }
    for wallet in &mut wallets[..4] {
        wallet.ask_again("balance", "100.00000000 TRUMP confirmed");
    }
    wait_for_pending(&network, 1);

    // The three that are short of a block: a payment in one line, one asked for step by step.
    wallets[0].ask("send Bob 5 0.1", "sent 5.00000000 to Bob, fee 0.10000000");
    wallets[2].ask("send", "Receiver: ");
    wallets[2].ask("David", "Amount: ");
    wallets[2].ask("7", "Fee (Enter for auto): ");
    wallets[2].ask("0.3", "sent 7.00000000 to David, fee 0.30000000");
    wait_for_pending(&network, 3);
    assert_resting_at(&network, 1);
    let pool = network.ask("mempool", &network.miner_address(2)).unwrap();
    let fees: Vec<&str> =
        pool["pending"].as_array().unwrap().iter().map(|tx| tx["fee"].as_str().unwrap()).collect();
    assert_eq!(fees[..2], ["0.30000000", "0.10000000"]);
    assert_eq!(fees.len(), 3);

    wallets[3].ask("send Adam 1 0.2", "sent 1.00000000 to Adam, fee 0.20000000");
    for number in 1..=3 {
        network.wait_for_height(&network.miner_address(number), 2);
    }
    let balances = ["95.90000000", "105.00000000", "92.70000000", "105.80000000", "100.00000000"];
    for (wallet, balance) in wallets.iter_mut().zip(balances) {
        wallet.ask_again("balance", &format!("{balance} TRUMP confirmed"));
    }
    wallets[0].ask("history", "-5.00000000         sent to Bob, fee 0.10000000");
    wallets[0].ask("history", "+1.00000000         received");
    wallets[1].ask("history", "+5.00000000         received");
    wallets[2].ask("history", "-7.00000000         sent to David, fee 0.30000000");
    wallets[3].ask("history", "+7.00000000         received");
    wallets[3].ask("history", "-1.00000000         sent to Adam, fee 0.20000000");
    wallets[4].ask("history", "block 2  +100.00000000       received");

    for (wallet, keys) in wallets.iter_mut().zip(["exit\r", "quit\r", "\u{4}", "\u{3}", "exit\r"]) {
        wallet.press(keys);
        assert_eq!(wallet.exit_code(), 0);
    }
    for mut node in terminals {
        node.press("\u{3}");
        assert_eq!(node.exit_code(), 0);
    }
}

#[test]
fn difficulty_and_threshold_are_set_on_the_command_line() {
    let _alone = alone();
    let network = Network::new(1);
    let _bootstrap = network.bootstrap();
    let _miner = network.miner(1, "--min-txs 1 --max-wait off");
    let _wallet = network.new_wallet("Adam");
    let miner = network.miner_address(1);
    network.wait_for_height(&miner, 1);
    let block = network.ask("block 1", &miner).unwrap();
    assert_eq!(block["zero_bits"], crate::network::DIFFICULTY_BITS);
    let hash = block["hash"].as_str().unwrap();
    let zeros = hash.len() - hash.trim_start_matches('0').len();
    assert!(zeros as u64 >= crate::network::DIFFICULTY_BITS / 4, "{hash}");
    assert_eq!(block["transactions"], 2);
}

#[test]
fn twenty_payments_of_one_wallet_are_one_connection() {
    let _alone = alone();
    let network = Network::new(1);
    let _bootstrap = network.bootstrap();
    let _miner = network.miner(1, "--min-txs 4 --max-wait 1s");
    let mut adam = network.new_wallet("Adam");
    let mut bob = network.new_wallet("Bob");
    bob.ask_again("balance", "100.00000000 LODE confirmed");
    bob.type_line("exit");
    assert_eq!(bob.exit_code(), 0);
    adam.ask_again("balance", "100.00000000 LODE confirmed");
    let miner = network.miner_address(1);
    let before = network.ask("status", &miner).unwrap();
    for amount in 1..=20 {
        adam.ask(&format!("send Bob 0.{amount:02}"), &format!("sent 0.{amount:02}000000 to Bob"));
    }
    let after = network.ask("status", &miner).unwrap();
    let count = |status: &Value, of: &str| status[of].as_u64().unwrap();
    let grown = |of: &str| count(&after, of) - count(&before, of);
    // After each block, a wallet hands over once more what still waits.
    assert!(grown("payments_submitted") >= 20, "{after}");
    assert_eq!(grown("wallet_connections"), 0);
    assert_eq!(count(&after, "wallets"), 1);
}
