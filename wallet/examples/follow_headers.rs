//! What following headers costs a wallet: processor time and memory of a first and a later start.
//!
//!     cargo run --release -p lode-wallet --example follow_headers -- 100000
//!
//! A child process answers from a chain that it makes, so that its time and memory are not counted.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::chain_end::ChainEnd;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::spec::{ChainSpec, Retarget};
use client::node_client::{NodeClient, Timeouts};
use testkit::samples;
use testkit::test_node::{receive, send, serve, shake_hands};
use wallet::header_chain::{Follow, Followed, HeaderFile, OfEqualWork, Opened};
use wire::frame::Phase;
use wire::peer::{HEADERS_MAX, PeerMessage};
use wire::{ByteString, Message};

type Failed = Box<dyn Error>;

const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(60) };

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("serve") => answer(arguments.next().ok_or("how many headers?")?.parse()?),
        count => measure(count.unwrap_or("100000")),
    }
}

fn network() -> Result<Network, Failed> {
    let spec = ChainSpec {
        starting_bits: 4,
        easiest_bits: 2,
        retarget: Retarget::Asert,
        ..samples::spec()
    };
    Ok(Network::new(spec)?)
}

/// Answers questions for headers until the other side closes standard input.
fn answer(count: usize) -> Result<(), Failed> {
    let network = Arc::new(network()?);
    let headers = grown(&network, count)?;
    let hashes = headers.iter().map(Header::hash);
    let heights: HashMap<BlockHash, usize> = hashes.zip(0..).collect();
    let served = Arc::clone(&network);
    let address = serve(move |mut stream| {
        shake_hands(&mut stream, &served);
        while let Some(Message::Peer(PeerMessage::GetHeaders(locator))) =
            receive(&mut stream, Phase::Established)
        {
            let from = locator.iter().find_map(|hash| heights.get(hash)).map_or(0, |at| at + 1);
            let page = headers[from..].iter().take(HEADERS_MAX);
            let bytes = ByteString(page.flat_map(Header::to_bytes).collect());
            send(&mut stream, &Message::Peer(PeerMessage::Headers(bytes)));
        }
    });
    println!("{address}");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Genesis and `count` headers behind it, on schedule.
fn grown(network: &Network, count: usize) -> Result<Vec<Header>, Failed> {
    let mut end = ChainEnd::genesis(network);
    let mut headers = vec![network.genesis.block.header];
    for _ in 0..count {
        let mut header = Header {
            version: VERSION_BASE,
            previous: end.hash,
            merkle_root: MerkleRoot([1; 32]),
            time: network.spec.genesis_time + network.spec.spacing_s * (end.height + 1),
            bits: end.context(network).expected_bits,
            nonce: 0,
        };
        let target = header.bits.expand()?;
        while !target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        end = end.extended(&header, network)?;
        headers.push(header);
    }
    Ok(headers)
}

fn measure(count: &str) -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let mut node = Command::new(program)
        .args(["serve", count])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    let told = node.stdout.take().ok_or("no standard output")?;
    BufReader::new(told).read_line(&mut address)?;
    let place = tempfile::tempdir()?;
    for start in ["first", "later"] {
        let (began, before_s) = (Instant::now(), processor_s()?);
        let network = Arc::new(network()?);
        let Opened { mut file, mut chain, .. } =
            HeaderFile::open(&place.path().join("headers"), &network)?;
        let had = chain.tip().height;
        let mut client = NodeClient::connect(address.trim().parse()?, &network, TIMEOUTS)?;
        while chain.follow(&mut client, Follow::now(OfEqualWork::Take))? == Followed::Partly {}
        file.keep(&mut chain)?;
        println!(
            "{start} start: {had} headers on disk, {} read; {:.3} s of processor time, {:.3} s in \
             all, {} MB at most",
            chain.tip().height - had,
            processor_s()? - before_s,
            began.elapsed().as_secs_f64(),
            memory_mb()?,
        );
    }
    drop(node.stdin.take());
    node.wait()?;
    Ok(())
}

/// Processor time of this process's only thread, as Linux counts it.
fn processor_s() -> Result<f64, Failed> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns: u64 = text.split_whitespace().next().ok_or("an empty schedstat")?.parse()?;
    Ok(Duration::from_nanos(ns).as_secs_f64())
}

/// The most memory that this process has had, in megabytes.
fn memory_mb() -> Result<u64, Failed> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib / 1000)
}
