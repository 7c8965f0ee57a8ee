//! `poll_until`: waiting for what another thread or process does and nobody is told of.

use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks: short beside what is waited for, long beside a look.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `check` finds something, and returns it.
///
/// # Panics
/// With `what` when `deadline` has passed and nothing is found.
pub fn poll_until<T>(what: &str, deadline: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_there_is_something() {
        let mut looks = 0;
        let found = poll_until("three looks", Duration::from_secs(60), || {
            looks += 1;
            (looks == 3).then_some("it")
        });
        assert_eq!((found, looks), ("it", 3));
    }

    #[test]
    #[should_panic(expected = "not within 0ns: pigs fly")]
    fn it_says_what_did_not_come() {
        poll_until("pigs fly", Duration::ZERO, || None::<()>);
    }
}
