//! Bodies: the blocks of better chains, fetched in parallel, without waiting for those who stall.

use std::time::Duration;

use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use wire::Message;
use wire::peer::PeerMessage;

use super::super::header_tree::HeaderId;
use super::super::peers::Peer;
use super::super::{Machine, MachineError, PeerId};
use crate::conduct::{Misbehavior, Source};

/// Blocks requested from one connection at a time.
const IN_FLIGHT_MAX: usize = 16;

/// Blocks behind the last complete one that are fetched at a time.
const WINDOW_BLOCKS: u32 = 512;

/// First patience with a block that holds up the others; it doubles with every connection that stalls.
pub(super) const STALL_MIN: Duration = Duration::from_secs(2);
const STALL_MAX: Duration = Duration::from_secs(64);

/// A block that did not come for this long was lost, whether or not it holds up others.
const REQUEST_MAX: Duration = Duration::from_secs(60);

impl Machine {
    /// Requests missing bodies from every connection that has a better chain than ours.
    pub(crate) fn request_missing_blocks(&mut self) {
        for id in self.peers.ready_nodes() {
            let wanted = self.missing_bodies(id);
            if !wanted.is_empty() {
                self.request_blocks(id, wanted);
            }
        }
    }

    /// Asks a connection for whole blocks.
    pub(crate) fn request_blocks(&mut self, id: PeerId, hashes: Vec<BlockHash>) {
        for hash in &hashes {
            self.note_request(id, *hash);
        }
        self.send(id, &Message::Peer(PeerMessage::GetBlocks(hashes)));
    }

    /// A block is awaited from this connection, in whatever form: nobody else is asked for it.
    pub(crate) fn note_request(&mut self, id: PeerId, hash: BlockHash) {
        self.sync.in_flight.insert(hash, id);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.blocks_in_flight.insert(hash, self.now.monotonic);
        }
    }

    /// Whether somebody was asked for this block.
    pub(crate) fn is_requested(&self, hash: &BlockHash) -> bool {
        self.sync.in_flight.contains_key(hash)
    }

    /// What this connection could send next: bodies on its best chain behind the last complete
    /// block.
    fn missing_bodies(&self, id: PeerId) -> Vec<BlockHash> {
        let Some(peer) = self.peers.get(id) else {
            return Vec::new();
        };
        let room = IN_FLIGHT_MAX.saturating_sub(peer.blocks_in_flight.len());
        let best = self.tree.last_valid(peer.best_header);
        let no_better = self.tree.is_complete(best)
            || self.tree.entry(best).work <= self.tree.entry(self.ledger.tip_id()).work;
        if room == 0 || no_better {
            return Vec::new();
        }
        let from = self.tree.entry(self.tree.last_complete(best)).height + 1;
        let to = self.tree.entry(best).height.min(from.saturating_add(WINDOW_BLOCKS - 1));
        (from..=to)
            .filter_map(|height| self.tree.ancestor(best, height))
            .filter(|entry| !self.tree.has_body(*entry))
            .map(|entry| self.tree.entry(entry).hash)
            .filter(|hash| !self.is_requested(hash))
            .take(room)
            .collect()
    }

    /// A whole block that another node sends, asked for or not.
    pub(crate) fn on_block(&mut self, id: PeerId, bytes: &[u8]) -> Result<(), MachineError> {
        let Some((header_bytes, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            self.note_misbehavior(id, Misbehavior::Malformed, "a block shorter than a header");
            return Ok(());
        };
        let header = Header::from_bytes(header_bytes);
        let hash = header.hash();
        self.finish_block_request(id, &hash);
        self.take_block(Source::Peer(id), &header, body)?;
        if let Some(entry) = self.tree.find(&hash) {
            self.note_header(id, entry);
        }
        Ok(())
    }

    /// Blocks that a connection was asked for and does not have.
    pub(crate) fn on_blocks_not_found(&mut self, id: PeerId, hashes: &[BlockHash]) {
        let mut asked = false;
        for hash in hashes {
            asked |= self.drop_block_request(id, hash);
        }
        if asked {
            // It has left that chain: believe nothing about it until it speaks of headers again.
            if let Some(peer) = self.peers.get_mut(id) {
                peer.best_header = HeaderId::GENESIS;
            }
            self.request_headers(id);
            self.note_misbehavior(
                id,
                Misbehavior::NotFound,
                "it has not the blocks that it promised",
            );
        }
    }

    /// A block that was awaited from this connection has come.
    pub(crate) fn finish_block_request(&mut self, id: PeerId, hash: &BlockHash) {
        if self.drop_block_request(id, hash) {
            self.sync.stall = (self.sync.stall / 2).max(STALL_MIN);
            if let Some(peer) = self.peers.get_mut(id) {
                peer.last_delivery = self.now.monotonic;
            }
        }
    }

    /// The block may be asked of others. False when it was not awaited from this connection.
    pub(crate) fn drop_block_request(&mut self, id: PeerId, hash: &BlockHash) -> bool {
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let asked = peer.blocks_in_flight.remove(hash).is_some();
        if asked && self.sync.in_flight.get(hash) == Some(&id) {
            self.sync.in_flight.remove(hash);
        }
        asked
    }

    /// Everything that was asked of this connection may be asked of others.
    pub(crate) fn forget_requests(&mut self, id: PeerId) {
        self.sync.in_flight.retain(|_, asked| *asked != id);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.blocks_in_flight.clear();
            peer.run = None;
            peer.serving.clear();
            peer.announced.clear();
        }
        self.forget_relay(id);
    }

    /// Connections that hold up the download, runs without progress, transactions that never came.
    pub(crate) fn time_out_requests(&mut self) {
        self.time_out_runs();
        let stalled: Vec<PeerId> =
            self.peers.iter().filter(|peer| self.is_stalling(peer)).map(|peer| peer.id).collect();
        for id in stalled {
            self.sync.stall = (self.sync.stall * 2).min(STALL_MAX);
            self.note_misbehavior(
                id,
                Misbehavior::Stalling,
                "blocks that it promised did not come",
            );
        }
        self.time_out_transactions();
    }

    fn is_stalling(&self, peer: &Peer) -> bool {
        let Some(asked) = peer.blocks_in_flight.values().min() else {
            return false;
        };
        // Only blocks count as progress: words are cheap.
        let since = peer.last_delivery.max(*asked);
        let patience = if self.holds_up(peer) { self.sync.stall } else { REQUEST_MAX };
        self.now.monotonic >= since + patience
    }

    /// Whether the next block of its chain is awaited from this connection though others have it.
    fn holds_up(&self, peer: &Peer) -> bool {
        let best = self.tree.last_valid(peer.best_header);
        let height = self.tree.entry(self.tree.last_complete(best)).height + 1;
        let Some(next) = self.tree.ancestor(best, height) else {
            return false;
        };
        let has_it = |other: &Peer| {
            other.id != peer.id
                && other.is_ready_node()
                && self.tree.is_ancestor(next, other.best_header)
        };
        peer.blocks_in_flight.contains_key(&self.tree.entry(next).hash)
            && self.peers.iter().any(has_it)
    }
}
