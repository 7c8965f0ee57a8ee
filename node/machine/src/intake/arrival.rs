//! Arrival at a new tip: what the pool loses and gets back, and who is told.

use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::transaction::Transaction;

use super::super::effect::Report;
use super::super::header_tree::HeaderId;
use super::super::ledger::Arrival;
use super::super::{Machine, MachineError};

impl Machine {
    /// The tip has followed the cursor: the pool goes by it at once, and so does the miner;
    /// everybody else is told when it is durable.
    pub(crate) fn on_arrival(&mut self, arrival: Arrival) -> Result<(), MachineError> {
        self.update_mempool(&arrival)?;
        self.publish_arrival(arrival)
    }

    /// Observers and peers are told of a tip that is durable now.
    pub(crate) fn tell_arrival(&mut self, arrival: &Arrival) -> Result<(), MachineError> {
        for connected in &arrival.connected {
            let entry = self.tree.entry(connected.id);
            let target = entry.header.bits.expand();
            let report = Report::BlockConnected {
                hash: entry.hash,
                height: entry.height,
                transactions: connected.transactions,
                fees: connected.fees,
                target_zero_bits: target.map_or(0, |target| target.zero_bits()),
            };
            let sender = self.intake.senders.remove(&entry.hash);
            if let Some(sender) = sender.and_then(|sender| self.peers.get_mut(sender)) {
                sender.last_block = Some(self.now.monotonic);
            }
            self.report(report);
        }
        if !arrival.disconnected.is_empty() {
            let (from, tip) = (self.tree.entry(arrival.from).hash, arrival.tip);
            let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
            self.report(Report::Reorganized {
                from,
                to: tip.hash,
                height: tip.height,
                disconnected: count(arrival.disconnected.len()),
                connected: count(arrival.connected.len()),
            });
        }
        self.announce_tip()
    }

    /// Drops what the new chain confirms or contradicts; brings back what the old one had
    /// confirmed.
    fn update_mempool(&mut self, arrival: &Arrival) -> Result<(), MachineError> {
        if arrival.disconnected.is_empty() && self.mempool.is_empty() {
            return Ok(());
        }
        for connected in &arrival.connected {
            let block = self.block_of(connected.id)?;
            self.mempool.remove_confirmed(&block);
        }
        if arrival.disconnected.is_empty() {
            return Ok(());
        }
        // Parents return before what still pends on them is judged again.
        let height = self.ledger.tip().height + 1;
        for id in arrival.disconnected.iter().rev() {
            for transaction in &self.block_of(*id)?.block.transactions {
                self.bring_back(transaction, height)?;
            }
        }
        let ledger = &self.ledger;
        self.mempool.retain_valid(&self.network, height, |point| ledger.coin(point))?;
        Ok(())
    }

    /// A transaction of a lost branch is pending again, unless the new chain made it impossible.
    /// Its signatures held when its block was connected, and they depend on nothing that has
    /// changed.
    fn bring_back(&mut self, transaction: &Transaction, height: u32) -> Result<(), MachineError> {
        let Transaction::Transfer(transfer) = transaction else {
            return Ok(());
        };
        let ledger = &self.ledger;
        let checked =
            self.mempool.check(transfer, &self.network, height, |point| ledger.coin(point))?;
        if let Ok(candidate) = checked {
            let txid = candidate.txid;
            if self.mempool.insert(candidate, self.now.monotonic).is_ok() {
                self.mining.transaction_came();
                self.announce_transaction(&txid);
            }
        }
        Ok(())
    }

    fn block_of(&self, id: HeaderId) -> Result<Arc<CommittedBlock>, MachineError> {
        Ok(self.ledger.block(&self.tree.entry(id).hash)?)
    }
}
