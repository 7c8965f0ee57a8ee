//! What the pool takes, keeps, replaces and lets go.

mod admission;
mod naive;
mod room;
mod upkeep;

use std::cmp::Reverse;
use std::time::Duration;

use chain::hash::Txid;
use chain::transaction::Transfer;
use proptest::prelude::*;
use wire::wallet::GetPendingOfMany;

use super::fixture::{World, pool};
use super::index::heap_estimate;
use super::*;

/// The heap that a payment of one input and one output takes.
const PAYMENT_HEAP: fn() -> usize = || heap_estimate(1, 1);

fn txids(pool: &Mempool) -> Vec<Txid> {
    pool.iter_by_arrival().map(|pending| pending.txid).collect()
}

fn priorities(pool: &Mempool) -> Vec<Txid> {
    pool.iter_by_priority().map(|pending| pending.txid).collect()
}

/// Who leaves the pool with a change to it, first come first.
fn leavers(pool: &mut Mempool, change: impl FnOnce(&mut Mempool)) -> Vec<Txid> {
    let before = txids(pool);
    change(pool);
    before.into_iter().filter(|txid| !pool.contains_txid(txid)).collect()
}

/// Admits what must be admitted, and tells who leaves for it.
fn admit(world: &World, pool: &mut Mempool, transfer: &Transfer) -> Vec<Txid> {
    leavers(pool, |pool| world.admit(pool, transfer, Duration::ZERO).unwrap())
}

/// Builds every index and link anew from the transactions alone, and compares.
fn assert_consistent(pool: &Mempool) {
    let mut fresh = Mempool::new(pool.limits);
    pool.iter_by_arrival().for_each(|pending| fresh.add(pending.clone()));
    assert_eq!(pool.by_txid, fresh.by_txid);
    assert_eq!(pool.by_wtxid, fresh.by_wtxid);
    assert_eq!(pool.spenders, fresh.spenders);
    assert_eq!(pool.by_key, fresh.by_key);
    assert_eq!(pool.by_priority, fresh.by_priority);
    assert_eq!(pool.by_eviction, fresh.by_eviction);
    assert_eq!(pool.heap_bytes, fresh.heap_bytes);
    for (id, entry) in &pool.entries {
        let other = &fresh.entries[id];
        assert_eq!(&entry.parents, &other.parents);
        assert_eq!(&entry.children, &other.children);
        let below = pool.descendants(*id);
        let rates = below.iter().filter_map(|id| pool.get(*id)).map(Pending::fee_rate);
        assert_eq!(entry.keep_rate, rates.fold(entry.pending.fee_rate(), FeeRate::max));
        assert!(pool.ancestors(*id).len() < pool.limits.ancestors_max);
        assert!(below.len() < pool.limits.descendants_max);
    }
    assert!(pool.heap_bytes <= pool.limits.bytes_max);
}

proptest! {
    #[test]
    fn the_highest_rate_comes_first_and_the_earlier_arrival_among_equals(
        payments in prop::collection::vec((1usize..4, 1u64..5), 1..20),
    ) {
        let world = World::new(payments.len());
        let mut pool = pool();
        for (index, (outputs, rate)) in (0u32..).zip(&payments) {
            let bytes = 107 + 40 * *outputs as u64;
            let payment = world.payment(&[world.funds(index)], *outputs, rate * bytes);
            admit(&world, &mut pool, &payment);
        }
        let mut expected: Vec<&Pending> = pool.iter_by_arrival().collect();
        let rate = |pending: &Pending| payments[pending.id.0 as usize].1;
        expected.sort_by_key(|pending| (Reverse(rate(pending)), pending.id));
        let expected: Vec<Txid> = expected.iter().map(|pending| pending.txid).collect();
        prop_assert_eq!(priorities(&pool), expected);
        assert_consistent(&pool);
    }

    #[test]
    fn a_keys_transactions_are_those_that_pay_to_or_spend_from_it(
        payments in prop::collection::vec(1usize..4, 1..12),
        key in 0usize..4,
    ) {
        let world = World::new(payments.len());
        let mut pool = pool();
        for (index, outputs) in (0u32..).zip(&payments) {
            admit(&world, &mut pool, &world.payment(&[world.funds(index)], *outputs, 10_000));
        }
        let key = world.key(key);
        let touches = |pending: &&Pending| {
            let mut outputs = pending.transaction.outputs().iter().chain(&pending.spent);
            outputs.any(|output| output.key == key)
        };
        let expected: Vec<Txid> =
            pool.iter_by_arrival().filter(touches).map(|pending| pending.txid).collect();
        let touching: Vec<Txid> = pool.touching(&key).iter().map(|tx| tx.txid()).collect();
        prop_assert_eq!(touching, expected);
    }

    #[test]
    fn the_transactions_of_many_keys_are_those_of_each_of_them_once_and_in_order(
        payments in prop::collection::vec(1usize..4, 0..12),
        keys in prop::collection::vec(0usize..4, 0..5),
        strangers in prop::collection::vec(any::<[u8; 32]>(), 0..5),
    ) {
        let world = World::new(payments.len().max(1));
        let mut pool = pool();
        for (index, outputs) in (0u32..).zip(&payments) {
            admit(&world, &mut pool, &world.payment(&[world.funds(index)], *outputs, 10_000));
        }
        let mut keys: Vec<OutputKey> = keys.into_iter().map(|key| world.key(key)).collect();
        let expected: BTreeSet<EntryId> = keys
            .iter()
            .flat_map(|key| pool.touching(key))
            .filter_map(|tx| pool.get_by_txid(&tx.txid()).map(|pending| pending.id))
            .collect();
        keys.extend(strangers.into_iter().map(OutputKey));
        let many = GetPendingOfMany::new(1, &keys);
        let touching: Vec<EntryId> = pool
            .touching_any(many.beginnings())
            .filter_map(|tx| pool.get_by_txid(&tx.txid()).map(|pending| pending.id))
            .collect();
        prop_assert_eq!(touching, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_pending_transaction_is_found_by_both_its_names() {
    let world = World::new(1);
    let mut pool = pool();
    let payment = world.payment(&[world.funds(0)], 2, 10_000);
    assert!(pool.is_empty() && pool.oldest_arrived().is_none());
    world.admit(&mut pool, &payment, Duration::from_secs(9)).unwrap();
    assert!(pool.contains_txid(&payment.txid()));
    assert!(pool.was_verified(&payment.wtxid()));
    let pending = pool.get_by_wtxid(&payment.wtxid()).unwrap();
    assert_eq!(pending.fee.0, 10_000);
    assert_eq!(pending.bytes as usize, payment.encoded_bytes());
    assert_eq!(pool.get_by_txid(&payment.txid()).unwrap().id, pending.id);
    assert_eq!(pool.oldest_arrived(), Some(Duration::from_secs(9)));
    assert_eq!(pool.len(), 1);
}
