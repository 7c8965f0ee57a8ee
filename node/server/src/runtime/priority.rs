//! Who goes first where there is more work than processors: the chain (machine, nodes, disk,
//! signatures), then whoever serves clients, then miners.

use std::thread;
use std::time::Duration;

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

/// Of 100, where 50 is usual; on Linux a niceness of 9. A miner, at 19, has a ninth of its weight.
const SERVING: u8 = 25;

/// How long whoever serves clients rests after each answer.
const REST: Duration = Duration::from_micros(50);

/// What a mining thread does before anything else: it lets everybody else go first.
pub fn yield_to_others(_worker: usize) {
    // Mining at the usual priority is no reason to refuse to mine.
    let _ = set_current_thread_priority(ThreadPriority::Min);
}

/// What a thread that serves clients does before anything else: however fast they ask, blocks and
/// transactions go first.
pub(crate) fn yield_to_the_chain() {
    if let Ok(priority) = ThreadPriorityValue::try_from(SERVING) {
        // Serving at the usual priority is no reason to refuse to serve.
        let _ = set_current_thread_priority(ThreadPriority::Crossplatform(priority));
    }
}

/// What a thread that serves clients does after each answer. Linux lets a thread that never rests
/// go on for up to three milliseconds, even where one of a higher priority has something to do.
pub(crate) fn rest() {
    thread::sleep(REST);
}
