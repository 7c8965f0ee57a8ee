//! All nine die at one moment, in the middle of payments, and come back in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chain::amount::{Amount, COIN};
use chain::key::OutputKey;
use client::data_directory::pinned_network;
use client::directory_client::DirectoryClient;
use client::node_client::Timeouts;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;
use testkit::{PATIENCE, poll_until};
use wallet::journal::Journal;
use wallet::payment::SignedPayment;
use wallet::wallet_directory;

use crate::limit::within;
use crate::network::Network;
use crate::terminal::Terminal;

/// The computer may be busy.
const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };

/// Five that are killed, and Flora, who stays at her prompt while everything she talks to dies.
const NAMES: [&str; 6] = ["Adam", "Bob", "Conor", "David", "Evan", "Flora"];
const KILLED: usize = 5;

/// What the bootstrap node, the miners and the five wallets are counted to.
const NODES: usize = 4;
const NINE: usize = NODES + KILLED;

/// What the network has to be whole again.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// Payments that the five make beside each other before everything dies.
const PAYMENTS_MADE: usize = 40;

/// Blocks of ten bits take a millisecond: miners that begin at the same moment find rivals of equal
/// work, and both stay until the next payment. So each waits longer than the one before.
const MINER_FLAGS: [&str; 3] = [
    "--min-txs 1000 --max-wait 1s",
    "--min-txs 1000 --max-wait 60s",
    "--min-txs 1000 --max-wait 90s",
];

/// Every wallet's signed payments.
type Journals = BTreeMap<&'static str, Vec<SignedPayment>>;

/// Opens the terminal of one of the nine: the bootstrap node, three miners, five wallets.
fn open(network: &Network, number: usize) -> Terminal {
    match number {
        0 => network.bootstrap(),
        1..NODES => network.miner(number, MINER_FLAGS[number - 1]),
        _ => network.wallet(NAMES[number - NODES]),
    }
}

#[test]
fn all_nine_are_killed_under_traffic_and_nothing_is_lost() {
    within(BACK_WITHIN, killed_and_back);
}

/// The time from when the last of the nine was opened again until the network was whole.
fn killed_and_back() -> Duration {
    let network = Network::new(3);
    let nodes: Vec<Terminal> = (0..NODES).map(|number| open(&network, number)).collect();
    let mut shells = NAMES.map(|name| network.new_wallet(name));
    pay_around(&mut shells);
    let keys = keys_of_names(&network);
    let mut kept = confirmed(&network, &network.miner_address(1));
    assert!(kept.len() >= 2 * NAMES.len(), "first coins and payments: {kept:?}");
    kill_while_they_pay(&nodes, &mut shells[..KILLED]);
    let [dead @ .., mut flora] = shells;
    kept.extend(dead.iter().flat_map(|shell| told_as_confirmed(&shell.shown())));
    drop((nodes, dead));
    flora.wait_for("waiting for a miner");
    flora.ask("send Adam 1 0.01", "as soon as a miner answers");
    let signed = journals(&network);
    let all = signed.values().flatten();
    let unsure = all.filter(|own| !kept.contains(&own.txid.to_string())).count();
    eprintln!("{unsure} payments were signed and not yet told to be in a block");
    assert!(unsure > 1, "nothing but Flora's payment was under way");

    let (nodes, shells) = open_in_drawn_order(&network);
    let last_opened = Instant::now();
    let mut shells: Vec<Terminal> = shells.into_iter().chain([flora]).collect();
    let balances = balances(&signed, &keys);
    for (shell, balance) in shells.iter_mut().zip(&balances) {
        shell.ask_again("balance", &format!("{balance} LODE confirmed"));
    }
    poll_until("one tip of all miners", PATIENCE, || is_whole(&network).then_some(()));
    shells[KILLED].wait_for("connected again");
    let back = last_opened.elapsed();
    let again = confirmed(&network, &network.miner_address(2));
    let lost: Vec<&String> = kept.difference(&again).collect();
    assert!(lost.is_empty(), "confirmed before and gone: {lost:?}");

    // Names mean whom they meant, also to somebody who never paid them.
    assert_eq!(keys_of_names(&network), keys);
    shells[KILLED].ask("send David 1 0.01", "sent 1.00000000 to David");
    let david = Amount(balances[3].0 + COIN);
    shells[3].ask_again("balance", &format!("{david} LODE confirmed"));
    for shell in &mut shells {
        shell.type_line("exit");
        assert_eq!(shell.exit_code(), 0);
    }
    assert_histories_are_the_journals(&network, &signed);
    drop(nodes);
    back
}

/// Each pays the next one, so that everybody has paid and was paid in a block.
fn pay_around(shells: &mut [Terminal]) {
    for shell in &mut *shells {
        shell.ask_again("balance", "100.00000000 LODE confirmed");
    }
    for (shell, receiver) in shells.iter_mut().zip(NAMES.iter().cycle().skip(1)) {
        shell.ask(&format!("send {receiver} 1 0.01"), "sent 1.00000000");
    }
    for shell in shells {
        shell.ask_again("balance", "99.99000000 LODE confirmed");
    }
}

/// All five pay as fast as they are answered; in the middle of it, one command kills the nine.
fn kill_while_they_pay(nodes: &[Terminal], shells: &mut [Terminal]) {
    let processes = nodes.iter().chain(&*shells).map(|dies| dies.process().to_string());
    let processes: Vec<String> = processes.collect();
    assert_eq!(processes.len(), NINE);
    let (made, count) = channel();
    thread::scope(|scope| {
        for (shell, receiver) in shells.iter_mut().zip(NAMES.iter().cycle().skip(2)) {
            let made = made.clone();
            scope.spawn(move || {
                let line = format!("send {receiver} 0.05 0.01");
                let is_paid =
                    |times| move |shown: &str| shown.matches("sent 0.05000000 to").count() >= times;
                // Whoever counts has seen enough when it hangs up.
                (1..).take_while(|times| shell.obeys(&line, is_paid(*times))).for_each(|_| {
                    let _ = made.send(());
                });
            });
        }
        for _ in 0..PAYMENTS_MADE {
            count.recv_timeout(PATIENCE).unwrap();
        }
        let killed = Command::new("kill").arg("-KILL").args(processes).status().unwrap();
        assert!(killed.success());
    });
}

/// Opens the nine in an order that nobody chose, each when the one before has said something. The
/// environment variable `LODE_TEST_SEED` repeats an order.
fn open_in_drawn_order(network: &Network) -> (Vec<Terminal>, Vec<Terminal>) {
    let given = std::env::var("LODE_TEST_SEED").ok();
    let seed = given.map_or_else(rand::random, |given| given.parse().unwrap());
    let mut order: Vec<usize> = (0..NINE).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    eprintln!("LODE_TEST_SEED={seed}: opened in the order {order:?}");
    let mut opened: BTreeMap<usize, Terminal> = BTreeMap::new();
    let mut before = None;
    for number in order {
        if let Some(before) = before.and_then(|before| opened.get(&before)) {
            before.wait_until("its first words", |shown| (!shown.trim().is_empty()).then_some(()));
        }
        opened.insert(number, open(network, number));
        before = Some(number);
    }
    let shells = opened.split_off(&NODES);
    (opened.into_values().collect(), shells.into_values().collect())
}

/// Whether the three miners have one tip and are connected with each other.
fn is_whole(network: &Network) -> bool {
    let ask = |number| network.ask("status", &network.miner_address(number));
    let statuses: Option<Vec<Value>> = (1..NODES).map(ask).collect();
    statuses.is_some_and(|statuses| {
        let tips: BTreeSet<&str> = statuses.iter().filter_map(|it| it["tip"].as_str()).collect();
        tips.len() == 1 && statuses.iter().all(|status| status["peers"].as_u64() >= Some(2))
    })
}

/// Every transaction of the best chain, from the tip down.
fn confirmed(network: &Network, node: &str) -> BTreeSet<String> {
    let tip = network.ask("status", node).unwrap()["height"].as_u64().unwrap();
    let mut found = BTreeSet::new();
    for at in 1..=tip {
        let block = network.ask(&format!("block {at}"), node).unwrap();
        for tx in block["listed"].as_array().unwrap().iter().filter(|tx| tx["kind"] == "transfer") {
            found.insert(tx["txid"].as_str().unwrap().to_owned());
        }
    }
    found
}

/// The transactions that a shell has told its owner to be in a block.
fn told_as_confirmed(shown: &str) -> Vec<String> {
    let lines = shown.lines().filter(|line| line.contains(" confirmed in block "));
    let txids = lines.filter_map(|line| line.rsplit_once(", tx "));
    txids.map(|(_, txid)| txid.trim().to_owned()).filter(|txid| txid.len() == 64).collect()
}

/// Where `name` keeps its data on the only network there is.
fn data_of(network: &Network, name: &str) -> PathBuf {
    let mut networks = fs::read_dir(network.home().join("lode")).unwrap();
    networks.next().unwrap().unwrap().path().join(name)
}

/// Whom the directory pays for each name.
fn keys_of_names(network: &Network) -> Vec<OutputKey> {
    let chain = pinned_network(&data_of(network, NAMES[0])).unwrap();
    let address = network.bootstrap_address().parse().unwrap();
    let mut client = DirectoryClient::connect(address, &chain, TIMEOUTS).unwrap();
    NAMES.iter().map(|name| client.name(name).unwrap().unwrap().key).collect()
}

/// What every wallet has signed, read from a copy: opening a journal mends what was torn.
fn journals(network: &Network) -> Journals {
    let copies = tempfile::tempdir().unwrap();
    let journal_of = |name: &'static str| {
        let data = data_of(network, name);
        let copy = copies.path().join(name);
        fs::copy(wallet_directory::folder(&data).join("payments"), &copy).unwrap();
        let genesis = pinned_network(&data).unwrap().genesis_hash();
        let (_, recorded) = Journal::open(&copy, genesis).unwrap();
        (name, recorded.into_iter().map(|recorded| recorded.payment).collect())
    };
    NAMES.into_iter().map(journal_of).collect()
}

/// What each has when everything that was signed is made once: a hundred coins of the faucet, less
/// what it paid with the fees, and what the others paid to its key.
fn balances(journals: &Journals, keys: &[OutputKey]) -> Vec<Amount> {
    let sum = |amounts: &mut dyn Iterator<Item = u64>| amounts.sum::<u64>();
    let balance = |(name, key): (&&str, &OutputKey)| {
        let paid = sum(&mut journals[*name].iter().map(|own| own.amount.0 + own.fee.0));
        let all = journals.values().flatten();
        let to_it = all.filter(|payment| payment.receiver == *key);
        Amount(100 * COIN + sum(&mut to_it.map(|payment| payment.amount.0)) - paid)
    };
    NAMES.iter().zip(keys).map(balance).collect()
}

/// Each wallet has made what it signed before and since, each once and in a block; its balance is
/// what its history adds up to; and all of them together miss nothing but fees.
fn assert_histories_are_the_journals(network: &Network, before: &Journals) {
    let amount = |text: &Value| text.as_str().unwrap().parse::<Amount>().unwrap().0;
    let (mut all, mut fees) = (0, 0);
    for (name, signed) in journals(network) {
        assert!(signed.starts_with(&before[name]), "{name} has forgotten payments");
        let history = told(network, &format!("wallet {name} history"));
        let (mut sent, mut left) = (Vec::new(), 0);
        for line in history["transactions"].as_array().unwrap() {
            assert_eq!(line["state"], "confirmed", "{name}: {line}");
            if line["kind"] == "sent" {
                sent.push(line["txid"].as_str().unwrap().to_owned());
                left -= i128::from(amount(&line["amount"]) + amount(&line["fee"]));
                fees += amount(&line["fee"]);
            } else {
                left += i128::from(amount(&line["amount"]));
            }
        }
        let mut signed: Vec<String> = signed.iter().map(|own| own.txid.to_string()).collect();
        sent.sort();
        signed.sort();
        assert_eq!(sent, signed, "{name}");
        let balance = told(network, &format!("wallet {name} balance"));
        assert_eq!(i128::from(amount(&balance["confirmed"])), left, "{name}: {balance}");
        assert_eq!((amount(&balance["pending_in"]), amount(&balance["pending_out"])), (0, 0));
        all += amount(&balance["confirmed"]);
    }
    assert_eq!(all + fees, 100 * COIN * NAMES.len() as u64, "money was made or lost");
}

/// What a command of a wallet answers in JSON.
fn told(network: &Network, command: &str) -> Value {
    let (code, out, err) = network.run(&format!("{command} --json"));
    assert_eq!(code, 0, "{command}: {err}");
    serde_json::from_str(&out).unwrap()
}
