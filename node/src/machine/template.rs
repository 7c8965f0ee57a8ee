//! Templates: a block to mine on the tip.

use std::sync::Arc;

use chain::hash::Wtxid;
use chain::header::Header;
use chain::transaction::{Coinbase, Transaction};

use super::TemplateId;

/// Bytes of a coinbase's `extra` that the extra nonce takes, behind the node's own 8 bytes.
pub const EXTRA_NONCE_RANGE: std::ops::Range<usize> = 8..16;

/// A block to mine. The miner may roll the nonce, the version's free bits, the time (up to
/// `time_max`) and the extra nonce in the coinbase.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name in [`super::Event::Mined`].
    pub id: TemplateId,
    /// Height of the block.
    pub height: u32,
    /// The header with nonce zero and extra nonce zero.
    pub header: Header,
    /// Largest header time that may be used.
    pub time_max: u32,
    /// The coinbase with extra nonce zero.
    pub coinbase: Coinbase,
    /// Merkle siblings of the coinbase, lowest first.
    pub siblings: Vec<[u8; 32]>,
    /// The transfers, in order, shared with the mempool.
    pub transfers: Vec<Arc<Transaction>>,
    /// Their wtxids.
    pub wtxids: Vec<Wtxid>,
}
