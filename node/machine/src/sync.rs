//! Headers-first synchronization: ask for headers, keep those whose chain has enough work;
//! [`bodies`] fetches the blocks of the better chain, [`serving`] answers others.

mod bodies;
mod serving;

use std::collections::BTreeMap;
use std::time::Duration;

use chain::difficulty::Work;
use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};
use chain::rules::header::check_time;
use wire::Message;
use wire::peer::{HEADERS_MAX, PeerMessage};

use super::header_tree::{ChainEnd, HeaderId};
use super::{Machine, PeerId};
use crate::conduct::{Misbehavior, Source};

pub(super) use serving::Served;

/// Headers of little work that one run may hold.
const RUN_HEADERS_MAX: usize = 65_536;

/// Runs that are held at a time.
const RUNS_MAX: usize = 2;

/// A run without progress for this long is dropped.
const RUN_IDLE_MAX: Duration = Duration::from_secs(120);

/// An unanswered request for headers may be repeated after this long.
const HEADERS_PATIENCE: Duration = Duration::from_secs(10);

/// A chain of headers that has too little work to be kept: rule-checked, contiguous, outside the
/// tree. It is taken in as soon as it has shown enough.
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
    /// Patience with a block that holds up others.
    stall: Duration,
}

impl Default for Sync {
    fn default() -> Self {
        Self { in_flight: BTreeMap::new(), stall: bodies::STALL_MIN }
    }
}

impl Machine {
    /// Asks for what lies behind our best header, unless an answer is still awaited.
    pub(super) fn request_headers(&mut self, id: PeerId) {
        let now = self.now.monotonic;
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.is_ready_node()) else {
            return;
        };
        if peer.headers_asked.is_some_and(|asked| now < asked + HEADERS_PATIENCE) {
            return;
        }
        peer.headers_asked = Some(now);
        let locator = self.tree.locator(self.tree.best_header());
        self.send(id, &Message::Peer(PeerMessage::GetHeaders(locator)));
    }

    /// Headers that another node sends.
    pub(super) fn on_headers(&mut self, id: PeerId, bytes: &[u8]) {
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
        let taken = match self.run_of(id, &headers) {
            Some(end) => self.extend_run(id, &headers, end),
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

    fn headers_answered(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.headers_asked = None;
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
        self.extend_run(id, new, end)
    }

    /// Checks headers behind `end` and keeps them: in the tree when their chain has enough work,
    /// else in the connection's run. False when nothing more shall be asked.
    fn extend_run(&mut self, id: PeerId, headers: &[Header], mut end: ChainEnd) -> bool {
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
        let Some(peer) = self.peers.get_mut(id).filter(|_| !good.is_empty()) else {
            return false;
        };
        let mut run = match peer.run.take() {
            Some(run) if run.end.hash == start => run.headers,
            _ => Vec::new(),
        };
        run.append(&mut good);
        if end.work >= work_min {
            self.take_run(id, &run);
            return complete;
        }
        let others = self.peers.iter().filter(|peer| peer.run.is_some()).count();
        if run.len() > RUN_HEADERS_MAX || others >= RUNS_MAX {
            return false;
        }
        let progress = self.now.monotonic;
        if let Some(peer) = self.peers.get_mut(id) {
            peer.run = Some(HeaderRun { headers: run, end, progress });
        }
        complete
    }

    /// A chain that has shown enough work goes into the tree, its beginning too.
    fn take_run(&mut self, id: PeerId, headers: &[Header]) {
        for header in headers {
            match self.take_header(Source::Peer(id), header, Work::ZERO) {
                Some(entry) => self.note_header(id, entry),
                None => return,
            }
        }
    }

    /// A connection is known to have this header.
    pub(super) fn note_header(&mut self, id: PeerId, entry: HeaderId) {
        let entry = self.tree.last_valid(entry);
        let work = self.tree.entry(entry).work;
        if let Some(peer) = self.peers.get_mut(id) {
            let known = self.tree.last_valid(peer.best_header);
            if work > self.tree.entry(known).work {
                peer.best_header = entry;
            }
        }
    }

    /// Drops runs without progress.
    fn time_out_runs(&mut self) {
        let now = self.now.monotonic;
        for peer in self.peers.iter_mut() {
            if peer.run.as_ref().is_some_and(|run| now >= run.progress + RUN_IDLE_MAX) {
                peer.run = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
