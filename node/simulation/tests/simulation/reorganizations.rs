//! Which chain wins, and what a change of chains leaves behind.

use chain::amount::Amount;
use chain::spec::ChainSpec;
use chain::transaction::{OutPoint, Transaction};
use chain::utxo::{Coin, UtxoSum};
use machine::{HeaderId, Report};
use simulation::{NodePlan, Scenario, TestWallet, World, check_deeply, small_spec};

use super::branches::Quarry;
use super::{coins, seconds};

/// One node that does not mine.
fn onlooker(spec: ChainSpec) -> World {
    let mut scenario = Scenario::mesh(spec, &[0]).unwrap();
    scenario.nodes = vec![NodePlan::miner(0, Vec::new())];
    World::new(&scenario, 1).unwrap()
}

#[test]
fn three_blocks_at_high_difficulty_beat_five_at_low() {
    let mut spec = small_spec(10, 4, 1, Vec::new());
    spec.half_life_s = 24;
    let genesis_time = spec.genesis_time;
    let mut world = onlooker(spec);
    // Four half-lives pass without a block: who pretends to have slept needs only 6 bits.
    world.run_until(seconds(120)).unwrap();
    let mut quarry = Quarry::new(world.network());
    let slept = quarry.block(HeaderId::GENESIS, genesis_time + 97, &[]);
    let low = quarry.blocks(slept, 4, 1);
    let high = quarry.blocks(HeaderId::GENESIS, 3, 1);
    let work = |id| quarry.tree().entry(id).work;
    assert!(work(high) > work(low));

    quarry.show(&mut world, 0, low);
    assert_eq!(world.machine(0).unwrap().tip().height, 5);
    quarry.show(&mut world, 0, high);
    let machine = world.machine(0).unwrap();
    assert_eq!(machine.tip().height, 3);
    assert_eq!(machine.tip().hash, quarry.tree().entry(high).hash);
    check_deeply(machine).unwrap();
    println!("three blocks of work {} beat five of work {}", work(high), work(low));

    // And five more at low difficulty do not win it back until they have shown more work.
    let low = quarry.blocks(low, 5, 1);
    assert!(quarry.tree().entry(low).work < quarry.tree().entry(high).work);
    quarry.show(&mut world, 0, low);
    assert_eq!(world.machine(0).unwrap().tip().height, 3);
}

#[test]
fn equal_work_stays_with_the_first_seen_and_one_block_more_wins() {
    let mut world = onlooker(small_spec(8, 4, 5, Vec::new()));
    world.run_until(seconds(60)).unwrap();
    let mut quarry = Quarry::new(world.network());
    let first = quarry.blocks(HeaderId::GENESIS, 3, 5);
    // The last block's own time does not enter its own work.
    let fork = quarry.tree().entry(first).parent.unwrap();
    let time = quarry.tree().entry(first).header.time + 1;
    let second = quarry.block(fork, time, &[]);
    assert_eq!(quarry.tree().entry(first).work, quarry.tree().entry(second).work);
    let tip_after = |world: &mut World, quarry: &Quarry, end: HeaderId| {
        quarry.show(world, 0, end);
        world.machine(0).unwrap().tip().hash
    };
    let hash = |quarry: &Quarry, id: HeaderId| quarry.tree().entry(id).hash;
    assert_eq!(tip_after(&mut world, &quarry, first), hash(&quarry, first));
    assert_eq!(tip_after(&mut world, &quarry, second), hash(&quarry, first));
    let second = quarry.blocks(second, 1, 5);
    assert_eq!(tip_after(&mut world, &quarry, second), hash(&quarry, second));
    let first = quarry.blocks(first, 2, 5);
    assert_eq!(tip_after(&mut world, &quarry, first), hash(&quarry, first));
}

#[test]
fn fifty_blocks_there_and_back_leave_the_coins_as_they_were() {
    let wallet = TestWallet::new(3);
    let mut world = onlooker(small_spec(8, 4, 5, wallet.allocations(coins(100))));
    world.run_until(seconds(400)).unwrap();
    let network = world.network().clone();
    let genesis_time = network.spec.genesis_time;
    let pay = |from: usize, to: usize| {
        let coin = wallet.genesis_coin(&network, from);
        wallet.pay(&network, from, coin, wallet.key(to), Amount(5000))
    };
    let mut quarry = Quarry::new(&network);
    let one = quarry.block(HeaderId::GENESIS, genesis_time + 5, &[pay(0, 1), pay(1, 2)]);
    let one = quarry.blocks(one, 49, 5);
    let other = quarry.block(HeaderId::GENESIS, genesis_time + 4, &[pay(0, 2)]);
    let other = quarry.blocks(other, 50, 5);

    quarry.show(&mut world, 0, one);
    let before = world.machine(0).unwrap().totals();
    assert_eq!(world.machine(0).unwrap().tip().height, 50);
    quarry.show(&mut world, 0, other);
    assert_eq!(world.machine(0).unwrap().tip().height, 51);
    check_deeply(world.machine(0).unwrap()).unwrap();
    assert!(world.machine(0).unwrap().mempool().contains_txid(&pay(1, 2).txid()));
    assert!(!world.machine(0).unwrap().mempool().contains_txid(&pay(0, 1).txid()));

    let back = quarry.blocks(one, 2, 5);
    quarry.show(&mut world, 0, back);
    let machine = world.machine(0).unwrap();
    assert_eq!(machine.tip().hash, quarry.tree().entry(back).hash);
    check_deeply(machine).unwrap();
    assert!(machine.mempool().is_empty());
    let mut sum = UtxoSum::from_hash(machine.totals().utxo_hash);
    for (id, height) in [(quarry.tree().entry(back).parent.unwrap(), 51), (back, 52)] {
        let Transaction::Coinbase(coinbase) = &quarry.get(id).transactions[0] else {
            panic!("the first transaction is the coinbase")
        };
        let txid = quarry.get(id).transactions[0].txid();
        let coin = Coin { output: coinbase.outputs[0], height, coinbase: true };
        sum.remove(&OutPoint { txid, index: 0 }, &coin);
    }
    assert_eq!(sum.hash(), before.utxo_hash);

    let moves: Vec<(u32, u32)> = world
        .reports()
        .iter()
        .filter_map(|(_, _, report)| match report {
            Report::Reorganized { disconnected, connected, .. } => {
                Some((*disconnected, *connected))
            }
            _ => None,
        })
        .collect();
    println!("reorganizations, blocks given up and connected: {moves:?}");
    assert_eq!(moves, [(50, 51), (51, 52)]);
}
