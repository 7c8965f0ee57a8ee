//! `lode bench`: measurements, one file each.

mod cancel;
mod kernels;
mod samples;

use indicatif::{ProgressBar, ProgressStyle};

use super::Exit;
use crate::cli::BenchCommand;

pub(super) fn run(command: &BenchCommand) -> anyhow::Result<Exit> {
    match command {
        BenchCommand::Kernels(options) => kernels::run(options),
        BenchCommand::Cancel(options) => cancel::run(options),
    }
}

/// A bar on standard error that counts `steps` of something.
fn progress(steps: u32, what: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {what} {{pos}} of {{len}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(u64::from(steps))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
