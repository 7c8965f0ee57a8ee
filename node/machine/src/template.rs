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
use chain::header::{Header, VERSION_BASE, VERSION_ROLLING_MASK};
use chain::key::OutputKey;
use chain::merkle;
use chain::subsidy::subsidy;
use chain::target::CompactTarget;
use chain::transaction::{Coinbase, Output, Transaction};

use super::mempool::Mempool;

/// Bytes of a coinbase's `extra` that hold the node's own random bytes.
pub const EXTRA_PREFIX_RANGE: std::ops::Range<usize> = 0..8;

/// Bytes of a coinbase's `extra` that the extra nonce takes, behind the node's own 8 bytes. The
/// lower half counts; the upper half is the [`Lease`] of whoever searches.
pub const EXTRA_NONCE_RANGE: std::ops::Range<usize> = 8..16;

/// Bytes of a coinbase's `extra` that hold the template's name, so that nobody who goes on to
/// another template with the same transactions searches the same headers again.
pub const EXTRA_TEMPLATE_RANGE: std::ops::Range<usize> = 16..24;

/// A share of every template's extra nonces: those with this upper half. Whoever keeps to its own
/// lease never searches a header that another one searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease(pub u32);

/// Names one template among those of its machine; they count up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u64);

/// A block to mine. Whoever searches may roll the nonce, the version's free bits, the time (up to
/// `time_max`) and the coinbase's `extra` behind the node's own bytes, the extra nonce first of
/// all, and may pay the same amount to another key.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name.
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
    extra[EXTRA_TEMPLATE_RANGE].copy_from_slice(&context.id.0.to_le_bytes());
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

/// Why a solution makes no block of its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SolutionError {
    /// The block before it.
    #[error("it builds on another block than its template")]
    Previous,
    /// The target.
    #[error("its bits are {}, its template's {}", got.0, expected.0)]
    Bits {
        /// What the header says.
        got: CompactTarget,
        /// What the template asks for.
        expected: CompactTarget,
    },
    /// The bits of the version that may not be rolled.
    #[error("its version is {got:#x}; only the bits {VERSION_ROLLING_MASK:#x} may be rolled")]
    Version {
        /// What the header says.
        got: u32,
    },
    /// The time.
    #[error("its time is {got}, its template's {min} to {max}")]
    Time {
        /// What the header says.
        got: u32,
        /// The lowest.
        min: u32,
        /// The highest.
        max: u32,
    },
    /// The coinbase's height.
    #[error("its coinbase is for height {got}, its template for {expected}")]
    Height {
        /// What the coinbase says.
        got: u32,
        /// What the template asks for.
        expected: u32,
    },
    /// The node's own bytes.
    #[error("its coinbase does not begin with the node's own bytes")]
    Prefix,
    /// What is paid: only the keys are free.
    #[error("its coinbase does not pay the amounts of its template")]
    Outputs,
    /// The transactions.
    #[error("its merkle root is not that of its coinbase and the template's transfers")]
    MerkleRoot,
    /// The work.
    #[error("its hash does not meet its target")]
    Work,
}

/// The block that a solution makes: the template's transfers behind `coinbase`, under a header that
/// commits to them and meets the target.
///
/// # Errors
/// [`SolutionError`]: whoever searched is to blame.
pub fn assemble(
    template: &Template,
    header: Header,
    coinbase: Coinbase,
) -> Result<Block, SolutionError> {
    template.check_rolled(&header)?;
    template.check_coinbase(&coinbase)?;
    if header.merkle_root != template.merkle_root_with(&coinbase) {
        return Err(SolutionError::MerkleRoot);
    }
    let target = header.bits.expand();
    if !target.is_ok_and(|target| target.is_met_by(&header.hash())) {
        return Err(SolutionError::Work);
    }
    let transfers = template.transfers.iter().map(|transfer| (**transfer).clone());
    let coinbase = Transaction::Coinbase(coinbase);
    Ok(Block { header, transactions: std::iter::once(coinbase).chain(transfers).collect() })
}

impl Lease {
    /// The node's own pool.
    pub const OWN: Self = Self(0);

    /// One of its extra nonces; each `counter` makes another.
    pub fn extra_nonce(self, counter: u32) -> u64 {
        u64::from(self.0) << 32 | u64::from(counter)
    }

    /// Whose share of the extra nonces this coinbase comes from.
    pub fn of(coinbase: &Coinbase) -> Self {
        let mut upper_half = [0; 4];
        upper_half.copy_from_slice(&coinbase.extra[EXTRA_NONCE_RANGE][4..]);
        Self(u32::from_le_bytes(upper_half))
    }
}

impl Template {
    /// The header with nonce zero whose merkle root commits to `extra_nonce`.
    pub fn header_with_extra_nonce(&self, extra_nonce: u64) -> Header {
        self.header_with(&self.coinbase_with_extra_nonce(extra_nonce))
    }

    /// The header with nonce zero whose merkle root commits to `coinbase`.
    pub fn header_with(&self, coinbase: &Coinbase) -> Header {
        Header { merkle_root: self.merkle_root_with(coinbase), nonce: 0, ..self.header }
    }

    /// The coinbase with this extra nonce.
    pub fn coinbase_with_extra_nonce(&self, extra_nonce: u64) -> Coinbase {
        let mut coinbase = self.coinbase.clone();
        coinbase.extra[EXTRA_NONCE_RANGE].copy_from_slice(&extra_nonce.to_le_bytes());
        coinbase
    }

    fn merkle_root_with(&self, coinbase: &Coinbase) -> MerkleRoot {
        let leaf = Wtxid(sha256d(&Transaction::Coinbase(coinbase.clone()).encode()));
        let count = u32::try_from(self.transfers.len() + 1).expect("bounded by a block's bytes");
        merkle::proven_root(leaf, 0, count, &self.siblings)
            .expect("the siblings were made for as many transactions")
    }

    /// What a header may differ in besides its nonce and its merkle root.
    fn check_rolled(&self, header: &Header) -> Result<(), SolutionError> {
        let Header { version: got, previous, bits, time, .. } = *header;
        if previous != self.header.previous {
            return Err(SolutionError::Previous);
        }
        if bits != self.header.bits {
            return Err(SolutionError::Bits { got: bits, expected: self.header.bits });
        }
        if got & !VERSION_ROLLING_MASK != VERSION_BASE {
            return Err(SolutionError::Version { got });
        }
        let (min, max) = (self.header.time, self.time_max);
        if !(min..=max).contains(&time) {
            return Err(SolutionError::Time { got: time, min, max });
        }
        Ok(())
    }

    /// What a coinbase may differ in: the keys it pays, and `extra` behind the node's own bytes. As
    /// many outputs as the template has leave the block as long as it was planned.
    fn check_coinbase(&self, coinbase: &Coinbase) -> Result<(), SolutionError> {
        if coinbase.height != self.height {
            return Err(SolutionError::Height { got: coinbase.height, expected: self.height });
        }
        if coinbase.extra[EXTRA_PREFIX_RANGE] != self.coinbase.extra[EXTRA_PREFIX_RANGE] {
            return Err(SolutionError::Prefix);
        }
        let paid = coinbase.outputs.iter().map(|output| output.amount);
        if !paid.eq(self.coinbase.outputs.iter().map(|output| output.amount)) {
            return Err(SolutionError::Outputs);
        }
        Ok(())
    }
}

/// The leftmost path of a block's tree; it does not depend on the coinbase.
fn coinbase_siblings(wtxids: &[Wtxid]) -> Vec<[u8; 32]> {
    let mut leaves = vec![Wtxid::ZERO];
    leaves.extend_from_slice(wtxids);
    merkle::proof(&leaves, 0).expect("the coinbase's place is always there")
}
