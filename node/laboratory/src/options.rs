//! What `lode simulate` may be told.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;

use crate::shard::{Shard, shard};

/// What `lode simulate` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  lode simulate partition                        two halves that become one network again
  lode simulate partition --seeds 1..1000        the same a thousand times, each otherwise
  lode simulate slow-links --sweep latency_ms=100,500,1000,2000
  lode simulate --show partition > mine.toml     a scenario to edit
  lode simulate mine.toml --set nodes=12")]
pub struct SimulateOptions {
    /// Which scenario, or a file that ends with .toml
    #[arg(value_name = "SCENARIO|FILE", required_unless_present_any = ["list", "show"])]
    pub scenario: Option<String>,
    /// Say which scenarios there are
    #[arg(long, conflicts_with_all = ["scenario", "show"])]
    pub list: bool,
    /// Print a scenario as a file to edit, with every key explained
    #[arg(long, value_name = "NAME", conflicts_with = "scenario")]
    pub show: Option<String>,
    /// Nodes; short for --set nodes=COUNT
    #[arg(long, value_name = "COUNT")]
    pub nodes: Option<usize>,
    /// Virtual hours; short for --set duration_s=
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=744))]
    pub hours: Option<u64>,
    /// Seconds between blocks; short for --set spacing_s=
    #[arg(long, value_name = "SECONDS")]
    pub spacing: Option<u32>,
    /// The seed of all that is drawn
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    pub seed: u64,
    /// Many seeds, the first and the last of them among them
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub seeds: Option<RangeInclusive<u64>>,
    /// Change a number of the scenario, also several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Make the experiment with each of these values
    #[arg(long, value_name = "KEY=A,B,C", value_parser = sweep)]
    pub sweep: Option<(String, Vec<String>)>,
    /// Make one part of all trials, like the second of eight [default: what the job of a cluster
    /// says, or all]
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Keep finished trials in this file, and do not make those again that stand in it
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// Trials at once [default: the processor's threads]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
    /// One JSON object for each trial, and one at the end
    #[arg(long)]
    pub json: bool,
}

/// Most seeds of one run.
const SEEDS_MAX: u64 = 10_000_000;

/// Most values of a sweep.
const VALUES_MAX: usize = 1000;

/// `1..1000`.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let read = |text: &str| text.parse::<u64>().ok();
    let ends = text.split_once("..").and_then(|(from, to)| read(from).zip(read(to)));
    match ends {
        Some((from, to)) if from <= to && to - from < SEEDS_MAX => Ok(from..=to),
        Some(_) => Err(format!("from the lower to the higher, {SEEDS_MAX} at most")),
        None => Err("write the seeds 1 to 20 as 1..20".to_owned()),
    }
}

/// `nodes=12`.
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    if key.is_empty() || value.is_empty() {
        return Err("write it as KEY=VALUE".to_owned());
    }
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// `latency_ms=100,200`.
fn sweep(text: &str) -> Result<(String, Vec<String>), String> {
    let (key, values) = setting(text).map_err(|_| "write it as KEY=A,B,C")?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err("write it as KEY=A,B,C".to_owned());
    }
    if values.len() > VALUES_MAX {
        return Err(format!("{VALUES_MAX} values at most"));
    }
    Ok((key, values))
}
