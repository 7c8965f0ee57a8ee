//! Who is taken: rules, coins, fees, replacement, chains.

use std::convert::Infallible;

use chain::amount::{Amount, MAX_MONEY};
use chain::encoding::{Decode, Encode};
use chain::key::SignatureCheck;
use chain::rules::RuleError;
use chain::transaction::Output;
use chain::utxo::Coin;
use wire::wallet::RefusalKind;

use super::super::fixture::{Spendable, bytes_of, made};
use super::*;

fn refusal(world: &World, pool: &mut Mempool, transfer: &Transfer) -> MempoolError {
    let before = (txids(pool), pool.heap_bytes());
    let refusal = world.admit(pool, transfer, Duration::ZERO).unwrap_err();
    assert_eq!((txids(pool), pool.heap_bytes()), before, "a refusal has no side effect");
    refusal
}

fn output(world: &World, units: u64) -> Output {
    Output { amount: Amount(units), key: world.key(0) }
}

#[test]
fn what_breaks_a_rule_is_refused_with_that_rule() {
    let world = World::new(2);
    let mut pool = pool();
    let coin = world.funds(0);
    let mut refused = |spent: &[Spendable], outputs: Vec<Output>| {
        let refusal = refusal(&world, &mut pool, &world.transfer(spent, outputs, 0));
        assert_eq!(refusal.kind(), RefusalKind::Invalid, "{refusal}");
        refusal
    };
    let one = || vec![output(&world, 1)];
    assert_eq!(refused(&[], one()), MempoolError::Rule(RuleError::NoInputs));
    assert_eq!(refused(&[coin], vec![]), MempoolError::Rule(RuleError::NoOutputs));
    assert_eq!(
        refused(&[coin], vec![output(&world, 0)]),
        MempoolError::Rule(RuleError::ZeroOutput { output: 0 })
    );
    for outputs in [vec![MAX_MONEY.0 + 1], vec![MAX_MONEY.0, 1], vec![u64::MAX / 2 + 1; 2]] {
        let outputs = outputs.into_iter().map(|units| output(&world, units)).collect();
        assert!(matches!(
            refused(&[coin], outputs),
            MempoolError::Rule(RuleError::OutputsTooLarge { .. })
        ));
    }
    assert_eq!(
        refused(&[coin, coin], one()),
        MempoolError::Rule(RuleError::DuplicateInput { input: 1 })
    );
    let paid = coin.1.amount.0 + 1;
    assert!(matches!(
        refused(&[coin], vec![output(&world, paid)]),
        MempoolError::Rule(RuleError::Overspent { .. })
    ));
    let many = vec![output(&world, 1); 3000];
    assert!(matches!(refused(&[coin], many), MempoolError::TooLarge { .. }));
}

#[test]
fn the_largest_transfer_that_a_block_holds_is_taken_and_one_output_more_is_not() {
    let world = World::with_spec(1, |spec| spec.block_bytes_max = 80 + 1 + 78 + 147 + 400 * 40 + 2);
    let mut pool = pool();
    let of = |outputs: usize| world.payment(&[world.funds(0)], outputs, 1_000_000);
    assert!(matches!(refusal(&world, &mut pool, &of(402)), MempoolError::TooLarge { .. }));
    admit(&world, &mut pool, &of(401));
}

#[test]
fn every_flipped_bit_of_a_signed_transfer_is_refused() {
    let world = World::new(1);
    let pool = pool();
    let bytes = world.payment(&[world.funds(0)], 2, 100_000).encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(Transaction::Transfer(transfer)) = Transaction::decode(&flipped) else {
            continue;
        };
        let coin = |outpoint: &OutPoint| world.coin(outpoint);
        let checked = pool.check(&transfer, &world.network, world.height, coin).unwrap();
        if let Ok(candidate) = checked {
            assert!(!candidate.checks.iter().all(SignatureCheck::is_valid), "bit {bit}");
        }
    }
}

#[test]
fn a_signature_for_another_network_does_not_hold() {
    let world = World::new(1);
    let other = World::with_spec(1, |spec| spec.spacing_s = 2);
    let stranger = other.transfer(&[world.funds(0)], vec![output(&world, 1)], 0);
    let coin = |outpoint: &OutPoint| world.coin(outpoint);
    let checked = pool().check(&stranger, &world.network, 1, coin).unwrap().unwrap();
    assert!(!checked.checks[0].is_valid());
}

#[test]
fn a_locked_transfer_is_taken_for_its_height_and_not_before() {
    let mut world = World::new(1);
    let mut pool = pool();
    world.height = 6;
    let locked = world.transfer(&[world.funds(0)], vec![output(&world, 1)], 7);
    let refusal = refusal(&world, &mut pool, &locked);
    assert!(matches!(refusal, MempoolError::NotYet(RuleError::Locked { .. })));
    assert_eq!(refusal.kind(), RefusalKind::NotYet);
    world.height = 7;
    admit(&world, &mut pool, &locked);
    assert_eq!(pool.get_by_txid(&locked.txid()).unwrap().valid_from, 7);
}

#[test]
fn a_coinbase_is_spent_at_its_maturity_and_not_a_block_before() {
    let mut world = World::new(1);
    let mut pool = pool();
    let spendable = world.funds(0);
    let coin = Coin { output: spendable.1, height: 10, coinbase: true };
    world.coins.insert(spendable.0, coin);
    let payment = world.payment(&[spendable], 1, 10_000);
    world.height = 10 + world.network.spec.maturity - 1;
    let refusal = refusal(&world, &mut pool, &payment);
    assert!(matches!(refusal, MempoolError::NotYet(RuleError::ImmatureCoinbase { .. })));
    world.height += 1;
    admit(&world, &mut pool, &payment);
    assert_eq!(pool.get_by_txid(&payment.txid()).unwrap().valid_from, world.height);
}

#[test]
fn a_missing_coin_is_named_confirmed_or_pending() {
    let world = World::new(1);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 10_000);
    let child = world.payment(&made(&parent), 1, 10_000);
    let missing = refusal(&world, &mut pool, &child);
    assert_eq!(missing, MempoolError::MissingCoins { outpoint: made(&parent)[0].0 });
    assert_eq!(missing.kind(), RefusalKind::MissingCoins);
    admit(&world, &mut pool, &parent);
    admit(&world, &mut pool, &child);
    // The parent has no such output, and never will.
    let (mut beyond, output) = made(&parent)[0];
    beyond.index = 1;
    let lost = world.payment(&[(beyond, output)], 1, 10_000);
    assert_eq!(refusal(&world, &mut pool, &lost), MempoolError::MissingCoins { outpoint: beyond });
}

#[test]
fn the_floor_is_a_unit_a_byte() {
    let world = World::new(1);
    let mut pool = pool();
    let at = |fee| world.payment(&[world.funds(0)], 1, fee);
    let floor = bytes_of(&at(1));
    let refusal = refusal(&world, &mut pool, &at(floor - 1));
    assert_eq!(refusal, MempoolError::FeeTooLow { got: Amount(floor - 1), needed: Amount(floor) });
    assert_eq!(refusal.kind(), RefusalKind::FeeTooLow);
    admit(&world, &mut pool, &at(floor));
}

#[test]
fn a_transfer_is_pending_once_whatever_its_signatures() {
    let world = World::new(1);
    let mut pool = pool();
    let payment = world.payment(&[world.funds(0)], 1, 10_000);
    admit(&world, &mut pool, &payment);
    let mut resigned = payment.clone();
    resigned.inputs[0].signature.0[0] ^= 1;
    let expected = MempoolError::AlreadyPending(payment.txid());
    assert_eq!(refusal(&world, &mut pool, &payment), expected);
    assert_eq!(refusal(&world, &mut pool, &resigned), expected);
    assert!(!pool.was_verified(&resigned.wtxid()));
}

#[test]
fn a_lookup_that_fails_is_the_callers_error() {
    let world = World::new(1);
    let payment = world.payment(&[world.funds(0)], 1, 10_000);
    let failed = pool().check(&payment, &world.network, 1, |_| Err("disk"));
    assert_eq!(failed.unwrap_err(), "disk");
}

proptest! {
    #[test]
    fn a_double_spend_replaces_only_when_fee_and_rate_both_rise(
        first in (1usize..6, 1_000u64..20_000),
        second in (1usize..6, 1_000u64..20_000),
    ) {
        let world = World::new(1);
        let mut pool = pool();
        let of = |(outputs, fee)| world.payment(&[world.funds(0)], outputs, fee);
        let (old, new) = (of(first), of(second));
        prop_assume!(old.txid() != new.txid());
        admit(&world, &mut pool, &old);
        let better_rate = u128::from(second.1) * u128::from(bytes_of(&old))
            > u128::from(first.1) * u128::from(bytes_of(&new));
        if second.1 > first.1 && better_rate {
            prop_assert_eq!(admit(&world, &mut pool, &new), vec![old.txid()]);
            prop_assert_eq!(txids(&pool), vec![new.txid()]);
        } else {
            let refusal = refusal(&world, &mut pool, &new);
            prop_assert_eq!(refusal.kind(), RefusalKind::Conflict);
            let fees = Amount(first.1);
            prop_assert_eq!(refusal, MempoolError::Conflict { with: old.txid(), fees });
        }
        assert_consistent(&pool);
    }
}

#[test]
fn a_replacement_pays_more_than_all_that_hangs_on_what_it_replaces() {
    let world = World::new(2);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    let child = world.payment(&made(&parent), 1, 3_000);
    let bystander = world.payment(&[world.funds(1)], 1, 500);
    for payment in [&parent, &child, &bystander] {
        admit(&world, &mut pool, payment);
    }
    let with_fee = |fee| world.payment(&[world.funds(0)], 1, fee);
    assert_eq!(
        refusal(&world, &mut pool, &with_fee(4_000)),
        MempoolError::Conflict { with: parent.txid(), fees: Amount(4_000) }
    );
    let replacement = with_fee(4_001);
    assert_eq!(admit(&world, &mut pool, &replacement), vec![parent.txid(), child.txid()]);
    assert_eq!(txids(&pool), vec![bystander.txid(), replacement.txid()]);
    assert_consistent(&pool);
}

#[test]
fn a_replacement_displaces_nothing_of_a_better_rate() {
    let world = World::new(2);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 200);
    let child = world.payment(&made(&parent), 1, 10_000);
    admit(&world, &mut pool, &parent);
    admit(&world, &mut pool, &child);
    // More in fees, but less for its bytes than the child.
    let bulky = world.payment(&[world.funds(0)], 20, 20_000);
    assert_eq!(refusal(&world, &mut pool, &bulky).kind(), RefusalKind::Conflict);
}

#[test]
fn a_higher_fee_at_the_same_rate_replaces_nothing() {
    let world = World::new(1);
    let mut pool = pool();
    let at_rate = |outputs: usize| {
        let bytes = bytes_of(&world.payment(&[world.funds(0)], outputs, 0));
        world.payment(&[world.funds(0)], outputs, 10 * bytes)
    };
    admit(&world, &mut pool, &at_rate(1));
    assert_eq!(refusal(&world, &mut pool, &at_rate(2)).kind(), RefusalKind::Conflict);
}

#[test]
fn nobody_replaces_what_it_spends_from() {
    let world = World::new(1);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    admit(&world, &mut pool, &parent);
    let both = [world.funds(0), made(&parent)[0]];
    let impossible = world.payment(&both, 1, 900_000);
    let refusal = refusal(&world, &mut pool, &impossible);
    assert_eq!(refusal, MempoolError::SpendsReplaced { with: parent.txid() });
}

#[test]
fn a_newcomer_replaces_a_hundred_at_most() {
    let count = u32::try_from(REPLACED_MAX + 1).unwrap();
    let world = World::new(REPLACED_MAX + 1);
    let mut pool = pool();
    for index in 0..count {
        admit(&world, &mut pool, &world.payment(&[world.funds(index)], 1, 1_000));
    }
    let sweep = |count: u32| {
        let coins: Vec<Spendable> = (0..count).map(|index| world.funds(index)).collect();
        world.payment(&coins, 1, 10_000_000)
    };
    assert_eq!(
        refusal(&world, &mut pool, &sweep(count)),
        MempoolError::ReplacesTooMany { max: REPLACED_MAX }
    );
    assert_eq!(admit(&world, &mut pool, &sweep(count - 1)).len(), REPLACED_MAX);
}

#[test]
fn a_chain_has_twenty_five_pending_transactions_at_most() {
    let world = World::new(1);
    let mut pool = pool();
    let mut tip = world.payment(&[world.funds(0)], 1, 1_000);
    admit(&world, &mut pool, &tip);
    for _ in 1..25 {
        tip = world.payment(&made(&tip), 1, 1_000);
        admit(&world, &mut pool, &tip);
    }
    let refusal = refusal(&world, &mut pool, &world.payment(&made(&tip), 1, 1_000));
    assert_eq!(refusal, MempoolError::TooLongChain { max: 25 });
    assert_eq!(refusal.kind(), RefusalKind::Busy);
    assert_consistent(&pool);
}

#[test]
fn twenty_four_transactions_hang_on_one_at_most() {
    let world = World::new(1);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 25, 10_000);
    admit(&world, &mut pool, &parent);
    let children: Vec<Transfer> =
        made(&parent).iter().map(|coin| world.payment(&[*coin], 1, 1_000)).collect();
    for child in &children[..24] {
        admit(&world, &mut pool, child);
    }
    assert_eq!(refusal(&world, &mut pool, &children[24]), MempoolError::TooLongChain { max: 25 });
    // Replacing one of them makes no chain longer.
    let again = world.payment(&[made(&parent)[0]], 1, 2_000);
    assert_eq!(admit(&world, &mut pool, &again), vec![children[0].txid()]);
    assert_consistent(&pool);
}

#[test]
fn what_came_between_check_and_insertion_is_judged_again() {
    let world = World::new(2);
    let mut pool = pool();
    let check = |pool: &Mempool, transfer: &Transfer| {
        let coin = |outpoint: &OutPoint| Ok::<_, Infallible>(world.coins.get(outpoint).copied());
        pool.check(transfer, &world.network, 1, coin).unwrap().unwrap()
    };
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    let twin = world.payment(&[world.funds(0)], 2, 1_001);
    let (first, second) = (check(&pool, &parent), check(&pool, &twin));
    let again = first.clone();
    pool.insert(first, Duration::ZERO).unwrap();
    assert!(matches!(pool.insert(again, Duration::ZERO), Err(MempoolError::AlreadyPending(_))));
    assert!(matches!(pool.insert(second, Duration::ZERO), Err(MempoolError::Conflict { .. })));
    let child = check(&pool, &world.payment(&made(&parent), 1, 1_000));
    admit(&world, &mut pool, &world.payment(&[world.funds(0)], 1, 9_000));
    assert!(matches!(pool.insert(child, Duration::ZERO), Err(MempoolError::MissingCoins { .. })));
    assert_consistent(&pool);
}
