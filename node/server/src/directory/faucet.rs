//! `Faucet`: pays each key once, from a genesis output of its own. It sends nothing: what it
//! decides is written down first and submitted then, always in the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use chain::amount::{Amount, COIN};
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, Txid};
use chain::key::{OutputKey, SecretKey, Signature};
use chain::spec::Allocation;
use chain::transaction::{Input, OutPoint, Output, SighashContext, Transaction, Transfer};
use wire::directory::FaucetOutcome;

use crate::allowance::{Allowance, Pace};
use machine::{Now, Owner};

/// What a key is paid.
pub const PAYS: Amount = Amount(100 * COIN);

/// What a payout leaves to the miner: a thousandth of a coin, 680 times the least that a node takes
/// for 147 bytes, so that a busy network mines it too.
pub const FEE: Amount = Amount(COIN / 1000);

/// What a genesis output of the faucet holds: what it pays and its fee, so that nothing is left
/// over.
pub const OUTPUT: Amount = Amount(PAYS.0 + FEE.0);

/// Ten at once, then one in 5 s: a room full of people, and no flood of transactions.
const PACE: Pace = Pace { burst: 10, interval: Duration::from_secs(5) };

/// One payout for an address that is not this computer, in this time.
const DAY_S: u64 = 24 * 3600;

/// A payout that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Who is paid.
    pub key: OutputKey,
    /// The genesis output that pays.
    pub index: u32,
    /// The transaction's name.
    pub txid: Txid,
    /// The transaction in consensus form.
    pub transaction: Vec<u8>,
    /// When, in seconds since 1970.
    pub wall_s: u64,
    /// Whoever asked; none for this computer.
    pub asker: Option<IpAddr>,
}

/// What becomes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This is paid, once it is on disk.
    Pay(Payout),
    /// This is the answer, and nothing changes.
    Answer(FaucetOutcome),
}

/// What the faucet has and what it has paid.
pub struct Faucet {
    secret: SecretKey,
    genesis: BlockHash,
    coinbase: Txid,
    /// Genesis outputs that are left.
    outputs: BTreeSet<u32>,
    payouts: BTreeMap<OutputKey, Payout>,
    /// When an address was paid last, in seconds since 1970.
    askers: BTreeMap<IpAddr, u64>,
    rate: Allowance,
}

/// The outputs that genesis has for the faucet with this key.
pub fn allocations(key: OutputKey, count: usize) -> impl Iterator<Item = Allocation> {
    std::iter::repeat_n(Allocation { key, amount: OUTPUT }, count)
}

impl Faucet {
    /// The faucet of `network` with its key, after the payouts that were made before.
    pub fn new(network: &Network, secret: SecretKey, payouts: Vec<Payout>) -> Self {
        let own = Allocation { key: secret.output_key(), amount: OUTPUT };
        let allocations = (0u32..).zip(&network.spec.allocations);
        let outputs = allocations.filter(|(_, paid)| **paid == own).map(|(index, _)| index);
        let coinbase = network.genesis.block.transactions[0].txid();
        let genesis = network.genesis_hash();
        let mut faucet = Self {
            secret,
            genesis,
            coinbase,
            outputs: outputs.collect(),
            payouts: BTreeMap::new(),
            askers: BTreeMap::new(),
            rate: Allowance::default(),
        };
        payouts.into_iter().for_each(|payout| faucet.note(payout));
        faucet
    }

    /// The genesis outputs that are left, as the chain names them.
    pub fn outputs(&self) -> impl Iterator<Item = OutPoint> {
        self.outputs.iter().map(|index| self.outpoint(*index))
    }

    /// An output that somebody has spent without this faucet knowing: its list of payouts was lost.
    pub fn lost(&mut self, outpoint: OutPoint) {
        self.outputs.remove(&outpoint.index);
    }

    /// All payouts with the outputs that they spend.
    pub fn payouts(&self) -> impl Iterator<Item = (OutPoint, &Payout)> {
        self.payouts.values().map(|payout| (self.outpoint(payout.index), payout))
    }

    /// What `key` was paid.
    pub fn payout(&self, key: &OutputKey) -> Option<&Payout> {
        self.payouts.get(key)
    }

    /// Whether `key` is paid, asked for from `ip`.
    pub fn ask(&mut self, now: Now, ip: IpAddr, key: OutputKey) -> Verdict {
        if let Some(payout) = self.payouts.get(&key) {
            return Verdict::Answer(paid(payout));
        }
        // Nothing is left for a key that nobody could spend from.
        let index = self.outputs.first().copied().filter(|_| key.is_spendable());
        let Some(index) = index else {
            return Verdict::Answer(FaucetOutcome::Empty);
        };
        let owner = Owner::of(ip);
        let asker = (!owner.is_loopback()).then(|| owner.address());
        if let Some(wait_s) = asker.and_then(|asker| self.rest_of_day(now.wall_s, asker)) {
            return Verdict::Answer(FaucetOutcome::Later { wait_s });
        }
        if let Err(wait) = self.rate.take(now.monotonic, PACE) {
            return Verdict::Answer(FaucetOutcome::Later { wait_s: seconds(wait) });
        }
        let transaction = Transaction::Transfer(self.transfer(index, key));
        let (txid, transaction) = (transaction.txid(), transaction.encode());
        let payout = Payout { key, index, txid, transaction, wall_s: now.wall_s, asker };
        self.note(payout.clone());
        Verdict::Pay(payout)
    }

    fn note(&mut self, payout: Payout) {
        self.outputs.remove(&payout.index);
        if let Some(asker) = payout.asker {
            let last = self.askers.entry(asker).or_default();
            *last = payout.wall_s.max(*last);
        }
        self.payouts.insert(payout.key, payout);
    }

    /// Seconds until `asker` may be paid again. A clock that was set back makes nobody wait longer
    /// than a day.
    fn rest_of_day(&self, wall_s: u64, asker: IpAddr) -> Option<u32> {
        let last = *self.askers.get(&asker)?;
        let wait_s = DAY_S.saturating_sub(wall_s.saturating_sub(last));
        u32::try_from(wait_s).ok().filter(|wait_s| *wait_s > 0)
    }

    /// The same bytes each time: the signature takes no randomness.
    fn transfer(&self, index: u32, key: OutputKey) -> Transfer {
        let input = Input { outpoint: self.outpoint(index), signature: Signature([0; 64]) };
        let outputs = vec![Output { amount: PAYS, key }];
        let mut transfer = Transfer { inputs: vec![input], outputs, lock_height: 0 };
        let spent = [Output { amount: OUTPUT, key: self.secret.output_key() }];
        let message = SighashContext::new(&transfer, &spent, self.genesis).message(0);
        transfer.inputs[0].signature = self.secret.sign(&message, &[0; 32]);
        transfer
    }

    /// The genesis output with this index, as the chain names it.
    pub fn outpoint(&self, index: u32) -> OutPoint {
        OutPoint { txid: self.coinbase, index }
    }
}

/// The answer to a key that is paid.
pub fn paid(payout: &Payout) -> FaucetOutcome {
    FaucetOutcome::Paid { txid: payout.txid, amount: PAYS }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
