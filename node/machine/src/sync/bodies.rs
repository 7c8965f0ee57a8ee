//! Bodies: the blocks of better chains, fetched in parallel, without waiting for those who stall.

use std::time::Duration;

use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use wire::Message;
use wire::peer::PeerMessage;

use super::Sync;
use crate::conduct::{Misbehavior, Source};
use crate::header_tree::HeaderId;
use crate::{Machine, MachineError, PeerId};

/// Blocks requested from one connection at a time.
const IN_FLIGHT_MAX: usize = 16;

/// Blocks behind the last complete one that are fetched at a time.
const WINDOW_BLOCKS: u32 = 512;

/// First patience with a block that holds up the others; it doubles with every connection that
/// stalls.
pub(super) const STALL_MIN: Duration = Duration::from_secs(2);
const STALL_MAX: Duration = Duration::from_secs(64);

/// A block that did not come for this long was lost, whether or not it holds up others.
const REQUEST_MAX: Duration = Duration::from_secs(60);

impl Machine {
    /// Requests missing bodies from every connection that has a better chain than ours.
    pub(crate) fn request_missing_blocks(&mut self) {
        let nodes: Vec<PeerId> = self.sync.peers.keys().copied().collect();
        for id in nodes {
            let wanted = self.missing_blocks(id);
            if !wanted.is_empty() {
                self.request_blocks(id, wanted);
            }
        }
    }

    /// Asks a connection for whole blocks; those that are awaited from anybody are left out.
    pub(crate) fn request_blocks(&mut self, id: PeerId, mut hashes: Vec<BlockHash>) {
        hashes.retain(|hash| self.note_block_request(id, *hash));
        if !hashes.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::GetBlocks(hashes)));
        }
    }

    /// A block is awaited from this connection from now on, in whatever form. False when it is
    /// awaited from anybody already, or the connection is not there any more.
    pub(crate) fn note_block_request(&mut self, id: PeerId, hash: BlockHash) -> bool {
        let is_here = self.sync.peers.contains_key(&id);
        is_here && self.sync.downloads.insert(hash, id, self.now.monotonic)
    }

    /// What this connection could send next: bodies on its best chain behind the last complete
    /// block.
    fn missing_blocks(&self, id: PeerId) -> Vec<BlockHash> {
        let Some(peer) = self.sync.peers.get(&id) else {
            return Vec::new();
        };
        let free = self.room_for_blocks().saturating_sub(self.sync.downloads.len());
        let room = IN_FLIGHT_MAX.saturating_sub(self.sync.downloads.count_from(id)).min(free);
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
            .filter(|hash| !self.sync.downloads.contains(hash))
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
        self.take_body(Source::Peer(id), &header, body)?;
        if let Some(entry) = self.tree.find(&hash) {
            self.note_header(id, entry);
        }
        Ok(())
    }

    /// Blocks that a connection was asked for and does not have.
    pub(crate) fn on_blocks_not_found(&mut self, id: PeerId, hashes: &[BlockHash]) {
        let mut asked = false;
        for hash in hashes {
            asked |= self.sync.downloads.remove_from(hash, id);
        }
        if asked {
            // It has left that chain: believe nothing about it until it speaks of headers again.
            if let Some(peer) = self.sync.peers.get_mut(&id) {
                peer.best_header = HeaderId::GENESIS;
            }
            self.request_headers(id);
            let reason = "it has not the blocks that it promised";
            self.note_misbehavior(id, Misbehavior::NotFound, reason);
        }
    }

    /// A block that was awaited from this connection has come.
    pub(crate) fn finish_block_request(&mut self, id: PeerId, hash: &BlockHash) {
        if self.sync.downloads.remove_from(hash, id) {
            self.sync.stall = (self.sync.stall / 2).max(STALL_MIN);
            if let Some(peer) = self.sync.peers.get_mut(&id) {
                peer.last_delivery = self.now.monotonic;
            }
        }
    }

    /// Drops connections that hold up the download, and chains without progress.
    pub(crate) fn time_out_sync(&mut self) {
        self.time_out_presyncs();
        let (now, stall) = (self.now.monotonic, self.sync.stall);
        let stalling = self.sync.waiting().filter(|(id, since)| {
            now >= *since + REQUEST_MAX
                || self.holds_up_since(*id).is_some_and(|asked| now >= asked.max(*since) + stall)
        });
        let stalling: Vec<PeerId> = stalling.map(|(id, _)| id).collect();
        for id in stalling {
            self.sync.stall = (self.sync.stall * 2).min(STALL_MAX);
            let reason = "blocks that it promised did not come";
            self.note_misbehavior(id, Misbehavior::Stalling, reason);
        }
    }

    /// Since when the next block of its chain is awaited from this connection though others have
    /// it; `None` when it holds nobody up.
    fn holds_up_since(&self, id: PeerId) -> Option<Duration> {
        let best = self.tree.last_valid(self.sync.peers.get(&id)?.best_header);
        let height = self.tree.entry(self.tree.last_complete(best)).height + 1;
        let next = self.tree.ancestor(best, height)?;
        let since = self.sync.downloads.since(&self.tree.entry(next).hash, id)?;
        let mut others = self.sync.best_headers().filter(|(other, _)| *other != id);
        others.any(|(_, best)| self.tree.is_ancestor(next, best)).then_some(since)
    }
}

impl Sync {
    /// The connections from which blocks are awaited, each with the time since when nothing came.
    /// Only blocks count as progress: any other answer costs the peer nothing.
    fn waiting(&self) -> impl Iterator<Item = (PeerId, Duration)> {
        self.downloads.peers().filter_map(|(id, oldest)| {
            let peer = self.peers.get(&id)?;
            Some((id, peer.last_delivery.max(oldest)))
        })
    }

    /// When to look whether a connection stalls. Whether a request holds up others may change with
    /// every event, and every event looks at those whose shorter time is over; behind the look
    /// there are only new requests.
    pub(super) fn stall_deadlines(&self, now: Duration) -> impl Iterator<Item = Duration> {
        let delivered = |id| self.peers.get(&id).map(|peer: &super::SyncPeer| peer.last_delivery);
        let held_up = self.downloads.times().filter_map(move |(id, asked)| {
            Some(asked.max(delivered(id)?) + self.stall).filter(|at| *at > now)
        });
        held_up.chain(self.waiting().map(|(_, since)| since + REQUEST_MAX))
    }
}
