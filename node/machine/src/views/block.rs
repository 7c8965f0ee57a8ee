//! Blocks and the chain of them.

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::hash::{BlockHash, MerkleRoot, Txid};
use chain::header::Header;
use chain::spec::ChainSpec;
use chain::target::CompactTarget;
use chain::transaction::{Output, Transaction};
use serde::{Deserialize, Serialize};

use super::{TxKind, spelled};

/// Transactions listed of one block; an answer stays well under a connection's outbound queue.
pub const LISTED_MAX: usize = 2000;

/// A block in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSummary {
    /// Its height.
    pub height: u32,
    /// Its hash.
    #[serde(with = "spelled")]
    pub hash: BlockHash,
    /// The miner's clock, in seconds since 1970.
    pub time: u32,
    /// Leading zero bits of its target.
    pub zero_bits: u32,
    /// How many it holds, the coinbase among them.
    pub transactions: usize,
    /// Consensus bytes.
    pub bytes: usize,
    /// The address that its coinbase pays first; `None` for genesis.
    pub miner: Option<String>,
    /// All that its coinbase pays.
    #[serde(with = "spelled")]
    pub reward: Amount,
}

/// The best chain, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainView {
    /// Height of its tip.
    pub height: u32,
    /// Blocks, newest first.
    pub blocks: Vec<BlockSummary>,
    /// Height of the block below the last one listed; `None` below genesis.
    pub next: Option<u32>,
}

/// A block with all that is worth showing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockView {
    /// What stands in a list of blocks.
    #[serde(flatten)]
    pub summary: BlockSummary,
    /// The header's version.
    pub version: u32,
    /// Hash of the parent.
    #[serde(with = "spelled")]
    pub previous: BlockHash,
    /// Root over the transactions.
    #[serde(with = "spelled")]
    pub merkle_root: MerkleRoot,
    /// The compact target.
    pub bits: u32,
    /// What was searched.
    pub nonce: u32,
    /// Blocks of the best chain from this one on; zero for one of another branch.
    pub confirmations: u32,
    /// The first [`LISTED_MAX`] transactions.
    pub listed: Vec<TxSummary>,
}

/// A transaction in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxSummary {
    /// Its txid.
    #[serde(with = "spelled")]
    pub txid: Txid,
    /// Of which kind it is.
    pub kind: TxKind,
    /// Sum of its outputs.
    #[serde(with = "spelled")]
    pub amount: Amount,
    /// How many outputs it has.
    pub outputs: usize,
}

impl BlockSummary {
    /// A block at `height`.
    pub fn of(spec: &ChainSpec, block: &CommittedBlock, height: u32) -> Self {
        let transactions = &block.block.transactions;
        let coinbase = transactions.first().map(Transaction::outputs).unwrap_or_default();
        // Genesis is nobody's block.
        let miner = coinbase.first().filter(|_| height > 0);
        Self {
            height,
            hash: block.hash,
            time: block.block.header.time,
            zero_bits: zero_bits(block.block.header.bits),
            transactions: transactions.len(),
            bytes: block.encoded_bytes,
            miner: miner.map(|output| spec.address(output.key).to_string()),
            reward: sum(coinbase),
        }
    }
}

impl ChainView {
    /// A part of the chain whose tip is at `height`: the blocks from height `newest` down without a
    /// gap.
    pub fn of(height: u32, newest: u32, blocks: Vec<BlockSummary>) -> Self {
        let next = newest.checked_sub(u32::try_from(blocks.len()).unwrap_or(u32::MAX));
        Self { height, blocks, next }
    }
}

impl BlockView {
    /// A block at `height` with so many [`confirmations`].
    pub fn of(spec: &ChainSpec, block: &CommittedBlock, height: u32, confirmations: u32) -> Self {
        let Header { version, previous, merkle_root, bits, nonce, .. } = block.block.header;
        let pairs = block.block.transactions.iter().zip(&block.txids).take(LISTED_MAX);
        Self {
            summary: BlockSummary::of(spec, block, height),
            version,
            previous,
            merkle_root,
            bits: bits.0,
            nonce,
            confirmations,
            listed: pairs.map(|(transaction, txid)| TxSummary::of(transaction, *txid)).collect(),
        }
    }
}

impl TxSummary {
    /// A transaction with that txid.
    pub fn of(transaction: &Transaction, txid: Txid) -> Self {
        let outputs = transaction.outputs();
        Self { txid, kind: transaction.into(), amount: sum(outputs), outputs: outputs.len() }
    }
}

/// Blocks from one at `height` on, itself included, on a chain whose tip is at `tip_height`.
pub fn confirmations(tip_height: u32, height: u32) -> u32 {
    tip_height.saturating_add(1).saturating_sub(height)
}

/// What outputs pay together.
pub(super) fn sum(outputs: &[Output]) -> Amount {
    let sum = Amount::checked_sum(outputs.iter().map(|output| output.amount));
    // What the chain or the mempool holds is below the supply.
    sum.unwrap_or(Amount::ZERO)
}

/// Leading zero bits of a target; zero for bits that are none.
pub(super) fn zero_bits(bits: CompactTarget) -> u32 {
    bits.expand().map_or(0, |target| target.zero_bits())
}
