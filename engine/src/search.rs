//! The parallel search on its own rayon pool.
//!
//! A job is cut into numbered batches. Workers take them in order from one counter; when a batch
//! has a hit, every batch below it is already taken and will be finished, so the lowest position
//! wins however many workers there are.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::cancel::Cancel;
use crate::job::{Job, Solution};
use crate::kernel::{Kernel, KernelError};
use crate::meter::Meter;

mod batches;
#[cfg(test)]
mod tests;

use batches::{Batch, Batches};

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The attempt of the lowest position that meets the target.
    Found(Solution),
    /// No attempt of the job meets the target.
    Exhausted,
    /// The search was cancelled. It has no answer, even if a hit was already in hand.
    Cancelled,
}

/// Why there is no miner.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The operating system refused the threads.
    #[error("cannot start {threads} mining threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The thread pool's reason.
        reason: ThreadPoolBuildError,
    },
    /// The kernel failed its self-test.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// When one worker was busy with a search: two looks at the clock, outside of the hot loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkSpan {
    /// Just before its first hash; `None` when nothing was left for it.
    pub first_hash: Option<Instant>,
    /// When it had done its last one.
    pub idle: Instant,
}

/// A pool of threads that searches jobs and does nothing else: a task queued behind an endless
/// search would wait for ever.
#[derive(Debug)]
pub struct Miner {
    pool: ThreadPool,
    kernel: Kernel,
    meter: Arc<Meter>,
}

impl Miner {
    /// A miner of `threads` workers, after one more self-test of the kernel.
    ///
    /// # Errors
    ///
    /// When the kernel fails the test, or the threads cannot be started.
    pub fn new(threads: NonZeroUsize, kernel: Kernel) -> Result<Miner, EngineError> {
        Miner::with_thread_start(threads, kernel, |_| ())
    }

    /// [`Miner::new`], where each worker calls `start` with its index before it does anything else,
    /// to lower its own priority for example.
    ///
    /// # Errors
    ///
    /// As [`Miner::new`].
    pub fn with_thread_start(
        threads: NonZeroUsize,
        kernel: Kernel,
        start: impl Fn(usize) + Send + Sync + 'static,
    ) -> Result<Miner, EngineError> {
        kernel.self_test()?;
        let threads = threads.get();
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("mine-{index}"))
            .start_handler(start)
            .build()
            .map_err(|reason| EngineError::Threads { threads, reason })?;
        Ok(Miner { pool, kernel, meter: Arc::new(Meter::new(threads)) })
    }

    /// Searches the whole job, unless cancelled, and blocks the caller meanwhile.
    pub fn search(&self, job: &Job, cancel: &Cancel) -> Outcome {
        self.search_timed(job, cancel).0
    }

    /// [`Miner::search`], which tells besides when each worker began and ended, by its index.
    pub fn search_timed(&self, job: &Job, cancel: &Cancel) -> (Outcome, Vec<WorkSpan>) {
        let search = Search::new(self.kernel, job, cancel);
        let spans = self
            .pool
            .broadcast(|worker| search.work(|hashes| self.meter.add(worker.index(), hashes)));
        (search.outcome(), spans)
    }

    /// Attempts between two looks at the cancel flag, once a search of `job` is under way.
    pub fn batch_attempts(&self, job: &Job) -> u64 {
        batches_of(self.kernel, job).full_nonces() * job.midstates().len() as u64
    }

    /// The counters of this miner's workers.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// How many workers there are.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }
}

/// Searches the whole job, unless cancelled, on the caller's thread and without a pool.
pub fn search_alone(kernel: Kernel, job: &Job, cancel: &Cancel) -> Outcome {
    let search = Search::new(kernel, job, cancel);
    search.work(|_| ());
    search.outcome()
}

/// Gives `take` every solution of the job in order of position, unless cancelled, on the caller's
/// thread: what a pool asks its miners for.
pub fn search_all(kernel: Kernel, job: &Job, cancel: &Cancel, mut take: impl FnMut(Solution)) {
    let batches = batches_of(kernel, job);
    let numbered = (0..).map_while(|number| batches.get(number));
    for batch in numbered.take_while(|_| !cancel.is_cancelled()) {
        let _whole = kernel.each_hit(job, batch.nonces(job), &mut |hit| {
            take(batch.solution(job, hit));
            ControlFlow::Continue(())
        });
    }
}

/// The physical cores this process may use, less one for the node where there is more than one.
pub fn default_threads() -> NonZeroUsize {
    // The count of physical cores knows nothing of a container's limits; the other one does.
    let allowed = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let cores = num_cpus::get_physical().min(allowed);
    NonZeroUsize::new(cores.saturating_sub(1)).unwrap_or(NonZeroUsize::MIN)
}

fn batches_of(kernel: Kernel, job: &Job) -> Batches {
    Batches::new(job.nonce_count(), kernel.batch_nonces(job))
}

/// What the workers of one search share.
struct Search<'a> {
    kernel: Kernel,
    job: &'a Job,
    cancel: &'a Cancel,
    batches: Batches,
    next_batch: SharedNumber,
    /// The lowest position with a hit so far; `u64::MAX` while there is none.
    lowest: SharedNumber,
    /// The hit at the lowest position. Locked only by a worker that has a hit in hand.
    solution: Mutex<Option<Solution>>,
}

/// Alone on its cache lines: all workers write here.
#[repr(align(128))]
struct SharedNumber(AtomicU64);

impl<'a> Search<'a> {
    fn new(kernel: Kernel, job: &'a Job, cancel: &'a Cancel) -> Search<'a> {
        Search {
            kernel,
            job,
            cancel,
            batches: batches_of(kernel, job),
            next_batch: SharedNumber(AtomicU64::new(0)),
            lowest: SharedNumber(AtomicU64::new(u64::MAX)),
            solution: Mutex::new(None),
        }
    }

    /// Takes batches until there is nothing left to do; `count` hears of the hashes of each.
    fn work(&self, mut count: impl FnMut(u64)) -> WorkSpan {
        let mut first_hash = None;
        while let Some(batch) = self.next_batch() {
            first_hash.get_or_insert_with(Instant::now);
            let versions = self.job.midstates().len() as u64;
            let Some(hit) = self.kernel.first_hit(self.job, batch.nonces(self.job)) else {
                count(u64::from(batch.count) * versions);
                continue;
            };
            let solution = batch.solution(self.job, hit);
            count(solution.attempts - batch.first * versions);
            self.hand_in(solution);
            break;
        }
        WorkSpan { first_hash, idle: Instant::now() }
    }

    /// The next batch that is worth searching; `None` also after a cancel.
    fn next_batch(&self) -> Option<Batch> {
        if self.cancel.is_cancelled() {
            return None;
        }
        let batch = self.batches.get(self.next_batch.0.fetch_add(1, Ordering::Relaxed))?;
        let position = batch.first * self.job.midstates().len() as u64;
        (self.lowest.0.load(Ordering::Relaxed) >= position).then_some(batch)
    }

    /// Keeps a hit if none of a lower position is known.
    fn hand_in(&self, hit: Solution) {
        self.lowest.0.fetch_min(hit.attempts - 1, Ordering::Relaxed);
        let mut solution = self.solution.lock().unwrap_or_else(PoisonError::into_inner);
        if solution.as_ref().is_none_or(|best| hit.attempts < best.attempts) {
            *solution = Some(hit);
        }
    }

    fn outcome(self) -> Outcome {
        if self.cancel.is_cancelled() {
            return Outcome::Cancelled;
        }
        let solution = self.solution.into_inner().unwrap_or_else(PoisonError::into_inner);
        solution.map_or(Outcome::Exhausted, Outcome::Found)
    }
}
