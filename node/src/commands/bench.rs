//! `lode bench`: measurements, one file each.

mod calibrate;
mod cancel;
mod catch_up;
mod chain_builder;
mod compare;
mod computer;
mod difficulty;
mod fake_peer;
mod kernels;
mod kill;
mod processor_wait;
mod search;
mod slow_store;
mod spread;
mod volatile_store;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, note};
use crate::cli::{BenchCommand, BenchStore};
use crate::interrupt::Interrupt;

pub(super) fn run(command: &BenchCommand) -> anyhow::Result<Exit> {
    match command {
        BenchCommand::Kernels(options) => kernels::run(options),
        BenchCommand::Search(options) => search::run(options),
        BenchCommand::Cancel(options) => cancel::run(options),
        BenchCommand::CatchUp(options) => catch_up::run(options),
        BenchCommand::Kill(options) => kill::run(options),
        BenchCommand::Difficulty(options) => difficulty::run(options),
        BenchCommand::Compare(options) => compare::run(options),
        BenchCommand::Calibrate(options) => calibrate::run(options),
    }
}

/// Ctrl-C came in the middle of a measurement.
#[derive(Debug, thiserror::Error)]
#[error("interrupted before the measurement was done")]
struct Interrupted;

/// Whether to go on.
fn unless_interrupted(interrupt: &Interrupt) -> anyhow::Result<()> {
    if interrupt.came() { Err(Interrupted.into()) } else { Ok(()) }
}

/// How a command ends whose measurement Ctrl-C may have ended.
fn exit_of(measured: anyhow::Result<()>) -> anyhow::Result<Exit> {
    match measured {
        Err(error) if error.is::<Interrupted>() => {
            note(&format!("lode: {error}"));
            Ok(Exit::Interrupted)
        }
        other => other.map(|()| Exit::Ok),
    }
}

impl BenchStore {
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        }
    }
}

/// A bar on standard error that counts `steps` of something.
fn progress(steps: u32, what: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {what} {{pos}} of {{len}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(u64::from(steps))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Runs `hash` on `threads` threads at once. Each returns its attempts; the result is the sum of
/// their rates, attempts per second, each over its own time.
fn side_by_side(threads: usize, hash: impl Fn(usize) -> u64 + Sync) -> f64 {
    let all_there = Barrier::new(threads);
    let rate = |number| {
        all_there.wait();
        let started = Instant::now();
        let attempts = hash(number);
        attempts as f64 / started.elapsed().as_secs_f64().max(1e-9)
    };
    let rate = &rate;
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|number| scope.spawn(move || rate(number))).collect();
        let own = rate(0);
        own + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// Attempts that fit into `time` at `rate` a second, within bounds that keep a slot a slot.
#[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
fn attempts_within(time: Duration, rate: f64) -> u64 {
    ((rate * time.as_secs_f64()) as u64).clamp(1 << 12, 1 << 34)
}
