//! Whole networks in virtual time: forks, double spends, difficulty, faults. Figures are printed
//! with
//! `--nocapture`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod branches;
mod difficulty;
mod double_spends;
mod faults;
mod reorganizations;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chain::amount::Amount;
use simulation::{Agreement, World, agreement, check_deeply};

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn coins(coins: u64) -> Amount {
    Amount::from_coins(coins).unwrap()
}

/// Runs every seed, two at a time, and returns what came of them in order.
fn for_seeds<T: Send>(seeds: RangeInclusive<u64>, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let next = AtomicU64::new(*seeds.start());
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return done;
            }
            done.push((seed, run(seed)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut all = work();
        all.extend(other.join().unwrap());
        all
    });
    all.sort_by_key(|(seed, _)| *seed);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Lets the network go on until all nodes that run agree, at most for `patience`. Returns how long
/// it took; all invariants hold then, also the expensive ones.
fn wait_for_agreement(world: &mut World, patience: Duration) -> (Agreement, Duration) {
    let since = world.clock();
    let agreed = |world: &World| agreement(world.machines()).is_ok();
    let came = world.run_while(since + patience, |world| !agreed(world)).unwrap();
    assert!(came, "no agreement: {}", agreement(world.machines()).unwrap_err());
    for machine in world.machines() {
        check_deeply(machine).unwrap();
    }
    (agreement(world.machines()).unwrap(), world.clock() - since)
}

fn heights(world: &World) -> Vec<u32> {
    world.machines().map(|machine| machine.tip().height).collect()
}
