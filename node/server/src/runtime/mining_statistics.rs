//! `MiningStatistics`: how fast the own pool hashes, and what that came to against what it lets one
//! expect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Meter, MeterSnapshot, RateWindow, Rates};
use tokio::runtime::Runtime;

use super::Node;
use super::clock::Clock;
use statistics::Interval;
use statistics::arrivals::{chance_of_any, found_interval};

/// How often the windows are fed.
const METER_INTERVAL: Duration = Duration::from_secs(1);

/// How fast a node mines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HashRate {
    /// Hashes since the node started; one is one header attempt.
    pub hashes: u64,
    /// Hashes per second over several windows.
    pub rates: Rates,
}

/// How a node mines and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mining {
    /// Hashes per second of all threads together.
    pub rates: Rates,
    /// Those of each thread.
    pub threads: Vec<Rates>,
    /// Blocks against hashes.
    pub luck: Luck,
}

/// Blocks found against blocks expected.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Luck {
    /// Hashes since the node started; one is one header attempt.
    pub hashes: u64,
    /// Hashes made for a template after another node's block had replaced it. Workers look up once
    /// a batch and count whole batches, so up to one of each thread is counted too much.
    pub wasted: u64,
    /// Blocks found, those that lost a race among them.
    pub found: u64,
    /// Blocks expected of the hashes, each at the difficulty it was made for.
    pub expected: f64,
    /// Those expected since the last one was found.
    pub expected_since: f64,
    /// The chance of a hash on the latest template; zero before there was one.
    pub chance: f64,
}

/// Counts for one pool. Its thread writes, everybody reads.
pub(super) struct MiningStatistics {
    meter: Arc<Meter>,
    counts: Mutex<Counts>,
    windows: Mutex<Windows>,
}

#[derive(Default)]
struct Windows {
    whole: RateWindow,
    /// The rates of each thread, in their order.
    threads: Vec<RateWindow>,
}

#[derive(Default)]
struct Counts {
    luck: Luck,
    /// The meter when the latest search began; hashes before it are in `luck` already.
    counted: u64,
}

impl Node {
    /// How fast its own pool mines; `None` on a node without one.
    pub fn hash_rate(&self) -> Option<HashRate> {
        self.statistics.as_ref().map(|statistics| statistics.hash_rate(self.clock))
    }

    /// How its own pool mines and what came of it; `None` on a node without one.
    pub fn mining(&self) -> Option<Mining> {
        self.mining_reader()()
    }

    /// Reads [`Node::mining`] from another thread, also when the node has stopped.
    pub fn mining_reader(&self) -> impl Fn() -> Option<Mining> + Send + 'static {
        let (statistics, clock) = (self.statistics.clone(), self.clock);
        move || statistics.as_ref().map(|statistics| statistics.mining(clock))
    }
}

impl Luck {
    /// Where the number of blocks found lies with a chance of 95 %.
    pub fn found_range(&self) -> Interval {
        found_interval(self.expected)
    }

    /// The chance that a block would have been found by now, counted from the last one.
    pub fn chance_by_now(&self) -> f64 {
        chance_of_any(self.expected_since)
    }

    /// Seconds to a block at `rate` hashes per second, on average; `None` while nothing is
    /// searched.
    pub fn expected_time_s(&self, rate: u64) -> Option<f64> {
        let blocks_per_s = rate as f64 * self.chance;
        (blocks_per_s > 0.0).then(|| 1.0 / blocks_per_s)
    }
}

impl Mining {
    /// Seconds to a block on average, at the rate of the last ten seconds; `None` while nothing is
    /// searched.
    pub fn expected_time_s(&self) -> Option<f64> {
        self.luck.expected_time_s(self.rates.ten_s?)
    }
}

impl MiningStatistics {
    /// Counts what `meter` shows from now on.
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self { meter, counts: Mutex::default(), windows: Mutex::default() }
    }

    /// Feeds the windows as long as `tokio` runs.
    pub(super) fn feed_on(self: &Arc<Self>, tokio: &Runtime, clock: Clock) {
        let fed = Arc::clone(self);
        tokio.spawn(async move {
            let mut ticks = tokio::time::interval(METER_INTERVAL);
            loop {
                ticks.tick().await;
                fed.hash_rate(clock);
            }
        });
    }

    /// The count and the rates as of now.
    pub(super) fn hash_rate(&self, clock: Clock) -> HashRate {
        let MeterSnapshot { per_thread, total } = self.meter.snapshot();
        let now = clock.monotonic();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.threads.resize_with(per_thread.len(), RateWindow::new);
        for (window, hashes) in windows.threads.iter_mut().zip(per_thread) {
            window.feed(now, hashes);
        }
        windows.whole.feed(now, total);
        HashRate { hashes: total, rates: windows.whole.rates() }
    }

    /// Everything as of now.
    pub(super) fn mining(&self, clock: Clock) -> Mining {
        let rates = self.hash_rate(clock).rates;
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = windows.threads.iter().map(RateWindow::rates).collect();
        drop(windows);
        Mining { rates, threads, luck: self.luck() }
    }

    /// A search begins; each of its hashes is a block with `chance`.
    pub(super) fn begin(&self, chance: f64) {
        let mut counts = self.lock();
        counts.settle(self.meter.snapshot().total);
        counts.luck.chance = chance;
    }

    /// It ended with a block.
    pub(super) fn found(&self) {
        let mut counts = self.lock();
        counts.settle(self.meter.snapshot().total);
        counts.luck.found += 1;
        counts.luck.expected_since = 0.0;
    }

    /// It ended without one. Hashes from `stale_from` on, by the meter, served nothing.
    pub(super) fn ended(&self, stale_from: Option<u64>) {
        let mut counts = self.lock();
        let total = self.meter.snapshot().total;
        counts.settle(total);
        counts.luck.wasted += stale_from.map_or(0, |from| total.saturating_sub(from));
    }

    /// Everything up to now, the search that goes on included.
    pub(super) fn luck(&self) -> Luck {
        let mut counts = self.lock();
        counts.settle(self.meter.snapshot().total);
        counts.luck
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Takes in the hashes up to `total`, made at the chance of the search that goes on.
    fn settle(&mut self, total: u64) {
        let more = total.saturating_sub(self.counted);
        self.counted = total;
        self.luck.hashes += more;
        self.luck.expected += more as f64 * self.luck.chance;
        self.luck.expected_since += more as f64 * self.luck.chance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics() -> (MiningStatistics, Arc<Meter>) {
        let meter = Arc::new(Meter::new(1));
        (MiningStatistics::new(Arc::clone(&meter)), meter)
    }

    #[test]
    fn hashes_count_at_the_difficulty_they_were_made_for() {
        let (statistics, meter) = statistics();
        statistics.begin(0.01);
        meter.add(0, 100);
        assert!((statistics.luck().expected - 1.0).abs() < 1e-12);
        statistics.begin(0.001);
        meter.add(0, 1000);
        let luck = statistics.luck();
        assert!((luck.expected - 2.0).abs() < 1e-12, "{luck:?}");
        assert!((luck.chance_by_now() - 0.8647).abs() < 1e-4);
        assert_eq!(luck.expected_time_s(500), Some(2.0));
        statistics.found();
        let luck = statistics.luck();
        assert_eq!((luck.found, luck.expected_since, luck.hashes), (1, 0.0, 1100));
    }

    #[test]
    fn only_hashes_after_the_replacement_are_wasted() {
        let (statistics, meter) = statistics();
        statistics.begin(1e-9);
        meter.add(0, 700);
        let stale_from = meter.snapshot().total;
        meter.add(0, 30);
        statistics.ended(Some(stale_from));
        statistics.begin(1e-9);
        meter.add(0, 5);
        statistics.ended(None);
        assert_eq!((statistics.luck().wasted, statistics.luck().hashes), (30, 735));
    }
}
