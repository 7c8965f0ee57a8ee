//! What `lode bench` may be told.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use engine::Kernel;

use command::words::{duration, kernel};

/// The measurements of `lode bench`.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// How fast every mining kernel of this CPU hashes, in interleaved rounds beside a reference
    Kernels(BenchKernelsOptions),
    /// What the search adds to its kernel: its rate by threads, and the time lost on easy targets
    Search(BenchSearchOptions),
    /// How promptly a search stops and the next one starts, with all mining threads busy
    Cancel(BenchCancelOptions),
    /// How long an empty node takes to get and check a chain, beside its bare signatures
    CatchUp(BenchCatchUpOptions),
    /// Whether anything is gone that a node told, however suddenly its process and disk end
    Kill(BenchKillOptions),
    /// Attempts and hash rate by difficulty, judged by the law that they must follow
    Difficulty(BenchDifficultyOptions),
    /// Which of two is faster: two saved results, or this program and another one round by round
    Compare(BenchCompareOptions),
    /// The difficulty at which this computer finds a block every so often
    Calibrate(BenchCalibrateOptions),
}

/// What `lode bench kernels` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchKernelsOptions {
    /// Time to spend, at least five rounds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Threads that hash side by side, each its own job
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub threads: NonZeroUsize,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `lode bench search` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchSearchOptions {
    /// Time to spend, at least five rounds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Mining threads [default: the physical cores less one]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
    /// How to hash; `lode version --verbose` lists the kernels [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `lode bench cancel` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchCancelOptions {
    /// Measure a whole node: from a peer's block on the socket to the first hash on top of it
    #[arg(long)]
    pub node: bool,
    /// Cancels [default: 10000], or blocks with --node [default: 2000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: Option<u32>,
    /// Where the node keeps its chain
    #[arg(long, value_name = "PLACE", default_value = "memory", requires = "node")]
    pub store: BenchStore,
    /// Every sync of the node's store takes so much longer, up to 100ms
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = sync_delay)]
    #[arg(requires = "node")]
    pub sync_delay: Duration,
    /// So many ask the node as fast as they can, half of them as wallets and half as whoever runs
    /// it; rounds with them take turns with rounds that burn as much processor time
    #[arg(long, value_name = "COUNT", requires = "node")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=16))]
    pub clients: Option<u32>,
    /// Rounds of either kind
    #[arg(long, value_name = "COUNT", default_value_t = 5, requires = "clients")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Mining threads [default: the physical cores less one]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
    /// How to hash; `lode version --verbose` lists the kernels [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Where a node that is measured keeps its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchStore {
    /// In a temporary directory, below the folder that TMPDIR names.
    Disk,
    /// In memory.
    Memory,
}

/// What `lode bench catch-up` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchCatchUpOptions {
    /// Blocks of the chain
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub blocks: u32,
    /// Transfers of one input in every block; a million in the whole chain at most
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=2000))]
    pub txs: u32,
    /// Where the node that catches up keeps its chain
    #[arg(long, value_name = "PLACE", default_value = "memory")]
    pub store: BenchStore,
    /// Every sync of its store takes so much longer, up to 100ms
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = sync_delay)]
    pub sync_delay: Duration,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `lode bench kill` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchKillOptions {
    /// How often the node is killed
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: u32,
    /// Every sync of its store takes so much longer, up to 100ms
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = sync_delay)]
    pub sync_delay: Duration,
    /// Draws the branches that the node gets, and when it is killed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
    /// Be the node that is killed, with its chain in this directory: the bench starts it so
    #[arg(long, value_name = "DIR", hide = true)]
    pub node_in: Option<PathBuf>,
}

/// What `lode bench difficulty` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchDifficultyOptions {
    /// Leading zero bits, both ends included; one number for one difficulty
    #[arg(long, value_name = "BITS..BITS", default_value = "8..24", value_parser = bits_range)]
    pub bits: RangeInclusive<u32>,
    /// Searches at each difficulty
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: u32,
    /// Makes the headers: the same seed needs the same attempts everywhere
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Mining threads [default: the physical cores less one]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
    /// How to hash; `lode version --verbose` lists the kernels [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
    /// Draw the result as a page that needs nothing but itself
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Keep the result for `lode bench compare`
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

/// What `lode bench compare` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchCompareOptions {
    /// Two results of `lode bench difficulty --save`
    #[arg(value_name = "FILE", num_args = 2, required_unless_present = "against")]
    #[arg(conflicts_with = "against")]
    pub files: Vec<PathBuf>,
    /// Another `lode`, with the flags it needs before `bench`; both take turns
    #[arg(long, value_name = "COMMAND")]
    pub against: Option<String>,
    /// Rounds at least; more follow while the result is not precise
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=1000))]
    pub rounds: u32,
    /// Rounds at most [default: ten times --rounds]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub rounds_max: Option<u32>,
    /// Mining threads of both
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub threads: NonZeroUsize,
    /// How both hash [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// What counts: processor, the time that a program had one, or wall, time as it passes
    #[arg(long, value_name = "CLOCK", default_value = "processor")]
    pub clock: BenchClock,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// By which clock rates are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchClock {
    /// Time that the program had a processor: what others do meanwhile counts little.
    Processor,
    /// Time as it passes: waiting counts, too, whoever is to blame.
    Wall,
}

/// What `lode bench calibrate` is told.
#[derive(Debug, Clone, Args)]
pub struct BenchCalibrateOptions {
    /// Time between two blocks
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Duration,
    /// So many computers like this one
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub miners: u32,
    /// Mining threads [default: the physical cores less one]
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
    /// How to hash; `lode version --verbose` lists the kernels [default: the fastest here]
    #[arg(long, value_name = "NAME", value_parser = kernel)]
    pub kernel: Option<Kernel>,
    /// Make so many searches afterwards, and see whether their mean is where it must be
    #[arg(long, value_name = "SEARCHES")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub check: Option<u32>,
    /// Makes the headers of the check
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Most leading zero bits of a benchmark: a day on a fast computer.
const BENCH_BITS_MAX: u32 = 40;

/// `8..24`, both ends included, or `16`.
fn bits_range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let bits = |part: &str| part.parse().ok().filter(|bits| (1..=BENCH_BITS_MAX).contains(bits));
    match (bits(from), bits(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => Err(format!("write leading zero bits like 8..24 or 16, from 1 to {BENCH_BITS_MAX}")),
    }
}

/// A time that is not zero.
fn interval(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("more than nothing".to_owned()) } else { Ok(time) }
}

/// Longest time that a benchmark adds to a sync: a slow disk takes some tens of milliseconds.
const SYNC_DELAY_MAX: Duration = Duration::from_millis(100);

/// A time by which syncs take longer.
fn sync_delay(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > SYNC_DELAY_MAX { Err("100ms at most".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_difficulties_has_both_ends_and_may_be_one() {
        assert_eq!(bits_range("8..24"), Ok(8..=24));
        assert_eq!(bits_range("16"), Ok(16..=16));
        for wrong in ["24..8", "0..8", "8..41", "8..", "..8", "8...9", "x", ""] {
            assert!(bits_range(wrong).is_err(), "{wrong}");
        }
    }
}
