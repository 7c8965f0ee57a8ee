//! Searching for a transaction: pending, by an unspent output, or block by block from the tip down.
//!
//! The node keeps no index of transactions. The search reads a few blocks at a time, so that the
//! machine stays at work in between, and it ends after a fixed effort.

use chain::hash::{BlockHash, Txid};
use chain::transaction::OutPoint;
use machine::Machine;
use machine::views::TxView;

use super::ask;
use crate::runtime::Handle;

/// Outputs that are looked up among the unspent coins: most transactions have two.
const OUTPUTS_TRIED: u32 = 8;

/// Blocks read in one visit to the machine.
const BLOCKS_PER_VISIT: u32 = 16;

/// Blocks that are searched in all: some hours of a fast chain, and seconds of reading.
const BLOCKS_MAX: u32 = 20_000;

/// Finds a transaction of the best chain or the mempool.
///
/// # Errors
/// A sentence: it is unknown, or the node has no time.
pub(super) fn find(handle: &Handle, txid: Txid) -> Result<TxView, String> {
    let at_once =
        ask(handle, move |machine| pending(machine, txid).or_else(|| unspent(machine, txid)))?;
    if let Some(found) = at_once {
        return Ok(found);
    }
    let mut from = ask(handle, |machine| machine.tip().height)?;
    let mut searched = 0;
    while searched < BLOCKS_MAX {
        let found = ask(handle, move |machine| {
            let lowest = from.saturating_sub(BLOCKS_PER_VISIT - 1);
            (lowest..=from).rev().find_map(|height| in_block(machine, height, txid))
        })?;
        if let Some(found) = found {
            return Ok(found);
        }
        searched += BLOCKS_PER_VISIT;
        match from.checked_sub(BLOCKS_PER_VISIT) {
            Some(next) => from = next,
            None => return Err(format!("transaction {txid} is neither pending nor confirmed")),
        }
    }
    Err(format!(
        "transaction {txid} is not pending, its outputs are spent, and it is not in the last \
         {BLOCKS_MAX} blocks"
    ))
}

fn pending(machine: &Machine, txid: Txid) -> Option<TxView> {
    let pending = machine.mempool().get_by_txid(&txid)?;
    Some(TxView::pending(&machine.network().spec, pending, machine.now().monotonic))
}

/// By an output that is not spent yet, which tells its block's height.
fn unspent(machine: &Machine, txid: Txid) -> Option<TxView> {
    (0..OUTPUTS_TRIED).find_map(|index| {
        let coin = machine.ledger().coin(&OutPoint { txid, index }).ok()??;
        in_block(machine, coin.height, txid)
    })
}

fn in_block(machine: &Machine, height: u32, txid: Txid) -> Option<TxView> {
    let ledger = machine.ledger();
    let hash: BlockHash = machine.tree().entry(ledger.at_height(height)?).hash;
    let block = ledger.block(&hash).ok()?;
    let heights = (height, machine.tip().height);
    TxView::confirmed(&machine.network().spec, &block, txid, heights)
}
