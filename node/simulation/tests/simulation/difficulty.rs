//! Difficulty follows the hash rate.

use std::time::Instant;

use machine::Machine;
use simulation::{Fault, Scenario, World, small_spec};

use super::{for_seeds, seconds};

const SPACING_S: u32 = 5;
const BASE_RATE: u64 = (1 << 8) / SPACING_S as u64;

/// Blocks after each change of the hash rate, and those of them that are measured.
const BLOCKS: u32 = 2000;
const MEASURED_FROM: u32 = 1000;

fn time_at(machine: &Machine, height: u32) -> u32 {
    let id = machine.ledger().at_height(height).unwrap();
    machine.tree().entry(id).header.time
}

fn run_to_height(world: &mut World, height: u32) {
    let limit = seconds(u64::from(height) * u64::from(SPACING_S) * 4);
    let low = |world: &World| world.machine(0).unwrap().tip().height < height;
    assert!(world.run_while(limit, low).unwrap(), "{height} blocks did not come");
}

/// Mean spacing in milliseconds after ten times the hash rate, and after a tenth of that.
fn spacings_ms(seed: u64) -> [u64; 2] {
    let scenario = Scenario::mesh(small_spec(8, 2, SPACING_S, Vec::new()), &[BASE_RATE]).unwrap();
    let mut world = World::new(&scenario, seed).unwrap();
    let mut height = 200;
    run_to_height(&mut world, height);
    [BASE_RATE * 10, BASE_RATE].map(|hash_rate| {
        world.schedule(world.clock(), Fault::HashRate { node: 0, hash_rate });
        run_to_height(&mut world, height + BLOCKS);
        let machine = world.machine(0).unwrap();
        let (from, to) = (height + MEASURED_FROM, height + BLOCKS);
        let elapsed_s = u64::from(time_at(machine, to) - time_at(machine, from));
        let easiest = machine.network().spec.easiest_target().to_compact();
        for height in height..=to {
            let id = machine.ledger().at_height(height).unwrap();
            assert_ne!(machine.tree().entry(id).header.bits, easiest, "at the floor: no test");
        }
        height = to;
        elapsed_s * 1000 / u64::from(to - from)
    })
}

#[test]
fn spacing_recovers_from_ten_times_and_a_tenth_of_the_hash_rate() {
    let started = Instant::now();
    let runs = for_seeds(1..=20, spacings_ms);
    let target_ms = u64::from(SPACING_S) * 1000;
    for (seed, spacings) in (1u64..).zip(&runs) {
        for spacing_ms in spacings {
            let off_ms = spacing_ms.abs_diff(target_ms);
            assert!(off_ms * 100 <= target_ms * 6, "seed {seed}: {spacing_ms} ms");
        }
    }
    let range = |at: usize| {
        let all = runs.iter().map(|run| run[at]);
        (all.clone().min().unwrap(), all.max().unwrap())
    };
    println!(
        "hash rate x10 and /10, 20 seeds of {} blocks: mean spacing {:?} and {:?} ms, target \
         {target_ms} ms, {:.1} s real",
        200 + 2 * BLOCKS,
        range(0),
        range(1),
        started.elapsed().as_secs_f64(),
    );
}
