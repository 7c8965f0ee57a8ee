//! `Trial`: one seed of an experiment, from genesis to what came of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chain::hash::{BlockHash, to_hex};
use chain::spec::SpecError;
use machine::Machine;
use serde::{Deserialize, Serialize};
use simulation::{SimulationError, World, agreement, check_deeply};

use crate::experiment::Experiment;
use crate::sightings::Sightings;
use crate::staging::{selfish_latency, stage};

/// Virtual time between two looks at the clock on the wall, at Ctrl-C and at what was reported.
const SLICE: Duration = Duration::from_secs(60);

/// Parts of a chain whose blocks are counted apart, so that their spread tells how far chance goes:
/// blocks that are published together do not come one by one.
pub(crate) const STRETCHES: usize = 20;

/// What came of one seed. All but `wall_s` depend on experiment and seed alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// The seed.
    pub seed: u64,
    /// Hash over every event and effect: whoever gets the same saw the same.
    pub trace_hash: String,
    /// Virtual seconds that passed.
    pub virtual_s: f64,
    /// Seconds that it took.
    pub wall_s: f64,
    /// Events that machines handled.
    pub events: u64,
    /// Blocks that were found.
    pub blocks: u64,
    /// Those of them that are not on the chain in the end.
    pub stale: u64,
    /// Height of that chain.
    pub height: u32,
    /// Seconds from genesis to its last block.
    pub chain_s: u64,
    /// Heights at which a block was found.
    pub heights: u64,
    /// Those of them at which more than one was.
    pub shared_heights: u64,
    /// Times that a node left one branch for another.
    pub reorganizations: u64,
    /// Most blocks that were left at once.
    pub depth_max: u32,
    /// Blocks of the chain by each node.
    pub found_by: Vec<u64>,
    /// Milliseconds from finder to other nodes that half of all journeys, 90 and 99 of 100 did not
    /// exceed; of blocks that were found while no network was in parts.
    pub journey_ms: Option<[f64; 3]>,
    /// Seconds until all nodes agreed after the parts of a network could reach each other again.
    pub heal_s: Option<f64>,
    /// Seconds until the last one of a crowd had what was there when it came.
    pub join_s: Option<f64>,
    /// Mean spacing before, during and after a shock of the hash rate.
    pub shock_spacing_s: Option<[f64; 3]>,
    /// Blocks by a miner that withholds, in each of twenty equal stretches of the chain.
    pub selfish_blocks: Option<Vec<u64>>,
    /// What must never be, in sentences.
    pub violations: Vec<String>,
}

/// Why a trial cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    /// No network may have these numbers.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Somebody wants the program to end.
    #[error("interrupted")]
    Interrupted,
}

/// A world that goes on until its experiment is over or something is broken.
struct Course<'a> {
    world: World,
    sightings: Sightings,
    violations: Vec<String>,
    is_over: &'a AtomicBool,
}

/// Runs one seed.
///
/// # Errors
/// [`TrialError`]; what the nodes do wrong is no error, but a violation.
pub(crate) fn run(
    experiment: &Experiment,
    seed: u64,
    is_over: &AtomicBool,
) -> Result<Trial, TrialError> {
    let started = Instant::now();
    let scenario = stage(experiment, seed)?;
    let world = match World::new(&scenario, seed) {
        Ok(world) => world,
        Err(error) => return Ok(Trial::broken(seed, error.to_string())),
    };
    let mut world = world;
    if let Some(selfish) = &experiment.selfish {
        let latency = selfish_latency(experiment, selfish.gamma);
        world.add_selfish_miner(experiment.selfish_hashes(), latency);
    }
    let sightings = Sightings::new(&scenario.faults);
    let mut course = Course { world, sightings, violations: Vec::new(), is_over };
    let (mut heal_s, mut join_s) = (None, None);
    if let Some(partition) = &experiment.partition {
        course.go_to(Duration::from_secs(partition.until_s))?;
        heal_s = course.until_agreed(experiment.settle_s)?;
    }
    if let Some(crowd) = &experiment.crowd {
        course.go_to(Duration::from_secs(crowd.at_s))?;
        join_s = course.until_joined(experiment)?;
    }
    course.go_to(Duration::from_secs(experiment.duration_s))?;
    course.until_agreed(experiment.settle_s)?;
    course.look_deeply();
    Ok(course.into_trial(experiment, seed, started, heal_s, join_s))
}

impl Course<'_> {
    /// Lets time pass up to `end`, unless something broke.
    fn go_to(&mut self, end: Duration) -> Result<(), TrialError> {
        while self.violations.is_empty() && self.world.clock() < end {
            if self.is_over.load(Ordering::Relaxed) {
                return Err(TrialError::Interrupted);
            }
            let next = end.min(self.world.clock() + SLICE);
            let went = self.world.run_until(next);
            self.note(went.err());
        }
        Ok(())
    }

    /// Lets time pass while `goes_on`; how long that was, or that it was too long.
    fn wait(
        &mut self,
        patience_s: u64,
        what: &str,
        goes_on: impl Fn(&World) -> bool,
    ) -> Result<Option<f64>, TrialError> {
        let since = self.world.clock();
        let until = since + Duration::from_secs(patience_s);
        while self.violations.is_empty() && goes_on(&self.world) {
            if self.is_over.load(Ordering::Relaxed) {
                return Err(TrialError::Interrupted);
            }
            let next = until.min(self.world.clock() + SLICE);
            match self.world.run_while(next, &goes_on) {
                Ok(true) => self.note(None),
                Ok(false) if next < until => {
                    let went = self.world.run_until(next);
                    self.note(went.err());
                }
                Ok(false) => {
                    self.note(None);
                    self.violations.push(format!("{what} {patience_s} virtual seconds later"));
                }
                Err(error) => self.note(Some(error)),
            }
        }
        let took = (self.world.clock() - since).as_secs_f64();
        Ok(self.violations.is_empty().then_some(took))
    }

    fn until_agreed(&mut self, patience_s: u64) -> Result<Option<f64>, TrialError> {
        let differ = |world: &World| agreement(world.machines()).is_err();
        self.wait(patience_s, "the nodes do not agree", differ)
    }

    fn until_joined(&mut self, experiment: &Experiment) -> Result<Option<f64>, TrialError> {
        let height = self.world.machine(0).map_or(0, |machine| machine.tip().height);
        let newcomers = experiment.nodes..experiment.all_nodes();
        let lack = |world: &World| {
            let is_behind = |machine: &Machine| machine.tip().height < height;
            newcomers.clone().any(|node| world.machine(node).is_none_or(is_behind))
        };
        self.wait(experiment.settle_s, "a newcomer lacks blocks", lack)
    }

    /// Takes what was reported, and what went wrong.
    fn note(&mut self, error: Option<SimulationError>) {
        for (at, node, report) in self.world.take_reports() {
            self.sightings.take(at, node, &report);
        }
        self.violations.extend(error.map(|error| error.to_string()));
    }

    /// All that costs as much as all blocks.
    fn look_deeply(&mut self) {
        let machines = self.world.machines().enumerate();
        let broken = machines.filter_map(|(node, machine)| {
            check_deeply(machine).err().map(|violation| format!("node {node}: {violation}"))
        });
        let broken: Vec<String> = broken.collect();
        self.violations.extend(broken);
    }

    fn into_trial(
        self,
        experiment: &Experiment,
        seed: u64,
        started: Instant,
        heal_s: Option<f64>,
        join_s: Option<f64>,
    ) -> Trial {
        let genesis_s = u64::from(self.world.network().spec.genesis_time);
        let chain = self.world.machines().next().map(chain_of).unwrap_or_default();
        let on_chain: BTreeSet<BlockHash> = chain.iter().map(|(hash, _)| *hash).collect();
        let mut found_by = vec![0; experiment.nodes];
        for (hash, found) in &self.sightings.found {
            if on_chain.contains(hash)
                && let Some(blocks) = found_by.get_mut(found.node)
            {
                *blocks += 1;
            }
        }
        let stale = self.sightings.found.keys().filter(|hash| !on_chain.contains(hash)).count();
        let (heights, shared_heights) = self.sightings.heights();
        let times: Vec<u64> =
            chain.iter().map(|(_, time)| u64::from(*time).saturating_sub(genesis_s)).collect();
        let apart = experiment.partition.as_ref().map(|partition| {
            (Duration::from_secs(partition.from_s), Duration::from_secs(partition.until_s))
        });
        Trial {
            seed,
            trace_hash: to_hex(&self.world.trace_hash()),
            virtual_s: self.world.clock().as_secs_f64(),
            wall_s: started.elapsed().as_secs_f64(),
            events: self.world.events(),
            blocks: self.sightings.found.len() as u64,
            stale: stale as u64,
            height: u32::try_from(chain.len().saturating_sub(1)).unwrap_or(u32::MAX),
            chain_s: times.last().copied().unwrap_or(0),
            heights,
            shared_heights,
            reorganizations: self.sightings.reorganizations,
            depth_max: self.sightings.depth_max,
            found_by,
            journey_ms: self.sightings.journeys_ms(apart),
            heal_s,
            join_s,
            shock_spacing_s: experiment.shock.as_ref().map(|shock| {
                let end = experiment.duration_s;
                [(0, shock.from_s), (shock.from_s, shock.until_s), (shock.until_s, end)]
                    .map(|(from, until)| spacing_between(&times, from, until))
            }),
            selfish_blocks: experiment.selfish.as_ref().map(|_| selfish_blocks(&self.world)),
            violations: self.violations,
        }
    }
}

impl Trial {
    /// A world that did not even begin.
    pub(crate) fn broken(seed: u64, violation: String) -> Self {
        Self { seed, trace_hash: to_hex(&[0; 32]), violations: vec![violation], ..Self::default() }
    }
}

/// Hashes and times of a machine's best chain, genesis first.
fn chain_of(machine: &Machine) -> Vec<(BlockHash, u32)> {
    let heights = 0..=machine.tip().height;
    let ids = heights.filter_map(|height| machine.ledger().at_height(height));
    let entries = ids.map(|id| machine.tree().entry(id));
    entries.map(|entry| (entry.hash, entry.header.time)).collect()
}

/// The stretch of a chain of so many blocks in which the block at this place of it lies.
pub(crate) fn stretch_of(place: u32, blocks: u32) -> usize {
    place as usize * STRETCHES / (blocks as usize).max(1)
}

/// Blocks on the chain of the first machine that were withheld for a while, by stretch.
fn selfish_blocks(world: &World) -> Vec<u64> {
    let mut found = vec![0; STRETCHES];
    let Some(machine) = world.machines().next() else { return found };
    let chain = chain_of(machine);
    let mined = chain.iter().skip(1);
    let blocks = u32::try_from(mined.len()).unwrap_or(u32::MAX);
    for (place, (hash, _)) in (0..blocks).zip(mined) {
        let block = machine.ledger().block(hash);
        if block.is_ok_and(|block| world.is_selfish(&block.block)) {
            found[stretch_of(place, blocks)] += 1;
        }
    }
    found
}

/// Mean seconds between blocks whose times lie between these; the whole time where none does.
fn spacing_between(times: &[u64], from: u64, until: u64) -> f64 {
    let blocks = times.iter().filter(|time| from <= **time && **time < until).count();
    (until - from) as f64 / blocks.max(1) as f64
}
