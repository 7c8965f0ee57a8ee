//! Answers to operators: which view answers which question, and how much is read for one.

use machine::views::{
    Answer, BlockSummary, BlockView, ChainView, MempoolView, MinersView, PeersView, StopView,
    confirmations,
};
use machine::{HeaderId, Machine};
use serde::Serialize;
use wire::operator::{BlockName, Question};

use super::{Desk, ask, transaction_search};

/// Pending transactions in one answer.
const MEMPOOL_PAGE: usize = 500;

/// Blocks in one answer to [`Question::Chain`].
const CHAIN_PAGE: usize = 100;

/// Bytes of blocks read for one answer, and what reading any block costs besides them: the machine
/// never works long for one question.
const BYTES_READ_MAX: usize = 2_000_000;
const BLOCK_BYTES_READ_MIN: usize = 10_000;

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
        Question::Chain { from, count } => {
            let asked = ask(handle, move |machine| chain(machine, from, count as usize));
            json("chain", asked.flatten())
        }
        Question::Block(name) => {
            json("block", ask(handle, move |machine| block(machine, name)).flatten())
        }
        Question::Tx(txid) => json("tx", transaction_search::find(handle, txid)),
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

fn chain(machine: &Machine, from: u32, count: usize) -> Result<ChainView, String> {
    let (ledger, tip_height) = (machine.ledger(), machine.tip().height);
    let mut blocks = Vec::new();
    let mut bytes_read = 0;
    let newest = from.min(tip_height);
    for height in (0..=newest).rev().take(count.min(CHAIN_PAGE)) {
        let Some(id) = ledger.at_height(height).filter(|_| bytes_read < BYTES_READ_MAX) else {
            break;
        };
        let hash = machine.tree().entry(id).hash;
        let block = ledger.block(&hash).map_err(|error| error.to_string())?;
        bytes_read += BLOCK_BYTES_READ_MIN + block.encoded_bytes;
        blocks.push(BlockSummary::of(&machine.network().spec, &block, height));
    }
    Ok(ChainView::of(tip_height, newest, blocks))
}

fn block(machine: &Machine, name: BlockName) -> Result<BlockView, String> {
    let (ledger, tree) = (machine.ledger(), machine.tree());
    let id = match name {
        BlockName::Height(height) => ledger.at_height(height).ok_or_else(|| {
            format!("there is no block at height {height}, the tip is at {}", machine.tip().height)
        })?,
        BlockName::Hash(hash) => {
            tree.find(&hash).ok_or_else(|| format!("block {hash} is unknown"))?
        }
    };
    let entry = tree.entry(id);
    if !ledger.has_durable_block(&entry.hash) {
        return Err(format!("only the header of block {} is known", entry.hash));
    }
    let block = ledger.block(&entry.hash).map_err(|error| error.to_string())?;
    let confirmations = confirmations_of(machine, id);
    Ok(BlockView::of(&machine.network().spec, &block, entry.height, confirmations))
}

/// Blocks on the best chain from this one on; zero for one of another branch.
fn confirmations_of(machine: &Machine, id: HeaderId) -> u32 {
    let height = machine.tree().entry(id).height;
    let on_chain = machine.ledger().at_height(height) == Some(id);
    if on_chain { confirmations(machine.tip().height, height) } else { 0 }
}
