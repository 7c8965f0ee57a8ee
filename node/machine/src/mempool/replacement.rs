//! Replacement and eviction: how a newcomer fits among those already pending, and who must leave
//! for it.

use std::collections::BTreeSet;

use chain::amount::Amount;

use super::index::heap_estimate;
use super::{Candidate, EntryId, FeeRate, Mempool, MempoolError, REPLACED_MAX};

/// Who leaves when a newcomer comes.
pub(super) struct Displaced {
    /// Those that spend what it spends, with all that hangs on them.
    pub(super) replaced: BTreeSet<EntryId>,
    /// Those that a full pool lets go.
    pub(super) evicted: BTreeSet<EntryId>,
}

impl Mempool {
    /// Judges `candidate` by the pool's policy.
    pub(super) fn displaced_by(&self, candidate: &Candidate) -> Result<Displaced, MempoolError> {
        let replaced = self.replaced_by(candidate)?;
        let ancestors = self.ancestors_of_newcomer(candidate, &replaced)?;
        let evicted = self.make_room(candidate, &replaced, &ancestors)?;
        Ok(Displaced { replaced, evicted })
    }

    /// Replace-by-fee: a newcomer takes the place of what it conflicts with, and of all that hangs
    /// on it, when it pays more than all of them together and at a better rate than each of them.
    /// So a replacement never makes the pool poorer, nor a block that had room for the replaced.
    fn replaced_by(&self, candidate: &Candidate) -> Result<BTreeSet<EntryId>, MempoolError> {
        let direct: BTreeSet<EntryId> = candidate
            .outpoints()
            .filter_map(|outpoint| self.spenders.get(&outpoint).copied())
            .collect();
        let Some(first) = direct.first().and_then(|first| self.get(*first)) else {
            return Ok(direct);
        };
        let with = first.txid;
        let replaced = self.closure(direct, |entry| &entry.children, REPLACED_MAX);
        if replaced.len() > REPLACED_MAX {
            return Err(MempoolError::ReplacesTooMany { max: REPLACED_MAX });
        }
        let rate = candidate.fee_rate();
        let leaving = || replaced.iter().filter_map(|leaver| self.get(*leaver));
        // Every fee is below all money, so a hundred of them fit 64 bits.
        let fees = Amount(leaving().map(|pending| pending.fee.0).fold(0, u64::saturating_add));
        let pays_more = candidate.fee > fees;
        if !pays_more || leaving().any(|pending| pending.fee_rate() >= rate) {
            return Err(MempoolError::Conflict { with, fees });
        }
        Ok(replaced)
    }

    /// The pending ancestors of a newcomer, none of them replaced by it, no chain too long with it.
    fn ancestors_of_newcomer(
        &self,
        candidate: &Candidate,
        replaced: &BTreeSet<EntryId>,
    ) -> Result<BTreeSet<EntryId>, MempoolError> {
        let max = self.limits.ancestors_max;
        let parents = self.pending_parents(candidate.unconfirmed.iter().copied());
        let ancestors = self.closure(parents, |entry| &entry.parents, max);
        if ancestors.len() >= max {
            return Err(MempoolError::TooLongChain { max });
        }
        let lost = ancestors.intersection(replaced).next();
        if let Some(lost) = lost.and_then(|lost| self.get(*lost)) {
            return Err(MempoolError::SpendsReplaced { with: lost.txid });
        }
        let max = self.limits.descendants_max;
        for ancestor in &ancestors {
            let staying = self.descendants(*ancestor).difference(replaced).count();
            // The ancestor and the newcomer count too.
            if staying + 2 > max {
                return Err(MempoolError::TooLongChain { max });
            }
        }
        Ok(ancestors)
    }

    /// Who must leave so that the newcomer fits: always the lowest keep rate, with its descendants.
    /// What leaves, each of it, pays a lower rate than the newcomer; among equals the earlier
    /// stays.
    fn make_room(
        &self,
        candidate: &Candidate,
        replaced: &BTreeSet<EntryId>,
        ancestors: &BTreeSet<EntryId>,
    ) -> Result<BTreeSet<EntryId>, MempoolError> {
        let needed = heap_estimate(candidate.spent.len(), candidate.transaction.outputs().len());
        let heap_of = |id: &EntryId| self.entries.get(id).map_or(0, |entry| entry.heap_bytes);
        let mut held = self.heap_bytes - replaced.iter().map(heap_of).sum::<usize>();
        let mut evicted = BTreeSet::new();
        let rate = candidate.fee_rate();
        let mut victims = self.by_eviction.iter();
        while held.saturating_add(needed) > self.limits.bytes_max {
            let lowest = victims.next().filter(|(keep_rate, ..)| *keep_rate < rate);
            let Some((_, _, victim)) = lowest else {
                return Err(MempoolError::Full { rate: rate.per_1000_bytes() });
            };
            // The newcomer will hold up its ancestors; what is replaced leaves anyway.
            let victim = victim.0;
            if ancestors.contains(&victim) || replaced.contains(&victim) {
                continue;
            }
            for leaver in self.descendants(victim).into_iter().chain([victim]) {
                if !replaced.contains(&leaver) && evicted.insert(leaver) {
                    held -= heap_of(&leaver);
                }
            }
        }
        Ok(evicted)
    }

    /// Takes no more of what a full pool has just let go: newcomers must pay more than that.
    pub(super) fn raise_fee_rate_min(&mut self, evicted: &BTreeSet<EntryId>) {
        let rates = evicted.iter().filter_map(|leaver| self.get(*leaver));
        if let Some(best) = rates.map(super::Pending::fee_rate).reduce(FeeRate::max) {
            let above = best.per_1000_bytes().saturating_add(1);
            self.fee_rate_min = self.fee_rate_min.max(above);
        }
    }

    /// After a reorganization a newcomer may come below transactions that spend from it; drops
    /// those that make a chain too long, the last that came first.
    pub(super) fn trim_chains(&mut self, newcomer: EntryId) {
        for descendant in self.descendants(newcomer).into_iter().rev() {
            if self.ancestors(descendant).len() >= self.limits.ancestors_max {
                self.remove_with_descendants(descendant);
            }
        }
        let above = self.ancestors(newcomer);
        for ancestor in above.into_iter().chain([newcomer]) {
            let mut below = self.descendants(ancestor);
            while below.len() >= self.limits.descendants_max {
                // Never the newcomer or what it spends from: those hang below an ancestor as well.
                let spared = |leaver: &EntryId| {
                    *leaver == newcomer || self.ancestors(newcomer).contains(leaver)
                };
                let Some(last) = below.iter().rev().copied().find(|leaver| !spared(leaver)) else {
                    break;
                };
                self.remove_with_descendants(last);
                below = self.descendants(ancestor);
            }
        }
    }
}
