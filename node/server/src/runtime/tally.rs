//! `Tally`: what mining came to, against what the hashes let one expect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Meter, Rates};

use super::Node;
use statistics::Interval;
use statistics::arrivals::{chance_of_any, found_interval};

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

/// Counts for one miner. One thread writes, everybody reads.
pub(super) struct Tally {
    meter: Arc<Meter>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    luck: Luck,
    /// The meter when the latest search began; hashes before it are in `luck` already.
    counted: u64,
}

impl Node {
    /// How it mines and what came of it; `None` on a node that never does, or that is stopping.
    pub fn mining(&self) -> Option<Mining> {
        self.mining_reader()()
    }

    /// Reads [`Node::mining`] from another thread, also when the node has stopped.
    pub fn mining_reader(&self) -> impl Fn() -> Option<Mining> + Send + 'static {
        let miner = self.parts.as_ref().and_then(|parts| parts.miner.as_ref());
        let parts = self.rates.clone().zip(miner.map(|miner| Arc::clone(&miner.tally)));
        let clock = self.clock;
        move || {
            let (rates, tally) = parts.as_ref()?;
            let whole = rates.read(clock).rates;
            Some(Mining { rates: whole, threads: rates.threads(), luck: tally.luck() })
        }
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

    /// How it goes, in a line for people.
    pub fn status_line(&self) -> String {
        let luck = &self.luck;
        let shown = |name: &str, rate: Option<u64>| {
            rate.map(|rate| format!("{:.1} MH/s {name}", rate as f64 / 1e6))
        };
        let Rates { ten_s, sixty_s, fifteen_min, max } = self.rates;
        let rates = [("10 s", ten_s), ("60 s", sixty_s), ("15 min", fifteen_min), ("max", max)];
        let mut parts: Vec<String> =
            rates.into_iter().filter_map(|(name, rate)| shown(name, rate)).collect();
        if let Some(seconds) = self.expected_time_s() {
            let chance = 100.0 * luck.chance_by_now();
            parts.push(format!("a block every {seconds:.1} s, by now with {chance:.0} %"));
        }
        let Interval { low, high } = luck.found_range();
        let (found, expected) = (luck.found, luck.expected);
        parts.push(format!("found {found}, expected {expected:.1} ({low} to {high})"));
        let wasted = 100.0 * luck.wasted as f64 / luck.hashes.max(1) as f64;
        parts.push(format!("{wasted:.2} % wasted"));
        parts.join(", ")
    }
}

impl Tally {
    /// Counts what `meter` shows from now on.
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self { meter, counts: Mutex::default() }
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

    /// The hashes that the meter shows.
    pub(super) fn hashes(&self) -> u64 {
        self.meter.snapshot().total
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

    fn tally() -> (Tally, Arc<Meter>) {
        let meter = Arc::new(Meter::new(1));
        (Tally::new(Arc::clone(&meter)), meter)
    }

    #[test]
    fn hashes_count_at_the_difficulty_they_were_made_for() {
        let (tally, meter) = tally();
        tally.begin(0.01);
        meter.add(0, 100);
        assert!((tally.luck().expected - 1.0).abs() < 1e-12);
        tally.begin(0.001);
        meter.add(0, 1000);
        let luck = tally.luck();
        assert!((luck.expected - 2.0).abs() < 1e-12, "{luck:?}");
        assert!((luck.chance_by_now() - 0.8647).abs() < 1e-4);
        assert_eq!(luck.expected_time_s(500), Some(2.0));
        tally.found();
        let luck = tally.luck();
        assert_eq!((luck.found, luck.expected_since, luck.hashes), (1, 0.0, 1100));
    }

    #[test]
    fn only_hashes_after_the_replacement_are_wasted() {
        let (tally, meter) = tally();
        tally.begin(1e-9);
        meter.add(0, 700);
        let stale_from = tally.hashes();
        meter.add(0, 30);
        tally.ended(Some(stale_from));
        tally.begin(1e-9);
        meter.add(0, 5);
        tally.ended(None);
        assert_eq!((tally.luck().wasted, tally.luck().hashes), (30, 735));
    }

    #[test]
    fn the_line_leaves_out_what_is_not_known_yet() {
        let luck = Luck { hashes: 1000, wasted: 10, ..Luck::default() };
        let nothing = Mining { rates: Rates::default(), threads: Vec::new(), luck };
        assert_eq!(nothing.status_line(), "found 0, expected 0.0 (0 to 0), 1.00 % wasted");
        let rates = Rates { ten_s: Some(5_000_000), ..Rates::default() };
        let luck = Luck { chance: 1e-7, expected: 2.0, expected_since: 0.7, found: 1, ..luck };
        let line = Mining { rates, threads: Vec::new(), luck }.status_line();
        assert_eq!(
            line,
            "5.0 MH/s 10 s, a block every 2.0 s, by now with 50 %, found 1, expected 2.0 (0 to 5), \
             1.00 % wasted"
        );
    }
}
