//! Rules of transactions: alone, then in the context of the coins they spend.

use std::collections::BTreeSet;
use std::iter;

use crate::amount::Amount;
use crate::rules::RuleError;
use crate::transaction::{Output, Transfer};
use crate::utxo::Coin;

/// A transfer without any context: its shape, and the sum of its outputs.
///
/// # Errors
/// The rule that it breaks.
pub fn check_alone(transfer: &Transfer) -> Result<(), RuleError> {
    if transfer.inputs.is_empty() {
        return Err(RuleError::NoInputs);
    }
    check_outputs(&transfer.outputs)?;
    let mut seen = BTreeSet::new();
    for (position, input) in (0u32..).zip(&transfer.inputs) {
        if !seen.insert(input.outpoint) {
            return Err(RuleError::DuplicateInput { input: position });
        }
    }
    Ok(())
}

/// The outputs of either kind: at least one, none of zero, no impossible sum. Returns their sum.
///
/// # Errors
/// The rule that they break.
pub fn check_outputs(outputs: &[Output]) -> Result<Amount, RuleError> {
    if outputs.is_empty() {
        return Err(RuleError::NoOutputs);
    }
    let mut sum = Amount::ZERO;
    for (position, output) in (0u32..).zip(outputs) {
        if output.amount == Amount::ZERO {
            return Err(RuleError::ZeroOutput { output: position });
        }
        sum = sum
            .checked_add(output.amount)
            .ok_or(RuleError::OutputsTooLarge { output: position })?;
    }
    Ok(sum)
}

/// A transfer in a block of `height`, against the coins that its inputs name (`None` where there is
/// no such coin), in the inputs' order. Returns the fee. Signatures are checked apart.
///
/// # Errors
/// The rule that it breaks.
pub fn check_in_context(
    transfer: &Transfer,
    coins: &[Option<Coin>],
    height: u32,
    maturity: u32,
) -> Result<Amount, RuleError> {
    let mut spent = Amount::ZERO;
    // A list of coins that is too short must not leave an input unjudged.
    let coins = coins.iter().chain(iter::repeat(&None));
    for (position, (input, coin)) in (0u32..).zip(transfer.inputs.iter().zip(coins)) {
        let missing = RuleError::MissingCoin { input: position, outpoint: input.outpoint };
        let coin = coin.as_ref().ok_or(missing)?;
        let matures = coin.height.saturating_add(maturity);
        if coin.coinbase && height < matures {
            return Err(RuleError::ImmatureCoinbase { input: position, height, matures });
        }
        spent = spent.checked_add(coin.output.amount).ok_or(RuleError::InputsTooLarge)?;
    }
    if height < transfer.lock_height {
        return Err(RuleError::Locked { lock_height: transfer.lock_height, height });
    }
    let paid = check_outputs(&transfer.outputs)?;
    spent.checked_sub(paid).ok_or(RuleError::Overspent { paid, spent })
}
