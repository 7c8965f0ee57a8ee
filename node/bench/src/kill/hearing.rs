//! Everybody who hears what a node tells: other nodes, a wallet, whoever runs it and reads its log.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use client::node_client::{ClientError, NodeClient, Timeouts};
use client::operator_client::OperatorClient;
use serde_json::Value;
use server::operator::pass::Pass;
use wire::operator::Question;
use wire::peer::PeerMessage;
use wire::{ByteString, Message};

use super::super::chain_builder::PAYOUT;
use super::super::fake_peer::FakePeer;
use super::told::{Hearer, Told};

/// Blocks of one answer to whoever runs the node.
const CHAIN_COUNT: u32 = 8;

/// Pause between two rounds of questions: the node shall also do something else.
const PAUSE: Duration = Duration::from_millis(2);

/// Longest wait for a node that lives.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

const TIMEOUTS: Timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };

/// Reads the log to its end; the address goes to `ready`.
pub(super) fn log(out: ChildStdout, told: Told, ready: SyncSender<SocketAddr>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            // The last line may be torn.
            let value: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = value["address"].as_str().and_then(|text| text.parse().ok()) {
                let _ = ready.try_send(address);
            }
            for (field, is_tip) in [("block", false), ("left", false), ("tip", true)] {
                let Some(hash) = hash_in(&value[field]) else { continue };
                if is_tip {
                    told.tip(Hearer::Log, hash);
                } else {
                    told.block(Hearer::Log, hash);
                }
            }
            told.notes().reorganizations += u32::from(!value["left"].is_null());
        }
    })
}

/// Another node, which asks for every block that it hears of, and gives those in `stock`.
pub(super) fn peer(
    address: SocketAddr,
    network: &Arc<Network>,
    told: &Told,
    stock: BTreeMap<BlockHash, Vec<u8>>,
) -> anyhow::Result<(FakePeer, JoinHandle<()>)> {
    let (told, genesis) = (told.clone(), network.genesis_hash());
    FakePeer::hearing(address, network, PATIENCE, move |message| {
        let answers = match message {
            Message::Ping(number) => return vec![Message::Pong(number)],
            Message::Hello(hello) => {
                let mut notes = told.notes();
                notes.height = notes.height.max(hello.height);
                vec![PeerMessage::GetHeaders(vec![genesis])]
            }
            Message::Peer(PeerMessage::GetHeaders(_)) => {
                vec![PeerMessage::Headers(ByteString(Vec::new()))]
            }
            Message::Peer(PeerMessage::GetBlocks(hashes)) => {
                let block = |hash| stock.get(hash).cloned().map(ByteString).map(PeerMessage::Block);
                hashes.iter().filter_map(block).collect()
            }
            Message::Peer(message) => hear(&told, &message).into_iter().collect(),
            _ => Vec::new(),
        };
        answers.into_iter().map(Message::Peer).collect()
    })
}

/// Notes what another node is told; returns what it asks then.
fn hear(told: &Told, message: &PeerMessage) -> Option<PeerMessage> {
    match message {
        PeerMessage::CompactBlock(compact) => {
            let header = Header::from_bytes(compact.header.0.first_chunk::<HEADER_BYTES>()?);
            told.tip(Hearer::Peer, header.hash());
            Some(PeerMessage::GetBlocks(vec![header.hash(), header.previous]))
        }
        PeerMessage::Headers(headers) => {
            let (headers, _) = headers.0.as_chunks::<HEADER_BYTES>();
            for header in headers {
                told.block(Hearer::Peer, Header::from_bytes(header).hash());
            }
            told.tip(Hearer::Peer, Header::from_bytes(headers.last()?).hash());
            None
        }
        PeerMessage::Block(bytes) => {
            let header = Header::from_bytes(bytes.0.first_chunk::<HEADER_BYTES>()?);
            told.block(Hearer::Peer, header.hash());
            None
        }
        _ => None,
    }
}

/// A wallet, which asks for the tip and its history until the node is gone. `since` is a height
/// that was told before the node was killed the last time.
pub(super) fn wallet(
    address: SocketAddr,
    network: &Arc<Network>,
    told: &Told,
    since: u32,
) -> JoinHandle<()> {
    let (network, told) = (Arc::clone(network), told.clone());
    thread::spawn(move || {
        let ask = || -> Result<(), ClientError> {
            let mut client = NodeClient::connect(address, &network, TIMEOUTS)?;
            loop {
                let tip = client.tip()?;
                told.tip(Hearer::Wallet, tip.tip);
                told.notes().caught_up |= tip.height >= since;
                if let Some(history) = client.history(PAYOUT)? {
                    told.tip(Hearer::Wallet, history.tip.hash);
                    history
                        .entries
                        .iter()
                        .for_each(|entry| told.block(Hearer::Wallet, entry.block));
                }
                thread::sleep(PAUSE);
            }
        };
        // It ends with the node.
        let _ = ask();
    })
}

/// Whoever runs the node, with the pass in its directory.
pub(super) fn operator(
    address: SocketAddr,
    directory: &Path,
    network: &Arc<Network>,
    told: &Told,
) -> anyhow::Result<JoinHandle<()>> {
    let token = Pass::read(directory)?.token;
    let (network, told) = (Arc::clone(network), told.clone());
    Ok(thread::spawn(move || {
        let ask = || -> Result<(), ClientError> {
            let mut client = OperatorClient::connect(address, &network, token, TIMEOUTS)?;
            loop {
                let asked = client.ask(Question::Status)?;
                let status: Value =
                    serde_json::from_str(&asked.unwrap_or_default()).unwrap_or_default();
                if let Some(tip) = hash_in(&status["tip"]) {
                    told.tip(Hearer::Operator, tip);
                }
                let chain = Question::Chain { from: u32::MAX, count: CHAIN_COUNT };
                let chain = client.ask(chain)?.unwrap_or_default();
                let chain: Value = serde_json::from_str(&chain).unwrap_or_default();
                let blocks = chain["blocks"].as_array().into_iter().flatten();
                for hash in blocks.filter_map(|block| hash_in(&block["hash"])) {
                    told.block(Hearer::Operator, hash);
                }
                thread::sleep(PAUSE);
            }
        };
        // It ends with the node.
        let _ = ask();
    }))
}

/// A hash as it is written for people.
pub(super) fn hash_in(value: &Value) -> Option<BlockHash> {
    value.as_str()?.parse().ok()
}
