//! Branches of blocks made by hand, under all rules, and an external peer that sends them.

use std::sync::Arc;

use chain::block::Block;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::header::Header;
use chain::key::OutputKey;
use chain::transaction::Transfer;
use machine::{HeaderId, HeaderTree};
use simulation::{ExternalPeerId, Workshop, World};
use wire::hello::Role;
use wire::peer::PeerMessage;
use wire::{ByteString, Message};

use super::seconds;

/// All blocks of a test, on whatever branch.
pub struct Quarry(Workshop);

impl Quarry {
    pub fn new(network: &Arc<Network>) -> Self {
        Self(Workshop::new(network, OutputKey([7; 32])))
    }

    /// A block behind `parent`, at `time` or the earliest second that the rules allow.
    pub fn block(&mut self, parent: HeaderId, time: u32, transfers: &[Transfer]) -> HeaderId {
        self.0.block(parent, time, transfers).unwrap()
    }

    /// `count` blocks behind `parent`, `spacing_s` apart.
    pub fn blocks(&mut self, mut parent: HeaderId, count: u32, spacing_s: u32) -> HeaderId {
        for _ in 0..count {
            let time = self.0.tree().entry(parent).header.time + spacing_s;
            parent = self.block(parent, time, &[]);
        }
        parent
    }

    pub fn tree(&self) -> &HeaderTree {
        self.0.tree()
    }

    pub fn get(&self, id: HeaderId) -> &Block {
        self.0.get(&self.0.tree().entry(id).hash).unwrap()
    }

    fn headers_up_to(&self, end: HeaderId) -> Vec<Header> {
        let mut headers: Vec<Header> =
            self.0.tree().ancestors(end).map(|id| self.0.tree().entry(id).header).collect();
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
                        let block = ByteString(self.0.get(&hash).unwrap().encode());
                        world.send_as(external_peer, &Message::Peer(PeerMessage::Block(block)));
                    }
                }
            }
            if world.machine(node).unwrap().tip().hash == self.0.tree().entry(end).hash {
                break;
            }
        }
        external_peer
    }
}
