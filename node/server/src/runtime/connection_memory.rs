//! `ConnectionMemory`: how much all connections together may make the node hold. There is one for
//! what comes in and is not whole, and one for what goes out and is not read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::frame::Frame;

use machine::PeerId;

/// Bytes that every connection may hold whatever the others do.
pub(super) const GUARANTEED_BYTES: usize = 64 * 1024;

/// Bytes that all connections together may hold beyond that, of either kind: room for sixteen of
/// the largest blocks, while a node stays small beside what else a computer does.
pub(super) const SHARED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What all connections of a node hold beyond their guarantee. When it runs out, the connection
/// that holds most for longest (bytes times the time since it made progress) is dropped.
pub(super) struct ConnectionMemory {
    max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Sum of what the holders hold of their own, and of the large frames, each once.
    used: usize,
    holders: BTreeMap<PeerId, Holder>,
    /// The large frames by their place in memory.
    frames: BTreeMap<usize, HeldFrame>,
}

struct HeldFrame {
    /// How many times it is held.
    times: usize,
    /// Keeps its place, so that no other frame is taken for it: a connection that ends lets go of
    /// its frames before it gives them back. What the frame carries is freed all the same.
    _place: Weak<Frame>,
}

struct Holder {
    /// Bytes that nobody else holds, beyond the guarantee.
    own: usize,
    /// The large frames, by their place in memory: how long, and how many times it holds it.
    frames: BTreeMap<usize, (usize, usize)>,
    since: Instant,
    drop_it: CancellationToken,
}

/// One connection's part of the memory; given back when dropped.
pub(super) struct Share {
    memory: Arc<ConnectionMemory>,
    peer: PeerId,
    drop_it: CancellationToken,
}

impl ConnectionMemory {
    /// Memory of `max` shared bytes.
    pub fn new(max: usize) -> Self {
        Self { max, held: Mutex::default() }
    }

    /// The share of `peer`; `drop_it` is cancelled when its bytes are needed elsewhere.
    pub fn share(self: &Arc<Self>, peer: PeerId, drop_it: CancellationToken) -> Share {
        Share { memory: Arc::clone(self), peer, drop_it }
    }

    /// Bytes that are held beyond the guarantees.
    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// The connection holds `bytes` now that nobody else holds.
    pub fn hold(&self, bytes: usize) {
        let own = bytes.saturating_sub(GUARANTEED_BYTES);
        self.change(|held, holder| {
            held.used = held.used - holder.own + own;
            holder.own = own;
        });
    }

    /// The connection holds a frame that others may hold, too: it is counted once. Frames that fit
    /// the guarantee are no such frames.
    pub fn take(&self, frame: &Arc<Frame>) {
        self.change(|held, holder| {
            let (place, bytes) = (Arc::as_ptr(frame).addr(), frame.payload.len());
            let new = || HeldFrame { times: 0, _place: Arc::downgrade(frame) };
            let all = held.frames.entry(place).or_insert_with(new);
            held.used += if all.times == 0 { bytes } else { 0 };
            all.times += 1;
            holder.frames.entry(place).or_insert((bytes, 0)).1 += 1;
        });
    }

    /// The connection no longer holds a frame that it took.
    pub fn give_back(&self, frame: &Arc<Frame>) {
        self.change(|held, holder| {
            let place = Arc::as_ptr(frame).addr();
            if let Some((bytes, times)) = holder.frames.get_mut(&place) {
                *times -= 1;
                held.release(place, *bytes, 1);
                if *times == 0 {
                    holder.frames.remove(&place);
                }
            }
        });
    }

    /// Whether more than half of the memory is held.
    pub fn is_short(&self) -> bool {
        self.memory.lock().used > self.memory.max / 2
    }

    /// What the connection holds is on its way: it is not the one that holds it longest.
    pub fn progressed(&self) {
        if let Some(holder) = self.memory.lock().holders.get_mut(&self.peer) {
            holder.since = Instant::now();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Held, &mut Holder)) {
        let now = Instant::now();
        let mut held = self.memory.lock();
        let before = held.holders.remove(&self.peer);
        // What a connection still holds that is being dropped is as good as free.
        if self.drop_it.is_cancelled() {
            if let Some(before) = before {
                held.forget(before);
            }
            return;
        }
        let mut holder = before.unwrap_or_else(|| Holder {
            own: 0,
            frames: BTreeMap::new(),
            since: now,
            drop_it: self.drop_it.clone(),
        });
        change(&mut held, &mut holder);
        if holder.bytes() > 0 {
            held.holders.insert(self.peer, holder);
        }
        let mut dropped = Vec::new();
        while held.used > self.memory.max
            && let Some(most) = held.holds_most(now)
            && let Some(holder) = held.holders.remove(&most)
        {
            dropped.push(holder.drop_it.clone());
            held.forget(holder);
        }
        drop(held);
        for drop_it in dropped {
            drop_it.cancel();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.memory.lock();
        if let Some(holder) = held.holders.remove(&self.peer) {
            held.forget(holder);
        }
    }
}

impl Held {
    fn forget(&mut self, holder: Holder) {
        self.used -= holder.own;
        for (place, (bytes, times)) in holder.frames {
            self.release(place, bytes, times);
        }
    }

    fn release(&mut self, place: usize, bytes: usize, times: usize) {
        if let Some(all) = self.frames.get_mut(&place) {
            all.times -= times;
            if all.times == 0 {
                self.frames.remove(&place);
                self.used -= bytes;
            }
        }
    }

    fn holds_most(&self, now: Instant) -> Option<PeerId> {
        let most = |(_, holder): &(&PeerId, &Holder)| {
            let nanoseconds = now.saturating_duration_since(holder.since).as_nanos();
            (nanoseconds.saturating_mul(holder.bytes() as u128), holder.bytes())
        };
        self.holders.iter().max_by_key(most).map(|(peer, _)| *peer)
    }
}

impl Holder {
    fn bytes(&self) -> usize {
        self.own + self.frames.values().map(|(bytes, _)| bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
