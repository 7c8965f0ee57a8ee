//! What the searches of a run say, level by level and pooled.

use super::rounds::{Measured, Searches};
use super::search::Trial;
use statistics::geometric::{
    FALSE_ALARM, LevelSum, expected_attempts, ks_critical, ks_distance, mean_interval, pooled_p,
};
use statistics::rates::{Rate, drift, rate};
use statistics::{Interval, quantile};

/// What a whole run says: its levels, and what they have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// One for each difficulty that has a trial, the easiest first.
    pub levels: Vec<Level>,
    /// How probable such a distance from the expected attempts is without bias, over all levels.
    pub pooled_p: f64,
    /// Attempts over time of all searches.
    pub rate: Rate,
    /// Attempts per second of an endless search: the middle one of the rounds.
    pub raw_rate: f64,
    /// How much faster the last rounds' endless searches were than the first ones', as a share.
    pub drift: f64,
}

/// What the searches at one difficulty say.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The difficulty in leading zero bits of the hash.
    pub bits: u32,
    /// How many searches were finished at it.
    pub trials: u64,
    /// Mean attempts until a solution.
    pub attempts_mean: f64,
    /// Where the true mean is.
    pub attempts: Interval,
    /// The mean that the law demands.
    pub expected: f64,
    /// Distance to the geometric law.
    pub ks: f64,
    /// What the distance exceeds by chance once in a thousand runs.
    pub ks_critical: f64,
    /// Attempts per second of its searches.
    pub rate: Rate,
    /// The middle time to a solution.
    pub seconds_median: f64,
    /// The time that one search in twenty exceeds.
    pub seconds_p95: f64,
    /// Time of all its searches.
    pub seconds: f64,
    /// Energy of an attempt, where it can be read.
    pub nanojoules_per_hash: Option<f64>,
}

impl Findings {
    /// Works out what was `measured`; `None` when no search came to its end.
    pub fn of(measured: &Measured) -> Option<Self> {
        let count = measured.searches.iter().filter(|level| !level.trials.is_empty()).count();
        let levels: Vec<Level> =
            measured.searches.iter().filter_map(|searches| Level::of(searches, count)).collect();
        let sums: Vec<LevelSum> = levels.iter().map(Level::sum).collect();
        let all = measured.searches.iter().flat_map(|level| &level.trials);
        let all: Vec<(f64, f64)> = all.map(Trial::piece).collect();
        let raw: Vec<f64> = measured.rounds.iter().map(|round| round.raw_rate).collect();
        Some(Self {
            levels,
            pooled_p: pooled_p(&sums),
            rate: rate(&all)?,
            raw_rate: quantile(&raw, 50),
            drift: drift(&raw),
        })
    }

    /// Whether the search shows no bias: the pooled test holds. No level's distance is asked, as
    /// that test is the sharper one and a level says something out of the ordinary now and then.
    pub fn passed(&self) -> bool {
        self.pooled_p >= FALSE_ALARM
    }
}

impl Level {
    fn of(searches: &Searches, levels: usize) -> Option<Self> {
        let attempts: Vec<u64> = searches.trials.iter().map(|trial| trial.attempts).collect();
        let pieces: Vec<(f64, f64)> = searches.trials.iter().map(Trial::piece).collect();
        let seconds: Vec<f64> = pieces.iter().map(|(_, seconds)| *seconds).collect();
        let sum: f64 = pieces.iter().map(|(attempts, _)| attempts).sum();
        let (trials, expected) = (attempts.len() as u64, expected_attempts(searches.bits));
        Some(Self {
            bits: searches.bits,
            trials,
            attempts_mean: sum / trials as f64,
            attempts: mean_interval(sum, trials)?,
            expected,
            ks: ks_distance(&attempts, 1.0 / expected),
            ks_critical: ks_critical(trials, levels),
            rate: rate(&pieces)?,
            seconds_median: quantile(&seconds, 50),
            seconds_p95: quantile(&seconds, 95),
            seconds: seconds.iter().sum(),
            nanojoules_per_hash: searches.joules.map(|joules| joules * 1e9 / sum),
        })
    }

    /// Mean attempts as a multiple of the expected ones.
    pub fn ratio(&self) -> f64 {
        self.attempts_mean / self.expected
    }

    fn sum(&self) -> LevelSum {
        let attempts = self.attempts_mean * self.trials as f64;
        LevelSum { chance: 1.0 / self.expected, trials: self.trials, attempts }
    }
}

impl Trial {
    /// Attempts and seconds, as [`rate`] takes them.
    fn piece(&self) -> (f64, f64) {
        (self.attempts as f64, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use engine::{Cancel, Job, Kernel, Miner, Outcome, Target, VERSIONS_MAX, search_alone};

    use super::*;
    use crate::rounds::Plan;
    use crate::search::seeded_header;

    fn measured(seed: u64) -> Measured {
        let miner = Miner::new(NonZeroUsize::MIN, Kernel::best()).unwrap();
        Plan { bits: 8..=12, trials: 900, seed }.run(&miner, &Cancel::new(), |_| ())
    }

    /// The attempts that a search names which never tries the last nonce of ten.
    fn attempts_without_a_tenth(header: &[u8; 80], bits: u32) -> u64 {
        let (kernel, cancel) = (Kernel::best(), Cancel::new());
        let mut tens = (0..u32::MAX - 10).step_by(10);
        let found = tens.find_map(|first| {
            let job = Job::rolling(header, Target::with_zero_bits(bits), 0).unwrap();
            let job = job.with_nonces(first..=first + 8);
            match search_alone(kernel, &job, &cancel) {
                Outcome::Found(solution) => {
                    Some(u64::from(first) * VERSIONS_MAX as u64 + solution.attempts)
                }
                _ => None,
            }
        });
        found.expect("a solution")
    }

    #[test]
    fn real_searches_pass_and_those_that_skip_one_nonce_in_ten_do_not() {
        let honest = measured(3);
        let findings = Findings::of(&honest).unwrap();
        assert!(findings.passed(), "{}", findings.pooled_p);
        for level in &findings.levels {
            assert!(level.ks < level.ks_critical, "{level:?}");
        }
        let mut biased = honest;
        for (level, bits) in biased.searches.iter_mut().zip(8..) {
            for (trial, number) in level.trials.iter_mut().zip(0..) {
                trial.attempts = attempts_without_a_tenth(&seeded_header(3, bits, number), bits);
            }
        }
        let findings = Findings::of(&biased).unwrap();
        assert!(findings.pooled_p < 1e-6 && !findings.passed(), "{}", findings.pooled_p);
    }

    #[test]
    fn the_rate_is_attempts_over_time_and_nothing_comes_of_nothing() {
        let measured = measured(4);
        let findings = Findings::of(&measured).unwrap();
        let attempts: f64 =
            findings.levels.iter().map(|level| level.attempts_mean * level.trials as f64).sum();
        let seconds: f64 = findings.levels.iter().map(|level| level.seconds).sum();
        assert!((findings.rate.rate / (attempts / seconds) - 1.0).abs() < 1e-9);
        let nothing = Measured { searches: Vec::new(), rounds: Vec::new(), complete: false };
        assert_eq!(Findings::of(&nothing), None);
    }
}
