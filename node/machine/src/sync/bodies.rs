//! Bodies: the blocks of better chains, fetched in parallel, without waiting for those who stall.

use std::ops::RangeInclusive;
use std::time::Duration;

use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use wire::Message;
use wire::peer::PeerMessage;

use super::Sync;
use super::sources::{FAR_PATIENCE, FAR_STEADY_MAX, TIP_BLOCKS_MAX, Urgency};
use crate::conduct::{Misbehavior, Source};
use crate::header_tree::HeaderId;
use crate::{Machine, MachineError, PeerId};

/// Blocks requested from one connection at a time.
const IN_FLIGHT_MAX: usize = 16;

/// Blocks behind the last complete one that are fetched at a time.
const WINDOW_BLOCKS: u32 = 512;

/// First patience with a connection that holds up the others, before it is closed; it doubles with
/// every one that is, as the line may be ours. The block does not wait for that: others are asked.
pub(super) const STALL_MIN: Duration = Duration::from_secs(2);
const STALL_MAX: Duration = Duration::from_secs(64);

/// A block that did not come for this long was lost, whether or not it holds up others.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// What of a connection's chain is still to be fetched.
pub(super) struct MissingRange {
    best: HeaderId,
    heights: RangeInclusive<u32>,
    pub(super) urgency: Urgency,
}

impl Machine {
    /// Requests missing bodies from every connection that has a better chain than ours.
    pub(crate) fn request_missing_blocks(&mut self) {
        if !self.has_room_for_blocks() {
            return;
        }
        let is_late = self.sync.is_anything_late(self.now.monotonic);
        for id in self.sync.in_order() {
            let wanted = self.missing_blocks(id, is_late);
            if !wanted.is_empty() {
                self.request_blocks(id, wanted);
            }
        }
    }

    /// Asks a connection for whole blocks, but for those that others are on the way with.
    pub(crate) fn request_blocks(&mut self, id: PeerId, mut hashes: Vec<BlockHash>) {
        hashes.retain(|hash| self.note_block_request(id, *hash));
        if !hashes.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::GetBlocks(hashes)));
        }
    }

    /// A block is awaited from this connection from now on, in whatever form. False when others are
    /// on the way with it, or the connection is not there any more.
    pub(crate) fn note_block_request(&mut self, id: PeerId, hash: BlockHash) -> bool {
        let now = self.now.monotonic;
        self.sync.peers.contains_key(&id)
            && self.sync.may_be_asked(id, &hash, Urgency::Tip, now)
            && self.sync.downloads.insert_another(hash, id, now)
    }

    /// What this connection could send next: bodies on its best chain behind the last complete
    /// block, also those that others were asked for in vain. While as much is awaited as finds
    /// room, only those come into question, if anything is late.
    fn missing_blocks(&self, id: PeerId, is_late: bool) -> Vec<BlockHash> {
        let now = self.now.monotonic;
        let mut free = self.room_for_blocks().saturating_sub(self.sync.downloads.len());
        let room = IN_FLIGHT_MAX.saturating_sub(self.sync.downloads.count_from(id));
        let Some(missing) = self.missing_range(id).filter(|_| room > 0) else {
            return Vec::new();
        };
        let urgency = missing.urgency;
        if free == 0 && urgency == Urgency::Far && !is_late {
            return Vec::new();
        }
        let finds_room = |hash: &BlockHash| {
            let is_awaited = self.sync.downloads.contains(hash);
            let is_new = !is_awaited && free > 0;
            free -= usize::from(is_new);
            is_awaited || is_new
        };
        self.missing_hashes(missing)
            .filter(|hash| self.sync.may_be_asked(id, hash, urgency, now))
            .filter(finds_room)
            .take(room)
            .collect()
    }

    /// Where the chain of this connection goes on behind what is complete; `None` when it is no
    /// better than ours.
    pub(super) fn missing_range(&self, id: PeerId) -> Option<MissingRange> {
        let best = self.tree.last_valid(self.sync.peers.get(&id)?.best_header);
        let no_better = self.tree.is_complete(best)
            || self.tree.entry(best).work <= self.tree.entry(self.ledger.tip_id()).work;
        if no_better {
            return None;
        }
        let from = self.tree.entry(self.tree.last_complete(best)).height + 1;
        let end = self.tree.entry(best).height;
        let is_tip = end - from < TIP_BLOCKS_MAX;
        Some(MissingRange {
            best,
            heights: from..=end.min(from.saturating_add(WINDOW_BLOCKS - 1)),
            urgency: if is_tip { Urgency::Tip } else { Urgency::Far },
        })
    }

    /// The blocks there whose bodies are missing, in their order.
    pub(super) fn missing_hashes(&self, range: MissingRange) -> impl Iterator<Item = BlockHash> {
        let entries = range.heights.filter_map(move |at| self.tree.ancestor(range.best, at));
        entries.filter(|entry| !self.tree.has_body(*entry)).map(|entry| self.tree.entry(entry).hash)
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
        self.note_block_came_late(id, &hash);
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
            self.forget_partial_of(id, hash);
        }
        if asked {
            self.note_block_failed(Source::Peer(id));
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
    /// Only blocks count as progress, and bytes of them for a while: any other answer costs the
    /// peer nothing.
    fn waiting(&self) -> impl Iterator<Item = (PeerId, Duration)> {
        let peers = self.downloads.peers();
        peers.map(|(id, oldest)| (id, self.progress_since(id, oldest, FAR_STEADY_MAX)))
    }

    /// When to look whether a connection stalls, or a block far behind the tip is asked of another
    /// one. Whether a request holds up others may change with every event, and every event looks at
    /// those whose shorter time is over; behind the look there are only new requests.
    pub(super) fn stall_deadlines(&self, now: Duration) -> impl Iterator<Item = Duration> {
        let held_up = self.downloads.times().flat_map(move |(id, asked)| {
            let since = self.progress_since(id, asked, FAR_STEADY_MAX);
            [since + self.stall, since + FAR_PATIENCE].into_iter().filter(move |at| *at > now)
        });
        held_up.chain(self.waiting().map(|(_, since)| since + REQUEST_MAX))
    }
}
