//! Time that this process had a processor, which is not lengthened by what others do meanwhile.

use std::fs;
use std::path::Path;

/// One folder for each thread of this process.
const THREADS: &str = "/proc/self/task";

/// Seconds that all threads of this process have run, without waiting for a processor; `None` where
/// the system does not tell (it does on Linux). Threads that have ended do not count.
pub fn seconds() -> Option<f64> {
    seconds_in(Path::new(THREADS))
}

fn seconds_in(threads: &Path) -> Option<f64> {
    let mut total_ns = 0_u64;
    let mut known = false;
    for thread in fs::read_dir(threads).ok()?.flatten() {
        // Run time, time spent waiting (both in nanoseconds), and the number of slices.
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        if let Some(run_ns) = text.split(' ').next().and_then(|word| word.parse::<u64>().ok()) {
            total_ns = total_ns.saturating_add(run_ns);
            known = true;
        }
    }
    (known && total_ns > 0).then_some(total_ns as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_add_up_and_a_system_that_says_nothing_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(seconds_in(folder.path()), None);
        for (thread, text) in [("1", "1500000000 7 3\n"), ("2", "500000000 1 1\n"), ("3", "")] {
            fs::create_dir(folder.path().join(thread)).unwrap();
            fs::write(folder.path().join(thread).join("schedstat"), text).unwrap();
        }
        assert_eq!(seconds_in(folder.path()), Some(2.0));
    }
}
