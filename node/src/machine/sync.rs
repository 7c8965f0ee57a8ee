//! Headers-first synchronization: ask for headers, fetch the bodies of the better chain in parallel.

use std::collections::BTreeMap;
use std::time::Duration;

use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use chain::rules::header::check_time;
use chain::wire::peer::{HEADERS_MAX, LOCATOR_MAX, PeerMessage, REQUESTED_MAX};
use chain::wire::{ByteString, Message};

use super::conduct::Offense;
use super::effect::Effect;
use super::header_tree::{ChainEnd, HeaderId};
use super::intake::Source;
use super::{Machine, MachineError, PeerId};

/// Blocks requested from one connection at a time.
const IN_FLIGHT_MAX: usize = 16;

/// Blocks behind the last complete one that are fetched at a time.
const WINDOW_BLOCKS: u32 = 512;

/// Headers of little work that one run may hold.
const RUN_HEADERS_MAX: usize = 65_536;

/// Runs that are held at a time.
const RUNS_MAX: usize = 2;

/// A run without progress for this long is dropped.
const RUN_IDLE_MAX: Duration = Duration::from_secs(120);

/// First patience with a block that holds up the others; it doubles with every disappointment.
const STALL_MIN: Duration = Duration::from_secs(2);
const STALL_MAX: Duration = Duration::from_secs(64);

/// A block that did not come for this long was lost, whether or not it holds up others.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// An unanswered request for headers may be repeated after this long.
const HEADERS_PATIENCE: Duration = Duration::from_secs(10);

/// Blocks that are queued for a connection that asks for them.
const SERVING_MAX: usize = REQUESTED_MAX;

/// Bytes of blocks that are sent before the connection has to drain: under half its queue.
const SERVE_BYTES: usize = 1_000_000;
const SERVE_BLOCKS: usize = 16;

/// A chain of headers that has too little work to be kept: rule-checked, contiguous, outside the tree.
/// It is taken in as soon as it has shown enough.
#[derive(Debug)]
pub(super) struct HeaderRun {
    headers: Vec<Header>,
    end: ChainEnd,
    progress: Duration,
}

/// What synchronization remembers across connections.
#[derive(Debug)]
pub(super) struct Sync {
    /// Who was asked for which block.
    in_flight: BTreeMap<BlockHash, PeerId>,
    stall: Duration,
}

impl Default for Sync {
    fn default() -> Self {
        Self { in_flight: BTreeMap::new(), stall: STALL_MIN }
    }
}

impl Machine {
    /// Asks for what lies behind our best header, unless an answer is still awaited.
    pub(super) fn ask_headers(&mut self, id: PeerId) {
        let now = self.now.monotonic;
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if peer.headers_asked.is_some_and(|asked| now < asked + HEADERS_PATIENCE) {
            return;
        }
        peer.headers_asked = Some(now);
        let locator = self.tree.locator(self.tree.best_header());
        self.send(id, &Message::Peer(PeerMessage::GetHeaders(locator)));
    }

    /// Headers behind the newest hash of the locator that lies on our best chain.
    pub(super) fn serve_headers(&mut self, id: PeerId, locator: &[BlockHash]) {
        if locator.len() > LOCATOR_MAX {
            self.punish(id, Offense::TooMany, "a locator of more than 64 hashes");
            return;
        }
        let tip = self.ledger.tip_id();
        let tip_height = self.tree.entry(tip).height;
        let fork = locator
            .iter()
            .filter_map(|hash| self.tree.find(hash))
            .find(|known| self.tree.is_ancestor(*known, tip));
        let from = fork.map_or(0, |fork| self.tree.entry(fork).height + 1);
        let count =
            (tip_height + 1).saturating_sub(from).min(u32::try_from(HEADERS_MAX).unwrap_or(0));
        let mut bytes = Vec::with_capacity(count as usize * HEADER_BYTES);
        for height in from..from + count {
            if let Some(entry) = self.tree.ancestor(tip, height) {
                bytes.extend_from_slice(&self.tree.entry(entry).header.to_bytes());
            }
        }
        self.send(id, &Message::Peer(PeerMessage::Headers(ByteString(bytes))));
    }

    /// Headers that another node sends.
    pub(super) fn take_headers(&mut self, id: PeerId, bytes: &[u8]) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.headers_asked = None;
        let (chunks, rest) = bytes.as_chunks::<HEADER_BYTES>();
        if !rest.is_empty() || chunks.len() > HEADERS_MAX {
            self.punish(id, Offense::BrokenHeaders, "headers in no form the protocol has");
            return;
        }
        let headers: Vec<Header> = chunks.iter().map(Header::from_bytes).collect();
        let linked = headers.windows(2).all(|pair| pair[1].previous == pair[0].hash());
        if !linked {
            self.punish(id, Offense::BrokenHeaders, "headers that do not follow each other");
            return;
        }
        let Some(last) = headers.last() else {
            return;
        };
        let last_hash = last.hash();
        let more = headers.len() == HEADERS_MAX;
        let taken = match self.run_of(id, &headers) {
            Some(end) => self.extend_run(id, headers, end),
            None => self.take_linked(id, &headers),
        };
        if taken && more {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.headers_asked = Some(self.now.monotonic);
            }
            // The other side has this very header, so one hash is locator enough.
            let locator = vec![last_hash, self.network.genesis_hash()];
            self.send(id, &Message::Peer(PeerMessage::GetHeaders(locator)));
        }
    }

    /// The end of the run that these headers continue.
    fn run_of(&self, id: PeerId, headers: &[Header]) -> Option<ChainEnd> {
        let run = self.peers.get(id)?.run.as_ref()?;
        (headers.first()?.previous == run.end.hash).then(|| run.end.clone())
    }

    /// Headers that continue something in the tree. False when nothing more shall be asked.
    fn take_linked(&mut self, id: PeerId, headers: &[Header]) -> bool {
        let known = headers.iter().take_while(|header| self.tree.find(&header.hash()).is_some());
        let known = known.count();
        if let Some(last_known) = known.checked_sub(1).and_then(|at| headers.get(at))
            && let Some(entry) = self.tree.find(&last_known.hash())
        {
            self.note_header(id, entry);
        }
        let new = &headers[known..];
        let Some(first) = new.first() else {
            return true;
        };
        let Some(parent) = self.tree.find(&first.previous) else {
            // They continue a chain that we do not know (any more): start over from what we have.
            self.ask_headers(id);
            return false;
        };
        let end = self.tree.chain_end(parent);
        self.extend_run(id, new.to_vec(), end)
    }

    /// Checks headers behind `end` and keeps them: in the tree when their chain has enough work, else
    /// in the connection's run. False when nothing more shall be asked.
    fn extend_run(&mut self, id: PeerId, headers: Vec<Header>, mut end: ChainEnd) -> bool {
        let mut good = Vec::with_capacity(headers.len());
        let mut complete = true;
        for header in headers {
            if check_time(&header, &self.network.spec, self.now.wall_s).is_err() {
                complete = false;
                break;
            }
            end = match end.extended(&header, &self.network) {
                Ok(end) => end,
                Err(rule) => {
                    self.punish(id, Offense::InvalidHeader, &rule.to_string());
                    return false;
                }
            };
            good.push(header);
        }
        let now = self.now.monotonic;
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        let mut run = peer.run.take().map(|run| run.headers).unwrap_or_default();
        if good.first().zip(run.last()).is_some_and(|(first, last)| first.previous != last.hash()) {
            run.clear();
        }
        run.append(&mut good);
        if end.work >= self.tree.work_threshold(self.ledger.tip_id()) {
            self.take_run(id, &run);
            return complete;
        }
        let others = self.peers.iter().filter(|peer| peer.run.is_some()).count();
        if run.len() > RUN_HEADERS_MAX || others >= RUNS_MAX {
            return false;
        }
        if let Some(peer) = self.peers.get_mut(id) {
            peer.run = Some(HeaderRun { headers: run, end, progress: now });
        }
        complete
    }

    /// A chain that has shown enough work goes into the tree.
    fn take_run(&mut self, id: PeerId, headers: &[Header]) {
        for header in headers {
            match self.take_header(Source::Peer(id), header) {
                Some(entry) => self.note_header(id, entry),
                None => return,
            }
        }
    }

    /// A connection is known to have this header.
    pub(super) fn note_header(&mut self, id: PeerId, entry: HeaderId) {
        let work = self.tree.entry(entry).work;
        if let Some(peer) = self.peers.get_mut(id)
            && (work > self.tree.entry(peer.best_header).work
                || self.tree.invalid(peer.best_header).is_some())
        {
            peer.best_header = entry;
        }
    }

    /// Requests missing bodies from every connection that has a better chain than ours.
    pub(super) fn request_bodies(&mut self) {
        for id in self.peers.ready_nodes() {
            let wanted = self.missing_bodies(id);
            if wanted.is_empty() {
                continue;
            }
            let now = self.now.monotonic;
            for hash in &wanted {
                self.sync.in_flight.insert(*hash, id);
            }
            if let Some(peer) = self.peers.get_mut(id) {
                peer.blocks_in_flight.extend(wanted.iter().map(|hash| (*hash, now)));
            }
            self.send(id, &Message::Peer(PeerMessage::GetBlocks(wanted)));
        }
    }

    /// What this connection could send next: bodies on its best chain behind the last complete block.
    fn missing_bodies(&self, id: PeerId) -> Vec<BlockHash> {
        let Some(peer) = self.peers.get(id) else {
            return Vec::new();
        };
        let room = IN_FLIGHT_MAX.saturating_sub(peer.blocks_in_flight.len());
        let best = peer.best_header;
        let no_better = self.tree.invalid(best).is_some()
            || self.tree.is_complete(best)
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
            .filter(|hash| !self.sync.in_flight.contains_key(hash))
            .take(room)
            .collect()
    }

    /// A whole block that another node sends, asked for or not.
    pub(super) fn take_block_message(
        &mut self,
        id: PeerId,
        bytes: &[u8],
    ) -> Result<(), MachineError> {
        let Some((header_bytes, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            self.punish(id, Offense::Malformed, "a block shorter than a header");
            return Ok(());
        };
        let header = Header::from_bytes(header_bytes);
        let hash = header.hash();
        if self.finish_request(id, &hash) {
            self.sync.stall = (self.sync.stall / 2).max(STALL_MIN);
        }
        self.take_block(Source::Peer(id), &header, body)?;
        if let Some(entry) = self.tree.find(&hash) {
            self.note_header(id, entry);
        }
        Ok(())
    }

    /// Blocks that a connection was asked for and does not have.
    pub(super) fn blocks_not_found(&mut self, id: PeerId, hashes: &[BlockHash]) {
        let mut asked = false;
        for hash in hashes {
            asked |= self.finish_request(id, hash);
        }
        if asked && let Some(peer) = self.peers.get_mut(id) {
            // It has left that chain: believe nothing about it until it speaks of headers again.
            peer.best_header = HeaderId::GENESIS;
            self.ask_headers(id);
        }
    }

    fn finish_request(&mut self, id: PeerId, hash: &BlockHash) -> bool {
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
    pub(super) fn forget_requests(&mut self, id: PeerId) {
        self.sync.in_flight.retain(|_, asked| *asked != id);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.blocks_in_flight.clear();
            peer.run = None;
        }
        self.forget_transaction_requests(id);
    }

    /// Connections that hold up the download, runs without progress, transactions that never came.
    pub(super) fn time_out_requests(&mut self) {
        let now = self.now.monotonic;
        let mut stalled = Vec::new();
        let stall = self.sync.stall;
        let nodes = self.peers.ready_nodes().len();
        for peer in self.peers.iter_mut() {
            if peer.run.as_ref().is_some_and(|run| now >= run.progress + RUN_IDLE_MAX) {
                peer.run = None;
            }
            let oldest = peer.blocks_in_flight.values().min();
            let patience = if nodes > 1 { stall } else { REQUEST_MAX };
            // A sign of life since the request means that the line is slow, not dead.
            if oldest.is_some_and(|since| now >= (*since + patience).max(peer.last_heard + stall)) {
                stalled.push(peer.id);
            }
        }
        for id in stalled {
            self.sync.stall = (self.sync.stall * 2).min(STALL_MAX);
            self.punish(id, Offense::Stalling, "blocks that it promised did not come");
        }
        self.time_out_transactions();
    }

    /// A request for whole blocks.
    pub(super) fn ask_blocks(
        &mut self,
        id: PeerId,
        hashes: Vec<BlockHash>,
    ) -> Result<(), MachineError> {
        let Some(peer) = self.peers.get_mut(id) else {
            return Ok(());
        };
        if peer.serving.len() + hashes.len() > SERVING_MAX {
            self.punish(id, Offense::TooMany, "more than 1000 blocks asked for at a time");
            return Ok(());
        }
        peer.serving.extend(hashes);
        if peer.draining { Ok(()) } else { self.serve_blocks(id) }
    }

    /// Sends some of the blocks that a connection asked for; the rest when its queue has drained.
    pub(super) fn serve_blocks(&mut self, id: PeerId) -> Result<(), MachineError> {
        let (mut bytes_sent, mut blocks_sent) = (0, 0);
        let mut missing = Vec::new();
        while bytes_sent < SERVE_BYTES && blocks_sent < SERVE_BLOCKS {
            let Some(hash) = self.peers.get_mut(id).and_then(|peer| peer.serving.pop_front())
            else {
                break;
            };
            match self.ledger.block_bytes(&hash)? {
                Some(bytes) => {
                    (bytes_sent, blocks_sent) = (bytes_sent + bytes.len(), blocks_sent + 1);
                    self.send(id, &Message::Peer(PeerMessage::Block(ByteString(bytes))));
                }
                None => missing.push(hash),
            }
        }
        if !missing.is_empty() {
            self.send(id, &Message::Peer(PeerMessage::BlocksNotFound(missing)));
        }
        if let Some(peer) = self.peers.get_mut(id) {
            peer.draining = !peer.serving.is_empty();
            if peer.draining {
                self.effects.push(Effect::NotifyDrained { peer: id });
            }
        }
        Ok(())
    }

    /// What a node may say to a node.
    pub(super) fn peer_message(
        &mut self,
        id: PeerId,
        message: PeerMessage,
    ) -> Result<(), MachineError> {
        match message {
            PeerMessage::GetHeaders(locator) => self.serve_headers(id, &locator),
            PeerMessage::Headers(bytes) => self.take_headers(id, &bytes.0),
            PeerMessage::GetBlocks(hashes) => self.ask_blocks(id, hashes)?,
            PeerMessage::Block(bytes) => self.take_block_message(id, &bytes.0)?,
            PeerMessage::BlocksNotFound(hashes) => self.blocks_not_found(id, &hashes),
            PeerMessage::CompactBlock(compact) => self.take_compact_block(id, &compact)?,
            PeerMessage::GetBlockTransactions(request) => {
                self.serve_block_transactions(id, &request)?;
            }
            PeerMessage::BlockTransactions(answer) => self.take_block_transactions(id, &answer)?,
            PeerMessage::AnnounceTransactions(wtxids) => self.announced(id, &wtxids),
            PeerMessage::GetTransactions(wtxids) => self.serve_transactions(id, &wtxids),
            PeerMessage::Transaction(bytes) => self.take_relayed(id, &bytes.0)?,
            PeerMessage::TransactionsNotFound(wtxids) => self.not_found(id, &wtxids),
            PeerMessage::GetAddresses(()) => self.give_addresses(id),
            PeerMessage::Addresses(addresses) => self.take_addresses(id, &addresses),
        }
        Ok(())
    }

    /// What a light client may ask a node besides the wallet conversation.
    pub(super) fn wallet_looks(
        &mut self,
        id: PeerId,
        message: PeerMessage,
    ) -> Result<(), MachineError> {
        match message {
            PeerMessage::GetHeaders(locator) => self.serve_headers(id, &locator),
            PeerMessage::GetBlocks(hashes) => self.ask_blocks(id, hashes)?,
            _ => self.out_of_role(id),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
