//! Rules of blocks: alone, then connected to the coins of their chain.

use std::collections::{BTreeMap, BTreeSet};

use crate::amount::Amount;
use crate::block::CommittedBlock;
use crate::genesis::Network;
use crate::key::SignatureCheck;
use crate::rules::{InvalidBlock, RuleError, transaction};
use crate::subsidy::subsidy;
use crate::transaction::{Coinbase, OutPoint, Output, Transaction, Transfer, signature_checks};
use crate::utxo::Coin;

/// What connecting a block changes, and the signatures that must hold for it to be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Coins of the set before the block that it spends, in the order of its inputs.
    pub spent: Vec<(OutPoint, Coin)>,
    /// Coins it adds to the set: its outputs, less those it spends itself.
    pub created: Vec<(OutPoint, Coin)>,
    /// Sum of its transfers' fees.
    pub fees: Amount,
    /// What the coinbase could have claimed and did not.
    pub burned: Amount,
    /// Signatures still to be verified, by transaction and input.
    pub checks: Vec<SignatureCheck>,
}

/// Why a block could not be connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError<E> {
    /// It breaks a rule.
    Invalid(InvalidBlock),
    /// The coins could not be read: our own trouble, which condemns nobody.
    Lookup(E),
}

impl<E> From<InvalidBlock> for ConnectError<E> {
    fn from(invalid: InvalidBlock) -> Self {
        Self::Invalid(invalid)
    }
}

/// A block and its transactions without any context but their own height. Genesis is not judged
/// here.
///
/// # Errors
/// The rule that it breaks.
pub fn check_alone(
    block: &CommittedBlock,
    height: u32,
    network: &Network,
) -> Result<(), InvalidBlock> {
    let max = network.spec.block_bytes_max;
    if block.encoded_bytes > max as usize {
        return Err(RuleError::BlockTooLarge { got: block.encoded_bytes, max }.into());
    }
    let coinbase = coinbase(block)?;
    if coinbase.height != height {
        let rule = RuleError::CoinbaseHeight { got: coinbase.height, expected: height };
        return Err(rule.into());
    }
    transaction::check_outputs(&coinbase.outputs)
        .map_err(|rule| InvalidBlock::of_transaction(rule, 0))?;
    for (position, transaction) in (0u32..).zip(&block.block.transactions).skip(1) {
        let checked = match transaction {
            Transaction::Coinbase(_) => Err(RuleError::CoinbaseMisplaced),
            Transaction::Transfer(transfer) => transaction::check_alone(transfer),
        };
        checked.map_err(|rule| InvalidBlock::of_transaction(rule, position))?;
    }
    Ok(())
}

/// Connects a block that passed [`check_alone`] to the coins of its parent's chain. `coin` looks up
/// the set as it was before the block. The block is valid once all `checks` of the result hold.
///
/// # Errors
/// The rule that it breaks, or the lookup's own error.
pub fn connect<E>(
    block: &CommittedBlock,
    height: u32,
    network: &Network,
    mut coin: impl FnMut(&OutPoint) -> Result<Option<Coin>, E>,
) -> Result<Connection, ConnectError<E>> {
    let mut coins = BlockCoins::default();
    let mut fees = Amount::ZERO;
    let mut checks = Vec::new();
    for (position, (txid, transaction)) in
        (0u32..).zip(block.txids.iter().zip(&block.block.transactions))
    {
        let blame = |rule| InvalidBlock::of_transaction(rule, position);
        if let Transaction::Transfer(transfer) = transaction {
            let spent = coins.spend(transfer, &mut coin).map_err(ConnectError::Lookup)?;
            let fee =
                transaction::check_in_context(transfer, &spent, height, network.spec.maturity)
                    .map_err(blame)?;
            fees = fees.checked_add(fee).ok_or_else(|| blame(RuleError::FeesTooLarge))?;
            let outputs: Vec<Output> = spent.iter().flatten().map(|coin| coin.output).collect();
            checks.extend(signature_checks(transfer, &outputs, network.genesis_hash(), position));
        }
        let is_coinbase = matches!(transaction, Transaction::Coinbase(_)) && height > 0;
        for (index, output) in (0u32..).zip(transaction.outputs()) {
            let made = Coin { output: *output, height, coinbase: is_coinbase };
            coins.created.insert(OutPoint { txid: *txid, index }, made);
        }
    }
    let burned = unclaimed(block, height, network, fees)?;
    Ok(Connection {
        spent: coins.spent,
        created: coins.created.into_iter().collect(),
        fees,
        burned,
        checks,
    })
}

/// Coins as the transactions of one block leave them.
#[derive(Default)]
struct BlockCoins {
    spent: Vec<(OutPoint, Coin)>,
    spent_outpoints: BTreeSet<OutPoint>,
    created: BTreeMap<OutPoint, Coin>,
}

impl BlockCoins {
    /// The coins that the inputs name, taken out of the set; `None` where there is none.
    fn spend<E>(
        &mut self,
        transfer: &Transfer,
        coin: &mut impl FnMut(&OutPoint) -> Result<Option<Coin>, E>,
    ) -> Result<Vec<Option<Coin>>, E> {
        let mut taken = Vec::with_capacity(transfer.inputs.len());
        for input in &transfer.inputs {
            let outpoint = input.outpoint;
            if let Some(own) = self.created.remove(&outpoint) {
                taken.push(Some(own));
            } else if self.spent_outpoints.contains(&outpoint) {
                taken.push(None);
            } else {
                let found = coin(&outpoint)?;
                if let Some(found) = found {
                    self.spent.push((outpoint, found));
                    self.spent_outpoints.insert(outpoint);
                }
                taken.push(found);
            }
        }
        Ok(taken)
    }
}

fn coinbase(block: &CommittedBlock) -> Result<&Coinbase, InvalidBlock> {
    match block.block.transactions.first() {
        Some(Transaction::Coinbase(coinbase)) => Ok(coinbase),
        _ => Err(RuleError::CoinbaseMissing.into()),
    }
}

/// What the coinbase leaves unclaimed. Genesis may make what its spec allocates and burns nothing.
fn unclaimed(
    block: &CommittedBlock,
    height: u32,
    network: &Network,
    fees: Amount,
) -> Result<Amount, InvalidBlock> {
    if height == 0 {
        return Ok(Amount::ZERO);
    }
    let blame = |rule| InvalidBlock::of_transaction(rule, 0);
    let claimed = transaction::check_outputs(&coinbase(block)?.outputs).map_err(blame)?;
    let allowed = subsidy(&network.spec, height)
        .checked_add(fees)
        .ok_or_else(|| blame(RuleError::FeesTooLarge))?;
    allowed.checked_sub(claimed).ok_or_else(|| blame(RuleError::CoinbaseClaim { claimed, allowed }))
}
