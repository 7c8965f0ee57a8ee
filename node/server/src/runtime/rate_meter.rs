//! `RateMeter`: turns what the mining threads count into rates over several windows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Meter, MeterSnapshot, RateWindow, Rates};
use tokio::runtime::Runtime;

use super::clock::Clock;
use super::miner::HashRate;

/// How often the windows are fed.
const METER_INTERVAL: Duration = Duration::from_secs(1);

/// Feeds the windows as long as the node runs.
pub(super) struct RateMeter {
    meter: Arc<Meter>,
    window: Mutex<RateWindow>,
    /// One a thread.
    threads: Mutex<Vec<RateWindow>>,
}

impl RateMeter {
    /// Begins to feed.
    pub fn start(meter: &Arc<Meter>, clock: Clock, tokio: &Runtime) -> Arc<Self> {
        let rates = Arc::new(Self {
            meter: Arc::clone(meter),
            window: Mutex::default(),
            threads: Mutex::default(),
        });
        let fed = Arc::clone(&rates);
        tokio.spawn(async move {
            let mut ticks = tokio::time::interval(METER_INTERVAL);
            loop {
                ticks.tick().await;
                fed.read(clock);
            }
        });
        rates
    }

    /// The count and the rates as of now.
    pub fn read(&self, clock: Clock) -> HashRate {
        let MeterSnapshot { per_thread, total } = self.meter.snapshot();
        let now = clock.monotonic();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.resize_with(per_thread.len(), RateWindow::new);
        for (window, hashes) in threads.iter_mut().zip(per_thread) {
            window.feed(now, hashes);
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.feed(now, total);
        HashRate { hashes: total, rates: window.rates() }
    }

    /// The rates of each thread as of the last reading.
    pub fn threads(&self) -> Vec<Rates> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().map(RateWindow::rates).collect()
    }
}
