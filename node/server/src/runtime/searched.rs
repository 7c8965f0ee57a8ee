//! `Searched`: how the search of one template went, for those who measure a node.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use chain::hash::BlockHash;
use engine::Shift;

use super::Node;

/// Searches that may wait to be looked at; further ones are not told.
const SEARCHES_MAX: usize = 4096;

/// How the search of one template went. It is over: every worker is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Searched {
    /// The tip that the template was built on.
    pub previous: BlockHash,
    /// Whether it ended with a block.
    pub found: bool,
    /// When the first worker began; `None` when it was cancelled before.
    pub first_hash: Option<Instant>,
    /// When the last worker ended.
    pub idle: Option<Instant>,
    /// Hashes of the node up to then, those of earlier searches among them.
    pub hashes: u64,
}

impl Searched {
    /// A search that is about to begin.
    pub(super) fn new(previous: BlockHash) -> Self {
        Self { previous, found: false, first_hash: None, idle: None, hashes: 0 }
    }

    /// Adds what the workers did for one part of the template.
    pub(super) fn add(&mut self, shifts: &[Shift]) {
        let began = shifts.iter().filter_map(|shift| shift.first_hash).min();
        self.first_hash = self.first_hash.or(began);
        self.idle = shifts.iter().map(|shift| shift.idle).max();
    }
}

impl Node {
    /// Tells of every search from now on, once it is over; `None` on a node that never mines. Only
    /// the latest watcher is told.
    pub fn watch_searches(&self) -> Option<Receiver<Searched>> {
        let miner = self.parts.as_ref()?.miner.as_ref()?;
        let (tell, watch) = sync_channel(SEARCHES_MAX);
        miner.slot.tell_searches(tell);
        Some(watch)
    }
}
