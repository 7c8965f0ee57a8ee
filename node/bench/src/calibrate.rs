//! `lode bench calibrate`: the difficulty at which this computer finds a block every so often.

use engine::{Cancel, Miner};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::difficulty::result::{duration, mhs, threads};
use crate::options::BenchCalibrateOptions;
use command::interrupt::Interrupt;
use command::kernel_choice;
use command::print;
use measurement::calibration::{Calibration, MeasuredRate, mean_gap, measure};
use show::exit::Exit;
use show::streams::note;
use statistics::Interval;

/// Blocks that the printed interval is for, unless a check says how many.
const BLOCKS: u32 = 200;

/// What is told.
struct Told<'a> {
    options: &'a BenchCalibrateOptions,
    kernel: &'static str,
    threads: usize,
    rate: MeasuredRate,
    calibration: Calibration,
    /// Blocks that the interval is for.
    blocks: u32,
    /// Where the mean of their gaps lies, in seconds.
    interval: Interval,
    /// The mean of the searches that were made to check, in seconds.
    checked: Option<f64>,
}

pub(super) fn run(options: &BenchCalibrateOptions) -> anyhow::Result<Exit> {
    let kernel = kernel_choice::choose(options.kernel);
    let miner = Miner::new(options.threads.unwrap_or_else(engine::default_threads), kernel)?;
    note("measuring for three seconds");
    let rate = measure(&miner);
    let miners = f64::from(options.miners);
    let calibration = Calibration::new(rate.rate * miners, options.interval.as_secs_f64());
    let blocks = options.check.unwrap_or(BLOCKS);
    let together = rate.interval.times(miners);
    let interval = mean_gap(calibration.attempts, together, u64::from(blocks));
    let checked = match options.check {
        Some(count) => match check(&miner, options, count, rate.rate) {
            Some(mean) => Some(mean),
            None => return Ok(Exit::Interrupted),
        },
        None => None,
    };
    let threads = miner.threads();
    let kernel = kernel.name();
    let told = Told { options, kernel, threads, rate, calibration, blocks, interval, checked };
    print(&if options.json { format!("{}\n", told.programs()) } else { told.people() })?;
    Ok(if checked.is_none_or(|mean| interval.contains(mean)) { Exit::Ok } else { Exit::Other })
}

/// Mean seconds of `count` searches on this computer. Where there are more miners, this one has
/// its share of the work, so that the check takes no longer. `None` when interrupted.
fn check(miner: &Miner, options: &BenchCalibrateOptions, count: u32, rate: f64) -> Option<f64> {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    // Without signals the check cannot be interrupted, and is none the worse.
    let _interrupt = Interrupt::listen_and(move || raised.cancel());
    let bar = ProgressBar::new(u64::from(count)).with_style(
        ProgressStyle::with_template("{bar:30} search {pos} of {len}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let alone = Calibration::new(rate, options.interval.as_secs_f64());
    let seconds = alone.check(miner, (options.seed, count), &cancel, || bar.inc(1));
    bar.finish_and_clear();
    seconds.map(|seconds| seconds.iter().sum::<f64>() / f64::from(count))
}

impl Told<'_> {
    fn programs(&self) -> Value {
        let (calibration, rate) = (&self.calibration, &self.rate);
        json!({
            "v": 1,
            "command": "bench calibrate",
            "interval_ms": ms(self.options.interval.as_secs_f64()),
            "miners": self.options.miners,
            "threads": self.threads,
            "kernel": self.kernel,
            "mhs": mhs(rate.rate),
            "mhs_low": mhs(rate.interval.low),
            "mhs_high": mhs(rate.interval.high),
            "expected": calibration.attempts,
            "bits": calibration.exact_bits(),
            "target": format!("{:064x}", calibration.target.0),
            "compact": calibration.compact().to_string(),
            "difficulty": calibration.zero_bits,
            "difficulty_interval_ms": ms(calibration.zero_bits_spacing_s),
            "blocks": self.blocks,
            "mean_ms_low": ms(self.interval.low),
            "mean_ms_high": ms(self.interval.high),
            "checked_mean_ms": self.checked.map(ms),
            "checked": self.checked.map(|mean| self.interval.contains(mean)),
        })
    }

    fn people(&self) -> String {
        let (calibration, rate) = (&self.calibration, &self.rate);
        let miners = match self.options.miners {
            1 => "one miner".to_owned(),
            miners => format!("{miners} such miners"),
        };
        let mut text = format!(
            "{:.2} MH/s ({:.2} to {:.2}) on {}, kernel {}.\n\
             A block every {} for {miners}: {:.2} bits, {:.0} attempts\n  target  {:064x}\n  compact \
             {}\n--difficulty {} comes nearest: a block every {}.\n\
             The mean of {} blocks lies between {} and {} with 95 %.\n",
            rate.rate / 1e6,
            rate.interval.low / 1e6,
            rate.interval.high / 1e6,
            threads(self.threads),
            self.kernel,
            duration(self.options.interval.as_secs_f64()),
            calibration.exact_bits(),
            calibration.attempts,
            calibration.target.0,
            calibration.compact(),
            calibration.zero_bits,
            duration(calibration.zero_bits_spacing_s),
            self.blocks,
            duration(self.interval.low),
            duration(self.interval.high),
        );
        if let Some(mean) = self.checked {
            let verdict = if self.interval.contains(mean) { "inside" } else { "OUTSIDE" };
            text +=
                &format!("Checked by {} searches: {}, {verdict}.\n", self.blocks, duration(mean));
        }
        text
    }
}

fn ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
