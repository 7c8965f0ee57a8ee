//! `lode bench kernels`: how fast every kernel of this CPU hashes, beside the reference.
//!
//! The kernels take turns in rounds of short slots, so that noise hits all of them alike. A ratio
//! is the median over the rounds of the ratios *within* a round.

use std::time::Duration;

use engine::{Cancel, Job, Kernel, Outcome, Target, VERSIONS_MAX, search_alone};
use serde_json::{Value, json};

use super::{attempts_within, progress, side_by_side};
use crate::options::BenchKernelsOptions;
use command::print;
use show::exit::Exit;
use statistics::quantile;

/// Time that one kernel hashes before the next has its turn.
const SLOT: Duration = Duration::from_millis(50);

/// Rounds below which a median says little.
const ROUNDS_MIN: u32 = 5;

/// What the others are compared with: the `sha2` crate's compression, twice from a midstate.
const REFERENCE: &str = "reference";

/// One row of the result.
struct Contestant {
    name: &'static str,
    kernel: Kernel,
    versions: usize,
    threads: usize,
    /// Header attempts of each thread that take about one slot.
    attempts: u64,
    /// Attempts per second, one figure a round.
    rates: Vec<f64>,
}

pub(super) fn run(options: &BenchKernelsOptions) -> anyhow::Result<Exit> {
    let threads = options.threads.get();
    let contestant = |kernel: Kernel| Contestant::new(kernel.name(), kernel, VERSIONS_MAX, threads);
    let mut contestants = vec![Contestant::new(REFERENCE, Kernel::portable(), 1, threads)];
    contestants.extend(Kernel::available().into_iter().map(contestant));
    let slots = u32::try_from(contestants.len()).unwrap_or(u32::MAX);
    let slot_ms = u32::try_from(SLOT.as_millis()).unwrap_or(u32::MAX);
    let rounds = options.seconds.saturating_mul(1000) / slot_ms.saturating_mul(slots);
    let rounds = rounds.max(ROUNDS_MIN);
    let bar = progress(rounds, "round");
    for round in 0..rounds {
        // There and back: a drift of the clock rate favors nobody.
        if round % 2 == 0 {
            contestants.iter_mut().for_each(Contestant::hash);
        } else {
            contestants.iter_mut().rev().for_each(Contestant::hash);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let reference = contestants[0].rates.clone();
    let text = if options.json {
        format!("{}\n", programs(&contestants, &reference, rounds, threads))
    } else {
        people(&contestants, &reference, rounds, threads)
    };
    print(&text)?;
    Ok(Exit::Ok)
}

impl Contestant {
    fn new(name: &'static str, kernel: Kernel, versions: usize, threads: usize) -> Self {
        let rates = Vec::new();
        let mut contestant = Self { name, kernel, versions, threads, attempts: 1 << 16, rates };
        // The first slot finds out how much fits into one, and wakes the cores up.
        let rate = contestant.measure() / threads as f64;
        contestant.attempts = attempts_within(SLOT, rate);
        contestant
    }

    fn hash(&mut self) {
        let rate = self.measure();
        self.rates.push(rate);
    }

    /// Searches for about one slot on every thread; returns attempts a second of all of them.
    fn measure(&self) -> f64 {
        // A target of zero is met by no hash that anybody will see: the whole range is searched.
        let (header, target) = ([0x5a; 80], Target::from_le_bytes([0; 32]));
        let job = match self.versions {
            1 => Job::new(&header, target),
            _ => Job::rolling(&header, target, 0).expect("group 0 exists"),
        };
        let nonces = self.attempts.div_ceil(self.versions as u64).min(1 << 32);
        let last = u32::try_from(nonces.saturating_sub(1)).unwrap_or(u32::MAX);
        let job = job.with_nonces(0..=last);
        side_by_side(self.threads, |_| {
            let outcome = search_alone(self.kernel, &job, &Cancel::new());
            debug_assert!(matches!(outcome, Outcome::Exhausted), "nothing meets a target of zero");
            job.attempts()
        })
    }

    /// Ratio to the reference: the median of the rounds' own ratios.
    fn ratio(&self, reference: &[f64]) -> f64 {
        let ratios: Vec<f64> =
            self.rates.iter().zip(reference).map(|(own, other)| own / other).collect();
        quantile(&ratios, 50)
    }
}

fn mhs(rate: f64) -> f64 {
    (rate / 10_000.0).round() / 100.0
}

fn programs(contestants: &[Contestant], reference: &[f64], rounds: u32, threads: usize) -> Value {
    let row = |contestant: &Contestant| {
        json!({
            "name": contestant.name,
            "mhs": mhs(quantile(&contestant.rates, 50)),
            "mhs_low": mhs(quantile(&contestant.rates, 10)),
            "mhs_high": mhs(quantile(&contestant.rates, 90)),
            "ratio_to_reference": (contestant.ratio(reference) * 1000.0).round() / 1000.0,
            "versions": contestant.versions,
        })
    };
    json!({
        "v": 1,
        "command": "bench kernels",
        "kernels": contestants.iter().map(row).collect::<Vec<_>>(),
        "chosen": Kernel::best().name(),
        "threads": threads,
        "rounds": rounds,
    })
}

fn people(contestants: &[Contestant], reference: &[f64], rounds: u32, threads: usize) -> String {
    let mut text = String::from("kernel     versions      MH/s   10 to 90 %        to reference\n");
    for contestant in contestants {
        text += &format!(
            "{:<10} {:>8} {:>9.2}   {:>6.2} to {:>6.2} {:>12.2}\n",
            contestant.name,
            contestant.versions,
            mhs(quantile(&contestant.rates, 50)),
            mhs(quantile(&contestant.rates, 10)),
            mhs(quantile(&contestant.rates, 90)),
            contestant.ratio(reference),
        );
    }
    text += &format!(
        "{threads} {}, {rounds} interleaved rounds, medians; this program would choose {}.\n",
        if threads == 1 { "thread" } else { "threads" },
        Kernel::best().name()
    );
    text
}
