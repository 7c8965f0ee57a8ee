//! Deadlines by the wall clock, which may jump, told by the monotonic one, which may not.

use std::time::Duration;

use crate::event::Now;

/// A wall clock that is waited for is looked at again after this long, in case it jumped.
const LOOK_MAX_S: u64 = 5;

/// How late what waits for a second may notice that it has begun: the clock tells whole seconds
/// only, so in the second before it is looked at this often.
pub(crate) const LATE_MAX: Duration = Duration::from_millis(250);

/// When to look again whether the second `wall_s` has begun, by the monotonic clock.
pub(crate) fn look_again(now: Now, wall_s: u64) -> Duration {
    let wait = match wall_s.saturating_sub(now.wall_s) {
        0 => Duration::ZERO,
        1 => LATE_MAX,
        seconds => Duration::from_secs((seconds - 1).min(LOOK_MAX_S)),
    };
    now.monotonic + wait
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_second_is_met_hardly_late_and_with_few_looks(
            start_ms in 0u64..10_000,
            seconds in 0u64..1_000,
        ) {
            let at = |ms: u64| Now { wall_s: ms / 1_000, monotonic: Duration::from_millis(ms) };
            let wall_s = start_ms / 1_000 + seconds;
            let (mut ms, mut looks) = (start_ms, 0);
            while at(ms).wall_s < wall_s {
                let again = look_again(at(ms), wall_s);
                prop_assert!(again > at(ms).monotonic && again <= at(ms + 5_000).monotonic);
                ms = u64::try_from(again.as_millis()).unwrap();
                looks += 1;
            }
            prop_assert!(ms < (wall_s * 1_000).max(start_ms + 1) + 250, "{ms} for {wall_s}");
            prop_assert!(looks <= seconds / 5 + 9, "{looks} looks in {seconds} s");
        }
    }
}
