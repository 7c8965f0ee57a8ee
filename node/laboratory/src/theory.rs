//! What must come out where nothing but chance and delay is at work, and who says so.

use serde::Serialize;
use simulation::DISK_WRITE;

use crate::experiment::{Experiment, Topology};
use chain::spec::Retarget;

/// A number that follows from a law, and where that stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Expected {
    /// The number.
    pub value: f64,
    /// Where it comes from.
    pub source: &'static str,
}

/// How often a height gets more than one block. Somebody finds a block; it takes D until it is with
/// the others, who have all hashing but the finder's own and find a block in a mean time T:
/// `1 - exp(-(1 - 1/n) D/T)`. Only where all nodes are equal, each hears from each, and nothing
/// happens to them.
pub(crate) fn shared_heights(experiment: &Experiment) -> Option<Expected> {
    let is_plain = experiment.topology == Topology::Mesh
        && experiment.retarget == Retarget::Fixed
        && experiment.loss_per_million == 0
        && experiment.partition.is_none()
        && experiment.churn.is_none()
        && experiment.crowd.is_none()
        && experiment.shock.is_none()
        && experiment.selfish.is_none();
    let rates = experiment.hash_rates();
    let is_equal = rates.iter().all(|rate| Some(rate) == rates.first());
    if !is_plain || !is_equal {
        return None;
    }
    let delay_s = (experiment.latency_ms as f64 + experiment.jitter_ms as f64 / 2.0) / 1e3
        + DISK_WRITE.as_secs_f64();
    let others = 1.0 - 1.0 / experiment.nodes as f64;
    let value = -f64::exp_m1(-others * delay_s / time_of_block_s(experiment));
    let source = "1 - exp(-(1 - 1/n) D/T); Decker and Wattenhofer, Information Propagation in the \
                  Bitcoin Network (2013), for one delay";
    Some(Expected { value, source })
}

/// Mean spacing of the chain's blocks: what difficulty aims at, where it follows at all.
pub(crate) fn spacing_s(experiment: &Experiment) -> Option<Expected> {
    let is_whole = experiment.shock.is_none() && experiment.partition.is_none();
    let is_aimed_at = experiment.retarget == Retarget::Asert && is_whole;
    is_aimed_at.then(|| Expected {
        value: f64::from(experiment.spacing_s),
        source: "the spacing that ASERT aims at",
    })
}

/// The part of the chain's blocks that a miner has who withholds, by its part `a` of all hashing
/// and the part `g` of the others who search behind its block in a race.
pub(crate) fn selfish_revenue(experiment: &Experiment) -> Option<Expected> {
    let g = experiment.selfish.as_ref()?.gamma;
    let (own, others) = (experiment.selfish_hashes(), experiment.hash_rates().iter().sum::<u64>());
    let a = own as f64 / (own + others).max(1) as f64;
    let value = revenue(a, g);
    let source = "Eyal and Sirer, Majority is not Enough (2013), equation 8";
    Some(Expected { value, source })
}

fn revenue(a: f64, g: f64) -> f64 {
    let won = a * (1.0 - a).powi(2) * (4.0 * a + g * (1.0 - 2.0 * a)) - a.powi(3);
    won / (1.0 - a * (1.0 + (2.0 - a) * a))
}

/// Mean seconds until somebody finds a block, by the bits that the network begins with.
fn time_of_block_s(experiment: &Experiment) -> f64 {
    let rate: u64 = experiment.hash_rates().iter().sum();
    statistics::geometric::expected_attempts(experiment.starting_bits) / rate.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_is_where_withholding_begins_to_pay_and_a_quarter_where_half_believe_it() {
        let is_near =
            |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-4, "{got} {wanted}");
        is_near(revenue(1.0 / 3.0, 0.0), 1.0 / 3.0);
        is_near(revenue(0.25, 0.5), 0.25);
        is_near(revenue(0.4, 0.0), 0.4837);
        assert!(revenue(0.2, 0.0) < 0.2);
    }
}
