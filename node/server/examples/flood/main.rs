//! Attacks on a node of one's own, and what they do to everybody else who asks it something.
//!
//! `cargo build --release; cargo run --release -p lode-server --example flood -- connect` starts a
//! bootstrap node, attacks it for ten seconds, and prints what an honest client, newcomers of every
//! role, the node's memory and its log saw meanwhile. `--node ADDR --directory DIR` attacks one's
//! own node that runs already on this computer, `--list` names the attacks.
//!
//! It ends with 1 when one of the limits below is broken.

mod connecting;
mod deaf;
mod honest;
mod line;
mod many_keys;
mod noise;
mod places;
mod target;
mod unpaid_payments;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;

use honest::Watch;
use target::Target;

/// How long an honest client may wait for the answer to a question, 99 times of 100.
const TIP_P99_MAX: Duration = Duration::from_millis(100);

/// How long a newcomer of any role may wait until it is served.
const NEWCOMER_MAX: Duration = Duration::from_secs(2);

/// How much more memory the node may take than when nobody attacks it.
const MEMORY_ABOVE_IDLE_MAX: u64 = 192 << 20;

/// How many lines the node may write to its log meanwhile.
const LOG_LINES_MAX: usize = 20;

/// How long the node is watched before the attack begins.
const CALM: Duration = Duration::from_secs(1);

/// Begins an attack on the node; its threads go on until [`Attack::is_over`] says so.
type Begin = fn(&Arc<Attack>) -> anyhow::Result<()>;

/// Every attack: its name, what it does in a sentence, and how it begins.
const ATTACKS: &[(&str, &str, Begin)] = &[
    ("connect", "connects and leaves, as fast as the node lets it", connecting::begin),
    ("deaf", "asks for much and reads nothing, on 192 connections", deaf::begin),
    ("places", "holds every place of every role and says nothing", places::begin),
    ("silent", "connects and says nothing, on all connections there are", places::begin_silent),
    ("malformed", "says what is no message, again and again", noise::begin_malformed),
    ("refused", "pays with coins that there are not, again and again", noise::begin_refused),
    ("many-keys", "asks what is pending of 2,000 keys, over and over", many_keys::begin),
    ("pay", "sends long payments whose last signature is wrong", unpaid_payments::begin),
];

/// What the command line says.
#[derive(Debug, Parser)]
#[command(about = "Attacks a node of one's own, and measures what others see of it meanwhile")]
struct Options {
    /// Which attack; see --list.
    #[arg(required_unless_present = "list")]
    attack: Option<String>,
    /// Say which attacks there are.
    #[arg(long)]
    list: bool,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Attack the node that listens here instead of one that is started for it.
    #[arg(long, requires = "directory")]
    node: Option<SocketAddr>,
    /// The data directory of that node.
    #[arg(long, requires = "node")]
    directory: Option<PathBuf>,
    /// The log of that node.
    #[arg(long, requires = "node")]
    log: Option<PathBuf>,
    /// The program that is started, unless it lies where cargo builds it.
    #[arg(long, conflicts_with = "node")]
    program: Option<PathBuf>,
}

/// What the threads of an attack share.
struct Attack {
    target: Target,
    is_over: AtomicBool,
    /// What they did so far, in whatever the attack counts.
    done: AtomicU64,
}

impl Attack {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        for (name, story, _) in ATTACKS {
            println!("{name:<20} {story}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = options.attack.as_deref().unwrap_or_default();
    let Some((_, _, begin)) = ATTACKS.iter().find(|(name, _, _)| *name == wanted) else {
        anyhow::bail!("there is no attack {wanted}; --list says which there are");
    };
    let target = match (options.node, options.directory) {
        (Some(address), Some(directory)) => Target::running(address, &directory, options.log)?,
        _ => Target::start(options.program)?,
    };
    let attack = Arc::new(Attack { target, is_over: false.into(), done: 0.into() });
    thread::sleep(CALM);
    let idle = attack.target.memory()?;
    let lines_before = attack.target.log_lines()?;
    let watch = Watch::begin(&attack);
    let started = Instant::now();
    begin(&attack)?;
    let mut memory_max = idle;
    while started.elapsed() < Duration::from_secs(options.seconds) {
        thread::sleep(Duration::from_millis(100));
        memory_max = memory_max.max(attack.target.memory()?);
    }
    attack.is_over.store(true, Ordering::Relaxed);
    let seen = watch.end()?;
    let above_idle = memory_max.saturating_sub(idle);
    let lines = attack.target.log_lines()?.saturating_sub(lines_before);
    let is_held = seen.tip_p99 <= TIP_P99_MAX
        && seen.newcomers.values().all(|waited| *waited <= NEWCOMER_MAX)
        && above_idle <= MEMORY_ABOVE_IDLE_MAX
        && lines <= LOG_LINES_MAX;
    let figures = json!({
        "attack": wanted,
        "seconds": started.elapsed().as_secs_f64(),
        "done": attack.done.load(Ordering::Relaxed),
        "tip_questions": seen.questions,
        "tip_p50_ms": seen.tip_p50.as_secs_f64() * 1e3,
        "tip_p99_ms": seen.tip_p99.as_secs_f64() * 1e3,
        "newcomer_max_ms": seen.newcomers.iter()
            .map(|(role, waited)| (*role, waited.as_secs_f64() * 1e3))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "memory_idle_mb": mebibytes(idle),
        "memory_above_idle_mb": mebibytes(above_idle),
        "log_lines": lines,
        "held": is_held,
    });
    attack.target.end();
    println!("{figures:#}");
    Ok(if is_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn mebibytes(bytes: u64) -> f64 {
    // No node takes so much that a float could not tell.
    (bytes >> 10) as f64 / 1024.0
}
