//! Branches of blocks made by hand, under all rules, and an external peer that sends them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::block::Block;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use chain::subsidy::subsidy;
use chain::target::Work;
use chain::transaction::{Coinbase, Output, Transaction, Transfer};
use machine::{HeaderId, HeaderTree};
use simulation::{ExternalPeerId, World, grind};
use wire::hello::Role;
use wire::peer::PeerMessage;
use wire::{ByteString, Message};

use super::seconds;

/// All blocks of a test, on whatever branch.
pub struct Quarry {
    network: Arc<Network>,
    tree: HeaderTree,
    blocks: BTreeMap<BlockHash, Block>,
}

impl Quarry {
    pub fn new(network: &Arc<Network>) -> Self {
        let tree = HeaderTree::new(Arc::clone(network));
        Self { network: Arc::clone(network), tree, blocks: BTreeMap::new() }
    }

    /// A block behind `parent`, at `time` or the earliest second that the rules allow.
    pub fn block(&mut self, parent: HeaderId, time: u32, transfers: &[Transfer]) -> HeaderId {
        let end = self.tree.chain_end(parent);
        let demands = end.context(&self.network);
        let height = end.height + 1;
        let time = time.max(demands.median_time + 1);
        let mut extra = [0; 32];
        extra[..4].copy_from_slice(&time.to_le_bytes());
        let coinbase = Coinbase {
            height,
            extra,
            outputs: vec![Output {
                amount: subsidy(&self.network.spec, height),
                key: OutputKey([7; 32]),
            }],
        };
        let transfers = transfers.iter().cloned().map(Transaction::Transfer);
        let transactions: Vec<Transaction> =
            std::iter::once(Transaction::Coinbase(coinbase)).chain(transfers).collect();
        let mut header = Header {
            version: VERSION_BASE,
            previous: end.hash,
            merkle_root: chain::hash::MerkleRoot::ZERO,
            time,
            bits: demands.expected_bits,
            nonce: 0,
        };
        let mut block = Block { header, transactions };
        header.merkle_root = block.merkle_root().unwrap();
        block.header = grind(&header).unwrap();
        let id = self.tree.insert(&block.header, Work::ZERO).unwrap();
        self.blocks.insert(block.header.hash(), block);
        id
    }

    /// `count` blocks behind `parent`, `spacing_s` apart.
    pub fn blocks(&mut self, mut parent: HeaderId, count: u32, spacing_s: u32) -> HeaderId {
        for _ in 0..count {
            let time = self.tree.entry(parent).header.time + spacing_s;
            parent = self.block(parent, time, &[]);
        }
        parent
    }

    pub fn tree(&self) -> &HeaderTree {
        &self.tree
    }

    pub fn get(&self, id: HeaderId) -> &Block {
        &self.blocks[&self.tree.entry(id).hash]
    }

    fn headers_up_to(&self, end: HeaderId) -> Vec<Header> {
        let mut headers: Vec<Header> =
            self.tree.ancestors(end).map(|id| self.tree.entry(id).header).collect();
        headers.pop();
        headers.reverse();
        headers
    }

    /// Shows a node the chain that ends in `end`, headers first, and serves what it asks for.
    pub fn show(&self, world: &mut World, node: usize, end: HeaderId) -> ExternalPeerId {
        let external_peer = world.connect_external_peer(node, Role::Peer);
        for headers in self.headers_up_to(end).chunks(wire::peer::HEADERS_MAX) {
            let bytes = headers.iter().flat_map(Header::to_bytes).collect();
            world.send_as(external_peer, &Message::Peer(PeerMessage::Headers(ByteString(bytes))));
        }
        let mut answered = 0;
        for _ in 0..60 {
            world.run_until(world.clock() + seconds(1)).unwrap();
            let heard: Vec<Message> = world.external_peer(external_peer).heard[answered..].to_vec();
            answered += heard.len();
            for message in heard {
                if let Message::Peer(PeerMessage::GetBlocks(hashes)) = message {
                    for hash in hashes {
                        let block = ByteString(self.blocks[&hash].encode());
                        world.send_as(external_peer, &Message::Peer(PeerMessage::Block(block)));
                    }
                }
            }
            if world.machine(node).unwrap().tip().hash == self.tree.entry(end).hash {
                break;
            }
        }
        external_peer
    }
}
