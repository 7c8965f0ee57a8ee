//! The pool's indexes and links: an entry is in all of them or in none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chain::key::OutputKey;
use chain::transaction::{Input, OutPoint, Output};

use super::{FeeRate, Mempool, Pending};

/// A pending transaction and what hangs on it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pending: Pending,
    /// Pending transactions whose outputs it spends.
    pub(super) parents: BTreeSet<u64>,
    /// Pending transactions that spend its outputs.
    pub(super) children: BTreeSet<u64>,
    /// The best rate among itself and its descendants: what would be lost with it. So never below a
    /// child's.
    pub(super) keep_rate: FeeRate,
    pub(super) heap_bytes: usize,
}

/// Who leaves a full pool first: the lowest keep rate; where that is a descendant's, the lower rate
/// of its own; among equals the one that came last.
pub(super) type KeepOrder = (FeeRate, FeeRate, Reverse<u64>);

impl Entry {
    fn keep_order(&self) -> KeepOrder {
        let own = self.pending.fee_rate();
        (self.keep_rate, own, Reverse(self.pending.arrival))
    }
}

/// Nodes of trees and tables are rarely full; each entry in one is counted twice.
const SLACK: usize = 2;
/// One entry in the maps by arrival, txid, wtxid, priority and keep order, and two counts of an
/// `Arc`.
const ENTRY_BYTES: usize = SLACK
    * (size_of::<Entry>()
        + 8
        + 2 * (32 + 8)
        + size_of::<(FeeRate, u64)>()
        + size_of::<KeepOrder>())
    + size_of::<chain::transaction::Transaction>()
    + 16;
/// A link at both its ends.
const LINK_BYTES: usize = SLACK * 2 * 8;
const KEY_BYTES: usize = SLACK * size_of::<(OutputKey, u64)>();
const INPUT_BYTES: usize = size_of::<Input>()
    + size_of::<Output>()
    + SLACK * size_of::<(OutPoint, u64)>()
    + KEY_BYTES
    + LINK_BYTES;
const OUTPUT_BYTES: usize = size_of::<Output>() + KEY_BYTES;

/// Heap that a transaction of so many inputs and outputs takes, from above: it depends on nothing
/// that changes while it is pending, so what was added is what is taken away.
pub(super) fn heap_estimate(inputs: usize, outputs: usize) -> usize {
    ENTRY_BYTES + inputs * INPUT_BYTES + outputs * OUTPUT_BYTES
}

impl Mempool {
    /// Adds to every index. Its txid must not be pending and no entry may spend what it spends.
    /// Links to parents and to children: after a reorganization a child may have been there first.
    pub(super) fn add(&mut self, pending: Pending) {
        let arrival = pending.arrival;
        let outputs = pending.transaction.outputs().len();
        let entry = Entry {
            parents: self.pending_parents(pending.outpoints()),
            children: self.pending_spenders(&pending, outputs),
            keep_rate: pending.fee_rate(),
            heap_bytes: heap_estimate(pending.spent.len(), outputs),
            pending,
        };
        for parent in &entry.parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.insert(arrival);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.entries.get_mut(child) {
                child.parents.insert(arrival);
            }
        }
        self.heap_bytes += entry.heap_bytes;
        self.by_txid.insert(entry.pending.txid, arrival);
        self.by_wtxid.insert(entry.pending.wtxid, arrival);
        for outpoint in entry.pending.outpoints() {
            self.spenders.insert(outpoint, arrival);
        }
        for key in touched_keys(&entry.pending) {
            self.by_key.insert((key, arrival));
        }
        let own = entry.pending.fee_rate();
        self.by_priority.insert((Reverse(own), arrival));
        self.by_keep.insert(entry.keep_order());
        let changed = entry.parents.iter().copied().chain([arrival]).collect();
        self.entries.insert(arrival, entry);
        self.changes += 1;
        self.refresh_keep_rates(changed);
    }

    /// Takes out of every index. Its children stay; the caller says whether they may.
    pub(super) fn remove(&mut self, arrival: u64) -> Option<Pending> {
        let entry = self.entries.remove(&arrival)?;
        self.changes += 1;
        for parent in &entry.parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.remove(&arrival);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.entries.get_mut(child) {
                child.parents.remove(&arrival);
            }
        }
        self.heap_bytes -= entry.heap_bytes;
        self.by_txid.remove(&entry.pending.txid);
        self.by_wtxid.remove(&entry.pending.wtxid);
        for outpoint in entry.pending.outpoints() {
            self.spenders.remove(&outpoint);
        }
        for key in touched_keys(&entry.pending) {
            self.by_key.remove(&(key, arrival));
        }
        let own = entry.pending.fee_rate();
        self.by_priority.remove(&(Reverse(own), arrival));
        self.by_keep.remove(&entry.keep_order());
        self.refresh_keep_rates(entry.parents.into_iter().collect());
        Some(entry.pending)
    }

    /// Takes out a transaction and everything that hangs on it.
    pub(super) fn remove_with_descendants(&mut self, arrival: u64) -> Vec<Pending> {
        let mut leaving = self.descendants(arrival);
        leaving.insert(arrival);
        leaving.into_iter().filter_map(|leaver| self.remove(leaver)).collect()
    }

    /// Pending transactions that `arrival` spends from, directly or not, without itself.
    pub(crate) fn ancestors(&self, arrival: u64) -> BTreeSet<u64> {
        let parents = self.entries.get(&arrival).map(|entry| &entry.parents);
        let parents = parents.into_iter().flatten().copied();
        self.closure(parents.collect(), |entry| &entry.parents, usize::MAX)
    }

    /// Pending transactions that spend from `arrival`, directly or not, without itself.
    pub(crate) fn descendants(&self, arrival: u64) -> BTreeSet<u64> {
        let children = self.entries.get(&arrival).map(|entry| &entry.children);
        let children = children.into_iter().flatten().copied();
        self.closure(children.collect(), |entry| &entry.children, usize::MAX)
    }

    /// `from` and everything that is reached from there by `next`. Gives up behind `max`: the
    /// result then has more entries than that.
    pub(super) fn closure(
        &self,
        from: BTreeSet<u64>,
        next: impl Fn(&Entry) -> &BTreeSet<u64>,
        max: usize,
    ) -> BTreeSet<u64> {
        let mut open: Vec<u64> = from.iter().copied().collect();
        let mut reached = from;
        while let Some(arrival) = open.pop() {
            if reached.len() > max {
                break;
            }
            for neighbor in self.entries.get(&arrival).into_iter().flat_map(&next) {
                if reached.insert(*neighbor) {
                    open.push(*neighbor);
                }
            }
        }
        reached
    }

    /// The pending transactions that made these outpoints.
    pub(super) fn pending_parents(
        &self,
        outpoints: impl Iterator<Item = OutPoint>,
    ) -> BTreeSet<u64> {
        outpoints.filter_map(|outpoint| self.by_txid.get(&outpoint.txid).copied()).collect()
    }

    fn pending_spenders(&self, pending: &Pending, outputs: usize) -> BTreeSet<u64> {
        (0u32..)
            .take(outputs)
            .map(|index| OutPoint { txid: pending.txid, index })
            .filter_map(|outpoint| self.spenders.get(&outpoint).copied())
            .collect()
    }

    /// Brings the keep rates of `changed` up to date, and those above them as far as they follow.
    /// Links have no circles and few levels, so this ends soon.
    fn refresh_keep_rates(&mut self, mut changed: Vec<u64>) {
        while let Some(arrival) = changed.pop() {
            let Some(entry) = self.entries.get(&arrival) else {
                continue;
            };
            let children = entry.children.iter().filter_map(|child| self.entries.get(child));
            let keep_rate =
                children.map(|child| child.keep_rate).fold(entry.pending.fee_rate(), FeeRate::max);
            if keep_rate == entry.keep_rate {
                continue;
            }
            self.by_keep.remove(&entry.keep_order());
            if let Some(entry) = self.entries.get_mut(&arrival) {
                entry.keep_rate = keep_rate;
                self.by_keep.insert(entry.keep_order());
                changed.extend(&entry.parents);
            }
        }
    }
}

fn touched_keys(pending: &Pending) -> impl Iterator<Item = OutputKey> {
    let paid = pending.transaction.outputs();
    paid.iter().chain(&pending.spent).map(|output| output.key)
}
