//! `lode bench`: measurements, one file each.

mod calibrate;
mod compare;
mod difficulty;
mod kernels;

use super::Exit;
use crate::cli::BenchCommand;

pub(super) fn run(command: &BenchCommand) -> anyhow::Result<Exit> {
    match command {
        BenchCommand::Kernels(options) => kernels::run(options),
        BenchCommand::Difficulty(options) => difficulty::run(options),
        BenchCommand::Compare(options) => compare::run(options),
        BenchCommand::Calibrate(options) => calibrate::run(options),
    }
}
