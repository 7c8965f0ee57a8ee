//! How long a network of 20 nodes takes for two virtual hours: eight links given to each, a block
//! every ten seconds, no payments.
//!
//! One line of JSON; two builds that print the same tip did the same work. Run it on one core as
//! `taskset -c 0 cargo run --release -p lode-simulation --example two_hours`.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::genesis::Network;
use simulation::{LinkConditions, NodePlan, Scenario, World, agreement, check_deeply, small_spec};

const NODES: usize = 20;
const LINKS: usize = 8;
const SPACING_S: u32 = 10;
const DURATION: Duration = Duration::from_secs(2 * 60 * 60);

/// 2^10 hashes a block, about as many as all nodes make between two blocks.
const STARTING_BITS: u32 = 10;
const HASH_RATE: u64 = 5;

/// The nodes agree sooner than this when they are left alone for a moment.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Result<(), Box<dyn Error>> {
    let spec = small_spec(STARTING_BITS, 4, SPACING_S, Vec::new());
    let plan =
        |node| NodePlan::miner(HASH_RATE, (1..=LINKS).map(|step| (node + step) % NODES).collect());
    let scenario = Scenario {
        network: Arc::new(Network::new(spec)?),
        nodes: (0..NODES).map(plan).collect(),
        link_conditions: LinkConditions::default(),
        faults: Vec::new(),
    };
    let started = Instant::now();
    let mut world = World::new(&scenario, 1)?;
    world.run_until(DURATION)?;
    let seconds = started.elapsed().as_secs_f64();
    let (events, virtual_s) = (world.events(), world.clock().as_secs());
    let connections: usize = world.machines().map(|machine| machine.peers().count()).sum();
    let is_agreed = |world: &World| agreement(world.machines()).is_ok();
    world.run_while(DURATION + PATIENCE, |world| !is_agreed(world))?;
    let agreed = agreement(world.machines())?;
    for machine in world.machines() {
        check_deeply(machine)?;
    }
    println!(
        "{{\"seconds\":{seconds:.6},\"virtual_seconds\":{virtual_s},\"nodes\":{NODES},\
         \"connections\":{connections},\"events\":{events},\"blocks\":{},\"tip\":\"{}\"}}",
        agreed.height, agreed.tip,
    );
    Ok(())
}
