//! `poll_until`: waiting for what another thread or process does and nobody is told of.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that a test does not time: the computer may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses between two looks: what comes at once is seen at once, and a long wait costs no core.
const PAUSE_MIN: Duration = Duration::from_micros(50);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Looks again and again until `check` finds something, and returns it.
///
/// # Panics
/// With `what` when `deadline` has passed and nothing is found.
pub fn poll_until<T>(what: &str, deadline: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    poll_until_ok(what, deadline, || check().ok_or("nothing"))
}

/// The same with what each look found instead, of which the last is told when time is over.
///
/// # Panics
/// With `what` and the last error when `deadline` has passed.
pub fn poll_until_ok<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut check: impl FnMut() -> Result<T, E>,
) -> T {
    let end = Instant::now() + deadline;
    let mut pause = PAUSE_MIN;
    loop {
        match check() {
            Ok(found) => return found,
            Err(instead) => {
                assert!(Instant::now() < end, "not within {deadline:?}: {what}; found: {instead}");
            }
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_there_is_something() {
        let mut looks = 0;
        let found = poll_until("three looks", PATIENCE, || {
            looks += 1;
            (looks == 3).then_some("it")
        });
        assert_eq!((found, looks), ("it", 3));
    }

    #[test]
    #[should_panic(expected = "not within 0ns: pigs fly; found: nothing")]
    fn it_says_what_did_not_come() {
        poll_until("pigs fly", Duration::ZERO, || None::<()>);
    }
}
