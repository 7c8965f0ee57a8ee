//! Hash-rate windows and per-thread counters.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Samples nearer to each other than this are merged, so that fifteen minutes stay under two
/// thousand samples however often a window is fed.
const SAMPLE_SPACING: Duration = Duration::from_millis(500);

const SHORT: Duration = Duration::from_secs(10);
const MIDDLE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(15 * 60);

/// Counts the hashes of each worker. A hash is one header attempt, not two compressions.
#[derive(Debug)]
pub struct Meter {
    counters: Vec<Counter>,
}

/// One writer each, and each alone on its cache lines (CPUs fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

/// What a meter showed at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterSnapshot {
    /// Hashes of each worker since the meter was made.
    pub per_thread: Vec<u64>,
    /// Hashes of all workers together.
    pub total: u64,
}

impl Meter {
    /// A meter for `threads` workers, all at zero.
    pub fn new(threads: usize) -> Meter {
        Meter { counters: (0..threads).map(|_| Counter::default()).collect() }
    }

    /// Adds to one worker's count. A worker the meter does not know is not counted.
    pub fn add(&self, worker: usize, hashes: u64) {
        if let Some(Counter(count)) = self.counters.get(worker) {
            count.fetch_add(hashes, Ordering::Relaxed);
        }
    }

    /// The counts as they are now.
    pub fn snapshot(&self) -> MeterSnapshot {
        let per_thread: Vec<u64> =
            self.counters.iter().map(|Counter(count)| count.load(Ordering::Relaxed)).collect();
        let total = per_thread.iter().fold(0, |sum: u64, count| sum.wrapping_add(*count));
        MeterSnapshot { per_thread, total }
    }
}

/// Rates over the last 10 seconds, 60 seconds and 15 minutes. It reads no clock: it is fed.
#[derive(Clone, Debug, Default)]
pub struct RateWindow {
    /// Oldest first; one at most is older than the longest window.
    samples: VecDeque<Sample>,
    latest: Option<Sample>,
    max: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    total: u64,
}

/// Hashes per second. A window that has not been watched for its whole length shows nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Over the last 10 seconds.
    pub ten_s: Option<u64>,
    /// Over the last 60 seconds.
    pub sixty_s: Option<u64>,
    /// Over the last 15 minutes.
    pub fifteen_min: Option<u64>,
    /// The highest 10-second rate so far.
    pub max: Option<u64>,
}

impl RateWindow {
    /// A window that has seen nothing.
    pub fn new() -> RateWindow {
        RateWindow::default()
    }

    /// Takes in the `total` of hashes at the monotonic time `now`. A time before the last one is
    /// ignored.
    pub fn feed(&mut self, now: Duration, total: u64) {
        let sample = Sample { at: now, total };
        if self.latest.is_some_and(|latest| now < latest.at) {
            return;
        }
        self.latest = Some(sample);
        if self.samples.back().is_none_or(|last| now - last.at >= SAMPLE_SPACING) {
            self.samples.push_back(sample);
        }
        while self.samples.get(1).is_some_and(|second| now - second.at >= LONG) {
            self.samples.pop_front();
        }
        self.max = self.max.max(self.rate_over(SHORT));
    }

    /// The rates as of the last feeding.
    pub fn rates(&self) -> Rates {
        Rates {
            ten_s: self.rate_over(SHORT),
            sixty_s: self.rate_over(MIDDLE),
            fifteen_min: self.rate_over(LONG),
            max: self.max,
        }
    }

    /// From the youngest sample that is at least `window` old up to the latest.
    fn rate_over(&self, window: Duration) -> Option<u64> {
        let latest = self.latest?;
        let old_enough = self.samples.partition_point(|sample| latest.at - sample.at >= window);
        let start = self.samples.get(old_enough.checked_sub(1)?)?;
        let hashes = u128::from(latest.total.saturating_sub(start.total));
        let elapsed_ns = (latest.at - start.at).as_nanos();
        u64::try_from(hashes * 1_000_000_000 / elapsed_ns).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a window once a second from `seconds` on, at `rate`, starting at `total`.
    fn run(window: &mut RateWindow, seconds: std::ops::Range<u64>, total: u64, rate: u64) -> u64 {
        let start = seconds.start;
        for second in seconds.clone() {
            window.feed(Duration::from_secs(second), total + (second - start) * rate);
        }
        total + (seconds.end - start) * rate
    }

    #[test]
    fn counters_add_up_and_strangers_are_not_counted() {
        let meter = Meter::new(2);
        meter.add(0, 5);
        meter.add(1, 7);
        meter.add(1, 1);
        meter.add(2, 100);
        assert_eq!(meter.snapshot(), MeterSnapshot { per_thread: vec![5, 8], total: 13 });
    }

    #[test]
    fn a_window_shows_nothing_until_it_is_full() {
        let mut window = RateWindow::new();
        assert_eq!(window.rates(), Rates::default());
        let total = run(&mut window, 0..10, 0, 1000);
        assert_eq!(window.rates(), Rates::default());
        run(&mut window, 10..11, total, 1000);
        assert_eq!(window.rates().ten_s, Some(1000));
        assert_eq!(window.rates().sixty_s, None);
        assert_eq!(window.rates().max, Some(1000));
    }

    #[test]
    fn each_window_forgets_at_its_own_pace() {
        let mut window = RateWindow::new();
        let total = run(&mut window, 0..1000, 0, 900);
        let total = run(&mut window, 1000..1030, total, 300);
        run(&mut window, 1030..1031, total, 300);
        let rates = window.rates();
        assert_eq!(rates.ten_s, Some(300));
        assert_eq!(rates.sixty_s, Some(600));
        assert_eq!(rates.fifteen_min, Some((870 * 900 + 30 * 300) / 900));
        assert_eq!(rates.max, Some(900));
    }

    #[test]
    fn frequent_feeding_keeps_memory_bounded_and_the_rate_right() {
        let mut window = RateWindow::new();
        for ms in 0..2_000_000 {
            window.feed(Duration::from_millis(ms), ms * 7);
        }
        assert!(window.samples.len() <= 1802, "{}", window.samples.len());
        assert_eq!(window.rates().fifteen_min, Some(7000));
        assert_eq!(window.rates().ten_s, Some(7000));
    }

    #[test]
    fn a_clock_that_steps_back_and_a_total_that_shrinks_do_no_harm() {
        let mut window = RateWindow::new();
        run(&mut window, 100..120, 1000, 10);
        window.feed(Duration::from_secs(5), u64::MAX);
        assert_eq!(window.rates().ten_s, Some(10));
        window.feed(Duration::from_secs(121), 0);
        assert_eq!(window.rates().ten_s, Some(0));
    }
}
