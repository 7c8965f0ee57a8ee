//! `lode bench`: measurements, one file each.
//!
//! Each takes its options, measures, and prints what it found: a table for people, an object for
//! programs.

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
mod options;
mod processor_wait;
mod search;
mod slow_store;
mod spread;
mod volatile_store;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use chain::spec::SpecError;
use command::failure::{EndsProgram, Failure, UsageError};
use command::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use machine::MachineError;
use machine::store::StoreError;
use server::runtime::{NodeFailure, StartError};
use show::exit::Exit;
use show::streams::note;

use options::BenchStore;

pub use options::BenchCommand;

/// Measures.
///
/// # Errors
/// What was asked for cannot be measured here, or the measurement failed.
pub fn run(command: &BenchCommand) -> Result<Exit, Failure> {
    measure(command).map_err(|error| failure_of(&error))
}

fn measure(command: &BenchCommand) -> anyhow::Result<Exit> {
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

/// A measurement has errors of many types. The first cause that says how ends the program, and what
/// has no such cause is no more than another failure.
fn failure_of(error: &anyhow::Error) -> Failure {
    let of_cause = |cause: &(dyn std::error::Error + 'static)| {
        let known = [
            exit::<UsageError>(cause),
            exit::<SpecError>(cause),
            exit::<StoreError>(cause),
            exit::<MachineError>(cause),
            exit::<StartError>(cause),
            exit::<NodeFailure>(cause),
        ];
        known.into_iter().flatten().next()
    };
    let exit = error.chain().find_map(of_cause).unwrap_or(Exit::Other);
    Failure { text: error.to_string(), exit }
}

fn exit<E: EndsProgram + std::error::Error + 'static>(
    cause: &(dyn std::error::Error + 'static),
) -> Option<Exit> {
    cause.downcast_ref::<E>().map(EndsProgram::exit)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_measurement_ends_by_its_first_cause_that_says_how_and_else_as_any_failure() {
        let stopped = Err::<(), _>(StoreError::Stopped).context("block 7").unwrap_err();
        let failure = failure_of(&stopped);
        assert_eq!((failure.exit, &*failure.text), (Exit::Directory, "block 7"));
        let usage = anyhow::Error::from(UsageError("no such store".to_owned()));
        assert_eq!(failure_of(&usage).exit, Exit::Usage);
        assert_eq!(failure_of(&anyhow::anyhow!("too busy")).exit, Exit::Other);
    }
}
