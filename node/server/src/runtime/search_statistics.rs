//! `SearchStatistics`: how the search of one template went, for those who measure a node.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chain::hash::BlockHash;
use engine::WorkSpan;

use super::Node;

/// Searches that may wait to be looked at; further ones are not told.
const SEARCHES_MAX: usize = 4096;

/// How the own pool's search of one template went. It is over: every worker is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchStatistics {
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

/// Who hears how each search went, while somebody measures.
#[derive(Default)]
pub(super) struct SearchWatcher(Mutex<Option<SyncSender<SearchStatistics>>>);

impl SearchStatistics {
    /// A search that is about to begin.
    pub(super) fn new(previous: BlockHash) -> Self {
        Self { previous, found: false, first_hash: None, idle: None, hashes: 0 }
    }

    /// Adds what the workers did for one part of the template.
    pub(super) fn add(&mut self, spans: &[WorkSpan]) {
        let began = spans.iter().filter_map(|span| span.first_hash).min();
        self.first_hash = self.first_hash.or(began);
        self.idle = spans.iter().map(|span| span.idle).max();
    }
}

impl SearchWatcher {
    /// Hears of every search that ends from now on; whoever heard of them before does no more.
    pub(super) fn watch(&self) -> Receiver<SearchStatistics> {
        let (tell, watch) = sync_channel(SEARCHES_MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        watch
    }

    pub(super) fn tell(&self, statistics: SearchStatistics) {
        let watcher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A watcher that is gone or too slow misses it.
        let _ = watcher.as_ref().map(|watcher| watcher.try_send(statistics));
    }
}

impl Node {
    /// Tells of every search of the own pool from now on, once it is over; `None` on a node without
    /// one. Only the latest watcher is told.
    pub fn watch_searches(&self) -> Option<Receiver<SearchStatistics>> {
        Some(self.parts.as_ref()?.miner.as_ref()?.watcher.watch())
    }
}
