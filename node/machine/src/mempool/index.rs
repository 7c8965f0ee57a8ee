//! The pool's indexes and links: an entry is in all of them or in none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chain::key::OutputKey;
use chain::transaction::{Input, OutPoint, Output};

use super::{EntryId, FeeRate, Mempool, Pending};

/// A pending transaction and what hangs on it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pending: Pending,
    /// Pending transactions whose outputs it spends.
    pub(super) parents: BTreeSet<EntryId>,
    /// Pending transactions that spend its outputs.
    pub(super) children: BTreeSet<EntryId>,
    /// The best rate among itself and its descendants: what would be lost with it. So never below a
    /// child's.
    pub(super) keep_rate: FeeRate,
    pub(super) heap_bytes: usize,
}

/// Who leaves a full pool first: the lowest keep rate; where that is a descendant's, the lower rate
/// of its own; among equals the one that came last.
pub(super) type EvictionOrder = (FeeRate, FeeRate, Reverse<EntryId>);

impl Entry {
    fn eviction_order(&self) -> EvictionOrder {
        let own = self.pending.fee_rate();
        (self.keep_rate, own, Reverse(self.pending.id))
    }
}

/// Nodes of trees and tables are rarely full; each entry in one is counted twice.
const SLACK: usize = 2;
/// One entry in the maps by name, txid, wtxid, priority and eviction order, and two counts of an
/// `Arc`.
const ENTRY_BYTES: usize = SLACK
    * (size_of::<Entry>()
        + 8
        + 2 * (32 + 8)
        + size_of::<(FeeRate, EntryId)>()
        + size_of::<EvictionOrder>())
    + size_of::<chain::transaction::Transaction>()
    + 16;
/// A link at both its ends.
const LINK_BYTES: usize = SLACK * 2 * 8;
const KEY_BYTES: usize = SLACK * size_of::<(OutputKey, EntryId)>();
const INPUT_BYTES: usize = size_of::<Input>()
    + size_of::<Output>()
    + SLACK * size_of::<(OutPoint, EntryId)>()
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
        let id = pending.id;
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
                parent.children.insert(id);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.entries.get_mut(child) {
                child.parents.insert(id);
            }
        }
        self.heap_bytes += entry.heap_bytes;
        self.by_txid.insert(entry.pending.txid, id);
        self.by_wtxid.insert(entry.pending.wtxid, id);
        for outpoint in entry.pending.outpoints() {
            self.spenders.insert(outpoint, id);
        }
        for key in touched_keys(&entry.pending) {
            self.by_key.insert((key, id));
        }
        let own = entry.pending.fee_rate();
        self.by_priority.insert((Reverse(own), id));
        self.by_eviction.insert(entry.eviction_order());
        let changed = entry.parents.iter().copied().chain([id]).collect();
        self.entries.insert(id, entry);
        self.changes += 1;
        self.refresh_keep_rates(changed);
    }

    /// Takes out of every index. Its children stay; the caller says whether they may.
    pub(super) fn remove(&mut self, id: EntryId) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        self.changes += 1;
        for parent in &entry.parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.remove(&id);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.entries.get_mut(child) {
                child.parents.remove(&id);
            }
        }
        self.heap_bytes -= entry.heap_bytes;
        self.by_txid.remove(&entry.pending.txid);
        self.by_wtxid.remove(&entry.pending.wtxid);
        for outpoint in entry.pending.outpoints() {
            self.spenders.remove(&outpoint);
        }
        for key in touched_keys(&entry.pending) {
            self.by_key.remove(&(key, id));
        }
        let own = entry.pending.fee_rate();
        self.by_priority.remove(&(Reverse(own), id));
        self.by_eviction.remove(&entry.eviction_order());
        self.refresh_keep_rates(entry.parents.into_iter().collect());
    }

    /// Takes out a transaction and everything that hangs on it.
    pub(super) fn remove_with_descendants(&mut self, id: EntryId) {
        for leaver in self.descendants(id).into_iter().chain([id]) {
            self.remove(leaver);
        }
    }

    /// Pending transactions that `id` spends from, directly or not, without itself.
    pub(crate) fn ancestors(&self, id: EntryId) -> BTreeSet<EntryId> {
        let parents = self.entries.get(&id).map(|entry| &entry.parents);
        let parents = parents.into_iter().flatten().copied();
        self.closure(parents.collect(), |entry| &entry.parents, usize::MAX)
    }

    /// Pending transactions that spend from `id`, directly or not, without itself.
    pub(crate) fn descendants(&self, id: EntryId) -> BTreeSet<EntryId> {
        let children = self.entries.get(&id).map(|entry| &entry.children);
        let children = children.into_iter().flatten().copied();
        self.closure(children.collect(), |entry| &entry.children, usize::MAX)
    }

    /// `from` and everything that is reached from there by `next`. Gives up behind `max`: the
    /// result then has more entries than that.
    pub(super) fn closure(
        &self,
        from: BTreeSet<EntryId>,
        next: impl Fn(&Entry) -> &BTreeSet<EntryId>,
        max: usize,
    ) -> BTreeSet<EntryId> {
        let mut open: Vec<EntryId> = from.iter().copied().collect();
        let mut reached = from;
        while let Some(id) = open.pop() {
            if reached.len() > max {
                break;
            }
            for neighbor in self.entries.get(&id).into_iter().flat_map(&next) {
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
    ) -> BTreeSet<EntryId> {
        outpoints.filter_map(|outpoint| self.by_txid.get(&outpoint.txid).copied()).collect()
    }

    fn pending_spenders(&self, pending: &Pending, outputs: usize) -> BTreeSet<EntryId> {
        (0u32..)
            .take(outputs)
            .map(|index| OutPoint { txid: pending.txid, index })
            .filter_map(|outpoint| self.spenders.get(&outpoint).copied())
            .collect()
    }

    /// Brings the keep rates of `changed` up to date, and those above them as far as they follow.
    /// Links have no circles and few levels, so this ends soon.
    fn refresh_keep_rates(&mut self, mut changed: Vec<EntryId>) {
        while let Some(id) = changed.pop() {
            let Some(entry) = self.entries.get(&id) else {
                continue;
            };
            let children = entry.children.iter().filter_map(|child| self.entries.get(child));
            let keep_rate =
                children.map(|child| child.keep_rate).fold(entry.pending.fee_rate(), FeeRate::max);
            if keep_rate == entry.keep_rate {
                continue;
            }
            self.by_eviction.remove(&entry.eviction_order());
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.keep_rate = keep_rate;
                self.by_eviction.insert(entry.eviction_order());
                changed.extend(&entry.parents);
            }
        }
    }
}

fn touched_keys(pending: &Pending) -> impl Iterator<Item = OutputKey> {
    let paid = pending.transaction.outputs();
    paid.iter().chain(&pending.spent).map(|output| output.key)
}
