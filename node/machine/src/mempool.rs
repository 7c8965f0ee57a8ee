//! The memory pool: pending transactions, highest fee rate first.
//!
//! Every pending transaction is valid in the next block once its pending parents are. The pool sees
//! no clock and no store: coins, height and time come in as arguments. [`Mempool::check`] judges a
//! transfer and names the signatures that the caller must verify; [`Mempool::insert`] takes it in.
//! The tip must not change between the two.

mod admission;
mod fee_rate;
#[cfg(test)]
pub(crate) mod fixture;
mod index;
mod removal;
mod replacement;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chain::amount::Amount;
use chain::hash::{Txid, Wtxid};
use chain::key::OutputKey;
use chain::transaction::{Input, OutPoint, Output, Transaction};
use wire::wallet::{KEY_BEGINNING_BYTES, beginning};

pub use admission::{Candidate, MempoolError};
pub use fee_rate::FeeRate;

use index::{Entry, EvictionOrder};

/// The least fee rate of an empty pool, in units per 1000 bytes: one unit (10^-8 coin) a byte. A
/// usual payment pays 0.000003 coins; a pool's worth of spam still costs something.
pub const FEE_RATE_FLOOR: u64 = 1000;

/// Most transactions that one newcomer may replace, descendants included: bounds the work of a
/// check.
pub const REPLACED_MAX: usize = 100;

/// What the pool may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Most heap bytes.
    pub bytes_max: usize,
    /// A transaction that waited this long is dropped.
    pub expiry: Duration,
    /// Most pending transactions in a chain that ends in one, that one included.
    pub ancestors_max: usize,
    /// Most pending transactions that hang on one, that one included.
    pub descendants_max: usize,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        Self {
            bytes_max: 64_000_000,
            expiry: Duration::from_hours(72),
            ancestors_max: 25,
            descendants_max: 25,
        }
    }
}

/// Names an entry of a pool; counts arrivals up, so the lower came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

impl EntryId {
    /// The first of all.
    pub(crate) const FIRST: Self = Self(0);
    /// Behind every one that is ever given.
    const LAST: Self = Self(u64::MAX);

    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A transaction that waits for a block.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its name in the pool; no two transactions of a pool share one.
    pub id: EntryId,
    /// The transaction; always a transfer.
    pub transaction: Arc<Transaction>,
    /// Its txid.
    pub txid: Txid,
    /// Its wtxid.
    pub wtxid: Wtxid,
    /// What it pays its miner.
    pub fee: Amount,
    /// Its consensus bytes.
    pub bytes: u32,
    /// Monotonic time of its arrival.
    pub arrived: Duration,
    /// Lowest height of a block that may hold it: its lock height, or where the last coinbase it
    /// spends matures. Never above the next block's height.
    pub valid_from: u32,
    /// The outputs it spends, in the inputs' order.
    pub spent: Vec<Output>,
}

impl Pending {
    /// Its fee for its bytes.
    pub fn fee_rate(&self) -> FeeRate {
        FeeRate { fee: self.fee, bytes: u64::from(self.bytes) }
    }

    /// What it spends.
    pub fn inputs(&self) -> &[Input] {
        match &*self.transaction {
            Transaction::Transfer(transfer) => &transfer.inputs,
            Transaction::Coinbase(_) => &[],
        }
    }

    fn outpoints(&self) -> impl Iterator<Item = OutPoint> {
        self.inputs().iter().map(|input| input.outpoint)
    }
}

/// The pending transactions of a node.
///
/// A hash map here only answers lookups: nothing ever depends on its order.
#[derive(Debug)]
pub struct Mempool {
    limits: MempoolLimits,
    entries: BTreeMap<EntryId, Entry>,
    by_txid: HashMap<Txid, EntryId>,
    by_wtxid: HashMap<Wtxid, EntryId>,
    /// Who spends an outpoint; no outpoint is spent by two entries.
    spenders: HashMap<OutPoint, EntryId>,
    /// Who pays to or spends from a key.
    by_key: BTreeSet<(OutputKey, EntryId)>,
    /// Best rate first, then the earlier arrival.
    by_priority: BTreeSet<(Reverse<FeeRate>, EntryId)>,
    /// Who leaves a full pool first.
    by_eviction: BTreeSet<EvictionOrder>,
    /// Sum of the entries' estimates.
    heap_bytes: usize,
    next_id: EntryId,
    /// Counts every arrival and every removal.
    changes: u64,
    /// Units per 1000 bytes; raised above what a full pool evicted, see [`Mempool::fee_rate_min`].
    fee_rate_min: u64,
}

impl Mempool {
    /// An empty pool.
    pub fn new(limits: MempoolLimits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            by_txid: HashMap::new(),
            by_wtxid: HashMap::new(),
            spenders: HashMap::new(),
            by_key: BTreeSet::new(),
            by_priority: BTreeSet::new(),
            by_eviction: BTreeSet::new(),
            heap_bytes: 0,
            next_id: EntryId::FIRST,
            changes: 0,
            fee_rate_min: FEE_RATE_FLOOR,
        }
    }

    /// Pending transactions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of heap that the pool takes (an estimate from above, exact in its coming and going).
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Monotonic arrival of the transaction that waits longest.
    pub fn oldest_arrived(&self) -> Option<Duration> {
        let (_, entry) = self.entries.first_key_value()?;
        Some(entry.pending.arrived)
    }

    /// Whether a transaction of this txid is pending, with whatever signatures.
    pub fn contains_txid(&self, txid: &Txid) -> bool {
        self.by_txid.contains_key(txid)
    }

    /// Whether this very transaction is pending.
    pub fn contains_wtxid(&self, wtxid: &Wtxid) -> bool {
        self.by_wtxid.contains_key(wtxid)
    }

    /// The pending transaction of this txid.
    pub fn get_by_txid(&self, txid: &Txid) -> Option<&Pending> {
        self.get(*self.by_txid.get(txid)?)
    }

    /// The pending transaction of this wtxid.
    pub fn get_by_wtxid(&self, wtxid: &Wtxid) -> Option<&Pending> {
        self.get(*self.by_wtxid.get(wtxid)?)
    }

    /// Whether the signatures of this very transaction were verified: a block that holds it need
    /// not verify them again.
    pub fn was_verified(&self, wtxid: &Wtxid) -> bool {
        self.contains_wtxid(wtxid)
    }

    /// All, first come first.
    pub fn iter_by_arrival(&self) -> impl Iterator<Item = &Pending> {
        self.entries.values().map(|entry| &entry.pending)
    }

    /// All, highest fee rate first, the earlier arrival first among equals. A parent may come after
    /// its child.
    pub fn iter_by_priority(&self) -> impl Iterator<Item = &Pending> {
        self.by_priority.iter().filter_map(|(_, id)| self.get(*id))
    }

    /// Those that pay to or spend from `key`, first come first.
    pub fn touching(&self, key: &OutputKey) -> Vec<Arc<Transaction>> {
        self.by_key
            .range((*key, EntryId::FIRST)..=(*key, EntryId::LAST))
            .filter_map(|(_, id)| self.get(*id))
            .map(|pending| Arc::clone(&pending.transaction))
            .collect()
    }

    /// The pending transactions that pay to or spend from a key that begins like any of these, in
    /// order of arrival. The beginnings rise, so this takes as many steps as there are of them, or
    /// as there are keys in the pool, whichever is less.
    pub fn touching_any(
        &self,
        beginnings: &[[u8; KEY_BEGINNING_BYTES]],
    ) -> impl Iterator<Item = Arc<Transaction>> {
        let bound = |beginning: &[u8; KEY_BEGINNING_BYTES], rest: u8, id| {
            let mut key = [rest; 32];
            key[..KEY_BEGINNING_BYTES].copy_from_slice(beginning);
            (OutputKey(key), id)
        };
        let (mut wanted, mut found) = (beginnings, BTreeSet::new());
        while let Some(first) = wanted.first() {
            let from = bound(first, 0, EntryId::FIRST);
            let Some((key, _)) = self.by_key.range(from..).next() else { break };
            let next = beginning(key);
            wanted = &wanted[wanted.partition_point(|wanted| *wanted < next)..];
            if wanted.first() == Some(&next) {
                let alike = bound(&next, 0, EntryId::FIRST)..=bound(&next, 0xff, EntryId::LAST);
                found.extend(self.by_key.range(alike).map(|(_, id)| *id));
                wanted = &wanted[1..];
            }
        }
        let pending = found.into_iter().filter_map(|id| self.get(id));
        pending.map(|pending| Arc::clone(&pending.transaction))
    }

    /// The least fee rate that is taken, in units per 1000 bytes. A full pool that evicts raises it
    /// above what it evicted (`replacement`); every block halves it again (`removal`), down to
    /// [`FEE_RATE_FLOOR`].
    pub fn fee_rate_min(&self) -> u64 {
        self.fee_rate_min
    }

    /// Rises with every arrival and every removal, so that who saw a number need not look again
    /// until it is another.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// When the transaction that waits longest expires, by the monotonic clock.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.oldest_arrived()?.checked_add(self.limits.expiry)
    }

    pub(crate) fn get(&self, id: EntryId) -> Option<&Pending> {
        self.entries.get(&id).map(|entry| &entry.pending)
    }
}
