//! `lode bench cancel --node`: from a peer's block on the socket to the first hash on top of it.
//!
//! A chain of empty blocks is mined beforehand. Then a real node mines on all threads, and gets one
//! block after the other from a socket on loopback, each while it searches on the one before. At
//! the end of the chain, or when the node has found a block of its own, a new node begins again.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use chain::genesis::Network;
use chain::hash::BlockHash;
use engine::{Kernel, Miner};
use indicatif::ProgressBar;
use machine::MachineConfig;
use machine::mining::MiningPolicy;
use serde_json::{Value, json};
use server::runtime::{
    FORWARDED_MAX, Forwarded, MiningConfig, Node, NodeConfig, PanicPolicy, StorePlace,
};

use super::super::chain_builder::{ChainBuilder, PAYOUT, announcement, solve_with, spec_by_time};
use super::super::fake_peer::FakePeer;
use super::super::processor_wait::ProcessorWait;
use super::super::spread::Spread;
use super::super::{exit_of, progress, slow_store, unless_interrupted};
use super::beside::{Beside, GoingOn};
use super::rounds;
use super::watch::Watch;
use crate::options::BenchCancelOptions;
use command::interrupt::Interrupt;
use command::print;
use show::exit::Exit;

/// Blocks unless told otherwise: twenty lie beyond the p99.
const BLOCKS: u32 = 2000;

/// Blocks that one node gets: few, as each is mined beforehand and all nodes get the same.
const CHAIN_BLOCKS: u32 = 64;

/// The node would need at least this long for a block of its own: the longer a block is on its way,
/// the likelier it is left out, and with it a figure that counts.
const OWN_BLOCK_TIME: Duration = Duration::from_millis(200);

/// And so many syncs more, as it may search on while a block is on its way to the disk.
const OWN_BLOCK_SYNCS: u32 = 40;

/// How long the node searches on a block before the next one comes.
const SEARCH_TIME: Duration = Duration::from_millis(1);

/// Longest wait for the node to do what it should do in a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// A block is undisturbed when the node's threads were kept from a processor no longer than this
/// meanwhile: about what waking them one after the other takes on a quiet computer.
const UNDISTURBED_WAIT_MAX: Duration = Duration::from_micros(100);

/// One block in so many may be left out, or what is left is no fair sample.
const LEFT_OUT_PART_MAX: usize = 20;

/// So many may be left out of however few.
const LEFT_OUT_MIN: usize = 3;

/// What the blocks have shown.
#[derive(Default)]
pub(super) struct Found {
    /// From the first byte of a block to the first hash on top of it.
    pub to_hash: Vec<Duration>,
    /// The first part of it: to the last worker idle.
    pub to_idle: Vec<Duration>,
    /// The second part.
    idle_to_hash: Vec<Duration>,
    /// How long the node's threads were kept from a processor meanwhile; empty where the system
    /// does not tell.
    waited: Vec<Duration>,
    /// Those of `to_hash` that nobody disturbed.
    undisturbed: Vec<Duration>,
    wasted_hashes_max: u64,
    /// Blocks sent.
    sent: u32,
    /// Nodes that were started.
    nodes: u32,
}

/// Everything that is the same for all nodes.
pub(super) struct Plan<'a> {
    pub options: &'a BenchCancelOptions,
    mining: MiningConfig,
    network: Arc<Network>,
    /// Hashes and frames of the blocks, the first on genesis.
    frames: Vec<(BlockHash, Vec<u8>)>,
    pub blocks: u32,
    patience: Duration,
    interrupt: Interrupt,
}

pub(super) fn run(
    options: &BenchCancelOptions,
    threads: NonZeroUsize,
    kernel: Kernel,
) -> anyhow::Result<Exit> {
    let blocks = options.count.unwrap_or(BLOCKS);
    let own_block_time = OWN_BLOCK_TIME + OWN_BLOCK_SYNCS * options.sync_delay;
    let network = Arc::new(Network::new(spec_by_time(kernel, threads, own_block_time)?)?);
    let mut plan = Plan {
        options,
        mining: MiningConfig { threads, kernel },
        network,
        frames: Vec::new(),
        blocks,
        patience: PATIENCE + OWN_BLOCK_SYNCS * options.sync_delay,
        interrupt: Interrupt::listen()?,
    };
    exit_of(plan.run())
}

impl Plan<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        self.mine_beforehand()?;
        let bar = progress(self.blocks, "block");
        let (found, rounds) = match self.options.clients {
            None => (self.measure_all(self.blocks, None, &bar)?, None),
            Some(clients) => {
                let (found, rounds) = rounds::run(self, clients, &bar)?;
                (found, Some(rounds))
            }
        };
        bar.finish_and_clear();
        let max = (found.sent as usize / LEFT_OUT_PART_MAX).max(LEFT_OUT_MIN);
        anyhow::ensure!(
            found.left_out() <= max,
            "{} of {} blocks had to be left out, more than {max}: the node found blocks of its own \
             while they were on the way; the computer is too busy",
            found.left_out(),
            found.sent,
        );
        print(&if self.options.json {
            let mut value = self.to_json(&found);
            value["clients"] = self.options.clients.into();
            value["beside"] = rounds.map(|rounds| rounds.to_json()).into();
            format!("{value}\n")
        } else {
            self.to_text(&found) + &rounds.map_or(String::new(), |rounds| rounds.to_text())
        })?;
        Ok(())
    }

    /// Sends `blocks` to one node after the other, with `beside` going on at each.
    pub(super) fn measure_all(
        &self,
        blocks: u32,
        beside: Option<&Beside>,
        bar: &ProgressBar,
    ) -> anyhow::Result<Found> {
        let mut found = Found::default();
        while found.sent < blocks {
            let home =
                slow_store::make(self.options.store, self.options.sync_delay, &self.network)?;
            let (desk, asked) = sync_channel(FORWARDED_MAX);
            let node = self.start(home.store, beside.map(|_| desk))?;
            found.nodes += 1;
            let going_on = beside.map(|beside| beside.begin(&node, &self.network, asked));
            let measured = self.measure(&node, blocks, &mut found, bar);
            let going_on = going_on.map(|going_on| going_on.map(GoingOn::end));
            node.stop()?;
            drop(home.directory);
            measured?;
            going_on.transpose()?;
        }
        Ok(found)
    }

    /// On all cores, and with no regard for others.
    fn mine_beforehand(&mut self) -> anyhow::Result<()> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let miner = Miner::new(cores, self.mining.kernel)?;
        let length = self.blocks.min(CHAIN_BLOCKS);
        let bar = progress(length, "mined beforehand:");
        let mut builder = ChainBuilder::new(&self.network);
        for _ in 0..length {
            unless_interrupted(&self.interrupt)?;
            let block = builder.extend(Vec::new(), |header| solve_with(&miner, header))?;
            self.frames.push((block.header.hash(), announcement(&block)));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn start(
        &self,
        store: StorePlace,
        operator: Option<SyncSender<Forwarded>>,
    ) -> anyhow::Result<Node> {
        let policy = MiningPolicy { min_txs: 0, max_wait: None, payout: PAYOUT };
        let machine =
            MachineConfig { mining: Some(policy), ..MachineConfig::new("bench", [1; 32]) };
        let listen = ([127, 0, 0, 1], 0).into();
        Ok(Node::start(NodeConfig {
            mining: Some(self.mining),
            on_panic: PanicPolicy::Surface,
            operator,
            ..NodeConfig::new(machine, Arc::clone(&self.network), store, listen)
        })?)
    }

    /// Sends one node the chain, or as much of it as is left to send, until it goes its own way.
    fn measure(
        &self,
        node: &Node,
        blocks: u32,
        found: &mut Found,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let genesis = self.network.genesis_hash();
        let mut watch = Watch::new(node, genesis, self.patience, SEARCH_TIME)?;
        let mut peer = FakePeer::connect(node.address, &self.network, self.patience)?;
        let processors = ProcessorWait::of_nodes();
        let left = (blocks - found.sent) as usize;
        // The block that the node searches on.
        let mut last: Option<Sent> = None;
        for block in self.frames.iter().take(left).map(Some).chain([None]) {
            unless_interrupted(&self.interrupt)?;
            let goes_on = watch.searches_a_moment()?;
            if let Some(sent) = &mut last {
                sent.waited = sent.waited.zip(processors.so_far()).map(|(from, to)| to - from);
            }
            if !goes_on {
                found.sample(last, watch.first_hash);
                return Ok(());
            }
            let waited = processors.so_far();
            let hashes = node.hash_rate().unwrap_or_default().hashes;
            let at = Instant::now();
            match block {
                Some((_, frame)) => peer.send(frame)?,
                None => node.mine_up_to(0),
            }
            let ended = watch.ends(at)?;
            found.sample(last.take(), watch.first_hash);
            let Some((hash, _)) = block else { return Ok(()) };
            found.sent += 1;
            bar.inc(1);
            let Some(search) = ended else { return Ok(()) };
            let wasted = search.hashes.saturating_sub(hashes);
            found.wasted_hashes_max = found.wasted_hashes_max.max(wasted);
            last = search.idle.map(|idle| Sent { at, idle, waited });
            watch.turns_to(*hash);
        }
        Ok(())
    }

    fn to_json(&self, found: &Found) -> Value {
        let mut to_hash = with_count(&found.to_hash);
        to_hash["left_out"] = found.left_out().into();
        let known = !found.waited.is_empty();
        let waited = known.then(|| Spread::of(&found.waited).to_json());
        let undisturbed = known.then(|| with_count(&found.undisturbed));
        json!({
            "v": 1,
            "command": "bench cancel",
            "node": true,
            "block_to_hash_us": to_hash,
            "block_to_idle_us": Spread::of(&found.to_idle).to_json(),
            "idle_to_hash_us": Spread::of(&found.idle_to_hash).to_json(),
            "processor_wait_us": waited,
            "undisturbed_us": undisturbed,
            "blocks": found.sent,
            "lost": found.left_out(),
            "nodes": found.nodes,
            "wasted_hashes_max": found.wasted_hashes_max,
            "store": self.options.store.name(),
            "sync_delay_ms": self.options.sync_delay.as_secs_f64() * 1e3,
            "threads": self.mining.threads.get(),
            "kernel": self.mining.kernel.name(),
        })
    }

    fn to_text(&self, found: &Found) -> String {
        let mut text = Spread::heading()
            + &Spread::of(&found.to_hash).row("from a block on the socket to the next hash")
            + &Spread::of(&found.to_idle).row("  of it, until the last worker is idle")
            + &Spread::of(&found.idle_to_hash).row("  and from there to the first hash");
        if !found.waited.is_empty() {
            text += &Spread::of(&found.waited).row("  meanwhile threads kept from a processor");
            let of = format!("the {} blocks nobody disturbed so", found.undisturbed.len());
            text += &Spread::of(&found.undisturbed).row(&of);
        }
        text + &format!(
            "{} blocks ({} left out: the node found its own while they were on the way), {} \
             threads, {}; at most {} hashes wasted.\nStore: {}, {} ms more a sync.\n",
            found.to_hash.len(),
            found.left_out(),
            self.mining.threads,
            self.mining.kernel.name(),
            found.wasted_hashes_max,
            self.options.store.name(),
            self.options.sync_delay.as_millis(),
        )
    }
}

/// A spread, and of how many.
fn with_count(times: &[Duration]) -> Value {
    let mut spread = Spread::of(times).to_json();
    spread["n"] = times.len().into();
    spread
}

/// A block that the node has turned to.
struct Sent {
    /// Just before its first byte.
    at: Instant,
    /// When the last worker had given up the search before.
    idle: Instant,
    /// How long the node's threads had waited for a processor at `at`; later, how long since.
    waited: Option<Duration>,
}

impl Found {
    /// Takes in what another round has shown.
    pub(super) fn add(&mut self, other: Self) {
        self.to_hash.extend(other.to_hash);
        self.to_idle.extend(other.to_idle);
        self.idle_to_hash.extend(other.idle_to_hash);
        self.waited.extend(other.waited);
        self.undisturbed.extend(other.undisturbed);
        self.wasted_hashes_max = self.wasted_hashes_max.max(other.wasted_hashes_max);
        self.sent += other.sent;
        self.nodes += other.nodes;
    }

    /// Takes in a block on which the node began to search at `first_hash`.
    fn sample(&mut self, block: Option<Sent>, first_hash: Option<Instant>) {
        if let (Some(Sent { at, idle, waited }), Some(first_hash)) = (block, first_hash) {
            self.to_hash.push(first_hash.saturating_duration_since(at));
            self.to_idle.push(idle.saturating_duration_since(at));
            self.idle_to_hash.push(first_hash.saturating_duration_since(idle));
            self.waited.extend(waited);
            if waited.is_some_and(|waited| waited <= UNDISTURBED_WAIT_MAX) {
                self.undisturbed.push(first_hash.saturating_duration_since(at));
            }
        }
    }

    /// Blocks without a sample.
    fn left_out(&self) -> usize {
        (self.sent as usize).saturating_sub(self.to_hash.len())
    }
}
