//! The mining thread: searches the latest template, and nothing but the latest.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};

use chain::hash::BlockHash;
use chain::header::Header;
use engine::{Cancel, EngineError, Job, Kernel, Meter, Miner, Outcome, Rates};
use thread_priority::{ThreadPriority, set_current_thread_priority};

use super::clock::Clock;
use super::lanes::Lanes;
use super::searched::Searched;
use super::tally::Tally;
use machine::Event;
use machine::network_rate::expected_hashes;
use machine::template::Template;

mod walk;

use walk::{Space, Walk};

/// The threads that mine and the kernel they hash with.
#[derive(Debug, Clone, Copy)]
pub struct MiningConfig {
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// How they hash.
    pub kernel: Kernel,
}

/// How fast a node mines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HashRate {
    /// Hashes since the node started; one is one header attempt.
    pub hashes: u64,
    /// Hashes per second over several windows.
    pub rates: Rates,
}

/// Holds the template to search; a newer one takes the place of an older one.
#[derive(Default)]
pub(super) struct TemplateSlot {
    current: Mutex<Current>,
    changed: Condvar,
    /// Where the hashes are counted; none in a slot that nobody searches from.
    tally: Option<Arc<Tally>>,
}

#[derive(Default)]
struct Current {
    /// What the machine wants searched.
    offered: Option<Arc<Template>>,
    /// Templates above this height are not searched; `None` searches all.
    height_max: Option<u32>,
    /// What is searched: the offered one, unless it is above the limit.
    template: Option<Arc<Template>>,
    /// Counts the templates, so that one that was solved is not searched again.
    generation: u64,
    /// Stops the search of `template`; each template has a flag of its own.
    cancel: Cancel,
    /// For the search of `template`: hashes counted when its place in the chain was taken.
    stale: Stale,
    stopping: bool,
    /// Hears how each search went, while somebody measures.
    watcher: Option<SyncSender<Searched>>,
}

/// Set once, when another node's block makes a template worthless; several hold it.
type Stale = Arc<OnceLock<u64>>;

/// What the mining thread takes out of the slot.
struct Order {
    template: Arc<Template>,
    generation: u64,
    cancel: Cancel,
    stale: Stale,
}

/// The mining thread with what others may see of it.
pub(super) struct MiningThread {
    /// Where the machine puts its templates.
    pub slot: Arc<TemplateSlot>,
    /// What the workers count.
    pub meter: Arc<Meter>,
    /// What came of it.
    pub tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
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

impl TemplateSlot {
    /// Search `template` from now on and no other. Whatever is being searched stops within a batch.
    pub fn set(&self, template: Arc<Template>) {
        self.offer(template.header.previous, Some(template));
    }

    /// Search nothing from now on; the best chain ends at `tip`.
    pub fn rest(&self, tip: BlockHash) {
        self.offer(tip, None);
    }

    fn offer(&self, tip: BlockHash, template: Option<Arc<Template>>) {
        let mut current = self.lock();
        if let (Some(tally), Some(old)) = (&self.tally, &current.template)
            && old.header.previous != tip
        {
            // Whoever set it first was earlier.
            let _ = current.stale.set(tally.hashes());
        }
        current.offered = template;
        current.search_offered();
        self.changed.notify_one();
    }

    /// Searches no template above `height_max` from now on. A search that is still allowed goes on
    /// undisturbed.
    pub fn limit(&self, height_max: u32) {
        let mut current = self.lock();
        current.height_max = Some(height_max);
        if current.allowed().is_some() != current.template.is_some() {
            current.search_offered();
            self.changed.notify_one();
        }
    }

    /// Tells `watcher` of every search that ends from now on.
    pub fn tell_searches(&self, watcher: SyncSender<Searched>) {
        self.lock().watcher = Some(watcher);
    }

    fn tell(&self, searched: Searched) {
        let watcher = self.lock().watcher.clone();
        // A watcher that is gone or too slow misses it.
        let _ = watcher.map(|watcher| watcher.try_send(searched));
    }

    /// Ends the thread.
    pub fn stop(&self) {
        let mut current = self.lock();
        current.cancel.cancel();
        current.stopping = true;
        self.changed.notify_one();
    }

    /// Waits for a template of another generation than `done`; `None` when the thread shall end.
    fn wait(&self, done: u64) -> Option<Order> {
        let mut current = self.lock();
        loop {
            if current.stopping {
                return None;
            }
            if current.generation != done
                && let Some(template) = &current.template
            {
                return Some(Order {
                    template: Arc::clone(template),
                    generation: current.generation,
                    cancel: current.cancel.clone(),
                    stale: Arc::clone(&current.stale),
                });
            }
            current = self.changed.wait(current).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn allowed(&self) -> Option<&Arc<Template>> {
        let is_allowed = |height| self.height_max.is_none_or(|max| height <= max);
        self.offered.as_ref().filter(|template| is_allowed(template.height))
    }

    /// Stops what is being searched and begins anew with what is offered.
    fn search_offered(&mut self) {
        self.cancel.cancel();
        self.cancel = Cancel::new();
        self.stale = Stale::default();
        self.generation += 1;
        self.template = self.allowed().cloned();
    }
}

impl MiningThread {
    /// Starts the engine's pool and the thread that gives it its jobs. Both yield to everything
    /// else that runs on the computer.
    pub fn start(
        config: MiningConfig,
        lanes: Arc<Lanes>,
        clock: Clock,
    ) -> Result<Self, MinerError> {
        let miner = Miner::with_thread_start(config.threads, config.kernel, yield_to_others)?;
        let meter = miner.meter();
        let tally = Arc::new(Tally::new(Arc::clone(&meter)));
        let slot =
            Arc::new(TemplateSlot { tally: Some(Arc::clone(&tally)), ..TemplateSlot::default() });
        let (orders, counts) = (Arc::clone(&slot), Arc::clone(&tally));
        let thread = Builder::new()
            .name("miner".to_owned())
            .spawn(move || mine(&miner, (&orders, &counts), &lanes, clock))
            .map_err(MinerError::Thread)?;
        Ok(Self { slot, meter, tally, thread: Some(thread) })
    }

    /// Ends the thread and waits for it. False when it had panicked.
    pub fn stop(mut self) -> bool {
        self.slot.stop();
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

impl Drop for MiningThread {
    fn drop(&mut self) {
        self.slot.stop();
    }
}

/// What a mining thread does before anything else: it lets everybody else go first.
pub fn yield_to_others(_worker: usize) {
    // Mining at the usual priority is no reason to refuse to mine.
    let _ = set_current_thread_priority(ThreadPriority::Min);
}

fn mine(miner: &Miner, (slot, tally): (&TemplateSlot, &Tally), lanes: &Lanes, clock: Clock) {
    let mut done = 0;
    while let Some(order) = slot.wait(done) {
        tally.begin(expected_hashes(order.template.header.bits).map_or(0.0, |hashes| 1.0 / hashes));
        let mut searched = Searched::new(order.template.header.previous);
        let mined = search(miner, &order, clock, &mut searched);
        searched.found = mined.is_some();
        searched.hashes = miner.meter().snapshot().total;
        slot.tell(searched);
        if let Some(mined) = mined {
            tally.found();
            lanes.push_own(mined);
            done = order.generation;
            continue;
        }
        tally.ended(order.stale.get().copied());
        if !order.cancel.is_cancelled() {
            // Nothing left to search: wait for another template.
            done = order.generation;
        }
    }
}

/// Searches the template of `order` until it is solved, cancelled, or there is nothing left of it.
fn search(miner: &Miner, order: &Order, clock: Clock, searched: &mut Searched) -> Option<Event> {
    let target = order.template.header.bits.expand().ok()?;
    let target = engine::Target::from_le_bytes(target.to_le_bytes());
    let mut walk = Walk::new(&order.template, Space::WHOLE);
    while let Some(part) = walk.next(clock.wall_s()) {
        let job =
            Job::rolling(&part.header.to_bytes(), target, part.group)?.with_nonces(part.nonces);
        let (outcome, shifts) = miner.search_timed(&job, &order.cancel);
        searched.add(&shifts);
        match outcome {
            Outcome::Found(solution) => {
                return Some(Event::Mined {
                    template: order.template.id,
                    header: Header::from_bytes(&solution.header),
                    extra_nonce: part.extra_nonce,
                });
            }
            Outcome::Exhausted => {}
            Outcome::Cancelled => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;
