//! Searches at every difficulty in rounds: each round has its share of each level's trials, so that
//! a computer that slows down slows all levels alike.

use std::ops::RangeInclusive;

use engine::{Cancel, Miner, Target};

use super::energy::EnergyMeter;
use super::processor_time;
use super::raw_rate::RawRate;
use super::search::{Trial, seeded_header, solve};
use statistics::geometric::expected_attempts;

/// Rounds of a run with enough trials; twenty is what a comparison of two runs wants to see.
const ROUNDS: u32 = 20;

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Difficulties in leading zero bits of the hash, both ends included.
    pub bits: RangeInclusive<u32>,
    /// Searches at each difficulty.
    pub trials: u32,
    /// What the headers are drawn from.
    pub seed: u64,
}

/// All searches of one difficulty.
#[derive(Debug, Clone, PartialEq)]
pub struct Searches {
    /// The difficulty in leading zero bits of the hash.
    pub bits: u32,
    /// In the order of their numbers.
    pub trials: Vec<Trial>,
    /// Energy of the CPU meanwhile, where it can be read.
    pub joules: Option<f64>,
}

/// The rates of one round, which has its share of every difficulty's searches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Attempts per second of its searches.
    pub rate: f64,
    /// Their attempts per second of the time that this process had a processor, where the system
    /// tells it.
    pub processor_rate: Option<f64>,
    /// Attempts per second of an endless search just before.
    pub raw_rate: f64,
}

/// What was measured until the end, or until it was cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// One for each difficulty, the easiest first.
    pub searches: Vec<Searches>,
    /// The rounds that were finished, the first one first.
    pub rounds: Vec<Round>,
    /// Whether nothing is missing.
    pub complete: bool,
}

impl Plan {
    /// Attempts that all searches together are expected to take.
    pub fn expected_attempts(&self) -> f64 {
        f64::from(self.trials) * self.bits.clone().map(expected_attempts).sum::<f64>()
    }

    /// Runs it; `progress` hears after each search of the expected attempts that it stood for.
    pub fn run(&self, miner: &Miner, cancel: &Cancel, mut progress: impl FnMut(f64)) -> Measured {
        let raw = RawRate::new(miner);
        let mut energy = EnergyMeter::find();
        let empty = |bits| Searches { bits, trials: Vec::new(), joules: None };
        let searches: Vec<Searches> = self.bits.clone().map(empty).collect();
        let mut measured = Measured { searches, rounds: Vec::new(), complete: false };
        let rounds = ROUNDS.min(self.trials).max(1);
        for round in 0..rounds {
            let raw_rate = raw.slot();
            let mut sum = Sum { begun: processor_time::seconds(), ..Sum::default() };
            for level in &mut measured.searches {
                if let Some(energy) = &mut energy {
                    energy.joules();
                }
                for number in self.share(round, rounds) {
                    let header = seeded_header(self.seed, level.bits, number);
                    let target = Target::with_zero_bits(level.bits);
                    let Some(trial) = solve(miner, &header, target, cancel) else {
                        measured.rounds.extend(sum.round(raw_rate));
                        return measured;
                    };
                    level.trials.push(trial);
                    sum.attempts += trial.attempts as f64;
                    sum.seconds += trial.seconds;
                    progress(expected_attempts(level.bits));
                }
                if let Some(energy) = &mut energy {
                    *level.joules.get_or_insert(0.0) += energy.joules();
                }
            }
            measured.rounds.extend(sum.round(raw_rate));
        }
        measured.complete = true;
        measured
    }

    /// The trials of a round; all rounds together have each trial once.
    fn share(&self, round: u32, rounds: u32) -> std::ops::Range<u32> {
        let start = |round: u32| u64::from(self.trials) * u64::from(round) / u64::from(rounds);
        let start = |round| u32::try_from(start(round)).unwrap_or(u32::MAX);
        start(round)..start(round + 1)
    }
}

/// What a round adds up to.
#[derive(Default)]
struct Sum {
    attempts: f64,
    seconds: f64,
    /// Processor time of this process when the round began.
    begun: Option<f64>,
}

impl Sum {
    /// `None` when no search of the round came to its end.
    fn round(&self, raw_rate: f64) -> Option<Round> {
        let processor_s = processor_time::seconds().zip(self.begun).map(|(now, then)| now - then);
        (self.seconds > 0.0).then(|| Round {
            rate: self.attempts / self.seconds,
            processor_rate: processor_s.filter(|s| *s > 0.0).map(|s| self.attempts / s),
            raw_rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use engine::Kernel;
    use proptest::prelude::*;

    use super::*;

    fn run(kernel: Kernel, threads: usize, seed: u64) -> Vec<Vec<u64>> {
        let miner = Miner::new(NonZeroUsize::new(threads).unwrap(), kernel).unwrap();
        let plan = Plan { bits: 4..=12, trials: 30, seed };
        let measured = plan.run(&miner, &Cancel::new(), |_| ());
        assert!(measured.complete);
        assert_eq!(measured.rounds.len(), 20);
        let attempts = |trials: &[Trial]| trials.iter().map(|trial| trial.attempts).collect();
        measured.searches.iter().map(|level| attempts(&level.trials)).collect()
    }

    #[test]
    fn attempts_depend_on_the_seed_alone_and_neither_on_kernel_nor_threads() {
        let first = run(Kernel::portable(), 1, 7);
        for kernel in Kernel::available() {
            for threads in [1, 2, 3] {
                assert_eq!(run(kernel, threads, 7), first, "{} {threads}", kernel.name());
            }
        }
        assert_ne!(run(Kernel::portable(), 1, 8), first);
    }

    #[test]
    fn attempts_are_the_position_of_the_first_header_that_meets_the_target() {
        let miner = Miner::new(NonZeroUsize::MIN, Kernel::portable()).unwrap();
        for number in 0..20 {
            let (header, target) = (seeded_header(1, 6, number), Target::with_zero_bits(6));
            let trial = solve(&miner, &header, target, &Cancel::new()).unwrap();
            let job = engine::Job::rolling(&header, target, 0).unwrap();
            let is_hit = |position: &u64| {
                target.is_met_by(&engine::sha256d(&job.header_at(*position).unwrap()))
            };
            assert_eq!((0..).find(is_hit).unwrap() + 1, trial.attempts);
        }
    }

    #[test]
    fn what_was_done_before_a_cancel_is_kept() {
        let miner = Miner::new(NonZeroUsize::MIN, Kernel::portable()).unwrap();
        let (cancel, mut seen) = (Cancel::new(), 0);
        let plan = Plan { bits: 4..=6, trials: 100, seed: 1 };
        let measured = plan.run(&miner, &cancel, |_| {
            seen += 1;
            if seen == 17 {
                cancel.cancel();
            }
        });
        assert!(!measured.complete);
        let trials: Vec<usize> = measured.searches.iter().map(|level| level.trials.len()).collect();
        assert_eq!(trials, [7, 5, 5]);
        assert_eq!(measured.rounds.len(), 2);
    }

    proptest! {
        #[test]
        fn every_trial_has_its_turn_once(trials in 1u32..5000, rounds in 1u32..=20) {
            let plan = Plan { bits: 1..=1, trials, seed: 0 };
            let all: Vec<u32> = (0..rounds).flat_map(|round| plan.share(round, rounds)).collect();
            prop_assert_eq!(all, (0..trials).collect::<Vec<_>>());
        }
    }
}
