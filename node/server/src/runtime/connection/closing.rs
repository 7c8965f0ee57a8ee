//! `Closing`: connections that are being closed and whose other side takes its time. The first of
//! them ends at once when its place is needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::outbound::Outbound;

/// The connections, in the order in which they began to close.
#[derive(Default)]
pub(in super::super) struct Closing {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    began: u64,
    connections: BTreeMap<u64, Arc<Outbound>>,
}

/// One of them, until it is dropped.
pub(super) struct LastWords<'a> {
    closing: &'a Closing,
    number: u64,
}

impl Closing {
    /// This connection takes no more and says its last words.
    pub(super) fn begin(&self, outbound: Arc<Outbound>) -> LastWords<'_> {
        let mut waiting = self.lock();
        waiting.began += 1;
        let number = waiting.began;
        waiting.connections.insert(number, outbound);
        LastWords { closing: self, number }
    }

    /// Gives up the connections that began first; false when none is closing.
    pub fn end_first(&self, count: usize) -> bool {
        let mut waiting = self.lock();
        let first = std::iter::from_fn(|| waiting.connections.pop_first());
        let first: Vec<Arc<Outbound>> = first.take(count).map(|(_, outbound)| outbound).collect();
        drop(waiting);
        first.iter().for_each(|outbound| outbound.give_up());
        !first.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        self.closing.lock().connections.remove(&self.number);
    }
}
