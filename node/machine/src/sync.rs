//! Headers-first synchronization: ask for headers, keep those whose chain has enough work;
//! [`bodies`] fetches the blocks of the better chain, of whom [`sources`] says.

mod bodies;
mod sources;

use std::collections::BTreeMap;
use std::time::Duration;

use chain::chain_end::ChainEnd;
use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use chain::rules::header::check_time;
use chain::target::Work;
use wire::Message;
use wire::peer::{HEADERS_MAX, PeerMessage};

use crate::conduct::{Misbehavior, Source};
use crate::event::Direction;
use crate::header_tree::HeaderId;
use crate::requests::Requests;
use crate::{Machine, PeerId};
use sources::Standing;

/// Headers of little work that one connection may show.
const PRESYNC_HEADERS_MAX: usize = 65_536;

/// Connections that may show such a chain at a time.
const PRESYNCS_MAX: usize = 2;

/// Such a chain without progress for this long is dropped.
const PRESYNC_IDLE_MAX: Duration = Duration::from_secs(120);

/// An unanswered request for headers may be repeated after this long.
const HEADERS_PATIENCE: Duration = Duration::from_secs(10);

/// A chain of headers that has too little work to be kept: rule-checked, contiguous, outside the
/// tree. It is taken in as soon as it has shown enough.
#[derive(Debug)]
pub(crate) struct PresyncChain {
    headers: Vec<Header>,
    end: ChainEnd,
    progress: Duration,
}

/// Where each node is, and what was asked of it.
#[derive(Debug)]
pub(crate) struct Sync {
    /// The full nodes whose handshake is done.
    pub(crate) peers: BTreeMap<PeerId, SyncPeer>,
    /// Blocks that were asked for, in whatever form.
    pub(crate) downloads: Requests<BlockHash>,
    /// Patience with a connection that holds up others, before it is closed.
    stall: Duration,
}

/// What synchronization knows of one node.
#[derive(Debug)]
pub(crate) struct SyncPeer {
    /// The header with most work that it is known to have.
    best_header: HeaderId,
    /// When headers were last asked of it and nothing has come yet.
    headers_asked: Option<Duration>,
    /// Headers of little work that it is showing us.
    presync: Option<PresyncChain>,
    /// When a block that was asked of it came last.
    last_delivery: Duration,
    /// When some of a message that is on its way came last.
    last_bytes: Duration,
    /// Who opened it.
    direction: Direction,
    /// How it did with the last block that was asked of it.
    standing: Standing,
    /// A block that it was asked for, and that another one brought before its time was over.
    overtaken: Option<BlockHash>,
}

impl Default for Sync {
    fn default() -> Self {
        Self { peers: BTreeMap::new(), downloads: Requests::default(), stall: bodies::STALL_MIN }
    }
}

impl Sync {
    pub(crate) fn add_peer(&mut self, id: PeerId, direction: Direction, now: Duration) {
        let peer = SyncPeer {
            best_header: HeaderId::GENESIS,
            headers_asked: None,
            presync: None,
            last_delivery: now,
            last_bytes: now,
            direction,
            standing: Standing::default(),
            overtaken: None,
        };
        self.peers.insert(id, peer);
    }

    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.peers.remove(&id);
        self.downloads.forget_peer(id);
    }

    /// When something that was asked for, or a chain that is being shown, is given up. `now` is the
    /// time at which [`Machine::time_out_sync`] looked last.
    pub(crate) fn next_deadline(&self, now: Duration) -> Option<Duration> {
        let presyncs = self.peers.values().filter_map(|peer| peer.presync.as_ref());
        let presyncs = presyncs.map(|presync| presync.progress + PRESYNC_IDLE_MAX);
        presyncs.chain(self.stall_deadlines(now)).min()
    }

    /// The nodes, each with the header of most work that it is known to have.
    pub(crate) fn best_headers(&self) -> impl Iterator<Item = (PeerId, HeaderId)> {
        self.peers.iter().map(|(id, peer)| (*id, peer.best_header))
    }
}

impl Machine {
    /// Asks for what lies behind our best header, unless an answer is still awaited; or behind the
    /// last block of it whose body is here, unless this node is known to have one that is missing:
    /// whoever has nothing new would answer with nothing, and we would not know what it has.
    pub(crate) fn request_headers(&mut self, id: PeerId) {
        let now = self.now.monotonic;
        let mut from = self.tree.best_header();
        let Some(peer) = self.sync.peers.get_mut(&id) else {
            return;
        };
        if self.tree.is_complete(self.tree.last_valid(peer.best_header)) {
            from = self.tree.last_complete(from);
        }
        if peer.headers_asked.is_some_and(|asked| now < asked + HEADERS_PATIENCE) {
            return;
        }
        peer.headers_asked = Some(now);
        let locator = self.tree.locator(from);
        self.send(id, &Message::Peer(PeerMessage::GetHeaders(locator)));
    }

    /// Headers that another node sends.
    pub(crate) fn on_headers(&mut self, id: PeerId, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<HEADER_BYTES>();
        if !rest.is_empty() || chunks.len() > HEADERS_MAX {
            self.note_misbehavior(
                id,
                Misbehavior::BrokenHeaders,
                "headers in no form the protocol has",
            );
            return;
        }
        let headers: Vec<Header> = chunks.iter().map(Header::from_bytes).collect();
        let linked = headers.windows(2).all(|pair| pair[1].previous == pair[0].hash());
        if !linked {
            self.note_misbehavior(
                id,
                Misbehavior::BrokenHeaders,
                "headers that do not follow each other",
            );
            return;
        }
        let Some(last) = headers.last() else {
            self.headers_answered(id);
            return;
        };
        let last_hash = last.hash();
        let more = headers.len() == HEADERS_MAX;
        let taken = match self.presync_end(id, &headers) {
            Some(end) => self.extend_chain(id, &headers, end),
            None => self.take_linked(id, &headers),
        };
        if taken && more {
            if let Some(peer) = self.sync.peers.get_mut(&id) {
                peer.headers_asked = Some(self.now.monotonic);
            }
            // The other side has this very header, so one hash is locator enough.
            let locator = vec![last_hash, self.network.genesis_hash()];
            self.send(id, &Message::Peer(PeerMessage::GetHeaders(locator)));
        }
    }

    fn headers_answered(&mut self, id: PeerId) {
        if let Some(peer) = self.sync.peers.get_mut(&id) {
            peer.headers_asked = None;
        }
    }

    /// The end of the chain of little work that these headers continue.
    fn presync_end(&self, id: PeerId, headers: &[Header]) -> Option<ChainEnd> {
        let presync = self.sync.peers.get(&id)?.presync.as_ref()?;
        (headers.first()?.previous == presync.end.hash).then(|| presync.end.clone())
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
            self.headers_answered(id);
            return true;
        };
        let Some(parent) = self.tree.find(&first.previous) else {
            // They continue a chain that we do not know (any more): start over from what we have.
            // An answer that leads nowhere does not count as one, so this cannot go round and
            // round.
            self.request_headers(id);
            return false;
        };
        let end = self.tree.chain_end(parent);
        self.extend_chain(id, new, end)
    }

    /// Checks headers behind `end` and keeps them: in the tree when their chain has enough work,
    /// else outside of it. False when nothing more shall be asked.
    fn extend_chain(&mut self, id: PeerId, headers: &[Header], mut end: ChainEnd) -> bool {
        self.headers_answered(id);
        let (start, mut good) = (end.hash, Vec::with_capacity(headers.len()));
        for header in headers {
            if check_time(header, &self.network.spec, self.now.wall_s).is_err() {
                break;
            }
            end = match end.extended(header, &self.network) {
                Ok(end) => end,
                Err(rule) => {
                    self.note_misbehavior(id, Misbehavior::InvalidHeader, &rule.to_string());
                    return false;
                }
            };
            good.push(*header);
        }
        let complete = good.len() == headers.len();
        let work_min = self.work_threshold();
        let Some(peer) = self.sync.peers.get_mut(&id).filter(|_| !good.is_empty()) else {
            return false;
        };
        let mut headers = match peer.presync.take() {
            Some(presync) if presync.end.hash == start => presync.headers,
            _ => Vec::new(),
        };
        headers.append(&mut good);
        if end.work >= work_min {
            self.take_chain(id, &headers);
            return complete;
        }
        let others = self.sync.peers.values().filter(|peer| peer.presync.is_some()).count();
        if headers.len() > PRESYNC_HEADERS_MAX || others >= PRESYNCS_MAX {
            return false;
        }
        let progress = self.now.monotonic;
        if let Some(peer) = self.sync.peers.get_mut(&id) {
            peer.presync = Some(PresyncChain { headers, end, progress });
        }
        complete
    }

    /// A chain that has shown enough work goes into the tree, its beginning too.
    fn take_chain(&mut self, id: PeerId, headers: &[Header]) {
        for header in headers {
            match self.take_header(Source::Peer(id), header, Work::ZERO) {
                Some(entry) => self.note_header(id, entry),
                None => return,
            }
        }
    }

    /// A connection is known to have this header.
    pub(crate) fn note_header(&mut self, id: PeerId, entry: HeaderId) {
        let entry = self.tree.last_valid(entry);
        let work = self.tree.entry(entry).work;
        if let Some(peer) = self.sync.peers.get_mut(&id) {
            let known = self.tree.last_valid(peer.best_header);
            if work > self.tree.entry(known).work {
                peer.best_header = entry;
            }
        }
    }

    /// Drops chains of little work without progress.
    fn time_out_presyncs(&mut self) {
        let now = self.now.monotonic;
        for peer in self.sync.peers.values_mut() {
            let idle = |presync: &PresyncChain| now >= presync.progress + PRESYNC_IDLE_MAX;
            if peer.presync.as_ref().is_some_and(idle) {
                peer.presync = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
