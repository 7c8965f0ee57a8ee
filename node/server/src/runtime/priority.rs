//! Who goes first where there is more work than processors: the chain (machine, nodes, disk,
//! signatures), then whoever serves clients (sockets, histories, operator, directory), then miners.

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
    let priority = ThreadPriorityValue::try_from(SERVING).expect("25 is a priority");
    // Serving at the usual priority is no reason to refuse to serve.
    let _ = set_current_thread_priority(ThreadPriority::Crossplatform(priority));
}

/// What a thread that serves clients does after each answer. Linux lets a thread that never rests
/// go on for up to three milliseconds, even where one of a higher priority has something to do.
pub(crate) fn rest() {
    thread::sleep(REST);
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// The niceness of a thread that begins with `first`; the process may be a nice one itself.
    fn niceness(first: fn()) -> i32 {
        let read = move || {
            first();
            std::fs::read_to_string("/proc/thread-self/stat").unwrap()
        };
        let stat = thread::spawn(read).join().unwrap();
        // The name, the second field, may hold spaces; the niceness is the nineteenth.
        let behind_name = stat.rsplit_once(')').unwrap().1;
        behind_name.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn the_chain_goes_before_clients_and_clients_before_miners() {
        let usual = niceness(|| ());
        assert_eq!(niceness(yield_to_the_chain), usual.max(9));
        assert_eq!(niceness(|| yield_to_others(0)), 19);
    }
}
