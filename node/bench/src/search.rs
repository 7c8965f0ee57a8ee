//! `lode bench search`: what the parallel search makes of its kernel.
//!
//! In interleaved rounds: one search on all threads, as many searches on one thread each, and easy
//! jobs one after the other. What is lost on an easy job is idle time and hashes beyond the answer.

use std::time::{Duration, Instant};

use engine::{
    Cancel, Job, Kernel, Miner, Outcome, Target, VERSIONS_MAX, default_threads, search_alone,
};
use serde_json::{Value, json};

use super::{attempts_within, progress, side_by_side};
use crate::options::BenchSearchOptions;
use command::kernel_choice;
use command::print;
use show::exit::Exit;
use statistics::quantile;

/// Time of each measurement in a round.
const SLOT: Duration = Duration::from_millis(100);

/// Rounds below which a median says little.
const ROUNDS_MIN: u32 = 5;

/// Leading zero bits of the easy jobs.
const EASY_BITS: [u32; 2] = [16, 20];

/// A round: together, side by side, and the easy jobs.
const SLOTS: u32 = 2 + EASY_BITS.len() as u32;

/// What is measured.
struct Bench {
    miner: Miner,
    kernel: Kernel,
    /// Attempts that take all threads about one slot.
    attempts: u64,
    /// Makes every easy job differ.
    number: u64,
}

/// One figure a round of each.
#[derive(Default)]
struct Figures {
    /// One search on all threads, attempts a second.
    together: Vec<f64>,
    /// As many searches on one thread each.
    apart: Vec<f64>,
    /// The first in parts of the second.
    scaling: Vec<f64>,
    /// Part of the threads' time that easy jobs lose, by [`EASY_BITS`].
    lost: [Vec<f64>; EASY_BITS.len()],
}

pub(super) fn run(options: &BenchSearchOptions) -> anyhow::Result<Exit> {
    let threads = options.threads.unwrap_or_else(default_threads);
    let kernel = kernel_choice::choose(options.kernel);
    let mut bench =
        Bench { miner: Miner::new(threads, kernel)?, kernel, attempts: 1 << 20, number: 0 };
    let rate = bench.together()?;
    bench.attempts = attempts_within(SLOT, rate);
    let slot_ms = u32::try_from(SLOT.as_millis()).unwrap_or(u32::MAX);
    let rounds = options.seconds.saturating_mul(1000) / slot_ms.saturating_mul(SLOTS);
    let rounds = rounds.max(ROUNDS_MIN);
    let mut figures = Figures::default();
    let bar = progress(rounds, "round");
    for _ in 0..rounds {
        bench.round(&mut figures)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let text = if options.json {
        let head = json!({ "threads": threads.get(), "kernel": kernel.name(), "rounds": rounds });
        format!("{}\n", programs(&figures, head))
    } else {
        people(&figures, &format!("{threads} threads, {}, {rounds} rounds", kernel.name()))
    };
    print(&text)?;
    Ok(Exit::Ok)
}

impl Bench {
    fn round(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let apart = self.apart()?;
        let together = self.together()?;
        figures.apart.push(apart);
        figures.together.push(together);
        figures.scaling.push(together / apart);
        for (bits, lost) in EASY_BITS.into_iter().zip(&mut figures.lost) {
            let useful = self.easy(bits)?;
            lost.push(1.0 - useful / together);
        }
        Ok(())
    }

    /// Attempts a second of one search on all threads.
    fn together(&self) -> anyhow::Result<f64> {
        let job = hopeless(self.attempts)?;
        let started = Instant::now();
        let outcome = self.miner.search(&job, &Cancel::new());
        anyhow::ensure!(outcome == Outcome::Exhausted, "a hopeless job was solved");
        Ok(job.attempts() as f64 / started.elapsed().as_secs_f64().max(1e-9))
    }

    /// Attempts a second of as many searches as there are threads, one on each.
    fn apart(&self) -> anyhow::Result<f64> {
        let job = hopeless(self.attempts.div_ceil(self.miner.threads() as u64))?;
        Ok(side_by_side(self.miner.threads(), |_| {
            let _exhausted = search_alone(self.kernel, &job, &Cancel::new());
            job.attempts()
        }))
    }

    /// Attempts a second that easy jobs needed: those of one thread that stops at the answer.
    fn easy(&mut self, bits: u32) -> anyhow::Result<f64> {
        let target = Target::with_zero_bits(bits);
        let mut header = [0x5a; 80];
        let mut needed = 0;
        let started = Instant::now();
        while started.elapsed() < SLOT {
            self.number += 1;
            header[36..44].copy_from_slice(&self.number.to_le_bytes());
            let job = Job::rolling(&header, target, 0);
            let job = job.ok_or_else(|| anyhow::anyhow!("a header without versions to roll"))?;
            let Outcome::Found(solution) = self.miner.search(&job, &Cancel::new()) else {
                anyhow::bail!("an easy job was not solved");
            };
            needed += solution.attempts;
        }
        Ok(needed as f64 / started.elapsed().as_secs_f64())
    }
}

/// A job that no hash will ever solve.
fn hopeless(attempts: u64) -> anyhow::Result<Job> {
    let job = Job::rolling(&[0x5a; 80], Target::from_le_bytes([0; 32]), 0);
    let job = job.ok_or_else(|| anyhow::anyhow!("a header without versions to roll"))?;
    let last = u32::try_from(attempts / VERSIONS_MAX as u64).unwrap_or(u32::MAX);
    Ok(job.with_nonces(0..=last))
}

fn mhs(rates: &[f64]) -> f64 {
    (quantile(rates, 50) / 10_000.0).round() / 100.0
}

fn thousandths(part: f64) -> f64 {
    (part * 1000.0).round() / 1000.0
}

fn programs(figures: &Figures, mut head: Value) -> Value {
    let easy = EASY_BITS.iter().zip(&figures.lost);
    let easy = easy.map(|(bits, lost)| {
        let lost = thousandths(quantile(lost, 50));
        json!({ "zero_bits": bits, "lost": lost })
    });
    let body = json!({
        "v": 1,
        "command": "bench search",
        "together_mhs": mhs(&figures.together),
        "apart_mhs": mhs(&figures.apart),
        "scaling": thousandths(quantile(&figures.scaling, 50)),
        "easy": easy.collect::<Vec<_>>(),
    });
    if let (Some(head), Some(body)) = (head.as_object_mut(), body.as_object()) {
        head.extend(body.clone());
    }
    head
}

fn people(figures: &Figures, how: &str) -> String {
    let mut text = format!(
        "one search on all threads      {:>8.2} MH/s\nas many on one thread each     {:>8.2} MH/s\n\
         the first to the second        {:>8.3}\n",
        mhs(&figures.together),
        mhs(&figures.apart),
        quantile(&figures.scaling, 50),
    );
    for (bits, lost) in EASY_BITS.iter().zip(&figures.lost) {
        text +=
            &format!("lost at {bits} bits                {:>8.1} %\n", 100.0 * quantile(lost, 50));
    }
    text + &format!("{how}, interleaved, medians.\n")
}
