//! Templates: a block to mine on the tip.

mod selection;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chain::amount::Amount;
use chain::block::Block;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot, Wtxid, sha256d};
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use chain::merkle;
use chain::subsidy::subsidy;
use chain::target::CompactTarget;
use chain::transaction::{Coinbase, Output, Transaction};

use super::TemplateId;
use super::mempool::Mempool;

/// Bytes of a coinbase's `extra` that hold the node's own random bytes.
pub const EXTRA_PREFIX_RANGE: std::ops::Range<usize> = 0..8;

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

/// What a template is built for.
#[derive(Debug, Clone, Copy)]
pub struct TemplateContext<'a> {
    /// The network.
    pub network: &'a Network,
    /// The tip.
    pub previous: BlockHash,
    /// Height of the new block.
    pub height: u32,
    /// What the retarget gives for it.
    pub bits: CompactTarget,
    /// Median time that it must exceed.
    pub median_time: u32,
    /// The wall clock, seconds since 1970.
    pub wall_s: u64,
    /// Who is paid.
    pub payout: OutputKey,
    /// Random bytes of this node, so that no two miners search the same headers.
    pub extra_prefix: [u8; 8],
    /// The template's name.
    pub id: TemplateId,
}

/// What came of building a template.
#[derive(Debug, Clone)]
pub enum TemplateOutcome {
    /// There is a block to mine.
    Ready(Arc<Template>),
    /// The chain is ahead of the clock: the lowest time that the block may have is too far in the
    /// future until this wall-clock second.
    WaitUntil {
        /// Seconds since 1970.
        wall_s: u64,
    },
    /// There is nothing to pay a coinbase with, neither subsidy nor fees, and a coinbase of nothing
    /// is invalid. Waits for a transaction.
    NothingToClaim,
}

/// Builds a block on the tip from what is pending: highest fee rate first, parents before children.
pub fn build(context: &TemplateContext<'_>, mempool: &Mempool) -> TemplateOutcome {
    let spec = &context.network.spec;
    let limit_s = u64::from(spec.future_limit_s());
    let lowest_time = u64::from(context.median_time) + 1;
    let time = context.wall_s.max(lowest_time);
    let time_max = context.wall_s.saturating_add(limit_s);
    if time > time_max {
        return TemplateOutcome::WaitUntil { wall_s: time - limit_s };
    }
    let Ok(lowest_time) = u32::try_from(lowest_time) else {
        // No second is left in 32 bits: this chain has ended.
        return TemplateOutcome::WaitUntil { wall_s: u64::MAX };
    };
    let in_header = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX).max(lowest_time);
    let selection = selection::select(mempool, context.height, spec.block_bytes_max);
    let claim = subsidy(spec, context.height).checked_add(selection.fees);
    // More fees than all money cannot be pending: every one of them is backed by a coin.
    let Some(amount) = claim.filter(|amount| *amount > Amount::ZERO) else {
        return TemplateOutcome::NothingToClaim;
    };
    let mut extra = [0; 32];
    extra[EXTRA_PREFIX_RANGE].copy_from_slice(&context.extra_prefix);
    let coinbase = Coinbase {
        height: context.height,
        extra,
        outputs: vec![Output { amount, key: context.payout }],
    };
    let mut template = Template {
        id: context.id,
        height: context.height,
        header: Header {
            version: VERSION_BASE,
            previous: context.previous,
            merkle_root: MerkleRoot::ZERO,
            time: in_header(time),
            bits: context.bits,
            nonce: 0,
        },
        time_max: in_header(time_max),
        siblings: coinbase_siblings(&selection.wtxids),
        coinbase,
        transfers: selection.transfers,
        wtxids: selection.wtxids,
    };
    template.header = template.header_with_extra_nonce(0);
    TemplateOutcome::Ready(Arc::new(template))
}

/// The block that a miner found: `template` with a solved header. `None` when the header belongs to
/// another template or extra nonce.
pub fn assemble(template: &Template, header: Header, extra_nonce: u64) -> Option<Block> {
    let expected = template.header_with_extra_nonce(extra_nonce);
    let fits = header.merkle_root == expected.merkle_root
        && header.previous == expected.previous
        && header.bits == expected.bits;
    let coinbase = Transaction::Coinbase(template.coinbase_with_extra_nonce(extra_nonce));
    let transfers = template.transfers.iter().map(|transfer| (**transfer).clone());
    fits.then(|| Block {
        header,
        transactions: std::iter::once(coinbase).chain(transfers).collect(),
    })
}

impl Template {
    /// The header with nonce zero whose merkle root commits to `extra_nonce`.
    pub fn header_with_extra_nonce(&self, extra_nonce: u64) -> Header {
        let coinbase = self.coinbase_with_extra_nonce(extra_nonce);
        let leaf = Wtxid(sha256d(&Transaction::Coinbase(coinbase).encode()));
        let count = u32::try_from(self.transfers.len() + 1).expect("bounded by a block's bytes");
        let merkle_root = merkle::proven_root(leaf, 0, count, &self.siblings)
            .expect("the siblings were made for as many transactions");
        Header { merkle_root, nonce: 0, ..self.header }
    }

    fn coinbase_with_extra_nonce(&self, extra_nonce: u64) -> Coinbase {
        let mut coinbase = self.coinbase.clone();
        coinbase.extra[EXTRA_NONCE_RANGE].copy_from_slice(&extra_nonce.to_le_bytes());
        coinbase
    }
}

/// The leftmost path of a block's tree; it does not depend on the coinbase.
fn coinbase_siblings(wtxids: &[Wtxid]) -> Vec<[u8; 32]> {
    let mut leaves = vec![Wtxid::ZERO];
    leaves.extend_from_slice(wtxids);
    merkle::proof(&leaves, 0).expect("the coinbase's place is always there")
}
