//! Removal: by a block, by age, by a reorganization.

use std::collections::BTreeSet;
use std::time::Duration;

use chain::block::CommittedBlock;
use chain::genesis::Network;
use chain::transaction::{OutPoint, Transaction};
use chain::utxo::Coin;

use super::admission::matures_at;
use super::{FEE_RATE_FLOOR, Mempool, Pending};

impl Mempool {
    /// Drops what `block` confirms and everything that conflicts with it. Call it for every block
    /// that is connected, before anything of the next height is checked.
    pub fn remove_confirmed(&mut self, block: &CommittedBlock) {
        for (txid, transaction) in block.txids.iter().zip(&block.block.transactions) {
            let Transaction::Transfer(transfer) = transaction else {
                continue;
            };
            // Other signatures may have been confirmed than were pending; the coins are the same.
            if let Some(id) = self.by_txid.get(txid).copied() {
                self.remove(id);
                continue;
            }
            for input in &transfer.inputs {
                if let Some(spender) = self.spenders.get(&input.outpoint).copied() {
                    self.remove_with_descendants(spender);
                }
            }
        }
        self.relax_fee_rate_min();
    }

    /// Drops what has waited too long, with all that hangs on it. `now` is monotonic.
    pub fn expire(&mut self, now: Duration) {
        let before = self.len();
        while let Some((id, entry)) = self.entries.first_key_value() {
            if now.saturating_sub(entry.pending.arrived) < self.limits.expiry {
                break;
            }
            self.remove_with_descendants(*id);
        }
        if self.len() < before {
            self.relax_fee_rate_min();
        }
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
    ) -> Result<(), E> {
        let mut invalid = BTreeSet::new();
        let mut valid_from = Vec::with_capacity(self.len());
        for (id, entry) in &self.entries {
            let mut from = Some(lock_height(&entry.pending));
            for outpoint in entry.pending.outpoints() {
                if self.contains_txid(&outpoint.txid) {
                    continue;
                }
                let matures = coin(&outpoint)?.map(|coin| matures_at(&coin, network.spec.maturity));
                from = from.zip(matures).map(|(from, matures)| from.max(matures));
            }
            match from.filter(|from| *from <= height) {
                Some(from) => valid_from.push((*id, from)),
                None => _ = invalid.insert(*id),
            }
        }
        for (id, from) in valid_from {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.pending.valid_from = from;
            }
        }
        for leaver in invalid {
            self.remove_with_descendants(leaver);
        }
        Ok(())
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
