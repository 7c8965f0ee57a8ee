//! `Outbound`: the frames that wait to be written to one connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::command::HELLO;
use wire::frame::{FRAME_HEADER_BYTES, Frame};

use machine::PeerId;

use super::connection_memory::{ConnectionMemory, GUARANTEED_BYTES, Share};

/// Frames that may wait, the one being written among them.
pub(super) const QUEUE_FRAMES_MAX: usize = 64;

/// Bytes that may wait, those of the frame being written among them. A frame that comes while it is
/// under half may exceed it.
pub(super) const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes that must go out before a connection has made progress, as far as memory is concerned: it
/// shall not keep megabytes waiting by reading one byte at a time.
const MEMORY_PROGRESS_BYTES: u64 = 64 * 1024;

/// A reader that waits for its own outbound queue goes on when nothing at all was written for this
/// long.
const STANDSTILL: Duration = Duration::from_millis(100);

/// Where frames for one connection wait until its writer takes them. Whoever puts frames in never
/// waits; a peer for whom too many have piled up is disconnected.
pub(super) struct Outbound {
    queue: Mutex<Queue>,
    /// Wakes the writer: there is a frame, or there will be none.
    changed: Notify,
    /// Wakes the reader: a frame has been written.
    eased: Notify,
    /// Bytes written so far; only to see whether it grows.
    written: AtomicU64,
    /// The part of all connections' memory that the queue has. It is locked after the queue.
    share: Share,
    hello_sent: AtomicBool,
    /// Ends the reading of this connection.
    pub no_more_reading: CancellationToken,
    /// Ends the writing of this connection in the middle of a frame.
    pub no_more_writing: CancellationToken,
}

struct Queue {
    frames: VecDeque<Arc<Frame>>,
    /// Frames and bytes that wait or are being written.
    count: usize,
    bytes: usize,
    /// The bytes among them of frames that fit the guarantee: these count for each connection, as
    /// hardly any goes to many.
    own_bytes: usize,
    /// Somebody wants to hear when the queue is under half.
    drained_wanted: bool,
    open: bool,
}

impl Queue {
    fn is_under_half(&self) -> bool {
        self.count < QUEUE_FRAMES_MAX / 2 && self.bytes < QUEUE_BYTES_MAX / 2
    }
}

impl Outbound {
    /// An empty queue of `peer`; `no_more_reading` ends the reading when the node stops. When what
    /// waits in `memory` is too much and this connection has kept most for longest, it is given up.
    pub fn new(
        peer: PeerId,
        no_more_reading: CancellationToken,
        memory: &Arc<ConnectionMemory>,
    ) -> Self {
        let no_more_writing = CancellationToken::new();
        let share = memory.share(peer, no_more_writing.clone());
        Self {
            queue: Mutex::new(Queue {
                frames: VecDeque::new(),
                count: 0,
                bytes: 0,
                own_bytes: 0,
                drained_wanted: false,
                open: true,
            }),
            changed: Notify::new(),
            eased: Notify::new(),
            written: AtomicU64::new(0),
            hello_sent: AtomicBool::new(false),
            share,
            no_more_reading,
            no_more_writing,
        }
    }

    /// Queues a frame. Where the queue is full the connection is given up, with everything in it.
    pub fn send(&self, frame: Arc<Frame>) {
        let mut queue = self.lock();
        if !queue.open || self.no_more_writing.is_cancelled() {
            return;
        }
        let bytes = FRAME_HEADER_BYTES + frame.payload.len();
        let fits = queue.count < QUEUE_FRAMES_MAX && queue.bytes + bytes <= QUEUE_BYTES_MAX;
        // Whoever waits for room has it: two halves of a queue may be less than one large block.
        if !fits && !queue.is_under_half() {
            drop(queue);
            self.give_up();
            return;
        }
        if frame.command == HELLO {
            self.hello_sent.store(true, Ordering::Release);
        }
        queue.count += 1;
        queue.bytes += bytes;
        if is_large(&frame) {
            self.share.take(&frame);
        } else {
            self.hold_own(&mut queue, |own| own + bytes);
        }
        queue.frames.push_back(frame);
        drop(queue);
        self.changed.notify_one();
    }

    /// Whether our own hello is written or on its way.
    pub fn is_hello_sent(&self) -> bool {
        self.hello_sent.load(Ordering::Acquire)
    }

    /// Whether frames are still taken.
    pub fn is_open(&self) -> bool {
        self.lock().open && !self.no_more_writing.is_cancelled()
    }

    /// True when there is room for more already; else the writer says so once there is.
    pub fn is_drained_or_will_tell(&self) -> bool {
        let mut queue = self.lock();
        queue.drained_wanted = !self.has_room(&queue);
        !queue.drained_wanted
    }

    /// Takes no further frame and ends the reading; what is queued is still written.
    pub fn close(&self) {
        self.lock().open = false;
        self.no_more_reading.cancel();
        self.changed.notify_one();
    }

    /// Ends the connection at once.
    pub fn give_up(&self) {
        let mut queue = self.lock();
        queue.open = false;
        queue.frames.clear();
        drop(queue);
        self.no_more_reading.cancel();
        self.no_more_writing.cancel();
        self.share.hold(0);
        self.changed.notify_one();
    }

    /// The next frame to write, once there is one; `None` when there will be none any more.
    pub async fn next(&self) -> Option<Arc<Frame>> {
        loop {
            {
                let mut queue = self.lock();
                if let Some(frame) = queue.frames.pop_front() {
                    return Some(frame);
                }
                if !queue.open {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The socket took bytes, be they the smallest part of a frame.
    pub fn progressed(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / MEMORY_PROGRESS_BYTES != (before + bytes) / MEMORY_PROGRESS_BYTES {
            self.share.progressed();
        }
    }

    /// A frame is written. True when somebody asked to hear that there is room, and there is.
    pub fn wrote(&self, frame: &Arc<Frame>) -> bool {
        let mut queue = self.lock();
        let bytes = FRAME_HEADER_BYTES + frame.payload.len();
        queue.count = queue.count.saturating_sub(1);
        queue.bytes = queue.bytes.saturating_sub(bytes);
        if is_large(frame) {
            self.share.give_back(frame);
        } else {
            self.hold_own(&mut queue, |own| own.saturating_sub(bytes));
        }
        let tell = queue.drained_wanted && self.has_room(&queue);
        queue.drained_wanted &= !tell;
        drop(queue);
        self.eased.notify_one();
        tell
    }

    /// Waits while the queue is over half, so that a peer which asks faster than it reads is slowed
    /// down instead of disconnected. It does not wait for a writer at a standstill: if both sides
    /// did, neither would ever read what the other has to get rid of first.
    pub async fn until_under_half(&self) {
        let mut written = self.written.load(Ordering::Relaxed);
        while !self.lock().is_under_half() {
            let eased = timeout(STANDSTILL, self.eased.notified()).await.is_ok();
            let written_now = self.written.load(Ordering::Relaxed);
            if !eased && written_now == written {
                return;
            }
            written = written_now;
        }
    }

    /// Whether the queue is under half; where all queues together have used much of their memory,
    /// whether it is nearly empty: then many are served, each with little at a time, before anybody
    /// has to go.
    fn has_room(&self, queue: &Queue) -> bool {
        queue.is_under_half() && (queue.bytes < GUARANTEED_BYTES || !self.share.is_short())
    }

    fn hold_own(&self, queue: &mut Queue, change: impl FnOnce(usize) -> usize) {
        let before = queue.own_bytes;
        queue.own_bytes = change(before);
        // Within the guarantee nothing changes for anybody.
        if before.max(queue.own_bytes) > GUARANTEED_BYTES {
            self.share.hold(queue.own_bytes);
        }
    }

    /// Frames and bytes that wait.
    #[cfg(test)]
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.lock();
        (queue.count, queue.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a frame is counted once for all connections that hold it.
fn is_large(frame: &Frame) -> bool {
    frame.payload.len() > GUARANTEED_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outbound() -> Outbound {
        let memory = Arc::new(ConnectionMemory::new(usize::MAX));
        Outbound::new(PeerId(1), CancellationToken::new(), &memory)
    }

    fn frame(payload_bytes: usize) -> Arc<Frame> {
        Arc::new(Frame { command: 2, payload: vec![0; payload_bytes] })
    }

    proptest! {
        #[test]
        fn the_queue_never_holds_more_than_its_limits(
            sizes in prop::collection::vec(0usize..2_500_000, 1..100),
            writes in prop::collection::vec(any::<bool>(), 100),
        ) {
            let outbound = outbound();
            let mut waiting: VecDeque<usize> = VecDeque::new();
            for (size, write) in sizes.into_iter().zip(writes) {
                let bytes_before = waiting.iter().sum::<usize>();
                outbound.send(frame(size));
                waiting.push_back(size + FRAME_HEADER_BYTES);
                let bytes = waiting.iter().sum::<usize>();
                let fits = waiting.len() <= QUEUE_FRAMES_MAX
                    && (bytes <= QUEUE_BYTES_MAX || bytes_before < QUEUE_BYTES_MAX / 2);
                prop_assert_eq!(outbound.is_open(), fits);
                if !fits {
                    break;
                }
                if write && let Some(bytes) = waiting.pop_front() {
                    let frame = outbound.lock().frames.pop_front().unwrap();
                    prop_assert_eq!(frame.payload.len(), bytes - FRAME_HEADER_BYTES);
                    outbound.wrote(&frame);
                }
            }
        }
    }

    #[test]
    fn drained_is_told_once_and_only_under_half() {
        let outbound = outbound();
        assert!(outbound.is_drained_or_will_tell());
        for _ in 0..QUEUE_FRAMES_MAX / 2 + 1 {
            outbound.send(frame(1));
        }
        assert!(!outbound.is_drained_or_will_tell());
        assert!(!outbound.wrote(&frame(1)), "exactly half is not under half");
        assert!(outbound.wrote(&frame(1)));
        assert!(!outbound.wrote(&frame(1)));
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_still_gives_what_it_has() {
        let outbound = outbound();
        outbound.send(frame(1));
        outbound.close();
        outbound.send(frame(2));
        assert!(outbound.no_more_reading.is_cancelled());
        assert!(!outbound.no_more_writing.is_cancelled());
        let queued: Vec<usize> =
            outbound.lock().frames.iter().map(|frame| frame.payload.len()).collect();
        assert_eq!(queued, [1]);
    }
}
