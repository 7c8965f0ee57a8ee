//! `SelfishMiner`: keeps the blocks that it finds to itself and publishes them when that makes work
//! of others useless (Eyal and Sirer, *Majority is not Enough*, 2013, algorithm 1).
//!
//! It is no node: it holds a connection to each and speaks the protocol, so whatever it gains the
//! nodes let it gain.

use std::sync::Arc;
use std::time::Duration;

use chain::block::Block;
use chain::encoding::{Decode, Encode};
use chain::hash::{BlockHash, tagged_hash};
use chain::header::{HEADER_BYTES, Header};
use chain::key::OutputKey;
use chain::transaction::Transaction;
use machine::HeaderId;
use wire::hello::Role;
use wire::peer::{CompactBlock, PeerMessage};
use wire::{ByteString, Message};

use crate::external_peer::ExternalPeerId;
use crate::miner::{attempts, search_ns};
use crate::workshop::Workshop;
use crate::world::{ScheduledEvent, World};

/// A miner that withholds, and what it knows.
pub(crate) struct SelfishMiner {
    workshop: Workshop,
    hash_rate: u64,
    connections: Vec<ExternalPeerId>,
    /// The end of its own chain, which it searches behind.
    own: HeaderId,
    /// The last block of that chain that others know.
    published: HeaderId,
    /// The end of the best chain that others told it of.
    public: HeaderId,
    /// The search that is going on.
    search: u64,
}

impl SelfishMiner {
    /// Whom its blocks pay.
    fn payout() -> OutputKey {
        OutputKey(tagged_hash("lode/simulation/selfish", &[]))
    }

    fn height(&self, id: HeaderId) -> u32 {
        self.workshop.tree().entry(id).height
    }

    /// Its own block is found: what is to be published now. It keeps it, unless both chains have
    /// just been equally long and the race is won with it.
    fn found(&mut self, id: HeaderId) -> Vec<HeaderId> {
        let was_race = self.published == self.own
            && self.own != self.public
            && self.height(self.own) == self.height(self.public);
        self.own = id;
        if was_race { self.publish_up_to(self.height(id)) } else { Vec::new() }
    }

    /// Others have a better chain than before: what is to be published now.
    fn public_grew(&mut self, public: HeaderId) -> Vec<HeaderId> {
        self.public = public;
        let (own, theirs) = (self.height(self.own), self.height(public));
        if own < theirs {
            // Nothing is left to win: it goes on from where the others are.
            (self.own, self.published) = (public, public);
            return Vec::new();
        }
        // With one block more it wins all at once; with more it shows as many as the others have.
        self.publish_up_to(if own - theirs == 1 { own } else { theirs })
    }

    /// Its blocks up to a height that nobody knows, lowest first.
    fn publish_up_to(&mut self, height: u32) -> Vec<HeaderId> {
        let tree = self.workshop.tree();
        let Some(end) = tree.ancestor(self.own, height) else {
            return Vec::new();
        };
        let known = |id: &HeaderId| {
            tree.is_ancestor(*id, self.published) || tree.is_ancestor(*id, self.public)
        };
        let mut unknown: Vec<HeaderId> = tree.ancestors(end).take_while(|id| !known(id)).collect();
        unknown.reverse();
        if !unknown.is_empty() {
            self.published = end;
        }
        unknown
    }

    /// What a node tells it of the chain: the best header that it did not know.
    fn learn(&mut self, message: &PeerMessage) -> Option<HeaderId> {
        match message {
            PeerMessage::CompactBlock(compact) => {
                let header =
                    Header::from_bytes(<&[u8; HEADER_BYTES]>::try_from(&*compact.header.0).ok()?);
                let coinbase = Transaction::decode(&compact.coinbase.0).ok()?;
                // A block of payments it only knows by its header.
                if compact.short_ids.0.is_empty() {
                    self.workshop.take(Block { header, transactions: vec![coinbase] })
                } else {
                    self.workshop.take_header(&header)
                }
            }
            PeerMessage::Headers(bytes) => {
                let (headers, _) = bytes.0.as_chunks::<HEADER_BYTES>();
                let taken = |bytes| self.workshop.take_header(&Header::from_bytes(bytes));
                headers.iter().map_while(taken).last()
            }
            _ => None,
        }
    }

    /// A block that it has shown, or that others have shown it.
    fn serve(&self, hash: &BlockHash) -> Option<PeerMessage> {
        let tree = self.workshop.tree();
        let id = tree.find(hash)?;
        let is_known = tree.is_ancestor(id, self.published) || !tree.is_ancestor(id, self.own);
        let block = self.workshop.get(hash).filter(|_| is_known)?;
        Some(PeerMessage::Block(ByteString(block.encode())))
    }

    fn announcement(&self, id: HeaderId) -> Option<PeerMessage> {
        let block = self.workshop.get(&self.workshop.tree().entry(id).hash)?;
        Some(PeerMessage::CompactBlock(CompactBlock {
            header: ByteString(block.header.to_bytes().to_vec()),
            salt: 0,
            coinbase: ByteString(block.transactions.first()?.encode()),
            short_ids: ByteString(Vec::new()),
        }))
    }
}

impl World {
    /// A miner that withholds its blocks comes to the network, connected with every node that runs,
    /// over lines of its own that take `latency` one way. There is at most one.
    pub fn add_selfish_miner(&mut self, hash_rate: u64, latency: Duration) {
        self.links.external_latency = Some(latency);
        let nodes = 0..self.nodes();
        let connections = nodes.map(|node| self.connect_external_peer(node, Role::Peer)).collect();
        let genesis = HeaderId::GENESIS;
        self.selfish = Some(SelfishMiner {
            workshop: Workshop::new(self.network(), SelfishMiner::payout()),
            hash_rate,
            connections,
            own: genesis,
            published: genesis,
            public: genesis,
            search: 0,
        });
        self.search_selfishly();
    }

    /// Whether a block was made by the miner that withholds.
    pub fn is_selfish(&self, block: &Block) -> bool {
        let paid = block.transactions.first().and_then(|coinbase| coinbase.outputs().first());
        paid.is_some_and(|output| output.key == SelfishMiner::payout())
    }

    /// Draws when it finds the next block.
    fn search_selfishly(&mut self) {
        let Some(miner) = &mut self.selfish else { return };
        miner.search += 1;
        let (search, hash_rate) = (miner.search, miner.hash_rate);
        let bits = miner.workshop.tree().chain_end(miner.own).context(&self.network).expected_bits;
        let hashes = bits.expand().map(|target| attempts(&target, &mut self.rng)).ok();
        if let Some(ns) = hashes.and_then(|hashes| search_ns(hashes, hash_rate)) {
            let at_ns = self.clock_ns.saturating_add(ns);
            self.enqueue(at_ns, ScheduledEvent::SolvedSelfishly { search });
        }
    }

    /// The time has come: grinds the block.
    pub(super) fn solve_selfishly(&mut self, search: u64) {
        let time = u32::try_from(self.now().wall_s).unwrap_or(u32::MAX);
        let Some(miner) = self.selfish.as_mut().filter(|miner| miner.search == search) else {
            return;
        };
        let news = match miner.workshop.block(miner.own, time, &[]) {
            Some(id) => miner.found(id),
            None => Vec::new(),
        };
        self.publish_selfishly(&news);
        self.search_selfishly();
    }

    /// A message for the miner that withholds; false when it is for somebody else.
    pub(super) fn selfish_miner_hears(&mut self, id: ExternalPeerId, message: &Message) -> bool {
        let Some(miner) = self.selfish.as_mut().filter(|miner| miner.connections.contains(&id))
        else {
            return false;
        };
        let Message::Peer(message) = message else { return true };
        match message {
            PeerMessage::GetHeaders(_) => {
                // It has nothing to tell of: what it wants known it announces.
                self.send_as(id, &Message::Peer(PeerMessage::Headers(ByteString(Vec::new()))));
            }
            PeerMessage::GetBlocks(hashes) => {
                let served: Vec<PeerMessage> =
                    hashes.iter().filter_map(|hash| miner.serve(hash)).collect();
                let missing: Vec<BlockHash> =
                    hashes.iter().filter(|hash| miner.serve(hash).is_none()).copied().collect();
                for block in served {
                    self.send_as(id, &Message::Peer(block));
                }
                if !missing.is_empty() {
                    self.send_as(id, &Message::Peer(PeerMessage::BlocksNotFound(missing)));
                }
            }
            other => self.selfish_miner_learns(id, other),
        }
        true
    }

    fn selfish_miner_learns(&mut self, id: ExternalPeerId, message: &PeerMessage) {
        let Some(miner) = self.selfish.as_mut() else { return };
        let told_of_block = matches!(message, PeerMessage::CompactBlock(_));
        match miner.learn(message) {
            Some(end) if miner.height(end) > miner.height(miner.public) => {
                let before = miner.own;
                let news = miner.public_grew(end);
                let moved = miner.own != before;
                self.publish_selfishly(&news);
                if moved {
                    self.search_selfishly();
                }
            }
            Some(_) => {}
            // Blocks came in between that it was not told of.
            None if told_of_block => {
                let locator = miner.workshop.tree().locator(miner.public);
                self.send_as(id, &Message::Peer(PeerMessage::GetHeaders(locator)));
            }
            None => {}
        }
    }

    fn publish_selfishly(&mut self, news: &[HeaderId]) {
        let Some(miner) = &self.selfish else { return };
        let announcements: Vec<Message> =
            news.iter().filter_map(|id| miner.announcement(*id)).map(Message::Peer).collect();
        let connections = miner.connections.clone();
        for announcement in &announcements {
            let frame = Arc::new(announcement.to_frame());
            for connection in &connections {
                self.send_frame_as(*connection, Arc::clone(&frame));
            }
        }
    }
}

#[cfg(test)]
mod tests;
