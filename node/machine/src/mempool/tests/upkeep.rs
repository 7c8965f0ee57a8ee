//! Blocks, time and reorganizations.

use chain::utxo::Coin;

use super::super::fixture::made;
use super::*;

#[test]
fn a_block_takes_out_what_it_confirms_and_leaves_the_children() {
    let mut world = World::new(2);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    let child = world.payment(&made(&parent), 1, 1_000);
    admit(&world, &mut pool, &parent);
    admit(&world, &mut pool, &child);
    let block = world.block(std::slice::from_ref(&parent));
    world.connect(&block);
    pool.remove_confirmed(&block);
    assert_eq!(txids(&pool), vec![child.txid()]);
    assert_consistent(&pool);
}

#[test]
fn a_block_drops_what_conflicts_with_it_and_what_hangs_on_that() {
    let mut world = World::new(2);
    let mut pool = pool();
    let loser = world.payment(&[world.funds(0)], 2, 1_000);
    let child = world.payment(&[made(&loser)[0], world.funds(1)], 1, 1_000);
    let grandchild = world.payment(&made(&child), 1, 1_000);
    for payment in [&loser, &child, &grandchild] {
        admit(&world, &mut pool, payment);
    }
    let winner = world.payment(&[world.funds(0)], 1, 1);
    let block = world.block(&[winner]);
    world.connect(&block);
    let dropped = leavers(&mut pool, |pool| pool.remove_confirmed(&block));
    assert_eq!(dropped, vec![loser.txid(), child.txid(), grandchild.txid()]);
    assert_eq!((pool.len(), pool.heap_bytes()), (0, 0));
    // What the dropped ones alone had spent is free again.
    admit(&world, &mut pool, &world.payment(&[world.funds(1)], 1, 1_000));
}

#[test]
fn other_signatures_of_a_pending_transfer_confirm_it() {
    let world = World::new(1);
    let mut pool = pool();
    let payment = world.payment(&[world.funds(0)], 1, 1_000);
    admit(&world, &mut pool, &payment);
    let mut resigned = payment.clone();
    resigned.inputs[0].signature.0[5] ^= 1;
    pool.remove_confirmed(&world.block(&[resigned]));
    assert!(pool.is_empty());
}

#[test]
fn what_waited_too_long_expires_with_what_hangs_on_it() {
    let world = World::new(2);
    let mut pool = pool();
    let hours = Duration::from_hours;
    let old = world.payment(&[world.funds(0)], 1, 1_000);
    let child = world.payment(&made(&old), 1, 1_000);
    let young = world.payment(&[world.funds(1)], 1, 1_000);
    world.admit(&mut pool, &old, hours(1)).unwrap();
    world.admit(&mut pool, &child, hours(50)).unwrap();
    world.admit(&mut pool, &young, hours(50)).unwrap();
    let mut expired = |now| leavers(&mut pool, |pool| pool.expire(now));
    assert!(expired(hours(73) - Duration::from_nanos(1)).is_empty());
    assert_eq!(expired(hours(73)), vec![old.txid(), child.txid()]);
    assert_eq!(expired(hours(122)), vec![young.txid()]);
    assert_eq!(pool.heap_bytes(), 0);
}

#[test]
fn a_lost_branch_returns_its_transactions_below_their_pending_children() {
    let mut world = World::new(1);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 1, 1_000);
    let block = world.block(std::slice::from_ref(&parent));
    let connection = world.connect(&block);
    let child = world.payment(&made(&parent), 1, 5_000);
    admit(&world, &mut pool, &child);
    world.disconnect(&connection);
    admit(&world, &mut pool, &parent);
    pool.retain_valid(&world.network, world.height, |outpoint| world.coin(outpoint)).unwrap();
    assert_eq!(txids(&pool), vec![child.txid(), parent.txid()]);
    let at = |transfer: &Transfer| pool.get_by_txid(&transfer.txid()).unwrap().id;
    assert!(pool.ancestors(at(&child)).contains(&at(&parent)));
    assert_consistent(&pool);
}

#[test]
fn a_reorganization_drops_what_is_missing_immature_or_locked_now() {
    let mut world = World::new(5);
    let mut pool = pool();
    world.height = 20;
    let (gone, young) = (world.funds(0), world.funds(1));
    let coinbase = Coin { output: young.1, height: 17, coinbase: true };
    world.coins.insert(young.0, coinbase);
    let missing = world.payment(&[gone], 1, 1_000);
    let orphan = world.payment(&made(&missing), 1, 1_000);
    let immature = world.payment(&[young], 1, 1_000);
    let paid = |index: u32| world.payment(&[world.funds(index)], 1, 1_000).outputs;
    let locked = world.transfer(&[world.funds(2)], paid(2), 20);
    let unlocked = world.transfer(&[world.funds(3)], paid(3), 19);
    let plain = world.payment(&[world.funds(4)], 1, 1_000);
    for payment in [&missing, &orphan, &immature, &locked, &unlocked, &plain] {
        admit(&world, &mut pool, payment);
    }
    world.coins.remove(&gone.0);
    world.height = 19;
    let before = pool.len();
    let failed = pool.retain_valid(&world.network, world.height, |_| Err("disk"));
    assert_eq!((failed.unwrap_err(), pool.len()), ("disk", before));
    let (network, height) = (&world.network, world.height);
    let dropped = leavers(&mut pool, |pool| {
        pool.retain_valid(network, height, |outpoint| world.coin(outpoint)).unwrap();
    });
    assert_eq!(dropped, vec![missing.txid(), orphan.txid(), immature.txid(), locked.txid()]);
    assert_eq!(txids(&pool), vec![unlocked.txid(), plain.txid()]);
    assert_consistent(&pool);
}

#[test]
fn a_chain_that_a_returned_parent_makes_too_long_loses_its_end() {
    for (ancestors_max, descendants_max) in [(10, 25), (25, 10)] {
        let mut world = World::new(1);
        let mut pool = Mempool::new(MempoolLimits {
            ancestors_max,
            descendants_max,
            ..MempoolLimits::default()
        });
        let parent = world.payment(&[world.funds(0)], 1, 1_000);
        let block = world.block(std::slice::from_ref(&parent));
        let connection = world.connect(&block);
        let mut chain = vec![parent.clone()];
        for _ in 0..10 {
            let next = world.payment(&made(chain.last().unwrap()), 1, 1_000);
            admit(&world, &mut pool, &next);
            chain.push(next);
        }
        world.disconnect(&connection);
        assert_eq!(admit(&world, &mut pool, &parent), vec![chain[10].txid()]);
        assert_eq!(pool.len(), 10);
        assert_consistent(&pool);
    }
}

#[test]
fn a_returned_parent_keeps_twenty_four_of_its_children() {
    let mut world = World::new(1);
    let mut pool = pool();
    let parent = world.payment(&[world.funds(0)], 30, 10_000);
    let block = world.block(std::slice::from_ref(&parent));
    let connection = world.connect(&block);
    for coin in made(&parent) {
        admit(&world, &mut pool, &world.payment(&[coin], 1, 1_000));
    }
    let last = txids(&pool).split_off(24);
    world.disconnect(&connection);
    assert_eq!(admit(&world, &mut pool, &parent), last);
    assert_consistent(&pool);
}
