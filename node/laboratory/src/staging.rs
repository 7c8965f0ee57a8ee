//! From the numbers of an experiment and a seed to the world in which it happens.

use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Network;
use chain::hash::tagged_hash;
use chain::spec::SpecError;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use simulation::{Fault, LinkConditions, NodePlan, Scenario, small_spec};

use crate::experiment::{Churn, Experiment, Topology};

/// The easiest target has so many bits fewer than the first: room for a hash rate that falls.
const ROOM_BITS: u32 = 6;

/// The network, its nodes and all that happens to them. What is drawn comes from `seed` alone.
///
/// # Errors
/// [`SpecError`] names the number that no network may have.
pub(crate) fn stage(experiment: &Experiment, seed: u64) -> Result<Scenario, SpecError> {
    let seed = tagged_hash("lode/laboratory/seed", &[&seed.to_le_bytes()]);
    let mut rng = ChaCha12Rng::from_seed(seed);
    let bits = experiment.starting_bits;
    let easiest = bits.saturating_sub(ROOM_BITS);
    let mut spec = small_spec(bits, easiest, experiment.spacing_s, Vec::new());
    spec.retarget = experiment.retarget;
    let nodes = plans(experiment, &mut rng);
    let mut faults = Vec::new();
    if let Some(partition) = &experiment.partition {
        let apart = vec![(0..partition.nodes).collect()];
        faults.push((seconds(partition.from_s), Fault::Partition(apart)));
        faults.push((seconds(partition.until_s), Fault::Heal));
    }
    if let Some(churn) = &experiment.churn {
        deaths(experiment, churn, &mut rng, &mut faults);
    }
    if let Some(crowd) = &experiment.crowd {
        for node in experiment.nodes..experiment.all_nodes() {
            faults.push((Duration::ZERO, Fault::Stop(node)));
            faults.push((seconds(crowd.at_s), Fault::Start(node)));
        }
    }
    if let Some(shock) = &experiment.shock {
        for (node, before) in experiment.hash_rates().into_iter().enumerate() {
            let during = u128::from(before) * u128::from(shock.percent) / 100;
            let hash_rate = u64::try_from(during).unwrap_or(u64::MAX).max(1);
            faults.push((seconds(shock.from_s), Fault::HashRate { node, hash_rate }));
            let hash_rate = before;
            faults.push((seconds(shock.until_s), Fault::HashRate { node, hash_rate }));
        }
    }
    Ok(Scenario {
        network: Arc::new(Network::new(spec)?),
        nodes,
        link_conditions: LinkConditions {
            latency: Duration::from_millis(experiment.latency_ms),
            jitter: Duration::from_millis(experiment.jitter_ms),
            loss_per_million: experiment.loss_per_million,
        },
        faults,
    })
}

/// How long a message of the miner that withholds takes: longer than any of the others', or hardly
/// any time, so that those who have not found a block hear of its own first.
pub(crate) fn selfish_latency(experiment: &Experiment, gamma: f64) -> Duration {
    let others = experiment.latency_ms + experiment.jitter_ms;
    Duration::from_millis(if gamma == 0.0 { 2 * others + 10 } else { 1 })
}

/// The nodes. Each was given the addresses of some that stand before it, so that all find together.
fn plans(experiment: &Experiment, rng: &mut ChaCha12Rng) -> Vec<NodePlan> {
    let mut hash_rates = experiment.hash_rates();
    hash_rates.resize(experiment.all_nodes(), 0);
    let dials = |node: usize, rng: &mut ChaCha12Rng| match experiment.topology {
        // Those who come later ask some who are there, as newcomers do.
        _ if node >= experiment.nodes => some_below(experiment.nodes, experiment.links, rng),
        Topology::Mesh => (0..node).collect(),
        Topology::Ring if node + 1 == experiment.nodes && node > 1 => vec![node - 1, 0],
        Topology::Ring => node.checked_sub(1).into_iter().collect(),
        Topology::Random => some_below(node, experiment.links, rng),
    };
    let plan = |(node, rate)| NodePlan::miner(rate, dials(node, rng));
    hash_rates.into_iter().enumerate().map(plan).collect()
}

/// At most `count` different numbers below `end`, drawn.
fn some_below(end: usize, count: usize, rng: &mut ChaCha12Rng) -> Vec<usize> {
    let mut left: Vec<usize> = (0..end).collect();
    let draw = |_| left.swap_remove(rng.random_range(0..left.len()));
    (0..count.min(end)).map(draw).collect()
}

/// Who dies when, and comes back: never a node that is away, and never all.
fn deaths(
    experiment: &Experiment,
    churn: &Churn,
    rng: &mut ChaCha12Rng,
    faults: &mut Vec<(Duration, Fault)>,
) {
    let mut back_at_s = vec![0; experiment.nodes];
    let mut at_s = churn.every_s;
    while at_s + churn.away_s <= experiment.duration_s {
        let there: Vec<usize> =
            (0..experiment.nodes).filter(|node| back_at_s[*node] < at_s).collect();
        if there.len() > 1 {
            let node = there[rng.random_range(0..there.len())];
            back_at_s[node] = at_s + churn.away_s;
            faults.push((seconds(at_s), Fault::Stop(node)));
            faults.push((seconds(at_s + churn.away_s), Fault::Start(node)));
        }
        at_s += churn.every_s;
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests;
