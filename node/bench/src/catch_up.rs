//! `lode bench catch-up`: how long an empty node takes to get and check a chain over a real socket.
//!
//! The chain is made beforehand, straight into the store of the node that serves it. Beside the
//! time stand two others of the same chain: its signatures alone, and a replay as `lode verify`
//! does it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chain::block::CommittedBlock;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::key::SignatureCheck;
use chain::rules::block::{ConnectError, connect};
use machine::replay::{BlockIndex, replay};
use machine::store::{DIRTY_COINS_MAX, Store};
use machine::{MachineConfig, Report, Verifier};
use serde_json::json;
use server::runtime::{Node, NodeConfig, PanicPolicy, RayonVerifier, StorePlace};
use tokio::sync::broadcast::error::TryRecvError;

use super::chain_builder::{ChainBuilder, Coins, solve_at_once, spec};
use super::{exit_of, progress, slow_store, unless_interrupted};
use crate::options::BenchCatchUpOptions;
use command::failure::UsageError;
use command::interrupt::Interrupt;
use command::print;
use show::exit::Exit;

/// Most transfers of a chain: it is made and served in memory, some 300 bytes each.
const TRANSFERS_MAX: u64 = 1_000_000;

/// The easiest there is: the chain is not about its work.
const BITS: u32 = 1;

/// Longest wait for one more block.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often one looks whether a block has come.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// Signatures between two looks at Ctrl-C.
const SIGNATURES_AT_ONCE: usize = 256;

/// A chain, and what its blocks demand.
struct Made {
    store: Store,
    tip: BlockHash,
    checks: Vec<SignatureCheck>,
}

pub(super) fn run(options: &BenchCatchUpOptions) -> anyhow::Result<Exit> {
    if u64::from(options.blocks) * u64::from(options.txs) > TRANSFERS_MAX {
        let advice =
            format!("--blocks times --txs may be {TRANSFERS_MAX} at most\nmake either less");
        return Err(UsageError(advice).into());
    }
    let interrupt = Interrupt::listen()?;
    exit_of(measure(options, &interrupt))
}

fn measure(options: &BenchCatchUpOptions, interrupt: &Interrupt) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (owners, mut allocations) = Coins::owners(options.txs)?;
    if allocations.is_empty() {
        allocations = Coins::owners(1)?.1;
    }
    let network = Arc::new(Network::new(spec(BITS, allocations))?);
    let coins = Coins::of_genesis(owners, &network);
    let Made { store, tip, checks } = make(options.blocks, coins, &network, interrupt)?;
    let bare_s = verify_bare(&checks, interrupt)?;
    let verify_s = verify(&store, tip, &network, cores, interrupt)?;
    let signatures = checks.len();
    drop(checks);
    let seconds = catch_up(options, &network, store, tip, interrupt)?;
    let ratio = (signatures > 0).then(|| seconds / (bare_s / cores.get() as f64));
    if options.json {
        let millionth = |number: f64| (number * 1e6).round() / 1e6;
        let result = json!({
            "v": 1,
            "command": "bench catch-up",
            "seconds": millionth(seconds),
            "signatures": signatures,
            "bare_signature_seconds": millionth(bare_s),
            "cores": cores.get(),
            "ratio": ratio.map(millionth),
            "verify_seconds": millionth(verify_s),
            "blocks": options.blocks,
            "txs": options.txs,
            "store": options.store.name(),
            "sync_delay_ms": options.sync_delay.as_secs_f64() * 1e3,
        });
        return Ok(print(&format!("{result}\n"))?);
    }
    let ratio = ratio.map_or(String::new(), |ratio| {
        format!("{ratio:.2} times what {cores} cores need for the bare signatures\n")
    });
    Ok(print(&format!(
        "{seconds:>9.2} s to catch up with {} blocks of {} transfers, store: {}, {} ms more a sync\n\
         {bare_s:>9.2} s for the {signatures} signatures alone, on one thread\n\
         {verify_s:>9.2} s for a replay as `lode verify` does it, on {cores} threads\n{ratio}",
        options.blocks,
        options.txs,
        options.store.name(),
        options.sync_delay.as_millis(),
    ))?)
}

/// The chain in a store in memory, connected to its end.
fn make(
    blocks: u32,
    mut coins: Coins,
    network: &Network,
    interrupt: &Interrupt,
) -> anyhow::Result<Made> {
    let mut store = Store::in_memory(network)?;
    let mut builder = ChainBuilder::new(network);
    let mut checks = Vec::new();
    let bar = progress(blocks, "made beforehand:");
    for height in 1..=blocks {
        unless_interrupted(interrupt)?;
        let block = builder.extend(coins.move_all(network), solve_at_once)?;
        let block = CommittedBlock::decode(block.header, &block.encode_body())?;
        let connected = connect(&block, height, network, |point| store.coin(point));
        let mut connection = connected.map_err(|error| match error {
            ConnectError::Lookup(error) => anyhow::Error::from(error),
            ConnectError::Invalid(invalid) => anyhow::anyhow!("block {height}: {invalid}"),
        })?;
        checks.append(&mut connection.checks);
        store.append_block(&block)?;
        store.sync()?;
        store.connect(&block, height, &connection)?;
        if store.dirty_coins() >= DIRTY_COINS_MAX {
            store.flush()?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    store.flush()?;
    let tip = store.position();
    Ok(Made { store, tip, checks })
}

/// Seconds for the signatures, one after the other.
fn verify_bare(checks: &[SignatureCheck], interrupt: &Interrupt) -> anyhow::Result<f64> {
    let bar = progress(u32::try_from(checks.len())?, "signatures alone:");
    let started = Instant::now();
    for checks in checks.chunks(SIGNATURES_AT_ONCE) {
        unless_interrupted(interrupt)?;
        anyhow::ensure!(checks.iter().all(SignatureCheck::is_valid), "a signature does not hold");
        bar.inc(checks.len() as u64);
    }
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    Ok(seconds)
}

/// Seconds of a replay, as `lode verify` does it.
fn verify(
    store: &Store,
    tip: BlockHash,
    network: &Network,
    threads: NonZeroUsize,
    interrupt: &Interrupt,
) -> anyhow::Result<f64> {
    let verifier = UntilInterrupted { inner: RayonVerifier::new(threads)?, interrupt };
    let bar = progress(u32::try_from(store.blocks().count())?, "replayed:");
    let started = Instant::now();
    let path = BlockIndex::new(store).path_to(tip);
    let replayed = replay(store, network, &verifier, &path, |_, _| bar.inc(1));
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    unless_interrupted(interrupt)?;
    replayed?;
    Ok(seconds)
}

/// Ends a replay after Ctrl-C at the next signature.
struct UntilInterrupted<'a> {
    inner: RayonVerifier,
    interrupt: &'a Interrupt,
}

impl Verifier for UntilInterrupted<'_> {
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize> {
        if self.interrupt.came() && !checks.is_empty() {
            return Some(0);
        }
        self.inner.first_invalid(checks)
    }
}

/// Seconds from the start of an empty node until it has the chain of another one.
fn catch_up(
    options: &BenchCatchUpOptions,
    network: &Arc<Network>,
    store: Store,
    tip: BlockHash,
    interrupt: &Interrupt,
) -> anyhow::Result<f64> {
    let home = slow_store::make(options.store, options.sync_delay, network)?;
    let full = StorePlace::Opened(Box::new(store));
    let serving = Node::start(config(network, 1, full))?;
    let mut empty = config(network, 2, home.store);
    empty.machine.peers = vec![serving.address];
    let started = Instant::now();
    let mut node = Node::start(empty)?;
    follow(&mut node, options.blocks, interrupt)?;
    let seconds = started.elapsed().as_secs_f64();
    let arrived = node.handle.ask_blocking(|machine| machine.tip().hash)?;
    anyhow::ensure!(arrived == tip, "the node stands at another block: {arrived}");
    node.stop()?;
    serving.stop()?;
    drop(home.directory);
    Ok(seconds)
}

/// Returns when the node has connected block `last`.
fn follow(node: &mut Node, last: u32, interrupt: &Interrupt) -> anyhow::Result<()> {
    let bar = progress(last, "caught up:");
    let mut height = 0;
    let mut moved = Instant::now();
    while height < last {
        unless_interrupted(interrupt)?;
        match node.reports.try_recv().map(|numbered| numbered.report) {
            Ok(Report::BlockConnected { height: connected, .. }) => {
                height = connected;
                moved = Instant::now();
                bar.set_position(u64::from(height));
            }
            // Whoever was too slow hears of the later blocks.
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Closed) => anyhow::bail!("the node ended at block {height}"),
            Err(TryRecvError::Empty) => {
                anyhow::ensure!(
                    moved.elapsed() < PATIENCE,
                    "waited {} s in vain for the node to connect block {} of {last}",
                    PATIENCE.as_secs(),
                    height + 1,
                );
                thread::sleep(LOOK_INTERVAL);
            }
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn config(network: &Arc<Network>, number: u8, store: StorePlace) -> NodeConfig {
    let machine = MachineConfig::new(format!("bench{number}"), [number; 32]);
    let listen = ([127, 0, 0, 1], 0).into();
    let node = NodeConfig::new(machine, Arc::clone(network), store, listen);
    NodeConfig { on_panic: PanicPolicy::Surface, ..node }
}
