//! The thread that makes blocks durable, so that the machine's thread never waits for a disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use machine::Event;
use machine::store::{BlockWrites, StoreError};

use super::lanes::Lanes;

/// How writes ended.
type Outcome = Result<(), Arc<StoreError>>;

/// Writes what the machine asks for. There is at most one list of writes at a time.
pub(super) struct Disk {
    jobs: SyncSender<BlockWrites>,
    thread: JoinHandle<Option<Outcome>>,
    /// The outcome of the last writes has not been handled yet.
    is_writing: bool,
}

impl Disk {
    /// Starts the thread; outcomes go to `lanes`.
    pub fn start(lanes: Arc<Lanes>) -> std::io::Result<Self> {
        let (jobs, taken) = sync_channel(1);
        let thread =
            Builder::new().name("disk".to_owned()).spawn(move || write_all(&taken, &lanes))?;
        Ok(Self { jobs, thread, is_writing: false })
    }

    /// Begins to write.
    pub fn write(&mut self, writes: BlockWrites) {
        self.is_writing = true;
        // The thread ends only with this sender; if it panicked, `finish` says so.
        let _ = self.jobs.send(writes);
    }

    /// The outcome of the last writes is handled.
    pub fn handled(&mut self) {
        self.is_writing = false;
    }

    /// Waits for writes that are under way; their outcome, unless it is handled already.
    pub fn finish(self) -> Option<Outcome> {
        drop(self.jobs);
        match self.thread.join() {
            Ok(outcome) => outcome.filter(|_| self.is_writing),
            Err(_) => Some(Err(Arc::new(StoreError::Stopped))),
        }
    }
}

fn write_all(taken: &Receiver<BlockWrites>, lanes: &Lanes) -> Option<Outcome> {
    let mut last = None;
    while let Ok(writes) = taken.recv() {
        let outcome = writes.run().map_err(Arc::new);
        lanes.push_own(Event::Written { outcome: outcome.clone() });
        last = Some(outcome);
    }
    last
}
