//! Rules of blocks, alone and connected.

use proptest::prelude::*;

use super::super::block::check_alone;
use super::*;
use crate::hash::Txid;
use crate::key::SignatureCheck;
use crate::samples::{block, coinbase, committed, genesis_outpoint, network, sign};
use crate::transaction::{Coinbase, Output, Transaction};

const SUBSIDY: u64 = 50 * COIN;

/// One error for each rule of blocks.
pub(super) fn broken() -> Vec<RuleError> {
    let network = network();
    let spend = transfer(&[outpoint(0)], &[output(2, 1)]);
    let large = transfer(&[outpoint(0)], &vec![output(2, 1); 250]);
    let alone = [
        block(&network, 1, &[large]),
        committed(&network, vec![Transaction::Transfer(spend.clone())]),
        committed(&network, vec![coinbase(2, 1)]),
        committed(&network, vec![coinbase(1, 1), coinbase(1, 1)]),
    ]
    .map(|block| check_alone(&block, 1, &network).unwrap_err().rule);
    let claim = committed(&network, vec![coinbase(1, SUBSIDY + 1)]);
    let fees = block(&network, 1, &[spend]);
    let coins = [(outpoint(0), coin(output(1, MAX_MONEY.0)))];
    let connected =
        [claim, fees].map(|block| connected(&network, &block, 1, &coins).unwrap_err().rule);
    let signature = InvalidBlock::of_signature(&SignatureCheck {
        key: output(1, 1).key,
        message: [0; 32],
        signature: crate::key::Signature([0; 64]),
        transaction: 3,
        input: 4,
    });
    assert_eq!(signature, InvalidBlock::of_transaction(RuleError::Signature { input: 4 }, 3));
    alone.into_iter().chain(connected).chain([signature.rule]).collect()
}

fn blamed(rule: RuleError, transaction: u32) -> InvalidBlock {
    InvalidBlock::of_transaction(rule, transaction)
}

#[test]
fn a_block_is_as_large_as_the_spec_allows_and_not_a_byte_larger() {
    let mut network = network();
    let spend = transfer(&[outpoint(0)], &[output(2, 1)]);
    let block = block(&network, 1, &[spend]);
    assert_eq!(block.encoded_bytes, 80 + 1 + 78 + 147);
    network.spec.block_bytes_max = 306;
    assert_eq!(check_alone(&block, 1, &network), Ok(()));
    network.spec.block_bytes_max = 305;
    let too_large = RuleError::BlockTooLarge { got: 306, max: 305 };
    assert_eq!(check_alone(&block, 1, &network), Err(too_large.into()));
}

#[test]
fn the_coinbase_is_first_and_only_there_and_of_the_right_height() {
    let network = network();
    let spend = Transaction::Transfer(transfer(&[outpoint(0)], &[output(2, 1)]));
    let check = |transactions| check_alone(&committed(&network, transactions), 1, &network);
    let good = coinbase(1, 1);
    assert_eq!(check(vec![good.clone(), spend.clone()]), Ok(()));
    assert_eq!(check(vec![spend.clone(), good.clone()]), Err(RuleError::CoinbaseMissing.into()));
    assert_eq!(check(vec![spend.clone()]), Err(RuleError::CoinbaseMissing.into()));
    assert_eq!(
        check(vec![good.clone(), spend, good]),
        Err(blamed(RuleError::CoinbaseMisplaced, 2))
    );
    for got in [0, 2, u32::MAX] {
        let expected = RuleError::CoinbaseHeight { got, expected: 1 };
        assert_eq!(check(vec![coinbase(got, 1)]), Err(expected.into()));
    }
}

#[test]
fn outputs_of_a_coinbase_obey_the_rules_of_outputs() {
    let network = network();
    let check = |outputs: Vec<Output>| {
        let coinbase = Transaction::Coinbase(Coinbase { height: 1, extra: [0; 32], outputs });
        check_alone(&committed(&network, vec![coinbase]), 1, &network)
    };
    assert_eq!(check(vec![]), Err(blamed(RuleError::NoOutputs, 0)));
    assert_eq!(check(vec![output(1, 0)]), Err(blamed(RuleError::ZeroOutput { output: 0 }, 0)));
    let wrapping = vec![output(1, MAX_MONEY.0), output(1, u64::MAX)];
    assert_eq!(check(wrapping), Err(blamed(RuleError::OutputsTooLarge { output: 1 }, 0)));
}

#[test]
fn transfers_of_a_block_are_judged_in_their_place() {
    let network = network();
    let good = transfer(&[outpoint(0)], &[output(2, 1)]);
    let twice = transfer(&[outpoint(1), outpoint(1)], &[output(2, 1)]);
    let block = block(&network, 1, &[good, twice]);
    let expected = blamed(RuleError::DuplicateInput { input: 1 }, 2);
    assert_eq!(check_alone(&block, 1, &network), Err(expected.clone()));
    // Connecting refuses it too, whoever forgot the check before.
    let coins = [0, 1].map(|at| (outpoint(at), coin(output(1, 9))));
    let refused = connected(&network, &block, 1, &coins).unwrap_err();
    assert!(matches!(refused.rule, RuleError::MissingCoin { input: 1, .. }));
    assert_eq!(
        expected.to_string(),
        "transaction 2: input 1 spends the same output as an earlier one"
    );
}

#[test]
fn a_coinbase_claims_subsidy_and_fees_and_not_one_unit_more() {
    let network = network();
    let spend = transfer(&[outpoint(0)], &[output(2, 93)]);
    let coins = [(outpoint(0), coin(output(1, 100)))];
    let claim = |units| {
        let transactions = vec![coinbase(1, units), Transaction::Transfer(spend.clone())];
        connected(&network, &committed(&network, transactions), 1, &coins)
    };
    let exact = claim(SUBSIDY + 7).unwrap();
    assert_eq!((exact.fees, exact.burned), (Amount(7), Amount::ZERO));
    // Less is allowed, and gone for ever.
    let modest = claim(SUBSIDY).unwrap();
    assert_eq!((modest.fees, modest.burned), (Amount(7), Amount(7)));
    assert_eq!(claim(1).unwrap().burned, Amount(SUBSIDY + 6));
    let too_much =
        RuleError::CoinbaseClaim { claimed: Amount(SUBSIDY + 8), allowed: Amount(SUBSIDY + 7) };
    assert_eq!(claim(SUBSIDY + 8), Err(blamed(too_much, 0)));
}

#[test]
fn a_claim_follows_the_halvings() {
    let network = network();
    let claim = |height, units| {
        connected(&network, &committed(&network, vec![coinbase(height, units)]), height, &[])
    };
    assert!(claim(999, SUBSIDY).is_ok());
    assert!(claim(1000, SUBSIDY).is_err());
    assert!(claim(1000, SUBSIDY / 2).is_ok());
    assert!(claim(1001, SUBSIDY / 2).is_ok());
    assert!(claim(64_000, 1).is_err());
}

#[test]
fn fees_never_exceed_all_money() {
    let network = network();
    let max = MAX_MONEY.0;
    let spends = [0, 1].map(|at| transfer(&[outpoint(at)], &[output(2, 1)]));
    let coins = [0, 1].map(|at| (outpoint(at), coin(output(1, max))));
    let refused = connected(&network, &block(&network, 1, &spends), 1, &coins);
    assert_eq!(refused, Err(blamed(RuleError::FeesTooLarge, 2)));
    let refused = connected(&network, &block(&network, 1, &spends[..1]), 1, &coins);
    assert_eq!(refused, Err(blamed(RuleError::FeesTooLarge, 0)));
}

#[test]
fn a_parent_before_its_child_is_valid_and_the_reverse_is_not() {
    let network = network();
    let parent = transfer(&[outpoint(0)], &[output(2, 90), output(2, 5)]);
    let made = OutPoint { txid: parent.txid(), index: 0 };
    let child = transfer(&[made], &[output(3, 80)]);
    let coins = [(outpoint(0), coin(output(1, 100)))];
    let forward = block(&network, 1, &[parent.clone(), child.clone()]);
    let connection = connected(&network, &forward, 1, &coins).unwrap();
    assert_eq!(connection.fees, Amount(15));
    // What was made and spent inside leaves no trace.
    assert_eq!(connection.spent, coins);
    assert!(!connection.created.iter().any(|(outpoint, _)| *outpoint == made));
    assert_eq!(connection.created.len(), 3);
    assert_eq!(connection.checks.len(), 2);

    let backward = block(&network, 1, &[child.clone(), parent.clone()]);
    let missing = RuleError::MissingCoin { input: 0, outpoint: made };
    let refused = connected(&network, &backward, 1, &coins);
    assert_eq!(refused, Err(blamed(missing.clone(), 1)));

    let rival = transfer(&[made], &[output(4, 70)]);
    let twice = block(&network, 1, &[parent, child, rival]);
    assert_eq!(connected(&network, &twice, 1, &coins), Err(blamed(missing, 3)));
}

#[test]
fn a_coin_is_spent_once_in_a_block() {
    let network = network();
    let coins = [(outpoint(0), coin(output(1, 100)))];
    let spends = [2, 3].map(|owner| transfer(&[outpoint(0)], &[output(owner, 100)]));
    let missing = RuleError::MissingCoin { input: 0, outpoint: outpoint(0) };
    let refused = connected(&network, &block(&network, 1, &spends), 1, &coins);
    assert_eq!(refused, Err(blamed(missing.clone(), 2)));
    // And the very same transfer twice.
    let same = [spends[0].clone(), spends[0].clone()];
    let refused = connected(&network, &block(&network, 1, &same), 1, &coins);
    assert_eq!(refused, Err(blamed(missing, 2)));
}

#[test]
fn a_block_cannot_spend_its_own_coinbase() {
    let network = network();
    let first = coinbase(1, SUBSIDY);
    let own = OutPoint { txid: first.txid(), index: 0 };
    let spend = Transaction::Transfer(transfer(&[own], &[output(2, 1)]));
    let refused = connected(&network, &committed(&network, vec![first, spend]), 1, &[]);
    let immature = RuleError::ImmatureCoinbase { input: 0, height: 1, matures: 11 };
    assert_eq!(refused, Err(blamed(immature, 1)));
}

#[test]
fn trouble_with_the_coins_is_ours_and_condemns_nobody() {
    let network = network();
    let spend = transfer(&[outpoint(0)], &[output(2, 1)]);
    let block = block(&network, 1, &[spend]);
    let failed = connect(&block, 1, &network, |_| Err("disk"));
    assert_eq!(failed, Err(ConnectError::Lookup("disk")));
}

#[test]
fn the_signatures_of_a_block_come_out_in_order_and_hold() {
    let network = network();
    let spends: Vec<_> = (1..=3)
        .map(|owner| {
            let mut spend =
                transfer(&[genesis_outpoint(&network, owner)], &[output(7, 100 * COIN)]);
            let spent = [output(owner, 100 * COIN)];
            sign(&mut spend, &spent, owner, network.genesis_hash());
            spend
        })
        .collect();
    let made = connected(&network, &network.genesis, 0, &[]).unwrap();
    let connection = connected(&network, &block(&network, 1, &spends), 1, &made.created).unwrap();
    let places: Vec<_> =
        connection.checks.iter().map(|check| (check.transaction, check.input)).collect();
    assert_eq!(places, [(1, 0), (2, 0), (3, 0)]);
    assert!(connection.checks.iter().all(SignatureCheck::is_valid));
}

proptest! {
    /// What the set loses and gains, and what is burned, is exactly what was there and is new.
    #[test]
    fn no_money_appears_or_vanishes_unseen(
        units in prop::collection::vec(1u64..1_000_000, 1..8),
        kept in 0u64..100,
        claimed_percent in 1u64..=100,
    ) {
        let network = network();
        let coins: Vec<_> = (0u32..)
            .zip(&units)
            .map(|(at, units)| (outpoint(at), coin(output(1, *units))))
            .collect();
        // A chain: each transfer spends the one before and one coin.
        let mut transfers: Vec<Transfer> = Vec::new();
        let mut carried: Option<(Txid, u64)> = None;
        for (at, units) in (0u32..).zip(&units) {
            let mut outpoints = vec![outpoint(at)];
            let mut sum = *units;
            if let Some((txid, before)) = carried {
                outpoints.push(OutPoint { txid, index: 0 });
                sum += before;
            }
            let paid = (sum - sum * kept / 100).max(1);
            let next = transfer(&outpoints, &[output(2, paid)]);
            carried = Some((next.txid(), paid));
            transfers.push(next);
        }
        let fees: u64 = units.iter().sum::<u64>() - carried.unwrap().1;
        let claim = (SUBSIDY + fees) / 100 * claimed_percent;
        let mut transactions = vec![coinbase(1, claim)];
        transactions.extend(transfers.into_iter().map(Transaction::Transfer));
        let block = committed(&network, transactions);
        let connection = connected(&network, &block, 1, &coins).unwrap();
        let sum = |coins: &[(OutPoint, Coin)]| {
            coins.iter().map(|(_, coin)| coin.output.amount.0).sum::<u64>()
        };
        prop_assert_eq!(connection.fees, Amount(fees));
        prop_assert_eq!(
            sum(&connection.created) + connection.burned.0,
            sum(&connection.spent) + SUBSIDY
        );
    }
}
