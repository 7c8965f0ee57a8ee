//! What many seeds of one experiment say together, with the theory beside it.

use std::collections::BTreeMap;

use chain::hash::{tagged_hash, to_hex};
use serde::Serialize;
use statistics::arrivals::mean_gap_interval;
use statistics::proportions::proportion_interval;
use statistics::rates::rate;
use statistics::shares::luck_p;
use statistics::{Interval, quantile};

use crate::experiment::Experiment;
use crate::theory::{self, Expected};
use crate::trial::{STRETCHES, Trial, stretch_of};

/// A number from all seeds, and how far it may be from the truth: an interval of 95 %, or the least
/// and the most of all seeds where no law says more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Measured {
    /// The number.
    pub value: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What many seeds say together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Findings {
    /// Seeds.
    pub trials: usize,
    /// What must never be, of all seeds.
    pub violations: usize,
    /// Hash over the seeds' trace hashes in their order.
    pub trace_hash: String,
    /// Virtual seconds of all seeds.
    pub virtual_s: f64,
    /// Seconds of all seeds, as if one had run after the other.
    pub wall_s: f64,
    /// By name, in the order of the names.
    pub measured: BTreeMap<&'static str, Measured>,
    /// What of it follows from a law.
    pub theory: BTreeMap<&'static str, Expected>,
}

/// Sums up the trials of one experiment, which are in the order of their seeds.
pub(crate) fn sum_up(experiment: &Experiment, trials: &[&Trial]) -> Findings {
    let sum = |number: fn(&Trial) -> u64| trials.iter().map(|trial| number(trial)).sum::<u64>();
    let mut measured = BTreeMap::new();
    let mut add = |name, value: Option<Measured>| {
        if let Some(value) = value {
            measured.insert(name, value);
        }
    };
    add("stale_rate", share(sum(|trial| trial.stale), sum(|trial| trial.blocks)));
    add("shared_heights", share(sum(|trial| trial.shared_heights), sum(|trial| trial.heights)));
    let height = sum(|trial| u64::from(trial.height));
    add("spacing_s", spacing(sum(|trial| trial.chain_s), height));
    add("revenue", revenue(trials));
    add("depth_max", extremes(trials, |trial| Some(f64::from(trial.depth_max))));
    add("reorganizations", extremes(trials, |trial| Some(trial.reorganizations as f64)));
    for (name, at) in [("journey_p50_ms", 0), ("journey_p90_ms", 1), ("journey_p99_ms", 2)] {
        add(name, extremes(trials, |trial| trial.journey_ms.map(|journeys| journeys[at])));
    }
    add("heal_s", extremes(trials, |trial| trial.heal_s));
    add("join_s", extremes(trials, |trial| trial.join_s));
    let shocked = ["spacing_before_shock_s", "spacing_in_shock_s", "spacing_after_shock_s"];
    for (at, name) in shocked.into_iter().enumerate() {
        add(name, extremes(trials, |trial| trial.shock_spacing_s.map(|spacings| spacings[at])));
    }
    add("fair_shares_p", fairness(experiment, trials));
    let expected = [
        ("shared_heights", theory::shared_heights(experiment)),
        ("spacing_s", theory::spacing_s(experiment)),
        ("revenue", theory::selfish_revenue(experiment)),
    ];
    let theory = expected.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let hashes: Vec<&[u8]> = trials.iter().map(|trial| trial.trace_hash.as_bytes()).collect();
    Findings {
        trials: trials.len(),
        violations: trials.iter().map(|trial| trial.violations.len()).sum(),
        trace_hash: to_hex(&tagged_hash("lode/laboratory/traces", &hashes)),
        virtual_s: trials.iter().map(|trial| trial.virtual_s).sum(),
        wall_s: trials.iter().map(|trial| trial.wall_s).sum(),
        measured,
        theory: theory.collect(),
    }
}

/// A part of a whole that chance has drawn.
fn share(part: u64, whole: u64) -> Option<Measured> {
    let Interval { low, high } = proportion_interval(part, whole)?;
    Some(Measured { value: part as f64 / whole as f64, low, high })
}

/// The part of the chain's blocks that a miner has who withholds. Its interval is from how far the
/// stretches of the chains are from one such part, as its blocks come several at once.
fn revenue(trials: &[&Trial]) -> Option<Measured> {
    let of_trial = |trial: &&Trial| {
        let mut pieces = vec![(0.0, 0.0); STRETCHES];
        for place in 0..trial.height {
            pieces[stretch_of(place, trial.height)].1 += 1.0;
        }
        let withheld = trial.selfish_blocks.as_ref()?;
        for (piece, withheld) in pieces.iter_mut().zip(withheld) {
            piece.0 = *withheld as f64;
        }
        Some(pieces)
    };
    let pieces: Vec<(f64, f64)> = trials.iter().filter_map(of_trial).flatten().collect();
    let found = rate(&pieces)?;
    Some(Measured { value: found.rate, low: found.interval.low, high: found.interval.high })
}

fn spacing(seconds: u64, blocks: u64) -> Option<Measured> {
    if blocks == 0 {
        return None;
    }
    let value = seconds as f64 / blocks as f64;
    let Interval { low, high } = mean_gap_interval(value, blocks);
    Some(Measured { value, low, high })
}

/// The median of all seeds between the least and the most.
fn extremes(trials: &[&Trial], number: impl Fn(&Trial) -> Option<f64>) -> Option<Measured> {
    let values: Vec<f64> = trials.iter().filter_map(|trial| number(trial)).collect();
    let at = |percent| quantile(&values, percent);
    (!values.is_empty()).then(|| Measured { value: at(50), low: at(0), high: at(100) })
}

/// How likely chance alone spreads the chain's blocks over the nodes as unevenly as it did; the
/// chain is fair when it is not next to nothing.
fn fairness(experiment: &Experiment, trials: &[&Trial]) -> Option<Measured> {
    let rates = experiment.hash_rates();
    let by_node = |node: usize| trials.iter().filter_map(|trial| trial.found_by.get(node)).sum();
    let miners: Vec<(u64, f64)> =
        rates.iter().enumerate().map(|(node, rate)| (by_node(node), *rate as f64)).collect();
    let value = luck_p(&miners)?;
    Some(Measured { value, low: value, high: value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain on which the miner that withholds has these blocks of each stretch of a hundred.
    fn trial(withheld: Vec<u64>) -> Trial {
        let height = 100 * u32::try_from(withheld.len()).unwrap();
        Trial { height, selfish_blocks: Some(withheld), ..Trial::broken(1, String::new()) }
    }

    #[test]
    fn the_interval_of_a_revenue_is_as_wide_as_its_stretches_differ() {
        let even = revenue(&[&trial(vec![40; STRETCHES])]).unwrap();
        assert_eq!((even.value, even.low, even.high), (0.4, 0.4, 0.4));
        let uneven: Vec<u64> = (0..STRETCHES as u64).map(|at| 20 + 40 * (at % 2)).collect();
        let uneven = revenue(&[&trial(uneven)]).unwrap();
        // Twenty values 0.2 from their mean: 2.093 standard errors of 0.2052 / sqrt(20).
        assert!(
            (uneven.value - 0.4).abs() < 1e-9 && (uneven.high - 0.4960).abs() < 1e-3,
            "{uneven:?}"
        );
        assert_eq!(revenue(&[&Trial::broken(1, String::new())]), None);
    }
}
