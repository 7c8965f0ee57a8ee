//! A full pool: who leaves, who is refused, what the minimum does.

use super::super::fixture::made;
use super::*;

/// A pool with room for so many payments of one input and one output.
fn small_pool(payments: usize) -> Mempool {
    Mempool::new(MempoolLimits { bytes_max: payments * PAYMENT_HEAP(), ..MempoolLimits::default() })
}

proptest! {
    #[test]
    fn a_full_pool_keeps_the_best_and_the_earlier_among_equals(
        fees in prop::collection::vec(1_000u64..1_010, 1..16),
        room in 1usize..6,
    ) {
        let world = World::new(fees.len());
        let mut pool = small_pool(room);
        let mut kept: Vec<(u64, u32)> = Vec::new();
        for (index, fee) in (0u32..).zip(&fees) {
            // The minimum's rounding is another test's matter.
            pool.fee_rate_min = FEE_RATE_FLOOR;
            let payment = world.payment(&[world.funds(index)], 1, *fee);
            let outcome = world.admit(&mut pool, &payment, Duration::ZERO);
            kept.push((*fee, index));
            kept.sort_by_key(|(fee, index)| (Reverse(*fee), *index));
            let loser = kept.get(room).copied();
            kept.truncate(room);
            prop_assert_eq!(outcome.is_err(), loser == Some((*fee, index)));
        }
        let expected: Vec<Txid> = kept
            .iter()
            .map(|(fee, index)| world.payment(&[world.funds(*index)], 1, *fee).txid())
            .collect();
        prop_assert_eq!(priorities(&pool), expected);
        assert_consistent(&pool);
    }
}

#[test]
fn the_lowest_leaves_with_what_hangs_on_it() {
    let world = World::new(4);
    let mut pool = small_pool(3);
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    let child = world.payment(&made(&parent), 1, 2_000);
    let other = world.payment(&[world.funds(1)], 1, 3_000);
    for payment in [&parent, &child, &other] {
        admit(&world, &mut pool, payment);
    }
    // Worth less than the child: it takes nobody's place.
    let meager = world.payment(&[world.funds(2)], 1, 1_500);
    assert!(matches!(
        world.admit(&mut pool, &meager, Duration::ZERO),
        Err(MempoolError::Full { .. })
    ));
    let better = world.payment(&[world.funds(2)], 1, 2_500);
    assert_eq!(admit(&world, &mut pool, &better), vec![parent.txid(), child.txid()]);
    assert_eq!(txids(&pool), vec![other.txid(), better.txid()]);
    assert_consistent(&pool);
}

#[test]
fn a_newcomer_never_pushes_out_its_own_ancestors() {
    let world = World::new(2);
    let mut pool = small_pool(2);
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    let other = world.payment(&[world.funds(1)], 1, 5_000);
    admit(&world, &mut pool, &parent);
    admit(&world, &mut pool, &other);
    let child = world.payment(&made(&parent), 1, 4_000);
    assert!(matches!(
        world.admit(&mut pool, &child, Duration::ZERO),
        Err(MempoolError::Full { .. })
    ));
    let child = world.payment(&made(&parent), 1, 6_000);
    assert_eq!(admit(&world, &mut pool, &child), vec![other.txid()]);
    assert_consistent(&pool);
}

#[test]
fn a_replacement_uses_the_room_of_what_it_replaces() {
    let world = World::new(2);
    let mut pool = small_pool(2);
    for index in 0..2 {
        admit(&world, &mut pool, &world.payment(&[world.funds(index)], 1, 1_000));
    }
    let replaced = txids(&pool)[0];
    let left = admit(&world, &mut pool, &world.payment(&[world.funds(0)], 1, 2_000));
    assert_eq!(left, vec![replaced]);
}

#[test]
fn eviction_raises_the_minimum_and_blocks_lower_it_again() {
    let world = World::new(4);
    let mut pool = small_pool(1);
    assert_eq!(pool.fee_rate_min(), FEE_RATE_FLOOR);
    // 147 bytes: 100 units a byte.
    let payment = |index, fee| world.payment(&[world.funds(index)], 1, fee);
    admit(&world, &mut pool, &payment(0, 14_700));
    admit(&world, &mut pool, &payment(1, 20_000));
    assert_eq!(pool.fee_rate_min(), 100_001);
    assert!(matches!(
        world.admit(&mut pool, &payment(2, 14_700), Duration::ZERO),
        Err(MempoolError::FeeTooLow { .. })
    ));
    let empty = world.block(&[]);
    pool.remove_confirmed(&empty);
    assert_eq!(pool.fee_rate_min(), 50_000);
    for _ in 0..20 {
        pool.remove_confirmed(&empty);
    }
    assert_eq!(pool.fee_rate_min(), FEE_RATE_FLOOR);
    admit(&world, &mut pool, &payment(3, 30_000));
    pool.remove_confirmed(&world.block(&[payment(3, 30_000)]));
    assert!(pool.is_empty());
    assert_eq!(pool.fee_rate_min(), FEE_RATE_FLOOR);
}
