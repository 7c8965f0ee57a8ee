//! `Audit`: what a stopped node left in its directory, read back from disk.
//!
//! The summary tells what is on disk, not what the nodes said while they ran, so that `lode verify`
//! finds the same.

use std::path::Path;

use chain::amount::Amount;
use chain::block::Block;
use chain::encoding::Decode;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::subsidy::subsidy;

use machine::replay::BlockIndex;
use machine::store::{Store, StoreError, Totals};

/// The state in a node's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audit {
    /// Last block of the best chain.
    pub tip: BlockHash,
    /// Its height.
    pub height: u32,
    /// Sums over its coins.
    pub totals: Totals,
    /// Transfers on the best chain.
    pub transfers: u64,
    /// Whether the supply is genesis plus subsidies less what was burned.
    pub supply_adds_up: bool,
}

impl Audit {
    /// Reads the directory of a node that has stopped.
    ///
    /// # Errors
    /// [`StoreError`]: it is in use, damaged, or the disk has trouble.
    pub(super) fn of(directory: &Path, network: &Network) -> Result<Self, StoreError> {
        let store = Store::open(directory, network)?;
        let (tip, totals) = (store.position(), store.totals());
        let path = BlockIndex::new(&store).path_to(tip);
        let mut transfers = 0;
        for hash in path.iter().skip(1) {
            transfers += transfers_of(&store, *hash)?;
        }
        let height = u32::try_from(path.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let supply_adds_up = expected_supply(network, height, totals.burned) == Some(totals.supply);
        Ok(Self { tip, height, totals, transfers, supply_adds_up })
    }
}

fn transfers_of(store: &Store, hash: BlockHash) -> Result<u64, StoreError> {
    let missing = || StoreError::Damaged { what: format!("block {hash} is missing") };
    let bytes = store.read_block(&hash)?.ok_or_else(missing)?;
    let block = Block::decode(&bytes).map_err(|error| StoreError::Damaged {
        what: format!("block {hash} does not decode: {error}"),
    })?;
    // The first transaction is the coinbase.
    Ok(block.transactions.len().saturating_sub(1) as u64)
}

/// What all coins must sum to at `height`; `None` when that exceeds all money.
fn expected_supply(network: &Network, height: u32, burned: Amount) -> Option<Amount> {
    let allocated = network.spec.allocations.iter().map(|allocation| allocation.amount);
    let subsidies = (1..=height).map(|height| subsidy(&network.spec, height));
    Amount::checked_sum(allocated.chain(subsidies))?.checked_sub(burned)
}
