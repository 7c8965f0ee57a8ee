//! Payments that are killed at random moments and ordered again, as a script does: each is made
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use chain::amount::Amount;
use chain::encoding::Decode;
use chain::hash::Txid;
use chain::key::{OutputKey, SecretKey};
use chain::transaction::Transaction;
use client::data_directory::pin;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::test_chain::{TestChain, network};
use testkit::test_node::SharedState;
use testkit::{PATIENCE, test_directory, test_node};
use wallet::accounts::Account;
use wallet::keystore::{KeyFile, Stretching};
use wallet::seed::Seed;
use wallet::wallet_directory::WalletDirectory;

/// Kills of one wallet; then a new one begins, as a test's node is slow with long histories.
const KILLS_OF_A_WALLET: u32 = 20;

/// Kills of one payment at most.
const KILLS_OF_A_PAYMENT: u32 = 4;

/// The first payment; each further one is a unit more, so that the amount names it.
const AMOUNT: u64 = 1_000_000;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Processes that were killed.
    pub kills: u32,
    /// Those of them that had handed their payment over.
    pub kills_after_handover: u32,
    /// Payments that were ordered.
    pub ordered: u32,
}

/// Orders payments and kills what pays, until `kills` have died. Every second payment has an id.
/// `program` is the wallet's program, without arguments.
///
/// # Panics
/// When a payment is made twice or not at all.
pub fn kill(kills: u32, seed: u64, program: &dyn Fn() -> Command) -> Outcome {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut outcome = Outcome::default();
    while outcome.kills < kills {
        let until = kills.min(outcome.kills + KILLS_OF_A_WALLET);
        kill_one_wallet(until, &mut rng, program, &mut outcome);
    }
    outcome
}

fn kill_one_wallet(
    until: u32,
    rng: &mut StdRng,
    program: &dyn Fn() -> Command,
    outcome: &mut Outcome,
) {
    let seed = Seed::from_entropy(rng.random());
    let bob = SecretKey::from_bytes([2; 32]).unwrap();
    let network = network(&[Account::new(&seed).receive_key(0)]);
    let (miner_at, miner) = test_node::start(TestChain::new(Arc::clone(&network)));
    let (bootstrap, directory) = test_directory::start(&network, &[miner_at]);
    directory.lock().unwrap().register(&network, "Bob", &bob);
    let place = tempfile::tempdir().unwrap();
    pin(place.path(), &network).unwrap();
    {
        let files = WalletDirectory::open(place.path()).unwrap();
        let key = KeyFile::seal(&seed, "", Stretching::LEAST).unwrap();
        key.save(&files.key_file()).unwrap();
    }
    let order = |number: u64| {
        let mut command = program();
        let amount = Amount(AMOUNT + number).to_string();
        command.args(["Adam", "send", "Bob", &amount, "--bootstrap", &bootstrap]);
        command.arg("--data-dir").arg(place.path());
        if number.is_multiple_of(2) {
            command.args(["--id", &format!("payment {number}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Process::start(command)
    };
    let begun = Instant::now();
    assert!(order(0).ended_within(PATIENCE).is_some(), "an undisturbed payment takes so long");
    let usual = begun.elapsed();
    let mut told_of = BTreeMap::from([(0, 1)]);
    for number in 1.. {
        let deaths = rng.random_range(1..=KILLS_OF_A_PAYMENT).min(until - outcome.kills);
        let mut told = 0;
        for _ in 0..deaths {
            let moment = usual.mul_f64(rng.random_range(0.0..1.1));
            let mut process = order(number);
            if process.ended_within(moment).is_none() {
                outcome.kills += 1;
                outcome.kills_after_handover += u32::from(!made(&miner, number, &bob).is_empty());
                // Whoever had printed had told it: without an id, the next order is another one.
                told += usize::from(process.kill().contains("sent "));
            } else {
                told += 1;
            }
        }
        let last = order(number).ended_within(PATIENCE).expect("nobody disturbs it");
        assert!(last.contains("sent "), "{last}");
        told_of.insert(number, told + 1);
        if number.is_multiple_of(5) {
            miner.lock().unwrap().chain.mine_pending(OutputKey([9; 32]));
        }
        if outcome.kills >= until {
            break;
        }
    }
    for (number, told) in told_of {
        outcome.ordered += 1;
        let made = made(&miner, number, &bob).len();
        let has_id = number.is_multiple_of(2);
        assert!(made == 1 || (!has_id && (1..=told).contains(&made)), "{number}: {made}, {told}");
    }
}

/// The payments of that number which were handed over.
fn made(miner: &SharedState, number: u64, receiver: &SecretKey) -> BTreeSet<Txid> {
    let key = receiver.output_key();
    let submitted = miner.lock().unwrap().submitted.clone();
    let transactions = submitted.iter().map(|bytes| Transaction::decode(bytes).unwrap());
    let pays = |transaction: &Transaction| {
        let amount = Amount(AMOUNT + number);
        transaction.outputs().iter().any(|output| output.key == key && output.amount == amount)
    };
    transactions.filter(pays).map(|transaction| transaction.txid()).collect()
}

/// A wallet that runs.
struct Process {
    child: Child,
    /// All that it printed, when it has ended.
    printed: Receiver<String>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (tell, printed) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = out.read_to_string(&mut text);
            let _ = tell.send(text);
        });
        Self { child, printed }
    }

    /// What it printed, if it ends within `patience`.
    ///
    /// # Panics
    /// When it ends otherwise than well.
    fn ended_within(&mut self, patience: Duration) -> Option<String> {
        let printed = self.printed.recv_timeout(patience).ok()?;
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {printed}");
        Some(printed)
    }

    /// Kills it as nobody can prevent; what it had printed.
    fn kill(&mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.printed.recv_timeout(PATIENCE).unwrap()
    }
}
