//! The thread that makes blocks durable, so that the machine's thread never waits for a disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use machine::Event;
use machine::store::{BlockWrites, StoreError};

use super::lanes::Lanes;

/// How writes ended.
type Outcome = Result<(), Arc<StoreError>>;

/// Writes what the machine asks for. There is at most one list of writes at a time. Dropping it
/// waits for the writes that are under way: nothing is written to files that are closed.
pub(super) struct Disk {
    /// `None` once it is being dropped.
    jobs: Option<SyncSender<BlockWrites>>,
    /// The outcome of the last writes, for whoever waits here for it.
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
    /// The outcome of the last writes has not been handled yet.
    is_writing: bool,
}

impl Disk {
    /// Starts the thread; outcomes go to `lanes`.
    pub fn start(lanes: Arc<Lanes>) -> std::io::Result<Self> {
        let (jobs, taken) = sync_channel(1);
        let (tell, outcomes) = sync_channel(1);
        let thread = Builder::new()
            .name("disk".to_owned())
            .spawn(move || write_all(&taken, &tell, &lanes))?;
        Ok(Self { jobs: Some(jobs), outcomes, thread: Some(thread), is_writing: false })
    }

    /// Begins to write.
    pub fn write(&mut self, writes: BlockWrites) {
        self.is_writing = true;
        // The thread ends only with this sender.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(writes));
    }

    /// The outcome of the last writes came through the lanes.
    pub fn handled(&mut self) {
        self.is_writing = false;
        // It stands here, too.
        let _ = self.outcomes.try_recv();
    }

    /// Waits for writes that are under way; `None` when there are none.
    pub fn wait(&mut self) -> Option<Outcome> {
        if !std::mem::take(&mut self.is_writing) {
            return None;
        }
        Some(self.outcomes.recv().unwrap_or_else(|_| Err(Arc::new(StoreError::Stopped))))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.jobs = None;
        // Its panics were caught; there is nobody to tell of another one.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write_all(taken: &Receiver<BlockWrites>, tell: &SyncSender<Outcome>, lanes: &Lanes) {
    while let Ok(writes) = taken.recv() {
        // Whoever waits must hear of the end, whatever it is.
        let ended = catch_unwind(AssertUnwindSafe(|| writes.run()));
        let outcome = ended.unwrap_or(Err(StoreError::Stopped)).map_err(Arc::new);
        let _ = tell.try_send(outcome.clone());
        lanes.push_own(Event::Written { outcome });
    }
}
