//! Removal: by a block, by age, by a reorganization.

use std::collections::BTreeSet;
use std::time::Duration;

use chain::block::CommittedBlock;
use chain::genesis::Network;
use chain::hash::Txid;
use chain::transaction::{OutPoint, Transaction};
use chain::utxo::Coin;

use super::admission::matures_at;
use super::{FEE_RATE_FLOOR, Mempool, Pending};

/// What a block took out of the pool.
#[derive(Debug, Clone, Default)]
pub struct RemovedConflicts {
    /// What it confirmed.
    pub confirmed: Vec<Txid>,
    /// What can no longer be confirmed: it spends what the block spends, or hangs on such a one.
    pub conflicting: Vec<Pending>,
}

impl Mempool {
    /// Drops what `block` confirms and everything that conflicts with it. Call it for every block
    /// that is connected, before anything of the next height is checked.
    pub fn remove_confirmed(&mut self, block: &CommittedBlock) -> RemovedConflicts {
        let mut removed = RemovedConflicts::default();
        for (txid, transaction) in block.txids.iter().zip(&block.block.transactions) {
            let Transaction::Transfer(transfer) = transaction else {
                continue;
            };
            // Other signatures may have been confirmed than were pending; the coins are the same.
            if let Some(arrival) = self.by_txid.get(txid).copied() {
                self.remove(arrival);
                removed.confirmed.push(*txid);
                continue;
            }
            for input in &transfer.inputs {
                if let Some(spender) = self.spenders.get(&input.outpoint).copied() {
                    removed.conflicting.extend(self.remove_with_descendants(spender));
                }
            }
        }
        self.relax_fee_rate_min();
        removed
    }

    /// Drops what has waited too long, with all that hangs on it. `now` is monotonic.
    pub fn expire(&mut self, now: Duration) -> Vec<Txid> {
        let mut expired = Vec::new();
        while let Some((arrival, entry)) = self.entries.first_key_value() {
            if now.saturating_sub(entry.pending.arrived) < self.limits.expiry {
                break;
            }
            let leavers = self.remove_with_descendants(*arrival);
            expired.extend(leavers.into_iter().map(|pending| pending.txid));
        }
        if !expired.is_empty() {
            self.relax_fee_rate_min();
        }
        expired
    }

    /// After a reorganization: judges every pending transaction against the new coins and the new
    /// next `height`, and drops those whose coins are missing, immature or locked now, with all
    /// that hangs on them. Insert what the lost branch returns first (oldest block first), so that
    /// pending children find their parents.
    ///
    /// # Errors
    /// The lookup's own; the pool is then unchanged.
    pub fn retain_valid<E>(
        &mut self,
        network: &Network,
        height: u32,
        mut coin: impl FnMut(&OutPoint) -> Result<Option<Coin>, E>,
    ) -> Result<Vec<Pending>, E> {
        let mut invalid = BTreeSet::new();
        let mut valid_from = Vec::with_capacity(self.len());
        for (arrival, entry) in &self.entries {
            let mut from = Some(lock_height(&entry.pending));
            for outpoint in entry.pending.outpoints() {
                if self.contains_txid(&outpoint.txid) {
                    continue;
                }
                let matures = coin(&outpoint)?.map(|coin| matures_at(&coin, network.spec.maturity));
                from = from.zip(matures).map(|(from, matures)| from.max(matures));
            }
            match from.filter(|from| *from <= height) {
                Some(from) => valid_from.push((*arrival, from)),
                None => _ = invalid.insert(*arrival),
            }
        }
        for (arrival, from) in valid_from {
            if let Some(entry) = self.entries.get_mut(&arrival) {
                entry.pending.valid_from = from;
            }
        }
        let dropped = invalid.into_iter().flat_map(|leaver| self.remove_with_descendants(leaver));
        Ok(dropped.collect())
    }

    /// The raised minimum falls by half towards the floor; an empty pool has no reason to keep it.
    fn relax_fee_rate_min(&mut self) {
        let relaxed = match self.is_empty() {
            true => FEE_RATE_FLOOR,
            false => self.fee_rate_min / 2,
        };
        self.fee_rate_min = relaxed.max(FEE_RATE_FLOOR);
    }
}

fn lock_height(pending: &Pending) -> u32 {
    match &*pending.transaction {
        Transaction::Transfer(transfer) => transfer.lock_height,
        Transaction::Coinbase(_) => 0,
    }
}
