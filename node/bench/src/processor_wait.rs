//! `ProcessorWait`: how long a node's threads were ready to run and had no processor.
//!
//! A node that reacts late on a busy computer may have done nothing wrong. The system knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One folder for each thread of this process.
const THREADS: &str = "/proc/self/task";

/// Names, or how names begin, of the threads between a node's socket and its first hash.
const ON_THE_WAY: [&str; 4] = ["sockets", "machine", "miner", "mine-"];

/// The threads of the nodes that run in this process.
pub(super) struct ProcessorWait {
    schedstats: Vec<PathBuf>,
}

impl ProcessorWait {
    /// Looks up the threads of now; none where the system does not tell (it does on Linux).
    pub(super) fn of_nodes() -> Self {
        Self { schedstats: threads_in(Path::new(THREADS)) }
    }

    /// How long they have waited for a processor so far, all together; `None` when the system does
    /// not tell.
    pub(super) fn so_far(&self) -> Option<Duration> {
        let waits = self.schedstats.iter().map(|path| {
            // Run time, time spent waiting (both in nanoseconds), and the number of slices.
            let text = fs::read_to_string(path).ok()?;
            text.split(' ').nth(1)?.parse().ok().map(Duration::from_nanos)
        });
        let total = waits.sum::<Option<Duration>>()?;
        (!self.schedstats.is_empty()).then_some(total)
    }
}

fn threads_in(folder: &Path) -> Vec<PathBuf> {
    let threads = fs::read_dir(folder).into_iter().flatten().flatten();
    let on_the_way = |thread: &PathBuf| {
        let name = fs::read_to_string(thread.join("comm")).unwrap_or_default();
        ON_THE_WAY.iter().any(|known| name.starts_with(known))
    };
    threads
        .map(|thread| thread.path())
        .filter(on_the_way)
        .map(|thread| thread.join("schedstat"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_a_nodes_threads_add_up_and_those_of_others_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let threads = [("1", "machine\n", "9 700 1\n"), ("2", "mine-0\n", "9 30 1\n")];
        for (thread, name, text) in [threads[0], threads[1], ("3", "lode\n", "9 5000 1\n")] {
            fs::create_dir(folder.path().join(thread)).unwrap();
            fs::write(folder.path().join(thread).join("comm"), name).unwrap();
            fs::write(folder.path().join(thread).join("schedstat"), text).unwrap();
        }
        let wait = ProcessorWait { schedstats: threads_in(folder.path()) };
        assert_eq!(wait.so_far(), Some(Duration::from_nanos(730)));
        assert_eq!(ProcessorWait { schedstats: Vec::new() }.so_far(), None);
    }
}
