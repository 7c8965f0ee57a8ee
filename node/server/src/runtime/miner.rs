//! The node's own miner: searches the latest template, and nothing but the latest.

mod search_space;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use chain::header::Header;
use engine::{Cancel, EngineError, Job, Kernel, Miner, Outcome};
use tokio::sync::watch;

use super::clock::Clock;
use super::lanes::Lanes;
use super::mining_statistics::MiningStatistics;
use super::priority::yield_to_others;
use super::search_statistics::{SearchStatistics, SearchWatcher};
use super::templates::Offer;
use machine::Event;
use machine::network_rate::expected_hashes;
use machine::template::{Lease, Template};
use search_space::{HeaderIterator, SearchSpace};

/// The threads that mine and the kernel they hash with.
#[derive(Debug, Clone, Copy)]
pub struct MiningConfig {
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// How they hash.
    pub kernel: Kernel,
}

/// The mining thread with what others may see of it.
pub(super) struct MiningThread {
    /// Who hears how each search went.
    pub watcher: Arc<SearchWatcher>,
    thread: JoinHandle<()>,
}

/// Why there is no mining thread.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// The engine's trouble.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The operating system refused the thread.
    #[error("cannot start the mining thread: {0}")]
    Thread(io::Error),
}

/// Starts the engine's pool, which yields to everything else that runs on the computer.
pub(super) fn pool(config: MiningConfig) -> Result<Miner, EngineError> {
    Miner::with_thread_start(config.threads, config.kernel, yield_to_others)
}

impl MiningThread {
    /// Starts the thread that gives the pool its jobs. It ends when no more offers can come.
    pub fn start(own: OwnMiner, tokio: tokio::runtime::Handle) -> Result<Self, MinerError> {
        let watcher = Arc::clone(&own.watcher);
        let thread = Builder::new()
            .name("miner".to_owned())
            .spawn(move || own.run(&tokio))
            .map_err(MinerError::Thread)?;
        Ok(Self { watcher, thread })
    }

    /// Waits for the end of the thread, once nobody offers any more. False when it had panicked.
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

/// The node's own pool, one taker of templates among others.
pub(super) struct OwnMiner {
    /// The workers.
    pub pool: Miner,
    /// What to search.
    pub offers: watch::Receiver<Offer>,
    /// What came of it.
    pub statistics: Arc<MiningStatistics>,
    /// Who hears how each search went.
    pub watcher: Arc<SearchWatcher>,
    /// Where solutions go.
    pub lanes: Arc<Lanes>,
    /// For the time in the headers.
    pub clock: Clock,
}

impl OwnMiner {
    fn run(mut self, tokio: &tokio::runtime::Handle) {
        loop {
            let offer = self.offers.borrow_and_update().clone();
            if let Some(template) = &offer.template {
                self.take(template, &offer);
            }
            // Solved, replaced, or searched to the end: only another offer is of interest.
            if tokio.block_on(self.offers.changed()).is_err() {
                return;
            }
        }
    }

    /// Searches a template and tells what came of it.
    fn take(&self, template: &Arc<Template>, offer: &Offer) {
        let hashes = expected_hashes(template.header.bits);
        self.statistics.begin(hashes.map_or(0.0, |hashes| 1.0 / hashes));
        let mut search = SearchStatistics::new(template.header.previous);
        let mined = self.search(template, &offer.replaced, &mut search);
        search.found = mined.is_some();
        search.hashes = self.pool.meter().snapshot().total;
        self.watcher.tell(search);
        match mined {
            Some(mined) => {
                self.statistics.found();
                self.lanes.push_own(mined);
            }
            None => self.statistics.ended(offer.stale_from.get().copied()),
        }
    }

    /// Searches `template` until it is solved, cancelled, or there is nothing left of the lease.
    fn search(
        &self,
        template: &Arc<Template>,
        cancel: &Cancel,
        statistics: &mut SearchStatistics,
    ) -> Option<Event> {
        let target = template.header.bits.expand().ok()?;
        let target = engine::Target::from_le_bytes(target.to_le_bytes());
        let mut headers = HeaderIterator::new(template, SearchSpace::of(Lease::OWN));
        while let Some(part) = headers.next(self.clock.wall_s()) {
            let job =
                Job::rolling(&part.header.to_bytes(), target, part.group)?.with_nonces(part.nonces);
            let (outcome, spans) = self.pool.search_timed(&job, cancel);
            statistics.add(&spans);
            match outcome {
                Outcome::Found(solution) => {
                    return Some(Event::Mined {
                        template: Arc::clone(template),
                        header: Header::from_bytes(&solution.header),
                        coinbase: template.coinbase_with_extra_nonce(part.extra_nonce),
                    });
                }
                Outcome::Exhausted => {}
                Outcome::Cancelled => return None,
            }
        }
        None
    }
}

#[cfg(test)]
pub(super) mod tests;
