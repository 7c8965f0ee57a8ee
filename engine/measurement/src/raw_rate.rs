//! The raw rate: how fast threads hash when no search ever ends.

use std::time::{Duration, Instant};

use engine::{Cancel, Job, Miner, Target, VERSIONS_MAX};

/// Time of one measurement, long enough for a thread to be woken to be nothing, and short enough
/// to be undisturbed now and then.
const SLOT: Duration = Duration::from_millis(10);

/// Attempts of the first slot, which finds out how many fit into one.
const FIRST_ATTEMPTS: u64 = 1 << 16;

/// Measures one miner, slot by slot.
pub struct RawRate<'a> {
    miner: &'a Miner,
    /// Attempts that take about one slot.
    attempts: u64,
}

impl<'a> RawRate<'a> {
    /// Finds out how much fits into a slot, and wakes the cores up.
    pub fn new(miner: &'a Miner) -> Self {
        let mut raw = Self { miner, attempts: FIRST_ATTEMPTS };
        for _ in 0..2 {
            let per_slot = raw.slot() * SLOT.as_secs_f64();
            #[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
            let attempts = per_slot as u64;
            raw.attempts = attempts.clamp(1 << 12, 1 << 34);
        }
        raw
    }

    /// Hashes for about one slot; returns attempts a second.
    pub fn slot(&self) -> f64 {
        // A target of zero is met by no hash that anybody will see: the whole range is searched.
        let never = Target::from_le_bytes([0; 32]);
        let job = Job::rolling(&[0x5a; 80], never, 0).expect("group 0 exists");
        let nonces = (self.attempts / VERSIONS_MAX as u64).clamp(1, 1 << 32);
        let job = job.with_nonces(0..=u32::try_from(nonces - 1).unwrap_or(u32::MAX));
        let attempts = job.attempts();
        let started = Instant::now();
        self.miner.search(&job, &Cancel::new());
        attempts as f64 / started.elapsed().as_secs_f64().max(1e-9)
    }
}
