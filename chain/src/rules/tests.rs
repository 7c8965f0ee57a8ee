//! Every rule is broken once, and the limits on both sides of each hold.

mod blocks;
mod headers;

use std::collections::BTreeSet;
use std::convert::Infallible;

use super::block::{ConnectError, Connection, connect};
use super::*;
use crate::amount::{COIN, MAX_MONEY};
use crate::block::CommittedBlock;
use crate::genesis::Network;
use crate::samples::{self, coin, outpoint, output, transfer};
use crate::transaction::Transfer;
use crate::utxo::Coin;

/// Connects at `height` to a set that holds `coins`.
fn connected(
    network: &Network,
    block: &CommittedBlock,
    height: u32,
    coins: &[(OutPoint, Coin)],
) -> Result<Connection, InvalidBlock> {
    let found = |wanted: &OutPoint| {
        let coin = coins.iter().find(|(outpoint, _)| outpoint == wanted);
        Ok::<_, Infallible>(coin.map(|(_, coin)| *coin))
    };
    connect(block, height, network, found).map_err(|error| match error {
        ConnectError::Invalid(invalid) => invalid,
        ConnectError::Lookup(never) => match never {},
    })
}

/// The rule that a transfer of these units breaks, alone.
fn alone(outpoints: &[OutPoint], outputs: &[u64]) -> Option<RuleError> {
    let outputs: Vec<_> = outputs.iter().map(|units| output(2, *units)).collect();
    transaction::check_alone(&transfer(outpoints, &outputs)).err()
}

/// What a transfer of `coins` to outputs of `paid` units gives in a block of height 5.
fn in_context(coins: &[Option<Coin>], paid: &[u64], lock_height: u32) -> Result<Amount, RuleError> {
    let outpoints: Vec<_> = (0u32..).zip(coins).map(|(at, _)| outpoint(at)).collect();
    let outputs: Vec<_> = paid.iter().map(|units| output(2, *units)).collect();
    let transfer = Transfer { lock_height, ..transfer(&outpoints, &outputs) };
    transaction::check_in_context(&transfer, coins, 5, 10)
}

fn old_coin(units: u64) -> Option<Coin> {
    Some(coin(output(1, units)))
}

fn coinbase_coin(height: u32) -> Option<Coin> {
    Some(Coin { output: output(1, 50), height, coinbase: true })
}

/// Makes the list of all rules, and a match that does not compile when one is missing from it.
macro_rules! all_rules {
    ($($variant:ident)*) => {
        const ALL_RULES: &[&str] = &[$(stringify!($variant)),*];

        fn name(rule: &RuleError) -> &'static str {
            match rule {
                $(RuleError::$variant { .. } => stringify!($variant),)*
            }
        }
    };
}

all_rules! {
    Version BitsMalformed BitsTooEasy Work BitsUnexpected TimeTooOld InvalidParent
    NoInputs NoOutputs ZeroOutput OutputsTooLarge DuplicateInput CoinbaseMisplaced
    MissingCoin ImmatureCoinbase InputsTooLarge Overspent Locked Signature
    BlockTooLarge CoinbaseMissing CoinbaseHeight CoinbaseClaim FeesTooLarge
}

#[test]
fn every_rule_can_be_broken_and_says_so_in_one_line() {
    let mut broken = headers::broken();
    broken.extend(blocks::broken());
    broken.extend(broken_by_transfers());
    // Only whoever holds the tree of headers can find this one.
    broken.push(RuleError::InvalidParent { parent: BlockHash::ZERO });
    let names: BTreeSet<_> = broken.iter().map(name).collect();
    assert_eq!(names, ALL_RULES.iter().copied().collect());
    assert_eq!(names.len(), ALL_RULES.len());
    for rule in broken {
        let text = rule.to_string();
        assert!(!text.contains(['\n', '{']) && (5..250).contains(&text.len()), "{text}");
    }
}

fn broken_by_transfers() -> Vec<RuleError> {
    let here = [outpoint(0)];
    let max = MAX_MONEY.0;
    let mut broken: Vec<_> = [
        alone(&[], &[1]),
        alone(&here, &[]),
        alone(&here, &[0]),
        alone(&here, &[max + 1]),
        alone(&[outpoint(0), outpoint(0)], &[1]),
    ]
    .into_iter()
    .flatten()
    .collect();
    let contexts = [
        in_context(&[None], &[1], 0),
        in_context(&[coinbase_coin(1)], &[1], 0),
        in_context(&[old_coin(max), old_coin(1)], &[1], 0),
        in_context(&[old_coin(5)], &[6], 0),
        in_context(&[old_coin(5)], &[5], 6),
    ];
    broken.extend(contexts.into_iter().filter_map(Result::err));
    broken
}

#[test]
fn a_transfer_must_spend_and_pay() {
    assert_eq!(alone(&[outpoint(0)], &[1]), None);
    assert_eq!(alone(&[], &[1]), Some(RuleError::NoInputs));
    assert_eq!(alone(&[outpoint(0)], &[]), Some(RuleError::NoOutputs));
}

#[test]
fn no_output_is_zero() {
    let got = alone(&[outpoint(0)], &[1, 0]);
    assert_eq!(got, Some(RuleError::ZeroOutput { output: 1 }));
}

#[test]
fn outputs_reach_all_money_and_never_exceed_it() {
    let max = MAX_MONEY.0;
    let here = [outpoint(0)];
    let too_large = |output| Some(RuleError::OutputsTooLarge { output });
    assert_eq!(alone(&here, &[max]), None);
    assert_eq!(alone(&here, &[max - 1, 1]), None);
    assert_eq!(alone(&here, &[max + 1]), too_large(0));
    assert_eq!(alone(&here, &[u64::MAX]), too_large(0));
    assert_eq!(alone(&here, &[max, 1]), too_large(1));
    // Two that wrap 64 bits, and many that pass the maximum without wrapping.
    assert_eq!(alone(&here, &[1 << 63, 1 << 63]), too_large(0));
    assert_eq!(alone(&here, &[1, u64::MAX]), too_large(1));
    assert_eq!(alone(&here, &[max / 4; 5]), too_large(4));
}

#[test]
fn an_input_twice_is_named_wherever_it_stands() {
    for (first, second) in [(0, 1), (0, 4), (2, 3)] {
        let mut outpoints: Vec<_> = (0..5).map(outpoint).collect();
        outpoints[second] = outpoints[first];
        let input = u32::try_from(second).unwrap();
        assert_eq!(alone(&outpoints, &[1]), Some(RuleError::DuplicateInput { input }));
    }
    // The same transaction's other output is another coin.
    assert_eq!(alone(&[outpoint(0), outpoint(1)], &[1]), None);
}

#[test]
fn what_is_not_paid_is_the_fee() {
    assert_eq!(in_context(&[old_coin(5), old_coin(6)], &[4, 5], 0), Ok(Amount(2)));
    assert_eq!(in_context(&[old_coin(5)], &[5], 0), Ok(Amount::ZERO));
    let overspent = RuleError::Overspent { paid: Amount(6), spent: Amount(5) };
    assert_eq!(in_context(&[old_coin(5)], &[6], 0), Err(overspent));
}

#[test]
fn inputs_reach_all_money_and_never_exceed_it() {
    let max = MAX_MONEY.0;
    let half = old_coin(max / 2);
    assert_eq!(in_context(&[half, half], &[max], 0), Ok(Amount::ZERO));
    let got = in_context(&[half, half, old_coin(1)], &[1], 0);
    assert_eq!(got, Err(RuleError::InputsTooLarge));
}

#[test]
fn a_missing_coin_is_named() {
    let missing = |input| Err(RuleError::MissingCoin { input, outpoint: outpoint(input) });
    assert_eq!(in_context(&[old_coin(5), None], &[1], 0), missing(1));
    // Coins that the caller forgot are missing too.
    let two = transfer(&[outpoint(0), outpoint(1)], &[output(2, 1)]);
    assert_eq!(transaction::check_in_context(&two, &[old_coin(5)], 5, 10), missing(1));
}

#[test]
fn a_coinbase_matures_at_its_height_plus_the_maturity() {
    let spend = |made: u32, height: u32, maturity: u32| {
        let transfer = transfer(&[outpoint(0)], &[output(2, 1)]);
        transaction::check_in_context(&transfer, &[coinbase_coin(made)], height, maturity).err()
    };
    let immature =
        |height, matures| Some(RuleError::ImmatureCoinbase { input: 0, height, matures });
    assert_eq!(spend(7, 16, 10), immature(16, 17));
    assert_eq!(spend(7, 17, 10), None);
    assert_eq!(spend(7, 7, 1), immature(7, 8));
    assert_eq!(spend(7, 8, 1), None);
    assert_eq!(spend(u32::MAX, u32::MAX - 1, 10), immature(u32::MAX - 1, u32::MAX));
    // An ordinary coin needs no time.
    assert_eq!(in_context(&[old_coin(5)], &[5], 0), Ok(Amount::ZERO));
}

#[test]
fn a_transfer_is_locked_below_its_lock_height() {
    let locked = RuleError::Locked { lock_height: 6, height: 5 };
    assert_eq!(in_context(&[old_coin(5)], &[5], 6), Err(locked));
    assert_eq!(in_context(&[old_coin(5)], &[5], 5), Ok(Amount::ZERO));
    assert!(in_context(&[old_coin(5)], &[5], u32::MAX).is_err());
}

#[test]
fn genesis_coins_are_spendable_from_height_one() {
    let network = samples::network();
    let made = connected(&network, &network.genesis, 0, &[]).unwrap();
    assert_eq!(made.created.len(), 3);
    assert!(made.created.iter().all(|(_, coin)| !coin.coinbase && coin.height == 0));
    assert_eq!(made.burned, Amount::ZERO);
    let here = samples::genesis_outpoint(&network, 2);
    let spend = transfer(&[here], &[output(5, 100 * COIN)]);
    let block = samples::block(&network, 1, &[spend]);
    assert!(connected(&network, &block, 1, &made.created).is_ok());
}
