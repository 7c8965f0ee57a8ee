//! `OpeningProgress`: how far the opening of a store is, for whoever waits for it.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};

/// Something that opening a store has to do and that takes longer the longer the chain is, in the
/// order in which it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpeningStep {
    /// Reads the block files; counted in bytes.
    ReadBlocks,
    /// Checks every page of the database; counted in bytes of its file. Free pages are not read,
    /// and where the page cache is smaller than the rest, that is read twice: the end comes as a
    /// jump.
    CheckDatabase,
    /// Makes the tables that a database of an earlier schema lacks; counted in blocks.
    UpdateTables,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpeningProgress {
    /// The step.
    pub step: OpeningStep,
    /// What is done of it, never more than `total`; as much at the end, unless the opening fails.
    pub done: u64,
    /// All of it.
    pub total: u64,
}

/// Hears of the progress, often, on the thread that opens the store.
pub type OpeningWatcher = Arc<dyn Fn(OpeningProgress) + Send + Sync>;

/// A watcher for where nobody waits.
pub fn unwatched() -> OpeningWatcher {
    Arc::new(|_| ())
}

/// One step as it goes on.
pub(super) struct StepProgress {
    watcher: OpeningWatcher,
    step: OpeningStep,
    done: AtomicU64,
    total: u64,
}

impl StepProgress {
    pub(super) fn new(watcher: &OpeningWatcher, step: OpeningStep, total: u64) -> Self {
        Self { watcher: Arc::clone(watcher), step, done: AtomicU64::new(0), total }
    }

    /// So much more is done.
    pub(super) fn add(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        self.tell(done);
    }

    /// All of it is done.
    pub(super) fn finish(&self) {
        self.tell(self.total);
    }

    fn tell(&self, done: u64) {
        let (step, total) = (self.step, self.total);
        (self.watcher)(OpeningProgress { step, done: done.min(total), total });
    }
}

/// The check of a database, told by what is read of its file until the check is over.
#[derive(Clone)]
pub(super) struct CheckProgress(Arc<Check>);

struct Check {
    step: StepProgress,
    is_over: AtomicBool,
}

impl CheckProgress {
    pub(super) fn new(watcher: &OpeningWatcher, file_bytes: u64) -> Self {
        let step = StepProgress::new(watcher, OpeningStep::CheckDatabase, file_bytes);
        Self(Arc::new(Check { step, is_over: AtomicBool::new(false) }))
    }

    /// The backend, watched until the check is over.
    pub(super) fn watch<B: StorageBackend>(&self, backend: B) -> impl StorageBackend + use<B> {
        Watched { backend, check: self.clone() }
    }

    /// The database is open.
    pub(super) fn finish(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        self.0.step.finish();
    }
}

struct Watched<B> {
    backend: B,
    check: CheckProgress,
}

impl<B: fmt::Debug> fmt::Debug for Watched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}

impl<B: StorageBackend> StorageBackend for Watched<B> {
    fn len(&self) -> Result<u64, io::Error> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.backend.read(offset, out)?;
        if !self.check.0.is_over.load(Ordering::Relaxed) {
            self.check.0.step.add(out.len() as u64);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.backend.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.backend.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
