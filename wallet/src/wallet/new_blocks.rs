//! New blocks: what changed since the last synchronization, read from the blocks themselves.
//!
//! A block whose header is believed says all by itself: its body is what the header commits to, so
//! nothing in it can be invented, and nothing kept silent about.

use std::collections::HashSet;

use chain::block::CommittedBlock;
use chain::transaction::{OutPoint, Transaction};
use client::node_client::NodeClient;
use wire::wallet::ChainTip;

use super::Wallet;
use super::sync::{Fetched, SyncError};
use crate::history::proof::{self, ConfirmedTransaction};

/// Most blocks that are read whole, each in an answer of its own: more of them, and asking for
/// every key anew is less.
const NEW_BLOCKS_MAX: u32 = 32;

impl Wallet {
    /// What is known, brought up to date by the blocks between the last synchronization and `tip`,
    /// which is on the chain. `None` when all must be asked anew: these are too many, or the node
    /// does not have one of them.
    pub(super) fn read_on(
        &self,
        client: &mut NodeClient,
        tip: ChainTip,
    ) -> Result<Option<Fetched>, SyncError> {
        let known = self.history.tip().height.min(self.headers.read_height()).min(tip.height);
        let first = known + 1;
        if self.synced_keys.is_empty() || tip.height.saturating_sub(known) > NEW_BLOCKS_MAX {
            return Ok(None);
        }
        let mut fetched = self.fetched();
        fetched.entries.retain(|entry| entry.position.height <= known);
        let mut coins = self.coins_of(&fetched.entries);
        for height in first..=tip.height {
            let Some(header) = self.headers.header(height) else {
                return Ok(None);
            };
            let Some(block) = client.block(header)? else {
                return Ok(None);
            };
            fetched.take_block(&block, height, &mut coins)?;
        }
        Ok(Some(fetched))
    }

    /// The outputs of `entries` and of genesis that are this wallet's, spent or not.
    fn coins_of(&self, entries: &[ConfirmedTransaction]) -> HashSet<OutPoint> {
        let genesis = proof::genesis(&self.network);
        let mut coins = HashSet::new();
        for entry in genesis.iter().chain(entries) {
            for (index, output) in (0u32..).zip(entry.transaction.outputs()) {
                if self.account.owns(&output.key) {
                    coins.insert(OutPoint { txid: entry.txid, index });
                }
            }
        }
        coins
    }
}

impl Fetched {
    /// Takes what a block pays to this wallet, and what it spends of its `coins`.
    fn take_block(
        &mut self,
        block: &CommittedBlock,
        height: u32,
        coins: &mut HashSet<OutPoint>,
    ) -> Result<(), SyncError> {
        for place in 0..block.txids.len() {
            let transaction = &block.block.transactions[place];
            let outputs = transaction.outputs();
            let pays = outputs.iter().any(|output| self.account.owns(&output.key));
            let spends = match transaction {
                Transaction::Transfer(transfer) => {
                    transfer.inputs.iter().any(|input| coins.contains(&input.outpoint))
                }
                Transaction::Coinbase(_) => false,
            };
            if !pays && !spends {
                continue;
            }
            let entry = proof::of_block(block, height, place)?;
            self.mark_used(entry.transaction.outputs());
            for (index, output) in (0u32..).zip(entry.transaction.outputs()) {
                if self.account.owns(&output.key) {
                    coins.insert(OutPoint { txid: entry.txid, index });
                }
            }
            self.entries.push(entry);
        }
        Ok(())
    }
}
