//! Blocks above the cursor that are judged but for their signatures, so that whoever verifies those
//! always has work.
//!
//! Each is judged on the coins that the ones below it leave. Should one of them turn out invalid,
//! then those above it are, too; nothing here has moved a coin.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::key::SignatureCheck;
use chain::rules::block::Connection;
use chain::rules::{InvalidBlock, RuleError};
use chain::transaction::OutPoint;
use chain::utxo::Coin;

use crate::header_tree::HeaderId;

/// Most blocks.
const BLOCKS_MAX: usize = 16;

/// Signatures of them after which no further block is judged: two cores verify so many in a fifth
/// of a second, longer than a flush takes.
const SIGNATURES_MAX: usize = 8_192;

/// The blocks above the cursor, the lowest first, each the child of the one before it.
#[derive(Default)]
pub(super) struct Ahead {
    blocks: VecDeque<Judged>,
    /// Signatures that are being verified.
    signatures: usize,
}

/// A block, and what is known of it.
pub(super) struct Judged {
    /// Where it is in the tree.
    pub id: HeaderId,
    /// The rule that it breaks, or what connecting it changes.
    pub outcome: Result<(Arc<CommittedBlock>, Connection), InvalidBlock>,
    /// Signatures that are being verified, without which it is not valid; none once they are.
    checks: Arc<[SignatureCheck]>,
    /// What the block makes of coins: `None` where there is none any more.
    coins: HashMap<OutPoint, Option<Coin>>,
}

impl Judged {
    /// A block that breaks no rule, if these signatures hold.
    pub(super) fn valid(
        id: HeaderId,
        (block, connection): (Arc<CommittedBlock>, Connection),
        checks: Arc<[SignatureCheck]>,
    ) -> Self {
        let spent = connection.spent.iter().map(|(outpoint, _)| (*outpoint, None));
        let created = connection.created.iter().map(|(outpoint, coin)| (*outpoint, Some(*coin)));
        let coins = spent.chain(created).collect();
        Self { id, outcome: Ok((block, connection)), checks, coins }
    }

    /// A block that breaks a rule, whatever its signatures are.
    pub(super) fn invalid(id: HeaderId, invalid: InvalidBlock) -> Self {
        Self { id, outcome: Err(invalid), checks: Arc::default(), coins: HashMap::new() }
    }

    fn answer(&mut self, first_invalid: Option<usize>) {
        let checks = std::mem::take(&mut self.checks);
        if let Some(failed) = first_invalid.and_then(|at| checks.get(at).or(checks.last())) {
            let rule = RuleError::Signature { input: failed.input };
            self.outcome = Err(InvalidBlock::of_transaction(rule, failed.transaction));
        }
    }
}

impl Ahead {
    /// The highest block, on whose coins the next one is judged.
    pub(super) fn last(&self) -> Option<HeaderId> {
        self.blocks.back().map(|last| last.id)
    }

    /// Whether another block may be judged; there is no use in one on top of an invalid one.
    pub(super) fn has_room(&self) -> bool {
        self.blocks.back().is_none_or(|last| last.outcome.is_ok())
            && self.blocks.len() < BLOCKS_MAX
            && self.signatures < SIGNATURES_MAX
    }

    /// Whether the lowest block waits for its signatures.
    pub(super) fn is_waiting(&self) -> bool {
        self.blocks.front().is_some_and(|first| !first.checks.is_empty())
    }

    /// Puts a child of the highest block on top.
    pub(super) fn push(&mut self, block: Judged) {
        self.signatures += block.checks.len();
        self.blocks.push_back(block);
    }

    /// The lowest block, unless it waits for its signatures.
    pub(super) fn pop_judged(&mut self) -> Option<Judged> {
        self.blocks.pop_front_if(|first| first.checks.is_empty())
    }

    /// Forgets the highest blocks, down to one that is wanted.
    pub(super) fn forget_unless(&mut self, is_wanted: impl Fn(HeaderId) -> bool) {
        while let Some(forgotten) = self.blocks.pop_back_if(|last| !is_wanted(last.id)) {
            self.signatures -= forgotten.checks.len();
        }
    }

    /// The signatures of a block are verified. Those of one that was forgotten are of no interest.
    pub(super) fn verified(&mut self, id: HeaderId, first_invalid: Option<usize>) {
        if let Some(judged) = self.blocks.iter_mut().find(|judged| judged.id == id) {
            self.signatures -= judged.checks.len();
            judged.answer(first_invalid);
        }
    }

    /// What the blocks make of a coin; `None` when they leave it as it is.
    pub(super) fn coin(&self, outpoint: &OutPoint) -> Option<Option<Coin>> {
        self.blocks.iter().rev().find_map(|judged| judged.coins.get(outpoint).copied())
    }
}
