//! `RuleError`: one variant per rule, so the enum is the list of rules.

pub mod block;
pub mod header;
#[cfg(test)]
mod tests;
pub mod transaction;

use crate::amount::Amount;
use crate::hash::BlockHash;
use crate::key::SignatureCheck;
use crate::target::{CompactError, CompactTarget};
use crate::transaction::OutPoint;

/// A rule that is broken, with what was found and what was expected. It condemns what broke it, for
/// ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    // Headers alone.
    /// A version bit outside the rolling mask differs from the base.
    #[error("version 0x{got:08x} differs from 0x20000000 outside the bits that may roll")]
    Version {
        /// The header's version.
        got: u32,
    },
    /// The bits are no target.
    #[error("bits {got}: {reason}")]
    BitsMalformed {
        /// The header's bits.
        got: CompactTarget,
        /// What is wrong with them.
        reason: CompactError,
    },
    /// The target is easier than the network's easiest.
    #[error("bits {got} are easier than the network's easiest, {easiest}")]
    BitsTooEasy {
        /// The header's bits.
        got: CompactTarget,
        /// The easiest bits.
        easiest: CompactTarget,
    },
    /// The hash does not meet the target.
    #[error("hash {hash} does not meet the target of bits {bits}")]
    Work {
        /// The header's hash.
        hash: BlockHash,
        /// The header's bits.
        bits: CompactTarget,
    },
    // Headers in context.
    /// The bits are not those that the retarget gives.
    #[error("bits {got}, expected {expected}")]
    BitsUnexpected {
        /// The header's bits.
        got: CompactTarget,
        /// What the parent's chain demands.
        expected: CompactTarget,
    },
    /// The time does not exceed the median of the blocks before.
    #[error("time {got} is not after the median time {median}")]
    TimeTooOld {
        /// The header's time.
        got: u32,
        /// Median of the parents' times.
        median: u32,
    },
    /// The parent is invalid.
    #[error("its parent {parent} is invalid")]
    InvalidParent {
        /// Hash of that parent.
        parent: BlockHash,
    },
    // Transactions alone.
    /// A transfer spends nothing.
    #[error("no inputs")]
    NoInputs,
    /// A transaction pays nothing.
    #[error("no outputs")]
    NoOutputs,
    /// An output of zero.
    #[error("output {output} is zero")]
    ZeroOutput {
        /// Its position.
        output: u32,
    },
    /// The outputs exceed all money.
    #[error("the outputs up to {output} exceed all money")]
    OutputsTooLarge {
        /// Position of the output that does.
        output: u32,
    },
    /// One outpoint is spent twice by one transfer.
    #[error("input {input} spends the same output as an earlier one")]
    DuplicateInput {
        /// Position of the second.
        input: u32,
    },
    /// A coinbase where only a transfer may be.
    #[error("a coinbase outside the first place of a block")]
    CoinbaseMisplaced,
    // Transactions in the context of the coins.
    /// An input names no unspent coin.
    #[error(
        "input {input} spends {}:{}, which does not exist or is spent",
        outpoint.txid,
        outpoint.index
    )]
    MissingCoin {
        /// Position of the input.
        input: u32,
        /// The output that it names.
        outpoint: OutPoint,
    },
    /// A coinbase is spent before it matured.
    #[error("input {input} spends a coinbase that matures at height {matures}, not {height}")]
    ImmatureCoinbase {
        /// Position of the input.
        input: u32,
        /// Height of the block that spends it.
        height: u32,
        /// First height at which it may be spent.
        matures: u32,
    },
    /// The coins spent exceed all money.
    #[error("the inputs exceed all money")]
    InputsTooLarge,
    /// More is paid than spent.
    #[error("pays {paid} but spends only {spent}")]
    Overspent {
        /// Sum of the outputs.
        paid: Amount,
        /// Sum of the coins spent.
        spent: Amount,
    },
    /// In a block below its lock height.
    #[error("locked until height {lock_height}, not valid at {height}")]
    Locked {
        /// First height at which it is valid.
        lock_height: u32,
        /// The block's height.
        height: u32,
    },
    /// A signature does not hold.
    #[error("the signature of input {input} does not hold")]
    Signature {
        /// Position of the input.
        input: u32,
    },
    // Blocks.
    /// Too many bytes.
    #[error("block of {got} bytes, at most {max} are allowed")]
    BlockTooLarge {
        /// Consensus bytes of the block.
        got: usize,
        /// The spec's maximum.
        max: u32,
    },
    /// The first transaction is no coinbase.
    #[error("the first transaction is not a coinbase")]
    CoinbaseMissing,
    /// The coinbase names another height.
    #[error("coinbase of height {got} in a block of height {expected}")]
    CoinbaseHeight {
        /// What the coinbase says.
        got: u32,
        /// The block's height.
        expected: u32,
    },
    /// The coinbase claims more than it may.
    #[error("coinbase claims {claimed}, at most {allowed} are allowed")]
    CoinbaseClaim {
        /// Sum of its outputs.
        claimed: Amount,
        /// Subsidy plus fees.
        allowed: Amount,
    },
    /// The fees exceed all money.
    #[error("the fees exceed all money")]
    FeesTooLarge,
}

/// A block's broken rule, with the transaction that broke it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{rule}", transaction.map(|at| format!("transaction {at}: ")).unwrap_or_default())]
pub struct InvalidBlock {
    /// What is broken.
    pub rule: RuleError,
    /// By which of its transactions, where it is one's fault.
    pub transaction: Option<u32>,
}

impl From<RuleError> for InvalidBlock {
    fn from(rule: RuleError) -> Self {
        Self { rule, transaction: None }
    }
}

impl InvalidBlock {
    /// Blames the input whose signature `check` does not hold.
    pub fn of_signature(check: &SignatureCheck) -> Self {
        Self::of_transaction(RuleError::Signature { input: check.input }, check.transaction)
    }

    /// Blames the transaction at position `transaction`.
    pub fn of_transaction(rule: RuleError, transaction: u32) -> Self {
        Self { rule, transaction: Some(transaction) }
    }
}
