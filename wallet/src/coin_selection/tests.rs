//! Tests of coin selection: every promise against brute force over all subsets.

use chain::encoding::Encode;
use chain::hash::Txid;
use chain::key::{OutputKey, Signature};
use chain::transaction::{Input, Output, Transfer};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::*;

fn candidates(amounts: &[u64]) -> Vec<Candidate> {
    (0u32..)
        .zip(amounts)
        .map(|(index, amount)| Candidate {
            outpoint: OutPoint { txid: Txid::ZERO, index },
            amount: Amount(*amount),
        })
        .collect()
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn policy(fee: Fee) -> FeePolicy {
    FeePolicy { fee, transfer_bytes_max: 10_000 }
}

fn subsets(coins: &[Candidate]) -> impl Iterator<Item = Vec<Candidate>> + '_ {
    (1u32..1 << coins.len()).map(|mask| {
        let taken = coins.iter().enumerate();
        let taken = taken.filter(|(index, _)| mask >> index & 1 == 1);
        taken.map(|(_, coin)| *coin).collect()
    })
}

/// Small worths with many coincidences, so that exact matches are common.
fn worths() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        prop::collection::vec(1u64..40, 0..9),
        prop::collection::vec(1u64..2000, 0..9),
        prop::collection::vec(any::<u64>(), 0..9),
        prop::collection::vec(1u64..=MAX_MONEY.0 / 4, 0..9),
    ]
}

fn fees() -> impl Strategy<Value = Fee> {
    prop_oneof![
        (0u64..20).prop_map(|units| Fee::Fixed(Amount(units))),
        any::<u64>().prop_map(|units| Fee::Fixed(Amount(units))),
        (0u64..200).prop_map(Fee::Rate),
        any::<u64>().prop_map(Fee::Rate),
    ]
}

fn targets() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..100, 0u64..6000, 0u64..=MAX_MONEY.0, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn a_selection_pays_exactly_and_none_is_missed(
        worths in worths(), target in targets(), fee in fees(), seed: u64, room in 1usize..12,
    ) {
        let coins = candidates(&worths);
        let mut policy = policy(fee);
        policy.transfer_bytes_max = transfer_bytes(room, 2);
        let terms = Terms { target: Amount(target), policy };
        let useful: Vec<Candidate> =
            coins.iter().filter(|coin| terms.is_economic(coin.amount)).copied().collect();
        let possible = Amount(target).is_possible();
        let feasible = possible && subsets(&useful).any(|coins| terms.propose(&coins).is_some());
        match select(&coins, Amount(target), policy, &mut rng(seed)) {
            Ok(selection) => {
                prop_assert!(feasible);
                for attempt in &selection.attempts {
                    let Some(proposal) = &attempt.proposal else { continue };
                    check_proposal(proposal, &coins, &terms)?;
                    prop_assert!(selection.chosen.waste <= proposal.waste);
                }
                let mine = selection.attempts.iter().find(|one| one.method == selection.method);
                prop_assert_eq!(mine.unwrap().proposal.as_ref(), Some(&selection.chosen));
            }
            // Largest first takes the fewest coins, so it fails only where all fail, or where its
            // sum is more than all money, which the coins of one chain never reach.
            Err(SelectionError::Impossible) => {
                let huge = total(&useful) > u128::from(MAX_MONEY.0);
                prop_assert!(huge || !possible || !terms.fee(1, 1).is_possible());
            }
            Err(SelectionError::Insufficient { available, needed }) => {
                prop_assert!(!feasible && available < needed);
                prop_assert_eq!(u128::from(available.0), total(&useful).min(u64::MAX.into()));
            }
            Err(SelectionError::TooManyCoins { coins_max }) => {
                prop_assert!(!feasible || total(&useful) > u128::from(MAX_MONEY.0));
                prop_assert_eq!(coins_max, room);
            }
        }
    }

    #[test]
    fn branch_and_bound_finds_the_cheapest_set_without_change(
        worths in worths(), target in 0u64..3000, fee in fees(),
    ) {
        let coins = candidates(&worths);
        let terms = Terms { target: Amount(target), policy: policy(fee) };
        let mut useful: Vec<Candidate> =
            coins.into_iter().filter(|coin| terms.is_economic(coin.amount)).collect();
        useful.sort_by_key(|coin| Reverse(coin.amount));
        let cheapest = subsets(&useful)
            .filter_map(|coins| terms.propose(&coins))
            .filter(|proposal| proposal.change.is_none())
            .map(|proposal| proposal.waste)
            .min();
        prop_assert_eq!(branch_and_bound(&useful, &terms).map(|found| found.waste), cheapest);
    }

    #[test]
    fn a_set_that_sums_to_the_target_and_the_fee_is_found(
        worths in prop::collection::vec(1u64..10_000, 1..14), mask: u16, fee in 0u64..50, seed: u64,
    ) {
        let coins = candidates(&worths);
        let taken = worths.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1);
        let sum: u64 = taken.map(|(_, worth)| worth).sum();
        prop_assume!(sum > fee);
        let target = Amount(sum - fee);
        let fixed = policy(Fee::Fixed(Amount(fee)));
        let found = select(&coins, target, fixed, &mut rng(seed)).unwrap();
        prop_assert_eq!(found.chosen.change, None);
        prop_assert_eq!(found.chosen.fee, Amount(fee));
    }

    #[test]
    fn sizes_are_those_of_real_transfers(inputs in 1usize..600, outputs in 1usize..4) {
        prop_assert_eq!(transfer_bytes(inputs, outputs), transfer(inputs, outputs).encode().len());
    }
}

fn check_proposal(
    proposal: &Proposal,
    coins: &[Candidate],
    terms: &Terms,
) -> Result<(), TestCaseError> {
    let spent = total(&proposal.coins);
    let change = proposal.change.unwrap_or(Amount::ZERO);
    let paid = terms.target.0 + proposal.fee.0 + change.0;
    prop_assert_eq!(spent, u128::from(paid), "nothing appears or vanishes");
    prop_assert_ne!(proposal.change, Some(Amount::ZERO));
    let mut outpoints: Vec<OutPoint> = proposal.coins.iter().map(|coin| coin.outpoint).collect();
    outpoints.sort();
    outpoints.dedup();
    prop_assert_eq!(outpoints.len(), proposal.coins.len(), "no coin twice");
    prop_assert!(proposal.coins.iter().all(|coin| coins.contains(coin)));
    let outputs = 1 + usize::from(proposal.change.is_some());
    let bytes = transfer_bytes(proposal.coins.len(), outputs);
    prop_assert!(bytes <= terms.policy.transfer_bytes_max);
    match terms.policy.fee {
        Fee::Fixed(fee) => prop_assert_eq!(proposal.fee, fee),
        Fee::Rate(rate) => {
            let least = fee_at_rate(rate, bytes as u64);
            prop_assert!(proposal.fee >= least);
            prop_assert!(proposal.change.is_none() || proposal.fee == least);
            // What is left to the miner is no more than making and spending change would cost.
            let most =
                least.0.saturating_add(fee_at_rate(rate, (OUTPUT_BYTES + INPUT_BYTES) as u64).0);
            prop_assert!(proposal.fee.0 <= most.saturating_add(1));
        }
    }
    Ok(())
}

fn transfer(inputs: usize, outputs: usize) -> Transfer {
    let input =
        Input { outpoint: OutPoint { txid: Txid::ZERO, index: 0 }, signature: Signature([0; 64]) };
    let output = Output { amount: Amount(1), key: OutputKey([0; 32]) };
    Transfer { inputs: vec![input; inputs], outputs: vec![output; outputs], lock_height: 0 }
}

#[test]
fn insufficient_funds_name_what_is_there_and_what_is_needed() {
    let fixed =
        select(&candidates(&[30, 20]), Amount(49), policy(Fee::Fixed(Amount(2))), &mut rng(1));
    let expected = SelectionError::Insufficient { available: Amount(50), needed: Amount(51) };
    assert_eq!(fixed, Err(expected));
    let none = select(&[], Amount(5), policy(Fee::Rate(1000)), &mut rng(1));
    let expected =
        SelectionError::Insufficient { available: Amount::ZERO, needed: Amount(5 + 147) };
    assert_eq!(none, Err(expected));
}

#[test]
fn coins_that_cost_more_than_they_bring_are_left_alone() {
    let coins = candidates(&[100, 101, 5000]);
    let found = select(&coins, Amount(2000), policy(Fee::Rate(1000)), &mut rng(1)).unwrap();
    assert_eq!(found.uneconomic, coins[..1]);
}

#[test]
fn change_not_worth_its_bytes_goes_to_the_miner_but_never_with_a_fixed_fee() {
    // 1 unit a byte: 147 for one input and one output; change costs 40 now and 100 later.
    let rate = policy(Fee::Rate(1000));
    for (rest, change) in [(0, None), (140, None), (141, Some(Amount(101)))] {
        let coins = candidates(&[1000 + 147 + rest]);
        let found = select(&coins, Amount(1000), rate, &mut rng(1)).unwrap();
        assert_eq!(found.chosen.change, change, "{rest}");
    }
    let fixed = policy(Fee::Fixed(Amount(7)));
    let found = select(&candidates(&[1008]), Amount(1000), fixed, &mut rng(1)).unwrap();
    assert_eq!(found.chosen.change, Some(Amount(1)));
}

#[test]
fn a_thousand_coins_end_in_time_and_too_many_for_one_transfer_are_named() {
    let coins = candidates(&(0..1000).map(|n| 1000 + 7 * n).collect::<Vec<_>>());
    let rate = policy(Fee::Rate(10));
    assert!(select(&coins, Amount(50_001), rate, &mut rng(1)).is_ok());
    assert_eq!(
        select(&coins, Amount(3_000_000), rate, &mut rng(1)),
        Err(SelectionError::TooManyCoins { coins_max: 99 })
    );
}
