//! `Watch`: what a node searches, and when it gives that up; never waits without an end.

use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use chain::hash::BlockHash;
use server::runtime::{Node, SearchStatistics};

/// Looks at what a node searches.
pub(super) struct Watch<'a> {
    node: &'a Node,
    searches: Receiver<SearchStatistics>,
    /// Longest wait for the node to do what it should do in a moment.
    patience: Duration,
    /// How long a moment is.
    moment: Duration,
    tip: BlockHash,
    /// Blocks up to the tip.
    height: u32,
    /// The first one on the tip, as far as it is known: a search is told of once it is over.
    pub(super) first_hash: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Watches a node that mines on `tip`.
    pub(super) fn new(
        node: &'a Node,
        tip: BlockHash,
        patience: Duration,
        moment: Duration,
    ) -> anyhow::Result<Self> {
        let searches = node.watch_searches();
        let searches = searches.ok_or_else(|| anyhow::anyhow!("the node does not mine"))?;
        Ok(Self { node, searches, patience, moment, tip, height: 0, first_hash: None })
    }

    /// Waits until the node hashes on the tip, and then a moment longer. False when it has found a
    /// block of its own meanwhile.
    pub(super) fn searches_a_moment(&mut self) -> anyhow::Result<bool> {
        let deadline = Instant::now() + self.patience;
        let hashes = self.node.hash_rate().unwrap_or_default().hashes;
        while self.node.hash_rate().unwrap_or_default().hashes == hashes {
            if self.has_found() {
                return Ok(false);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "waited {} s in vain for the node's first hash on block {} of this chain",
                self.patience.as_secs(),
                self.height,
            );
            thread::sleep(self.moment / 10);
        }
        thread::sleep(self.moment);
        Ok(!self.has_found())
    }

    /// Whether one of the searches that are over ended with a block.
    fn has_found(&mut self) -> bool {
        let mut found = false;
        while let Ok(search) = self.searches.try_recv() {
            self.see(&search);
            found |= search.found;
        }
        found
    }

    /// The end of the search on the tip, after `since`; `None` when it ended with a block, or the
    /// node turned away without a search that could be seen.
    pub(super) fn ends(&mut self, since: Instant) -> anyhow::Result<Option<SearchStatistics>> {
        let deadline = Instant::now() + self.patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(search) = self.searches.recv_timeout(left) else {
                self.has_turned()?;
                return Ok(None);
            };
            self.see(&search);
            if search.found {
                return Ok(None);
            }
            if search.previous == self.tip && search.idle.is_some_and(|idle| idle >= since) {
                return Ok(Some(search));
            }
        }
    }

    /// Nothing was told of a search that ends, in all that time. No error if the node has turned to
    /// another block all the same: its miner was kept from a processor while one template followed
    /// another, and never searched the first.
    fn has_turned(&self) -> anyhow::Result<()> {
        let tip = self.node.handle.ask_blocking(|machine| machine.tip().hash)?;
        anyhow::ensure!(
            tip != self.tip,
            "waited {} s in vain for the node to give up block {} of this chain for the next one",
            self.patience.as_secs(),
            self.height,
        );
        Ok(())
    }

    fn see(&mut self, search: &SearchStatistics) {
        if search.previous == self.tip {
            // A template on the same tip may have been refreshed: the first one counts.
            self.first_hash = self.first_hash.or(search.first_hash);
        }
    }

    /// The node has turned to the next block.
    pub(super) fn turns_to(&mut self, tip: BlockHash) {
        (self.tip, self.height, self.first_hash) = (tip, self.height + 1, None);
    }
}
