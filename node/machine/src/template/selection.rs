//! Selection: which pending transactions a block takes, and in which order.
//!
//! A transaction is taken together with those of its pending ancestors that are not taken yet: its
//! *package*. It is worth its package's fee rate, but never more than its own. The best worth goes
//! first, the earlier arrival among equals: without chains that is simply the highest fee rate
//! first, and a child may pay for its parent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain::amount::Amount;
use chain::encoding::write_compact_size;
use chain::hash::Wtxid;
use chain::header::HEADER_BYTES;
use chain::transaction::{COINBASE_BYTES_MIN, TRANSFER_BYTES_MIN, Transaction};

use crate::mempool::{EntryId, FeeRate, Mempool, Pending};

/// What a block takes, parents before children.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) transfers: Vec<Arc<Transaction>>,
    pub(super) wtxids: Vec<Wtxid>,
    pub(super) fees: Amount,
}

/// Worth, then arrival: the least goes first.
type Order = (Reverse<FeeRate>, EntryId);

/// The best of `mempool` for a block of `height` with at most `block_bytes_max` bytes and a
/// coinbase of one output.
pub(super) fn select(mempool: &Mempool, height: u32, block_bytes_max: u32) -> Selection {
    let mut filling = Filling {
        mempool,
        height,
        bytes_max: block_bytes_max as usize,
        bytes: HEADER_BYTES + COINBASE_BYTES_MIN,
        taken: BTreeSet::new(),
        waiting: BTreeSet::new(),
        worth: BTreeMap::new(),
        selection: Selection::default(),
    };
    // Transactions are met by their own rate, which their worth never exceeds: nobody is met too
    // late.
    let mut strangers = mempool.iter_by_priority().peekable();
    while filling.has_room() {
        let waiting = filling.waiting.first().copied();
        let is_first = |pending: &&Pending| {
            let order = (Reverse(pending.fee_rate()), pending.id);
            waiting.is_none_or(|waiting| order < waiting)
        };
        if let Some(pending) = strangers.next_if(is_first) {
            filling.meet(pending);
        } else if let Some((_, id)) = waiting {
            filling.stop_waiting(id);
            filling.take_package(id);
        } else {
            break;
        }
    }
    filling.selection
}

/// A block that is being filled.
struct Filling<'a> {
    mempool: &'a Mempool,
    height: u32,
    bytes_max: usize,
    /// Header, coinbase and what is taken, without the count.
    bytes: usize,
    taken: BTreeSet<EntryId>,
    /// Transactions that were met and have ancestors that are not taken.
    waiting: BTreeSet<Order>,
    /// The worth under which each of them waits.
    worth: BTreeMap<EntryId, FeeRate>,
    selection: Selection,
}

impl<'a> Filling<'a> {
    /// Whether the shortest transfer would still fit.
    fn has_room(&self) -> bool {
        self.fits(1, TRANSFER_BYTES_MIN)
    }

    fn fits(&self, transfers: usize, bytes: usize) -> bool {
        let mut count = Vec::with_capacity(9);
        let transactions = 1 + self.selection.transfers.len() + transfers;
        write_compact_size(transactions as u64, &mut count);
        self.bytes + count.len() + bytes <= self.bytes_max
    }

    fn meet(&mut self, pending: &Pending) {
        let id = pending.id;
        if self.taken.contains(&id) {
            return;
        }
        let package = self.package(id);
        match package.as_slice() {
            [_] => self.take_package(id),
            _ => self.wait(id, &package),
        }
    }

    /// A transaction behind those of its pending ancestors that are not taken yet, in an order in
    /// which a block may hold them: whoever has fewer ancestors cannot be the child.
    fn package(&self, id: EntryId) -> Vec<&'a Pending> {
        let missing = |ancestor: &EntryId| !self.taken.contains(ancestor);
        let ancestors = self.mempool.ancestors(id);
        let mut package: Vec<EntryId> = ancestors.into_iter().filter(missing).collect();
        if !package.is_empty() {
            package.sort_by_cached_key(|ancestor| {
                (self.mempool.ancestors(*ancestor).len(), *ancestor)
            });
        }
        package.push(id);
        let pending = package.into_iter().filter_map(|member| self.mempool.get(member));
        pending.collect()
    }

    fn wait(&mut self, id: EntryId, package: &[&Pending]) {
        let rates = package.iter().map(|pending| pending.fee_rate());
        let whole = rates.reduce(|sum, rate| FeeRate {
            fee: Amount(sum.fee.0.saturating_add(rate.fee.0)),
            bytes: sum.bytes.saturating_add(rate.bytes),
        });
        let own = package.last().map(|pending| pending.fee_rate());
        if let Some(worth) = own.into_iter().chain(whole).min() {
            self.waiting.insert((Reverse(worth), id));
            self.worth.insert(id, worth);
        }
    }

    fn stop_waiting(&mut self, id: EntryId) -> bool {
        let worth = self.worth.remove(&id);
        worth.is_some_and(|worth| self.waiting.remove(&(Reverse(worth), id)))
    }

    /// Takes a transaction with its package, if the block may hold it. If not it never will: room
    /// only shrinks, by whatever of the package is taken without it.
    fn take_package(&mut self, id: EntryId) {
        let package = self.package(id);
        let bytes = package.iter().map(|pending| pending.bytes as usize).sum();
        let fees = package.iter().map(|pending| pending.fee);
        let fees = Amount::checked_sum(fees.chain([self.selection.fees]));
        let valid = package.iter().all(|pending| pending.valid_from <= self.height);
        let Some(fees) = fees.filter(|_| valid && self.fits(package.len(), bytes)) else {
            return;
        };
        self.selection.fees = fees;
        self.bytes += bytes;
        let mut closer = BTreeSet::new();
        for pending in package {
            self.selection.transfers.push(Arc::clone(&pending.transaction));
            self.selection.wtxids.push(pending.wtxid);
            self.stop_waiting(pending.id);
            self.taken.insert(pending.id);
            closer.extend(self.mempool.descendants(pending.id));
        }
        for descendant in closer {
            if self.stop_waiting(descendant) {
                let package = self.package(descendant);
                self.wait(descendant, &package);
            }
        }
    }
}
