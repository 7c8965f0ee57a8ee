//! Admission: from a stranger's transfer to a pending transaction.

use std::sync::Arc;
use std::time::Duration;

use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{Txid, Wtxid};
use chain::header::HEADER_BYTES;
use chain::key::SignatureCheck;
use chain::rules::{RuleError, transaction};
use chain::transaction::{
    COINBASE_BYTES_MIN, OutPoint, Output, Transaction, Transfer, signature_checks,
};
use chain::utxo::Coin;
use wire::fee::fee_at_rate;
use wire::wallet::RefusalKind;

use super::replacement::Displaced;
use super::{FeeRate, Mempool, Pending};

/// Why a transfer is not taken. Only [`MempoolError::Rule`] and [`MempoolError::TooLarge`] are for
/// ever; the rest is the pool's own policy or may pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MempoolError {
    /// A transaction of this txid is pending, whatever its signatures.
    #[error("{0} is pending already")]
    AlreadyPending(Txid),
    /// It breaks a rule for ever.
    #[error(transparent)]
    Rule(RuleError),
    /// No block could hold it.
    #[error("transaction of {got} bytes, a block has room for {max}")]
    TooLarge {
        /// Its consensus bytes.
        got: usize,
        /// Bytes of a block beside its header and the shortest coinbase.
        max: usize,
    },
    /// It is locked or spends an immature coinbase at the next height.
    #[error("not in the next block: {0}")]
    NotYet(RuleError),
    /// An input names no coin, confirmed or pending.
    #[error("spends {}:{}, which does not exist or is spent", outpoint.txid, outpoint.index)]
    MissingCoins {
        /// What the input names.
        outpoint: OutPoint,
    },
    /// Its fee is below the pool's minimum.
    #[error("fee {got} is too low, at least {needed} is needed now")]
    FeeTooLow {
        /// Its fee.
        got: Amount,
        /// The least fee for its bytes.
        needed: Amount,
    },
    /// It spends what a pending transaction spends, and does not pay enough to replace it.
    #[error(
        "spends the same coin as pending {with}; to replace it, pay more than {fees} in fees \
         and a higher fee rate than all that is replaced"
    )]
    Conflict {
        /// The pending transaction.
        with: Txid,
        /// Fees of all that would be replaced.
        fees: Amount,
    },
    /// It spends from what it would replace.
    #[error("spends from pending {with} and the same coin as it or its ancestor")]
    SpendsReplaced {
        /// The pending transaction.
        with: Txid,
    },
    /// It would replace too many at once.
    #[error("would replace more than {max} pending transactions")]
    ReplacesTooMany {
        /// How many it may.
        max: usize,
    },
    /// It would make a chain of pending transactions too long.
    #[error("would make a chain of more than {max} pending transactions; wait for a block")]
    TooLongChain {
        /// How many a chain may have.
        max: usize,
    },
    /// The pool is full of transactions that pay as much or more.
    #[error("the pool is full of transactions that pay {rate} units per 1000 bytes or more")]
    Full {
        /// Its own fee rate, in units per 1000 bytes.
        rate: u64,
    },
}

impl MempoolError {
    /// What a wallet is told.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Rule(_) | Self::TooLarge { .. } => RefusalKind::Invalid,
            Self::NotYet(_) => RefusalKind::NotYet,
            Self::MissingCoins { .. } => RefusalKind::MissingCoins,
            Self::FeeTooLow { .. } | Self::Full { .. } => RefusalKind::FeeTooLow,
            Self::AlreadyPending(_)
            | Self::Conflict { .. }
            | Self::SpendsReplaced { .. }
            | Self::ReplacesTooMany { .. } => RefusalKind::Conflict,
            Self::TooLongChain { .. } => RefusalKind::Busy,
        }
    }
}

/// A transfer that may be inserted once all its `checks` hold.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Its txid.
    pub txid: Txid,
    /// Its wtxid.
    pub wtxid: Wtxid,
    /// What it pays its miner.
    pub fee: Amount,
    /// Its consensus bytes.
    pub bytes: u32,
    /// Lowest height of a block that may hold it.
    pub valid_from: u32,
    /// The outputs it spends, in the inputs' order.
    pub spent: Vec<Output>,
    /// Those of its outpoints that pending transactions made.
    pub unconfirmed: Vec<OutPoint>,
    /// Signatures that must hold.
    pub checks: Vec<SignatureCheck>,
}

impl Candidate {
    /// Its fee for its bytes.
    pub fn fee_rate(&self) -> FeeRate {
        FeeRate { fee: self.fee, bytes: u64::from(self.bytes) }
    }

    pub(super) fn outpoints(&self) -> impl Iterator<Item = OutPoint> {
        let inputs = match &*self.transaction {
            Transaction::Transfer(transfer) => transfer.inputs.as_slice(),
            Transaction::Coinbase(_) => &[],
        };
        inputs.iter().map(|input| input.outpoint)
    }
}

impl Mempool {
    /// All checks but the signatures. `height` is the next block's; `coin` looks up the confirmed
    /// set.
    ///
    /// # Errors
    /// The outer error is the lookup's own; the inner one says why the transfer is not taken.
    pub fn check<E>(
        &self,
        transfer: &Transfer,
        network: &Network,
        height: u32,
        mut coin: impl FnMut(&OutPoint) -> Result<Option<Coin>, E>,
    ) -> Result<Result<Candidate, MempoolError>, E> {
        let txid = transfer.txid();
        if self.contains_txid(&txid) {
            return Ok(Err(MempoolError::AlreadyPending(txid)));
        }
        if let Err(refusal) = check_alone(transfer, network) {
            return Ok(Err(refusal));
        }
        let mut coins = Vec::with_capacity(transfer.inputs.len());
        let mut unconfirmed = Vec::new();
        for input in &transfer.inputs {
            let outpoint = input.outpoint;
            let found = if let Some(parent) = self.get_by_txid(&outpoint.txid) {
                unconfirmed.push(outpoint);
                pending_coin(parent, outpoint.index, height)
            } else {
                coin(&outpoint)?
            };
            if found.is_none() {
                return Ok(Err(MempoolError::MissingCoins { outpoint }));
            }
            coins.push(found);
        }
        let judged = judge(transfer, txid, &coins, height, network);
        Ok(judged.and_then(|mut candidate| {
            candidate.unconfirmed = unconfirmed;
            self.check_fee(&candidate)?;
            self.displaced_by(&candidate)?;
            Ok(candidate)
        }))
    }

    /// Takes in a candidate whose signatures hold. `now` is monotonic. Others may have been
    /// inserted since its check, so whatever depends on them is judged again; the tip must be the
    /// same.
    ///
    /// # Errors
    /// Why it is not taken after all; the pool is then unchanged.
    pub fn insert(&mut self, candidate: Candidate, now: Duration) -> Result<(), MempoolError> {
        if self.contains_txid(&candidate.txid) {
            return Err(MempoolError::AlreadyPending(candidate.txid));
        }
        let lost = |outpoint: &&OutPoint| !self.contains_txid(&outpoint.txid);
        if let Some(outpoint) = candidate.unconfirmed.iter().find(lost) {
            return Err(MempoolError::MissingCoins { outpoint: *outpoint });
        }
        self.check_fee(&candidate)?;
        let Displaced { replaced, evicted } = self.displaced_by(&candidate)?;
        self.raise_fee_rate_min(&evicted);
        for leaver in replaced.into_iter().chain(evicted) {
            self.remove(leaver);
        }
        let id = self.next_id;
        self.next_id = id.next();
        self.add(Pending {
            id,
            transaction: candidate.transaction,
            txid: candidate.txid,
            wtxid: candidate.wtxid,
            fee: candidate.fee,
            bytes: candidate.bytes,
            arrived: now,
            valid_from: candidate.valid_from,
            spent: candidate.spent,
        });
        self.trim_chains(id);
        Ok(())
    }

    fn check_fee(&self, candidate: &Candidate) -> Result<(), MempoolError> {
        if candidate.fee_rate().reaches(self.fee_rate_min()) {
            return Ok(());
        }
        Err(MempoolError::FeeTooLow {
            got: candidate.fee,
            needed: fee_at_rate(self.fee_rate_min(), u64::from(candidate.bytes)),
        })
    }
}

fn check_alone(transfer: &Transfer, network: &Network) -> Result<(), MempoolError> {
    transaction::check_alone(transfer).map_err(MempoolError::Rule)?;
    let got = transfer.encoded_bytes();
    // One byte counts the coinbase and this transfer.
    let beside = HEADER_BYTES + 1 + COINBASE_BYTES_MIN;
    let max = (network.spec.block_bytes_max as usize).saturating_sub(beside);
    if got > max {
        return Err(MempoolError::TooLarge { got, max });
    }
    Ok(())
}

/// A pending output as the coin it will be in a block of `height`.
fn pending_coin(parent: &Pending, index: u32, height: u32) -> Option<Coin> {
    let output = parent.transaction.outputs().get(index as usize)?;
    Some(Coin { output: *output, height, coinbase: false })
}

/// First height of a block that may spend `coin`.
pub(super) fn matures_at(coin: &Coin, maturity: u32) -> u32 {
    match coin.coinbase {
        true => coin.height.saturating_add(maturity),
        false => 0,
    }
}

/// The transfer against the coins it spends, all of which exist.
fn judge(
    transfer: &Transfer,
    txid: Txid,
    coins: &[Option<Coin>],
    height: u32,
    network: &Network,
) -> Result<Candidate, MempoolError> {
    let maturity = network.spec.maturity;
    let fee =
        transaction::check_in_context(transfer, coins, height, maturity).map_err(
            |rule| match rule {
                RuleError::Locked { .. } | RuleError::ImmatureCoinbase { .. } => {
                    MempoolError::NotYet(rule)
                }
                RuleError::MissingCoin { outpoint, .. } => MempoolError::MissingCoins { outpoint },
                rule => MempoolError::Rule(rule),
            },
        )?;
    let spent: Vec<Output> = coins.iter().flatten().map(|coin| coin.output).collect();
    let matures = coins.iter().flatten().map(|coin| matures_at(coin, maturity));
    Ok(Candidate {
        txid,
        wtxid: transfer.wtxid(),
        fee,
        bytes: u32::try_from(transfer.encoded_bytes()).expect("fits a block, see check_alone"),
        valid_from: matures.fold(transfer.lock_height, u32::max),
        checks: signature_checks(transfer, &spent, network.genesis_hash(), 0),
        spent,
        unconfirmed: Vec::new(),
        transaction: Arc::new(Transaction::Transfer(transfer.clone())),
    })
}
