//! The conversation between nodes: headers, blocks, transactions, addresses.

use chain::spec::BLOCK_BYTES_MAX;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{BLOCK_OVERHEAD_BYTES, ByteString, at_most, conversation};
use chain::hash::{BlockHash, Wtxid};

/// Most headers in a [`PeerMessage::Headers`].
pub const HEADERS_MAX: usize = 2000;
/// Most hashes in a locator.
pub const LOCATOR_MAX: usize = 64;
/// Most transactions in an announcement.
pub const ANNOUNCED_MAX: usize = 5000;
/// Most hashes in a request for blocks or transactions.
pub const REQUESTED_MAX: usize = 1000;
/// Most addresses in a [`PeerMessage::Addresses`].
pub const ADDRESSES_MAX: usize = 256;
/// More transactions than any block can hold: no block's average is below the shortest coinbase's
/// 78 bytes.
pub const BLOCK_TRANSACTIONS_MAX: usize = BLOCK_BYTES_MAX as usize / 78;

/// Bytes of a short transaction id.
pub const SHORT_ID_BYTES: usize = 6;

const HASHES_OVERHEAD_BYTES: u32 = 8;
const BLOCK_MESSAGE_BYTES_MAX: u32 = BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES;

/// A new block without the transactions that the receiver has probably seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactBlock {
    /// The header's 80 bytes.
    pub header: ByteString,
    /// Salt of the short ids, drawn by the sender for this block.
    pub salt: u64,
    /// The coinbase, in consensus form.
    pub coinbase: ByteString,
    /// [`SHORT_ID_BYTES`] for every further transaction, in order.
    pub short_ids: ByteString,
}

/// Asks for transactions of a block by their positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetBlockTransactions {
    /// The block.
    pub block: BlockHash,
    /// Positions in it, rising.
    pub positions: Vec<u32>,
}

/// Answers [`GetBlockTransactions`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockTransactions {
    /// The block.
    pub block: BlockHash,
    /// The transactions in consensus form, one behind the other, in the order that was asked.
    pub transactions: ByteString,
}

fn addresses_are_few(addresses: &[SocketAddr]) -> Result<(), String> {
    at_most(ADDRESSES_MAX, addresses.len(), "addresses")
}

/// Longest pending transaction that nodes take from each other and from wallets, in consensus
/// bytes: about a thousand inputs, which a node judges in a moment. It is no rule of the chain: a
/// block may hold longer ones.
pub const RELAYED_BYTES_MAX: usize = 100_000;

conversation! {
    /// What nodes say to each other.
    PeerMessage {
        /// Asks for the headers behind the newest hash that the receiver knows; newest first.
        16 GetHeaders(Vec<BlockHash>) <= LOCATOR_MAX as u32 * 32 + HASHES_OVERHEAD_BYTES;
        /// Headers of one chain in rising order, 80 bytes each; fewer than [`HEADERS_MAX`] means
        /// that these were the last.
        17 Headers(ByteString) <= HEADERS_MAX as u32 * 80 + HASHES_OVERHEAD_BYTES;
        /// Asks for whole blocks.
        18 GetBlocks(Vec<BlockHash>) <= REQUESTED_MAX as u32 * 32 + HASHES_OVERHEAD_BYTES;
        /// A whole block in consensus form.
        19 Block(ByteString) <= BLOCK_MESSAGE_BYTES_MAX;
        /// Blocks that were asked for and are not there.
        20 BlocksNotFound(Vec<BlockHash>) <= REQUESTED_MAX as u32 * 32 + HASHES_OVERHEAD_BYTES;
        /// A new block.
        21 CompactBlock(CompactBlock) <= BLOCK_MESSAGE_BYTES_MAX;
        /// Asks for what a compact block left out.
        22 GetBlockTransactions(GetBlockTransactions) <= BLOCK_TRANSACTIONS_MAX as u32 * 5 + 64;
        /// Answers it.
        23 BlockTransactions(BlockTransactions) <= BLOCK_MESSAGE_BYTES_MAX;
        /// Pending transactions that the sender has.
        24 AnnounceTransactions(Vec<Wtxid>) <= ANNOUNCED_MAX as u32 * 32 + HASHES_OVERHEAD_BYTES;
        /// Asks for announced transactions.
        25 GetTransactions(Vec<Wtxid>) <= REQUESTED_MAX as u32 * 32 + HASHES_OVERHEAD_BYTES;
        /// A pending transaction in consensus form.
        26 Transaction(ByteString) <= BLOCK_MESSAGE_BYTES_MAX;
        /// Transactions that were asked for and are not there.
        27 TransactionsNotFound(Vec<Wtxid>) <= REQUESTED_MAX as u32 * 32 + HASHES_OVERHEAD_BYTES;
        /// Asks for addresses of other nodes.
        28 GetAddresses(()) <= 0;
        /// Addresses of other nodes.
        29 Addresses(Vec<SocketAddr>) <= ADDRESSES_MAX as u32 * 20 + HASHES_OVERHEAD_BYTES,
            if addresses_are_few;
    }
}
