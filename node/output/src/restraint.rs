//! `Restraint`: of what strangers can bring about as often as they like, a log has a line now and
//! then, and how many more there would have been.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a line stands for all of its kind: a minute of any flood is a few lines, and whoever
/// looks still sees what goes on.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Which lines may be written, by a clock that is told.
#[derive(Debug, Default)]
pub struct Restraint {
    kinds: BTreeMap<&'static str, Window>,
}

/// What was written and left out of one kind.
#[derive(Debug, Default)]
struct Window {
    ends: Duration,
    written: u32,
    /// Not told yet, also from windows before this one.
    left_out: u64,
}

impl Restraint {
    /// Whether a line of this kind may be written, of which there may be `most` in a window. One
    /// that may not is counted.
    pub fn admits(&mut self, kind: &'static str, most: u32, now: Duration) -> bool {
        let window = self.kinds.entry(kind).or_default();
        if window.ends <= now {
            (window.ends, window.written) = (now + WINDOW, 0);
        }
        let admitted = window.written < most;
        window.written += u32::from(admitted);
        window.left_out += u64::from(!admitted);
        admitted
    }

    /// What was left out in windows that are over, each once: the kind, and how many lines.
    pub fn over(&mut self, now: Duration) -> Vec<(&'static str, u64)> {
        let over = self.kinds.iter_mut().filter(|(_, window)| window.ends <= now);
        over.filter(|(_, window)| window.left_out > 0)
            .map(|(kind, window)| (*kind, std::mem::take(&mut window.left_out)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [&str; 3] = ["came", "left", "refused"];

    proptest! {
        #[test]
        fn of_any_flood_there_are_few_lines_and_every_one_is_counted(
            flood in prop::collection::vec((0usize..3, 0u64..4_000), 1..500),
            most in 1u32..4,
        ) {
            let mut restraint = Restraint::default();
            let (mut written, mut told) = (BTreeMap::<&str, Vec<Duration>>::new(), 0);
            let (mut offered, mut now) = (0u64, Duration::ZERO);
            for (kind, pause) in flood {
                now += Duration::from_millis(pause);
                told += restraint.over(now).iter().map(|(_, count)| count).sum::<u64>();
                offered += 1;
                if restraint.admits(KINDS[kind], most, now) {
                    written.entry(KINDS[kind]).or_default().push(now);
                }
            }
            told += restraint.over(Duration::MAX).iter().map(|(_, count)| count).sum::<u64>();
            prop_assert_eq!(restraint.over(Duration::MAX), vec![]);
            let lines = written.values().map(Vec::len).sum::<usize>() as u64;
            prop_assert_eq!(offered, lines + told);
            for times in written.values() {
                // The line after as many as there may be is in another window than the first.
                for (first, next) in times.iter().zip(&times[(most as usize).min(times.len())..]) {
                    prop_assert!(most > 1 || *next - *first >= WINDOW);
                }
                let windows = now.as_secs() / WINDOW.as_secs() + 1;
                prop_assert!(times.len() as u64 <= windows * u64::from(most));
            }
        }
    }
}
