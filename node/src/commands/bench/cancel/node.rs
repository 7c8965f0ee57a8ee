//! `lode bench cancel --node`: from a peer's block on the socket to the first hash on top of it.
//!
//! A chain of empty blocks is mined beforehand. Then a real node with its store in memory mines on
//! all threads, and gets one block after the other from a socket on loopback, each while it
//! searches on the one before. Where it finds a block of its own first, that sample is left out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use chain::amount::Amount;
use chain::block::Block;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::subsidy::subsidy;
use chain::transaction::{Coinbase, Output, Transaction};
use engine::{Cancel, Job, Kernel, Miner, Outcome, Target};
use serde_json::json;
use wire::frame::FRAME_HEADER_BYTES;
use wire::hello::{Greeting, NetworkIdentity, Role};
use wire::peer::{CompactBlock, PeerMessage};
use wire::{ByteString, Message};

use super::super::progress;
use super::super::spread::Spread;
use super::yielding_miner;
use crate::cli::BenchCancelOptions;
use crate::commands::{Exit, print};
use machine::MachineConfig;
use machine::mining::MiningPolicy;
use server::runtime::{
    MiningConfig, Node, NodeConfig, PanicPolicy, SearchStatistics, StartError, StorePlace,
};

/// Blocks unless told otherwise: a p99 needs some hundreds.
const BLOCKS: u32 = 300;

/// The node would need at least this long for a block of its own: twenty times as long as a sample.
const OWN_BLOCK_TIME: Duration = Duration::from_millis(50);

/// How long the node searches on a block before the next one comes.
const SEARCH_TIME: Duration = Duration::from_millis(1);

/// Longest wait for the node to do what it should do in a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is paid by all blocks; nobody spends it.
const PAYOUT: OutputKey = OutputKey([1; 32]);

/// What the blocks have shown.
#[derive(Default)]
struct Found {
    /// From the last byte of a block to the first hash on top of it.
    start: Vec<Duration>,
    wasted_hashes_max: u64,
    /// Samples that are left out.
    lost: u32,
}

pub(super) fn run(
    options: &BenchCancelOptions,
    threads: NonZeroUsize,
    kernel: Kernel,
) -> anyhow::Result<Exit> {
    let blocks = options.count.unwrap_or(BLOCKS);
    let network = Arc::new(network(kernel, threads)?);
    let frames = chain_of(blocks, &network, &yielding_miner(threads, kernel)?)?;
    let node = start(&network, threads, kernel)?;
    let found = measure(&node, &network, &frames);
    node.stop()?;
    let found = found?;
    let start = Spread::of(&found.start);
    let samples = found.start.len();
    let text = if options.json {
        let result = json!({
            "v": 1,
            "command": "bench cancel",
            "node": true,
            "block_to_hash_us": start.to_json(),
            "blocks": blocks,
            "lost": found.lost,
            "wasted_hashes_max": found.wasted_hashes_max,
            "threads": threads.get(),
            "kernel": kernel.name(),
        });
        format!("{result}\n")
    } else {
        Spread::heading()
            + &start.row("from a block on the socket to the next hash")
            + &format!(
                "{samples} blocks ({} left out), {threads} threads, {}; at most {} hashes wasted.\n",
                found.lost,
                kernel.name(),
                found.wasted_hashes_max,
            )
    };
    print(&text).map(|()| Exit::Ok)
}

/// A network whose blocks take these threads [`OWN_BLOCK_TIME`] to find, or up to twice that.
fn network(kernel: Kernel, threads: NonZeroUsize) -> anyhow::Result<Network> {
    let trial = Kernel::trials().iter().find(|trial| trial.kernel == kernel);
    let rate = trial.and_then(|trial| trial.rate.as_ref().ok()).copied().unwrap_or(1_000_000);
    let hashes = rate as f64 * threads.get() as f64 * OWN_BLOCK_TIME.as_secs_f64();
    let bits = (8..64).find(|bits| 2_f64.powi(*bits) >= hashes).unwrap_or(64);
    let bits = u32::try_from(bits)?;
    Ok(Network::new(ChainSpec {
        coin_name: "Bench".to_owned(),
        coin_symbol: "BENCH".to_owned(),
        address_prefix: "bench".to_owned(),
        starting_bits: bits,
        easiest_bits: bits,
        spacing_s: 5,
        retarget: Retarget::Fixed,
        half_life_s: 600,
        subsidy: Amount::from_coins(50).unwrap_or(Amount::ZERO),
        halving_interval: 1_000_000,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations: vec![Allocation { key: PAYOUT, amount: Amount(1) }],
    })?)
}

/// Hashes and frames of empty blocks, the first on genesis.
fn chain_of(
    blocks: u32,
    network: &Network,
    miner: &Miner,
) -> anyhow::Result<Vec<(BlockHash, Vec<u8>)>> {
    let bar = progress(blocks, "mined beforehand:");
    let mut frames = Vec::new();
    let mut previous = network.genesis_hash();
    for height in 1..=blocks {
        let (header, coinbase) = mined(network, previous, height, miner)?;
        previous = header.hash();
        let compact = CompactBlock {
            header: ByteString(header.to_bytes().to_vec()),
            salt: 0,
            coinbase: ByteString(coinbase.encode()),
            short_ids: ByteString(Vec::new()),
        };
        let message = Message::Peer(PeerMessage::CompactBlock(compact));
        frames.push((previous, message.to_frame().to_bytes()));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(frames)
}

fn mined(
    network: &Network,
    previous: BlockHash,
    height: u32,
    miner: &Miner,
) -> anyhow::Result<(Header, Transaction)> {
    let output = Output { amount: subsidy(&network.spec, height), key: PAYOUT };
    let coinbase =
        Transaction::Coinbase(Coinbase { height, extra: [0; 32], outputs: vec![output] });
    let target = network.spec.starting_target();
    let header = Header {
        version: VERSION_BASE,
        previous,
        merkle_root: MerkleRoot::ZERO,
        time: network.spec.genesis_time + height,
        bits: target.to_compact(),
        nonce: 0,
    };
    let mut block = Block { header, transactions: vec![coinbase.clone()] };
    block.header.merkle_root =
        block.merkle_root().ok_or_else(|| anyhow::anyhow!("a block without transactions"))?;
    let target = Target::from_le_bytes(target.to_le_bytes());
    let job = Job::rolling(&block.header.to_bytes(), target, 0);
    let job = job.ok_or_else(|| anyhow::anyhow!("a header without versions to roll"))?;
    match miner.search(&job, &Cancel::new()) {
        Outcome::Found(solution) => Ok((Header::from_bytes(&solution.header), coinbase)),
        _ => anyhow::bail!("a header without a solution, one in many millions: try again"),
    }
}

fn start(
    network: &Arc<Network>,
    threads: NonZeroUsize,
    kernel: Kernel,
) -> Result<Node, StartError> {
    let policy = MiningPolicy { min_txs: 0, max_wait: None, payout: PAYOUT };
    let machine = MachineConfig { mining: Some(policy), ..MachineConfig::new("bench", [1; 32]) };
    let listen = ([127, 0, 0, 1], 0).into();
    Node::start(NodeConfig {
        mining: Some(MiningConfig { threads, kernel }),
        on_panic: PanicPolicy::Surface,
        ..NodeConfig::new(machine, Arc::clone(network), StorePlace::Memory, listen)
    })
}

/// Sends the blocks, each once the node has searched a moment on the one before.
fn measure(
    node: &Node,
    network: &Network,
    frames: &[(BlockHash, Vec<u8>)],
) -> anyhow::Result<Found> {
    let searches =
        node.watch_searches().ok_or_else(|| anyhow::anyhow!("the node does not mine"))?;
    let mut peer = connect(node, network)?;
    let mut found = Found::default();
    let bar = progress(u32::try_from(frames.len())?, "block");
    let mut tip = network.genesis_hash();
    // When the block came on which the node searches now; `None` when that is not known.
    let mut arrived: Option<Instant> = None;
    let mut follows = true;
    for (hash, frame) in frames {
        let hashes = node.hash_rate().unwrap_or_default().hashes;
        await_hashes(node, hashes)?;
        // Just before the write: the last byte is on the socket somewhat later.
        let sent = Instant::now();
        let hashes = node.hash_rate().unwrap_or_default().hashes;
        peer.write_all(frame)?;
        match ended(&searches, tip, sent, follows)? {
            Ended::OnTip(search) => {
                let wasted = search.hashes.saturating_sub(hashes);
                found.wasted_hashes_max = found.wasted_hashes_max.max(wasted);
                found.start.extend(arrived.zip(search.first_hash).map(|(at, first)| first - at));
                (arrived, follows) = (Some(sent), true);
            }
            end => {
                found.lost += 1;
                (arrived, follows) = (None, end == Ended::Elsewhere);
            }
        }
        tip = *hash;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(found)
}

/// Waits until the node hashes, and then a moment longer.
fn await_hashes(node: &Node, since: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while node.hash_rate().unwrap_or_default().hashes == since {
        anyhow::ensure!(Instant::now() < deadline, "the node does not mine; please report this");
        thread::sleep(SEARCH_TIME / 10);
    }
    thread::sleep(SEARCH_TIME);
    Ok(())
}

/// What a block did to the node's search.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// It ended the search on the block before.
    OnTip(SearchStatistics),
    /// It ended another search: the node had been ahead and comes back to our chain.
    Elsewhere,
    /// Nothing: the node has found blocks of its own, as good as ours or better.
    Nothing,
}

/// What the block did that was sent at `sent`, behind `tip`. A node that `follows` our chain must
/// react; one that is ahead of it with its own blocks may not.
fn ended(
    searches: &Receiver<SearchStatistics>,
    tip: BlockHash,
    sent: Instant,
    follows: bool,
) -> anyhow::Result<Ended> {
    let mut first_hash = None;
    loop {
        let search = match searches.recv_timeout(if follows { PATIENCE } else { SEARCH_TIME * 20 })
        {
            Ok(search) => search,
            Err(_) if !follows => return Ok(Ended::Nothing),
            Err(_) => anyhow::bail!("the node does not react to a block; please report this"),
        };
        if search.found {
            return Ok(Ended::Nothing);
        }
        if search.previous == tip {
            // A template on the same tip may have been refreshed meanwhile: the first one counts.
            first_hash = first_hash.or(search.first_hash);
        }
        if search.idle.is_some_and(|idle| idle >= sent) {
            let on_tip = Ended::OnTip(SearchStatistics { first_hash, ..search });
            return Ok(if search.previous == tip { on_tip } else { Ended::Elsewhere });
        }
    }
}

/// A peer that says hello and never listens.
fn connect(node: &Node, network: &Network) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(node.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let greeting = Greeting {
        network: Some(NetworkIdentity::of(network)),
        role: Role::Peer,
        nonce: 1,
        name: "peer".to_owned(),
        listen_port: 1,
    };
    let hello = Message::Hello(Box::new(greeting.hello(0, 0)));
    stream.write_all(&hello.to_frame().to_bytes())?;
    // Their hello begins to arrive: the handshake is done.
    stream.read_exact(&mut [0; FRAME_HEADER_BYTES])?;
    let mut rest = stream.try_clone()?;
    rest.set_read_timeout(None)?;
    thread::spawn(move || {
        let mut thrown_away = [0; 4096];
        while rest.read(&mut thrown_away).is_ok_and(|read| read > 0) {}
    });
    Ok(stream)
}
