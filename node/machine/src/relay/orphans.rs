//! Orphans: transactions that came before what they spend, kept until it comes.

use std::collections::BTreeMap;
use std::time::Duration;

use chain::hash::{Txid, Wtxid};
use chain::transaction::Transaction;
use wire::wallet::RefusalKind;

use crate::conduct::{Misbehavior, Source};
use crate::intake::{Bringer, TransactionOutcome};
use crate::{Machine, MachineError, PeerId};

/// Orphans that are kept; as many as others keep (Bitcoin Core). Each is as long as what is relayed
/// at most, so all of them together stay below 10 MB.
const ORPHANS_MAX: usize = 100;

/// An orphan whose parent does not come is forgotten after this long.
const ORPHAN_PATIENCE: Duration = Duration::from_mins(20);

#[derive(Debug)]
pub(crate) struct Orphan {
    transaction: Transaction,
    pub(crate) from: PeerId,
    since: Duration,
    /// Counts orphans up: the lowest came first.
    arrival: u64,
}

/// Transactions whose coins are not known yet.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    waiting: BTreeMap<Wtxid, Orphan>,
    next_arrival: u64,
    /// The tip changed: a block may have brought the coins of any of them.
    recheck: bool,
}

impl Orphans {
    pub(super) fn contains(&self, wtxid: &Wtxid) -> bool {
        self.waiting.contains_key(wtxid)
    }

    /// Any of them may be no orphan any more.
    pub(super) fn recheck(&mut self) {
        self.recheck = true;
    }

    /// Keeps an orphan that has come.
    pub(super) fn keep(&mut self, from: PeerId, transaction: Transaction, now: Duration) {
        self.waiting.retain(|_, orphan| now < orphan.since + ORPHAN_PATIENCE);
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        let wtxid = transaction.wtxid();
        self.insert(wtxid, Orphan { transaction, from, since: now, arrival });
    }

    /// Keeps an orphan; too many push out the oldest of whoever brought most, so that a flood takes
    /// the place of nobody else's.
    fn insert(&mut self, wtxid: Wtxid, orphan: Orphan) {
        self.waiting.insert(wtxid, orphan);
        while self.waiting.len() > ORPHANS_MAX
            && let Some(wtxid) = self.most_dispensable()
        {
            self.waiting.remove(&wtxid);
        }
    }

    fn most_dispensable(&self) -> Option<Wtxid> {
        let mut brought = BTreeMap::<PeerId, usize>::new();
        for orphan in self.waiting.values() {
            *brought.entry(orphan.from).or_default() += 1;
        }
        let (most, _) = brought.into_iter().max_by_key(|(_, count)| *count)?;
        let theirs = self.waiting.iter().filter(|(_, orphan)| orphan.from == most);
        theirs.min_by_key(|(_, orphan)| orphan.arrival).map(|(wtxid, _)| *wtxid)
    }

    /// Takes out what waits for this parent, first come first; all of them for none.
    fn take(&mut self, parent: Option<&Txid>) -> Vec<Orphan> {
        let waits = |orphan: &Orphan| parent.is_none_or(|parent| orphan.spends_from(parent));
        let found = self.waiting.extract_if(.., |_, orphan| waits(orphan));
        let mut found: Vec<Orphan> = found.map(|(_, orphan)| orphan).collect();
        found.sort_by_key(|orphan| orphan.arrival);
        found
    }
}

impl Orphan {
    fn spends_from(&self, parent: &Txid) -> bool {
        match &self.transaction {
            Transaction::Transfer(transfer) => {
                transfer.inputs.iter().any(|input| input.outpoint.txid == *parent)
            }
            Transaction::Coinbase(_) => false,
        }
    }
}

impl Machine {
    /// Offers orphans again whose parents have become pending in this call, and theirs.
    pub(crate) fn adopt_orphans(&mut self) -> Result<(), MachineError> {
        if !self.ledger.is_settled() {
            return Ok(());
        }
        if std::mem::take(&mut self.relay.orphans.recheck) {
            let all = self.relay.orphans.take(None);
            self.offer_orphans(all)?;
        }
        let mut at = 0;
        // What is adopted may be a parent itself, and stands further behind then.
        while let Some(wtxid) = self.relay.fresh.get(at) {
            at += 1;
            let txid = self.mempool.get_by_wtxid(wtxid).map(|pending| pending.txid);
            if let Some(txid) = txid {
                let children = self.relay.orphans.take(Some(&txid));
                self.offer_orphans(children)?;
            }
        }
        Ok(())
    }

    fn offer_orphans(&mut self, orphans: Vec<Orphan>) -> Result<(), MachineError> {
        for orphan in orphans {
            let transaction = orphan.transaction.clone();
            self.offer_transaction(Bringer::Orphanage(Box::new(orphan)), transaction)?;
        }
        Ok(())
    }

    /// What became of an orphan.
    pub(crate) fn on_orphan_judged(
        &mut self,
        orphan: Orphan,
        transaction: Transaction,
        outcome: TransactionOutcome,
    ) {
        let (kind, reason) = match outcome {
            TransactionOutcome::Refused { kind, reason } => (kind, reason),
            TransactionOutcome::TryAgain { reason } => (RefusalKind::Busy, reason),
            _ => return,
        };
        match kind {
            RefusalKind::MissingCoins | RefusalKind::Busy => {
                self.relay.orphans.insert(transaction.wtxid(), orphan);
            }
            RefusalKind::Invalid => {
                self.blame(Source::Peer(orphan.from), Misbehavior::InvalidTransaction, &reason);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
