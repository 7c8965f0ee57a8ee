//! Conflicting payments: at most one is ever confirmed, and everybody agrees which.

use std::time::{Duration, Instant};

use chain::transaction::{OutPoint, Transfer};
use machine::{Machine, Report};
use simulation::{Fault, Scenario, TestWallet, World, small_spec};

use super::{coins, for_seeds, seconds, wait_for_agreement};

fn is_confirmed(machine: &Machine, transfer: &Transfer) -> bool {
    let outpoint = OutPoint { txid: transfer.txid(), index: 0 };
    machine.ledger().coin(&outpoint).unwrap().is_some()
}

fn is_pending(machine: &Machine, transfer: &Transfer) -> bool {
    machine.mempool().contains_txid(&transfer.txid())
}

struct Split {
    trace: [u8; 32],
    majority_won: bool,
    disconnected: u32,
    height: u32,
    healed_in: Duration,
    events: u64,
}

/// Five miners, split three and two for ten minutes. Both halves confirm a payment of the same
/// coin; the smaller one also confirms a payment that only it knows.
fn split_and_heal(seed: u64) -> Split {
    let wallet = TestWallet::new(4);
    let spec = small_spec(10, 4, 10, wallet.allocations(coins(100)));
    let scenario = Scenario::mesh(spec, &[20; 5])
        .unwrap()
        .with_fault(seconds(60), Fault::Partition(vec![vec![0, 1, 2], vec![3, 4]]))
        .with_fault(seconds(660), Fault::Heal);
    let mut world = World::new(&scenario, seed).unwrap();
    let network = world.network().clone();
    let pay = |from: usize, to: usize| {
        let coin = wallet.genesis_coin(&network, from);
        wallet.pay(&network, from, coin, wallet.key(to), coins(1))
    };
    let (one, other, lonely) = (pay(0, 1), pay(0, 2), pay(3, 2));
    world.run_until(seconds(65)).unwrap();
    for (node, transfer) in [(0, &one), (3, &other), (4, &lonely)] {
        world.submit(node, transfer);
    }
    world.run_until(seconds(659)).unwrap();
    let in_half = |nodes: &[usize], confirmed: [bool; 3]| {
        for node in nodes {
            let machine = world.machine(*node).unwrap();
            let got = [&one, &other, &lonely].map(|transfer| is_confirmed(machine, transfer));
            assert_eq!(got, confirmed, "seed {seed}, node {node}");
        }
    };
    in_half(&[0, 1, 2], [true, false, false]);
    in_half(&[3, 4], [false, true, true]);

    world.run_until(seconds(660)).unwrap();
    let (end, healed_in) = wait_for_agreement(&mut world, seconds(120));
    let majority_won = is_confirmed(world.machine(0).unwrap(), &one);
    let (winner, loser) = if majority_won { (&one, &other) } else { (&other, &one) };
    for machine in world.machines() {
        assert!(is_confirmed(machine, winner) && !is_confirmed(machine, loser), "seed {seed}");
        assert!(!is_pending(machine, loser), "a coin that is spent cannot be pending");
    }
    // Nobody who was on the losing side lost a payment that is still possible.
    let lonely_is_safe =
        |machine: &Machine| is_confirmed(machine, &lonely) || is_pending(machine, &lonely);
    for node in [3, 4] {
        assert!(lonely_is_safe(world.machine(node).unwrap()), "seed {seed}, node {node}");
    }
    let disconnected = world.reports().iter().filter_map(|(at, _, report)| match report {
        Report::Reorganized { disconnected, .. } if *at > seconds(660) => Some(*disconnected),
        _ => None,
    });
    let disconnected = disconnected.max().unwrap_or(0);
    world.run_until(world.clock() + seconds(300)).unwrap();
    wait_for_agreement(&mut world, seconds(60));
    assert!(world.machines().all(|machine| is_confirmed(machine, &lonely)), "seed {seed}");
    Split {
        trace: world.trace_hash(),
        majority_won,
        disconnected,
        height: end.height,
        healed_in,
        events: world.events(),
    }
}

#[test]
fn a_healed_split_ends_in_one_chain_and_the_same_seed_in_the_same_trace() {
    let started = Instant::now();
    let runs = for_seeds(1..=20, split_and_heal);
    let again = for_seeds(1..=20, split_and_heal);
    for (seed, (run, again)) in (1u64..).zip(runs.iter().zip(&again)) {
        assert_eq!(run.trace, again.trace, "seed {seed} ran differently the second time");
        assert!(run.disconnected > 0, "seed {seed}: nobody had to give up a chain");
        assert!(run.healed_in <= seconds(60), "seed {seed}: {:?}", run.healed_in);
    }
    for (at, run) in runs.iter().enumerate() {
        assert!(runs[..at].iter().all(|other| other.trace != run.trace), "two seeds ran alike");
    }
    println!(
        "split 3|2, 20 seeds twice: majority won {} times, {} to {} blocks given up, heights {} to \
         {}, one tip after {:.1} s at most, {} events, {:.1} s real",
        runs.iter().filter(|run| run.majority_won).count(),
        runs.iter().map(|run| run.disconnected).min().unwrap(),
        runs.iter().map(|run| run.disconnected).max().unwrap(),
        runs.iter().map(|run| run.height).min().unwrap(),
        runs.iter().map(|run| run.height).max().unwrap(),
        runs.iter().map(|run| run.healed_in).max().unwrap().as_secs_f64(),
        runs.iter().map(|run| run.events).sum::<u64>(),
        started.elapsed().as_secs_f64(),
    );
}

/// Two payments of one coin to two miners in the same instant. Returns whether the first was
/// confirmed, and how many blocks were given up.
fn race(seed: u64) -> (bool, u32) {
    let wallet = TestWallet::new(3);
    let spec = small_spec(8, 4, 2, wallet.allocations(coins(100)));
    let mut world = World::new(&Scenario::mesh(spec, &[32; 4]).unwrap(), seed).unwrap();
    let network = world.network().clone();
    let pay = |to: usize| {
        let coin = wallet.genesis_coin(&network, 0);
        wallet.pay(&network, 0, coin, wallet.key(to), coins(1))
    };
    let (one, other) = (pay(1), pay(2));
    world.run_until(seconds(10)).unwrap();
    world.submit(0, &one);
    world.submit(1, &other);
    let limit = seconds(400);
    let long_enough = world
        .run_while(limit, |world| world.machines().any(|machine| machine.tip().height < 20))
        .unwrap();
    assert!(long_enough, "seed {seed}: too few blocks");
    wait_for_agreement(&mut world, seconds(60));
    let first = is_confirmed(world.machine(0).unwrap(), &one);
    for machine in world.machines() {
        assert_eq!(is_confirmed(machine, &one), first, "seed {seed}");
        assert_eq!(is_confirmed(machine, &other), !first, "seed {seed}");
        assert!(!is_pending(machine, &one) && !is_pending(machine, &other), "seed {seed}");
    }
    let given_up = world.reports().iter().filter_map(|(_, _, report)| match report {
        Report::Reorganized { disconnected, .. } => Some(*disconnected),
        _ => None,
    });
    (first, given_up.sum())
}

#[test]
fn of_two_payments_of_one_coin_exactly_one_is_confirmed() {
    let started = Instant::now();
    let runs = for_seeds(1..=50, race);
    let first = runs.iter().filter(|(first, _)| *first).count();
    assert!((5..=45).contains(&first), "the race is not fair: {first} of 50");
    println!(
        "two payments of one coin, 50 seeds: the first won {first} times, {} blocks given up on \
         the way, {:.1} s real",
        runs.iter().map(|(_, given_up)| given_up).sum::<u32>(),
        started.elapsed().as_secs_f64(),
    );
}
