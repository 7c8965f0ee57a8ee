//! `lode bench kill`: whether anything is gone that a node told, however suddenly it ends.
//!
//! A process of its own mines, gets branches that outgrow its chain, and is killed at a random
//! moment or just after it told of a block, over and over on one directory. What it has written and
//! not synced ends with it, as in a power cut. A peer, a wallet, whoever runs the node and its log
//! note all blocks that it tells them of; afterwards each must be there, on a chain that is no
//! shorter than any tip that was told.

mod branches;
mod child;
mod hearing;
mod judge;
mod told;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chain::genesis::Network;
use chain::spec::ChainSpec;
use client::data_directory;
use engine::Miner;
use machine::store::Store;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chain_builder::spec_by_time;
use super::fake_peer::FakePeer;
use super::{Interrupted, exit_of, progress, unless_interrupted};
use crate::options::BenchKillOptions;
use branches::Fed;
use command::interrupt::Interrupt;
use command::kernel_choice;
use command::print;
use hearing::PATIENCE;
use judge::Left;
use show::exit::Exit;
use told::{Hearer, Told};

/// Processes on one directory, one after the other; then another directory begins.
const DIRECTORY_ROUNDS: u32 = 25;

/// How long the node needs for a block of its own, or up to twice that.
const OWN_BLOCK_TIME: Duration = Duration::from_millis(100);

/// When a process is killed at the latest, and in how many syncs more.
const LIFE_MAX: Duration = Duration::from_millis(600);
const LIFE_SYNCS: u32 = 30;

/// Every other process dies just after it has told of a block, if one comes within this time: what
/// was told too early is most easily lost then.
const NEWS_WAIT_MAX: Duration = Duration::from_millis(300);
const LOOK_INTERVAL: Duration = Duration::from_micros(100);

/// Longest pause between two blocks that a node gets.
const FEED_PAUSE_MAX: Duration = Duration::from_millis(40);

pub(super) fn run(options: &BenchKillOptions) -> anyhow::Result<Exit> {
    if let Some(directory) = &options.node_in {
        return child::run(directory, options.sync_delay);
    }
    let mut bench = Bench::new(options)?;
    let ended = exit_of(bench.run())?;
    let lost = !bench.found.lost.is_empty();
    Ok(if lost && matches!(ended, Exit::Ok) { Exit::Other } else { ended })
}

/// What is the same in all rounds, and what they have shown.
struct Bench<'a> {
    options: &'a BenchKillOptions,
    network: Arc<Network>,
    miner: Miner,
    rng: ChaCha12Rng,
    interrupt: Interrupt,
    found: Found,
}

/// What the rounds have shown.
#[derive(Default)]
struct Found {
    rounds: u32,
    /// Processes that were killed before they could be asked anything.
    killed_starting: u32,
    /// Processes that told a wallet of a tip no lower than the one told before the last kill.
    caught_up: u32,
    /// Blocks told, by hearer; and all of them, each once a round.
    told: BTreeMap<Hearer, usize>,
    blocks_told: usize,
    /// Blocks that were on the way to a node and of which it had told nobody.
    blocks_untold: usize,
    /// Of them those that its process took with it.
    untold_gone: usize,
    reorganizations: u32,
    /// What is gone, as sentences.
    lost: Vec<String>,
}

/// A directory and what its last process told.
struct Home {
    directory: TempDir,
    left: Left,
    height_told: usize,
}

impl<'a> Bench<'a> {
    fn new(options: &'a BenchKillOptions) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            options,
            network: Arc::new(network()?),
            miner: Miner::new(cores, kernel_choice::choose(None))?,
            rng: ChaCha12Rng::seed_from_u64(options.seed),
            interrupt: Interrupt::listen()?,
            found: Found::default(),
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let bar = progress(self.options.rounds, "killed");
        let mut home = None;
        for round in 0..self.options.rounds {
            if round % DIRECTORY_ROUNDS == 0 {
                home = Some(self.move_in()?);
            }
            let Some(home) = &mut home else { break };
            self.one(home)?;
            if !self.found.lost.is_empty() {
                // What follows from a broken chain tells nothing new.
                break;
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        Ok(print(&if self.options.json {
            format!("{}\n", self.found.to_json(self.options, seconds))
        } else {
            self.found.to_text(self.options, seconds)
        })?)
    }

    /// A directory with genesis in it.
    fn move_in(&self) -> anyhow::Result<Home> {
        let directory = tempfile::Builder::new().prefix("lode-bench-").tempdir()?;
        data_directory::pin(directory.path(), &self.network)?;
        drop(Store::open(directory.path(), &self.network)?);
        let left = Left::of(directory.path(), &self.network)?;
        Ok(Home { directory, left, height_told: 0 })
    }

    /// One process: its life, its end, and what is left.
    fn one(&mut self, home: &mut Home) -> anyhow::Result<()> {
        unless_interrupted(&self.interrupt)?;
        let fed = branches::draw(&self.network, &self.miner, &home.left.best, &mut self.rng)?;
        let life = LIFE_MAX + LIFE_SYNCS * self.options.sync_delay;
        let life = life.mul_f64(self.rng.random());
        let pauses: Vec<Duration> =
            fed.iter().map(|_| FEED_PAUSE_MAX.mul_f64(self.rng.random())).collect();
        let told = Told::default();
        let until_news = self.rng.random();
        let plan = Plan { network: &self.network, fed: &fed, pauses: &pauses, life, until_news };
        let directory = home.directory.path();
        let since = u32::try_from(home.height_told)?;
        let sent = plan.live_and_die(directory, self.options, &told, since, &self.interrupt)?;
        home.left = Left::of(directory, &self.network)?;
        let told = told.notes();
        let found = &mut self.found;
        found.rounds += 1;
        found.killed_starting += u32::from(sent.is_none());
        found.caught_up += u32::from(told.caught_up);
        found.reorganizations += told.reorganizations;
        found.blocks_told += told.blocks.len();
        for hearer in told.blocks.values().flatten() {
            *found.told.entry(*hearer).or_default() += 1;
        }
        let untold = || {
            let sent = fed.iter().take(sent.unwrap_or(0));
            sent.filter(|fed| !told.blocks.contains_key(&fed.hash))
        };
        found.blocks_untold += untold().count();
        found.untold_gone += untold().filter(|fed| !home.left.has(&fed.hash)).count();
        let lost = home.left.wrong.clone().into_iter().chain(home.left.misses(&told));
        let round = found.rounds;
        found.lost.extend(lost.map(|reason| format!("round {round}: {reason}")));
        // What the process before this one told is still told.
        if home.left.height() < home.height_told {
            let (now, before) = (home.left.height(), home.height_told);
            found.lost.push(format!("round {round}: the best chain fell from {before} to {now}"));
        }
        home.height_told = home.height_told.max(home.left.height_told(&told));
        Ok(())
    }
}

/// What one process gets, and how long it lives.
struct Plan<'a> {
    network: &'a Arc<Network>,
    fed: &'a [Fed],
    pauses: &'a [Duration],
    life: Duration,
    /// It dies as soon as it has told of one more block then.
    until_news: bool,
}

/// Returns when one more block was told, or none comes.
fn wait_for_news(told: &Told) {
    let end = Instant::now() + NEWS_WAIT_MAX;
    let before = told.notes().blocks.len();
    while told.notes().blocks.len() == before && Instant::now() < end {
        thread::sleep(LOOK_INTERVAL);
    }
}

impl Plan<'_> {
    /// Starts a process on the directory and kills it when its time has come. Returns how many
    /// blocks it got; `None` when it had not opened its port by then.
    fn live_and_die(
        &self,
        directory: &Path,
        options: &BenchKillOptions,
        told: &Told,
        since: u32,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<usize>> {
        let mut process = Process::start(directory, options)?;
        let dies = Instant::now() + self.life;
        let (ready, address) = sync_channel(1);
        let out = process.0.stdout.take();
        let out = out.ok_or_else(|| anyhow::anyhow!("a process without an output"))?;
        let log = hearing::log(out, told.clone(), ready);
        let left = dies.saturating_duration_since(Instant::now());
        let heard = address
            .recv_timeout(left)
            .ok()
            .map(|address| self.feed(address, directory, told, since, dies));
        while Instant::now() < dies && !interrupt.came() {
            thread::sleep(dies.saturating_duration_since(Instant::now()).min(PATIENCE / 200));
        }
        if self.until_news && heard.is_some() {
            wait_for_news(told);
        }
        process.kill()?;
        let mut heard = heard.transpose()?;
        let sent = heard.as_ref().map(|heard| heard.sent);
        let hearers = heard.as_mut().map(|heard| std::mem::take(&mut heard.hearers));
        // They hear what it said last, and then that it is gone.
        for hearer in hearers.into_iter().flatten().chain([log]) {
            anyhow::ensure!(hearer.join().is_ok(), "a hearer failed; please report this");
        }
        if interrupt.came() { Err(Interrupted.into()) } else { Ok(sent) }
    }

    /// Lets everybody hear what the node tells, and sends it blocks until its time has come.
    fn feed(
        &self,
        address: SocketAddr,
        directory: &Path,
        told: &Told,
        since: u32,
        dies: Instant,
    ) -> anyhow::Result<Heard> {
        let (peer, hears) = hearing::peer(address, self.network, told, BTreeMap::new())?;
        let wallet = hearing::wallet(address, self.network, told, since);
        let operator = hearing::operator(address, directory, self.network, told)?;
        let stock = self.fed.iter().map(|fed| (fed.hash, fed.block.clone())).collect();
        let (mut feeder, feeder_hears) = hearing::peer(address, self.network, told, stock)?;
        let mut sent = 0;
        for (fed, pause) in self.fed.iter().zip(self.pauses) {
            if Instant::now() + *pause >= dies {
                break;
            }
            thread::sleep(*pause);
            feeder.send(&fed.frame)?;
            sent += 1;
        }
        let hearers = vec![hears, wallet, operator, feeder_hears];
        Ok(Heard { sent, hearers, _peers: [peer, feeder] })
    }
}

/// Who hears what a process tells.
struct Heard {
    /// Blocks that it got.
    sent: usize,
    /// They end with the process.
    hearers: Vec<JoinHandle<()>>,
    /// Dropped, they would hear no more.
    _peers: [FakePeer; 2],
}

/// The process that is killed; at the latest when it is dropped.
struct Process(Child);

impl Process {
    fn start(directory: &Path, options: &BenchKillOptions) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "kill", "--node-in"]).arg(directory);
        command.arg("--sync-delay").arg(format!("{}s", options.sync_delay.as_secs_f64()));
        // It ends when nobody holds its input any more.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let ended = self.0.try_wait()?;
        anyhow::ensure!(ended.is_none(), "the node ended by itself: {ended:?}");
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network on which the node that is killed finds a block every now and then.
fn network() -> anyhow::Result<Network> {
    let spec = spec_by_time(child::kernel(), NonZeroUsize::MIN, OWN_BLOCK_TIME)?;
    // Blocks come many a second: they may run ahead of the clock.
    Ok(Network::new(ChainSpec { half_life_s: 86_400, ..spec })?)
}

impl Found {
    fn to_json(&self, options: &BenchKillOptions, seconds: f64) -> Value {
        let told = Hearer::ALL.map(|hearer| {
            (hearer.name().to_owned(), Value::from(self.told.get(&hearer).copied().unwrap_or(0)))
        });
        json!({
            "v": 1,
            "command": "bench kill",
            "rounds": self.rounds,
            "killed_starting": self.killed_starting,
            "caught_up": self.caught_up,
            "told": told.into_iter().collect::<serde_json::Map<_, _>>(),
            "blocks_told": self.blocks_told,
            "blocks_untold": self.blocks_untold,
            "untold_gone": self.untold_gone,
            "reorganizations": self.reorganizations,
            "lost": self.lost,
            "sync_delay_ms": options.sync_delay.as_secs_f64() * 1e3,
            "seed": options.seed,
            "seconds": (seconds * 1e3).round() / 1e3,
        })
    }

    fn to_text(&self, options: &BenchKillOptions, seconds: f64) -> String {
        let told = |hearer| self.told.get(&hearer).copied().unwrap_or(0);
        let verdict = match self.lost.as_slice() {
            [] => "nothing that was told is gone".to_owned(),
            lost => format!("lost:\n  {}", lost.join("\n  ")),
        };
        format!(
            "{} processes killed in {seconds:.0} s, {} of them before they could be asked; {} ms \
             more a sync\n{} blocks told: {} to peers, {} to a wallet, {} to whoever runs the node, \
             {} to its log; {} reorganizations\n{} blocks were on the way and told to nobody, {} of \
             them are gone\n{verdict}\n",
            self.rounds,
            self.killed_starting,
            options.sync_delay.as_millis(),
            self.blocks_told,
            told(Hearer::Peer),
            told(Hearer::Wallet),
            told(Hearer::Operator),
            told(Hearer::Log),
            self.reorganizations,
            self.blocks_untold,
            self.untold_gone,
        )
    }
}
