//! Faults: whatever goes wrong in the network, it is alive again when they stop.

use std::time::{Duration, Instant};

use machine::{HeaderId, Report};
use simulation::{Fault, LinkConditions, NodePlan, Scenario, TestWallet, World, small_spec};
use wire::wallet::SubmitOutcome;

use super::branches::Quarry;
use super::{coins, for_seeds, heights, seconds, wait_for_agreement};

fn lossy(loss_per_million: u32) -> LinkConditions {
    LinkConditions { loss_per_million, ..LinkConditions::default() }
}

/// An hour in two parts, with bad links and nodes that lose everything, twice on each side.
fn bad_hour(seed: u64) -> (Duration, u32, u64) {
    let minutes = |m: u64| seconds(60 * m);
    let spec = small_spec(10, 4, 10, Vec::new());
    let scenario = Scenario::mesh(spec, &[20; 5])
        .unwrap()
        .with_fault(minutes(5), Fault::LinkConditions(lossy(10_000)))
        .with_fault(minutes(10), Fault::Partition(vec![vec![0, 1], vec![2, 3, 4]]))
        .with_fault(minutes(20), Fault::Stop(1))
        .with_fault(minutes(22), Fault::Start(1))
        .with_fault(minutes(30), Fault::Stop(3))
        .with_fault(minutes(31), Fault::Stop(4))
        .with_fault(minutes(35), Fault::Start(3))
        .with_fault(minutes(45), Fault::Start(4))
        .with_fault(minutes(60), Fault::Stop(2))
        .with_fault(minutes(69), Fault::Start(2))
        .with_fault(minutes(70), Fault::Heal)
        .with_fault(minutes(70), Fault::LinkConditions(lossy(0)));
    let mut world = World::new(&scenario, seed).unwrap();
    world.run_until(minutes(70)).unwrap();
    let (end, after) = wait_for_agreement(&mut world, seconds(120));
    let before = end.height;
    world.run_until(world.clock() + minutes(5)).unwrap();
    let (end, _) = wait_for_agreement(&mut world, seconds(60));
    assert!(end.height > before + 5, "seed {seed}: the chain stands still at {before}");
    (after, end.height, world.events())
}

#[test]
fn the_network_is_alive_again_after_an_hour_of_splits_restarts_and_bad_lines() {
    let started = Instant::now();
    let runs = for_seeds(1..=6, bad_hour);
    let slowest = runs.iter().map(|(after, _, _)| *after).max().unwrap();
    assert!(slowest <= seconds(60), "one tip only after {slowest:?}");
    println!(
        "a bad hour, 6 seeds: one tip {:.1} s after it at most, heights {:?}, {} events, {:.1} s \
         real",
        slowest.as_secs_f64(),
        runs.iter().map(|(_, height, _)| *height).collect::<Vec<_>>(),
        runs.iter().map(|(_, _, events)| events).sum::<u64>(),
        started.elapsed().as_secs_f64(),
    );
}

#[test]
fn random_loss_on_every_line_leaves_one_tip_and_every_payment() {
    let outcomes = for_seeds(1..=8, |seed| {
        let wallet = TestWallet::new(12);
        let spec = small_spec(8, 4, 5, wallet.allocations(coins(100)));
        let mut scenario = Scenario::mesh(spec, &[13; 4]).unwrap();
        scenario.link_conditions = lossy(30_000);
        let mut world = World::new(&scenario, seed).unwrap();
        let network = world.network().clone();
        for owner in 0..12 {
            world.run_until(world.clock() + seconds(20)).unwrap();
            let coin = wallet.genesis_coin(&network, owner);
            let to = wallet.key((owner + 1) % 12);
            let transfer = wallet.pay(&network, owner, coin, to, coins(1));
            world.submit(owner % 4, &transfer);
        }
        world.run_until(seconds(600)).unwrap();
        world.schedule(world.clock(), Fault::LinkConditions(lossy(0)));
        let (end, after) = wait_for_agreement(&mut world, seconds(120));
        let accepted = (0..12).filter(|external_peer| {
            let outcome = world.external_peer(simulation::ExternalPeerId(*external_peer)).outcome();
            matches!(outcome, Some(SubmitOutcome::Accepted(_)))
        });
        assert_eq!(accepted.count(), 12, "seed {seed}");
        world.run_until(world.clock() + seconds(60)).unwrap();
        wait_for_agreement(&mut world, seconds(60));
        for machine in world.machines() {
            assert!(machine.mempool().is_empty(), "seed {seed}: payments are stranded");
        }
        let is_loss = |report: &Report| matches!(report, Report::PeerLost { .. });
        let lost = world.reports().iter().filter(|(_, _, report)| is_loss(report)).count();
        assert!(lost > 50, "seed {seed}: the links did not break");
        (end.height, lost, after)
    });
    println!(
        "three frames in a hundred lost, 8 seeds: (height, ends of connections lost, one tip after) \
         {outcomes:?}"
    );
}

#[test]
fn a_late_joiner_downloads_five_hundred_blocks() {
    let spec = small_spec(8, 4, 2, Vec::new());
    let scenario =
        Scenario::mesh(spec, &[64, 64, 0]).unwrap().with_fault(Duration::ZERO, Fault::Stop(2));
    let mut world = World::new(&scenario, 5).unwrap();
    let short = |world: &World| heights(world)[0] < 500;
    assert!(world.run_while(seconds(3000), short).unwrap());
    world.schedule(world.clock(), Fault::Start(2));
    let (from, since) = (heights(&world)[0], world.clock());
    let behind = |world: &World| world.machine(2).is_none_or(|node| node.tip().height < from);
    assert!(world.run_while(since + seconds(60), behind).unwrap(), "{:?}", heights(&world));
    let took = world.clock() - since;
    wait_for_agreement(&mut world, seconds(30));
    println!("{from} blocks downloaded in {:.2} virtual seconds", took.as_secs_f64());
}

#[test]
fn headers_of_low_work_are_not_stored() {
    let mut spec = small_spec(8, 2, 5, Vec::new());
    spec.half_life_s = 120;
    let genesis_time = spec.genesis_time;
    let mut world = World::new(&Scenario::mesh(spec, &[51, 51]).unwrap(), 3).unwrap();
    let short = |world: &World| heights(world)[0] < 600;
    assert!(world.run_while(seconds(6000), short).unwrap());
    let mut quarry = Quarry::new(world.network());
    // Whoever pretends to have slept, and then keeps to the schedule, stays at the floor.
    let spam = quarry.block(HeaderId::GENESIS, genesis_time + 800, &[]);
    let spam = quarry.blocks(spam, 350, 5);
    let stored = |world: &World| world.machine(0).unwrap().tree().len();
    let (before, height) = (stored(&world), heights(&world)[0]);
    let external_peer = quarry.show(&mut world, 0, spam);
    let grown = stored(&world) - before;
    let mined = (heights(&world)[0] - height) as usize;
    // The fork with the other miner may have cost a few.
    assert!(grown <= mined + 20, "{grown} headers more, {mined} blocks mined meanwhile");
    assert!(world.external_peer(external_peer).connected, "little work is nobody's fault");
    wait_for_agreement(&mut world, seconds(60));
    println!("351 headers of low work shown, {grown} more stored, {mined} blocks mined meanwhile");
}

#[test]
fn a_lonely_payment_is_mined_when_it_has_waited_long_enough() {
    let wallet = TestWallet::new(5);
    let spec = small_spec(8, 4, 5, wallet.allocations(coins(100)));
    let mut scenario = Scenario::mesh(spec, &[0; 2]).unwrap();
    scenario.nodes = vec![0, 1]
        .into_iter()
        .map(|node| NodePlan {
            min_txs: 4,
            max_wait: Some(seconds(30)),
            ..NodePlan::miner(2000, (0..node).collect())
        })
        .collect();
    let mut world = World::new(&scenario, 9).unwrap();
    let network = world.network().clone();
    let pay = |owner: usize| {
        let coin = wallet.genesis_coin(&network, owner);
        wallet.pay(&network, owner, coin, wallet.key(4), coins(1))
    };
    world.run_until(seconds(100)).unwrap();
    assert_eq!(heights(&world), [0, 0], "nothing is pending, so nothing is mined");
    world.submit(0, &pay(0));
    world.run_until(seconds(129)).unwrap();
    assert_eq!(heights(&world), [0, 0]);
    world.run_until(seconds(140)).unwrap();
    assert_eq!(heights(&world), [1, 1]);
    for owner in 1..4 {
        world.submit(1, &pay(owner));
    }
    world.run_until(seconds(150)).unwrap();
    assert_eq!(heights(&world), [1, 1], "three are not enough");
    world.run_until(seconds(200)).unwrap();
    assert_eq!(heights(&world), [2, 2]);
    wait_for_agreement(&mut world, seconds(1));
}
