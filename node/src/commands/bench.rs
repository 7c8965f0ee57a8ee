//! `lode bench`: measurements, one file each.

mod kernels;

use super::Exit;
use crate::cli::BenchCommand;

pub(super) fn run(command: &BenchCommand) -> anyhow::Result<Exit> {
    match command {
        BenchCommand::Kernels(options) => kernels::run(options),
    }
}
