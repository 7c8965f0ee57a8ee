//! One transaction, and where it is.

use std::time::Duration;

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::hash::{BlockHash, Txid};
use chain::spec::ChainSpec;
use chain::transaction::{Input, Output, Transaction};
use serde::{Deserialize, Serialize};

use super::block::{confirmations, sum};
use super::mempool::age_s;
use super::{TxKind, spelled};
use crate::mempool::Pending;

/// Inputs and outputs listed of one transaction.
pub const PARTS_MAX: usize = 1000;

/// A transaction with all that is worth showing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxView {
    /// Its txid.
    #[serde(with = "spelled")]
    pub txid: Txid,
    /// Of which kind it is.
    pub kind: TxKind,
    /// Where it is.
    #[serde(flatten)]
    pub place: TxPlace,
    /// Blocks from its own on; zero while it is pending.
    pub confirmations: u32,
    /// Sum of its outputs.
    #[serde(with = "spelled")]
    pub amount: Amount,
    /// The first [`PARTS_MAX`] outputs it spends.
    pub inputs: Vec<TxInput>,
    /// Its first [`PARTS_MAX`] outputs.
    pub outputs: Vec<TxOutput>,
}

/// Where a transaction is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum TxPlace {
    /// It waits for a block.
    Pending {
        /// What it gives the miner.
        #[serde(with = "spelled")]
        fee: Amount,
        /// Its consensus bytes.
        bytes: u32,
        /// Seconds since it came.
        age_s: u64,
    },
    /// The best chain holds it.
    Confirmed {
        /// Its block.
        #[serde(with = "spelled")]
        block: BlockHash,
        /// Its block's height.
        height: u32,
    },
}

/// An output that is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxInput {
    /// The transaction that made it.
    #[serde(with = "spelled")]
    pub txid: Txid,
    /// Which of its outputs.
    pub index: u32,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxOutput {
    /// What it pays.
    #[serde(with = "spelled")]
    pub amount: Amount,
    /// Whom it pays.
    pub address: String,
}

impl TxView {
    /// A transaction that is pending at the monotonic time `now`.
    pub fn pending(spec: &ChainSpec, pending: &Pending, now: Duration) -> Self {
        let place = TxPlace::Pending {
            fee: pending.fee,
            bytes: pending.bytes,
            age_s: age_s(now, pending.arrived),
        };
        Self::at(spec, &pending.transaction, pending.txid, (place, 0))
    }

    /// The transaction with that txid in a block at `height` of the best chain, whose tip is at
    /// `tip_height`; `None` when the block does not hold it.
    pub fn confirmed(
        spec: &ChainSpec,
        block: &CommittedBlock,
        txid: Txid,
        (height, tip_height): (u32, u32),
    ) -> Option<Self> {
        let at = block.txids.iter().position(|other| *other == txid)?;
        let transaction = block.block.transactions.get(at)?;
        let place = TxPlace::Confirmed { block: block.hash, height };
        Some(Self::at(spec, transaction, txid, (place, confirmations(tip_height, height))))
    }

    fn at(
        spec: &ChainSpec,
        transaction: &Transaction,
        txid: Txid,
        (place, confirmations): (TxPlace, u32),
    ) -> Self {
        let spent = match transaction {
            Transaction::Coinbase(_) => &[],
            Transaction::Transfer(transfer) => transfer.inputs.as_slice(),
        };
        let input =
            |Input { outpoint, .. }: &Input| TxInput { txid: outpoint.txid, index: outpoint.index };
        let output = |output: &Output| TxOutput {
            amount: output.amount,
            address: spec.address(output.key).to_string(),
        };
        Self {
            txid,
            kind: transaction.into(),
            place,
            confirmations,
            amount: sum(transaction.outputs()),
            inputs: spent.iter().take(PARTS_MAX).map(input).collect(),
            outputs: transaction.outputs().iter().take(PARTS_MAX).map(output).collect(),
        }
    }
}
