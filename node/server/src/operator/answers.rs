//! Answers to operators: which view answers which question, and how much is read for one.

use std::thread;
use std::time::{Duration, Instant};

use chain::block::CommittedBlock;
use chain::hash::Txid;
use chain::transaction::Transaction;
use machine::Machine;
use machine::store::View;
use machine::views::{
    Answer, BlockSummary, BlockView, ChainView, MempoolView, MinersView, PeersView, StopView,
    TxView, confirmations,
};
use serde::Serialize;
use wire::operator::{BlockName, Question};

use super::{Desk, ask};
use crate::runtime::Handle;

/// Pending transactions in one answer.
const MEMPOOL_PAGE: usize = 500;

/// Blocks in one answer to [`Question::Chain`].
const CHAIN_PAGE: usize = 100;

/// Bytes of blocks read for one answer, and what reading any block costs besides them: nobody waits
/// long for an answer.
const BYTES_READ_MAX: usize = 2_000_000;
const BLOCK_BYTES_READ_MIN: usize = 10_000;

/// A transaction may be in a block that is not durable yet: how long and how often that is waited
/// for.
const UNPUBLISHED_PATIENCE: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The answer to a question as a JSON object.
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn answer(desk: &Desk, question: &Question) -> Result<String, String> {
    let handle = &desk.handle;
    match *question {
        Question::Status => json("status", desk.status()),
        Question::Peers => json("peers", ask(handle, PeersView::of)),
        Question::Mempool { skip } => {
            json("mempool", ask(handle, move |machine| mempool(machine, skip as usize)))
        }
        Question::Chain { from, count } => json("chain", chain(handle, from, count as usize)),
        Question::Block(name) => json("block", block(handle, name)),
        Question::Tx(txid) => json("tx", transaction(handle, txid)),
        Question::Miners => json("miners", ask(handle, MinersView::of)),
        Question::Stop => json("stop", Ok(StopView { stopping: true })),
    }
}

fn json(command: &'static str, view: Result<impl Serialize, String>) -> Result<String, String> {
    view.map(|view| Answer::to(command, view).to_json())
}

fn mempool(machine: &Machine, skip: usize) -> MempoolView {
    MempoolView::of(machine.mempool(), machine.now().monotonic, skip, MEMPOOL_PAGE)
}

fn chain(handle: &Handle, from: u32, count: usize) -> Result<ChainView, String> {
    let view = handle.reader().view();
    let mut blocks = Vec::new();
    let mut bytes_read = 0;
    let newest = from.min(view.height());
    for height in (0..=newest).rev().take(count.min(CHAIN_PAGE)) {
        if bytes_read >= BYTES_READ_MAX {
            break;
        }
        let block = block_at(&view, height)?;
        bytes_read += BLOCK_BYTES_READ_MIN + block.encoded_bytes;
        blocks.push(BlockSummary::of(&handle.network().spec, &block, height));
    }
    Ok(ChainView::of(view.height(), newest, blocks))
}

fn block(handle: &Handle, name: BlockName) -> Result<BlockView, String> {
    let view = handle.reader().view();
    let (block, height) = match name {
        BlockName::Height(height) if height > view.height() => {
            let tip = view.height();
            return Err(format!("there is no block at height {height}, the tip is at {tip}"));
        }
        BlockName::Height(height) => (block_at(&view, height)?, height),
        BlockName::Hash(hash) => {
            let Some(block) = view.block(&hash).map_err(|error| error.to_string())? else {
                let knows_header =
                    ask(handle, move |machine| machine.tree().find(&hash).is_some())?;
                return Err(if knows_header {
                    format!("only the header of block {hash} is known")
                } else {
                    format!("block {hash} is unknown")
                });
            };
            let height = height_of(&block);
            (block, height)
        }
    };
    let is_on_chain = view.is_on_chain(&block.hash, height);
    let confirmations = if is_on_chain { confirmations(view.height(), height) } else { 0 };
    Ok(BlockView::of(&handle.network().spec, &block, height, confirmations))
}

fn transaction(handle: &Handle, txid: Txid) -> Result<TxView, String> {
    let end = Instant::now() + UNPUBLISHED_PATIENCE;
    loop {
        let (pending, is_settled) = ask(handle, move |machine| {
            let (spec, now) = (&machine.network().spec, machine.now().monotonic);
            let pending = machine.mempool().get_by_txid(&txid);
            let pending = pending.map(|pending| TxView::pending(spec, pending, now));
            (pending, machine.is_settled())
        })?;
        // The view is taken after the pool was asked: what left it to be confirmed is there, once
        // its block is durable.
        match pending.map_or_else(|| confirmed(handle, txid), |pending| Ok(Some(pending)))? {
            Some(found) => return Ok(found),
            None if is_settled || Instant::now() >= end => {
                return Err(format!("transaction {txid} is neither pending nor confirmed"));
            }
            None => thread::sleep(LOOK_INTERVAL),
        }
    }
}

fn confirmed(handle: &Handle, txid: Txid) -> Result<Option<TxView>, String> {
    let view = handle.reader().view();
    let Some(place) = view.transaction(&txid).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let block = block_at(&view, place.height)?;
    let heights = (place.height, view.height());
    Ok(TxView::confirmed(&handle.network().spec, &block, txid, heights))
}

fn block_at(view: &View, height: u32) -> Result<CommittedBlock, String> {
    let hash = view.header_at(height).map(|(hash, _)| hash);
    let block =
        hash.map(|hash| view.block(&hash)).transpose().map_err(|error| error.to_string())?;
    block.flatten().ok_or_else(|| format!("block {height} is missing"))
}

/// What a block's coinbase says, which a stored block's says rightly.
fn height_of(block: &CommittedBlock) -> u32 {
    match block.block.transactions.first() {
        Some(Transaction::Coinbase(coinbase)) => coinbase.height,
        _ => 0,
    }
}
