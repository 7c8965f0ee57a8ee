//! Calibration: the difficulty at which this computer finds a block at the wanted pace.

use std::time::{Duration, Instant};

use chain::spec::ZERO_BITS_MAX;
use chain::target::{CompactTarget, Target};
use engine::{Cancel, Miner};
use ruint::aliases::U256;

use super::raw_rate::RawRate;
use super::search::{seeded_header, solve};
use statistics::{Interval, arrivals, rates};

/// Parts of the measurement, and how long each takes; on a busy computer they differ, and their
/// spread says how well the rate is known.
const PARTS: usize = 6;
const PART_TIME: Duration = Duration::from_millis(500);

/// Most expected attempts that a difficulty is worked out for: far beyond all computers together,
/// and still exact enough as a float.
const ATTEMPTS_MAX: f64 = 1e30;

/// How fast a miner hashes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredRate {
    /// Attempts per second.
    pub rate: f64,
    /// Where the rate of the next half a second lies.
    pub interval: Interval,
}

/// A difficulty for a wanted pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Expected attempts of a block.
    pub attempts: f64,
    /// The target, which needs just so many.
    pub target: Target,
    /// The whole number of leading zero bits that comes nearest; what `--difficulty` takes.
    pub zero_bits: u32,
    /// Seconds between blocks at those bits.
    pub zero_bits_spacing_s: f64,
}

/// Measures for three seconds.
pub fn measure(miner: &Miner) -> MeasuredRate {
    let raw = RawRate::new(miner);
    let part = || {
        let started = Instant::now();
        let (mut attempts, mut seconds) = (0.0, 0.0);
        while started.elapsed() < PART_TIME {
            let begun = Instant::now();
            let rate = raw.slot();
            let took = begun.elapsed().as_secs_f64();
            (attempts, seconds) = (attempts + rate * took, seconds + took);
        }
        attempts / seconds.max(1e-9)
    };
    let parts: Vec<f64> = (0..PARTS).map(|_| part()).collect();
    let rate = parts.iter().sum::<f64>() / PARTS as f64;
    MeasuredRate { rate, interval: rates::prediction(&parts) }
}

/// Where the mean of `count` gaps between blocks of so many expected `attempts` lies: luck, and
/// that the rate is not known better than `rate`.
pub fn mean_gap(attempts: f64, rate: Interval, count: u64) -> Interval {
    let luck = |rate: f64| arrivals::mean_gap_interval(attempts / rate.max(1.0), count);
    Interval { low: luck(rate.high).low, high: luck(rate.low).high }
}

impl Calibration {
    /// For a block every `spacing_s` seconds at `rate` attempts per second.
    pub fn new(rate: f64, spacing_s: f64) -> Self {
        let attempts = rate * spacing_s;
        let attempts = if attempts.is_nan() { 1.0 } else { attempts.clamp(1.0, ATTEMPTS_MAX) };
        let bits = attempts.log2().round().clamp(1.0, f64::from(ZERO_BITS_MAX));
        #[expect(clippy::cast_sign_loss, reason = "the bits are at least one")]
        let zero_bits = bits as u32;
        let target = target(attempts);
        let zero_bits_spacing_s = bits.exp2() / rate.max(1.0);
        Self { attempts, target, zero_bits, zero_bits_spacing_s }
    }

    /// The compact form of the target, as in a header.
    pub fn compact(&self) -> CompactTarget {
        self.target.to_compact()
    }

    /// The whole number of leading zero bits that needs no more attempts: for a network that only
    /// becomes harder than it starts.
    pub fn zero_bits_below(&self) -> u32 {
        let bits = self.exact_bits().floor().clamp(1.0, f64::from(ZERO_BITS_MAX));
        #[expect(clippy::cast_sign_loss, reason = "the bits are at least one")]
        let bits = bits as u32;
        bits
    }

    /// Leading zero bits with a fraction: the logarithm of the expected attempts.
    pub fn exact_bits(&self) -> f64 {
        self.attempts.log2()
    }

    /// Seconds that the search of each of `count` headers drawn from `seed` takes, one after the
    /// other; `progress` hears of each. `None` when cancelled.
    pub fn check(
        &self,
        miner: &Miner,
        (seed, count): (u64, u32),
        cancel: &Cancel,
        progress: impl Fn(),
    ) -> Option<Vec<f64>> {
        let target = engine::Target::from_le_bytes(self.target.to_le_bytes());
        let search = |number| {
            let trial = solve(miner, &seeded_header(seed, 0, number), target, cancel)?;
            progress();
            Some(trial.seconds)
        };
        (0..count).map(search).collect()
    }
}

/// 2^256 / `attempts` - 1, to the precision of a float.
fn target(attempts: f64) -> Target {
    if attempts <= 1.0 {
        return Target(U256::MAX);
    }
    // The 63 highest bits of the quotient, and how far they are shifted.
    let shift = attempts.log2().floor();
    let mantissa = (62.0 - (attempts.log2() - shift)).exp2();
    #[expect(clippy::cast_sign_loss, reason = "a power of two is not negative")]
    let (mantissa, shift) = (mantissa as u64, shift as usize);
    // mantissa / 2^62 * 2^(256 - shift)
    let left = 194_usize.saturating_sub(shift);
    Target((U256::from(mantissa) << left).saturating_sub(U256::from(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Expected attempts of a target.
    fn needed(target: Target) -> f64 {
        2_f64.powi(256) / (f64::from(target.0) + 1.0)
    }

    proptest! {
        #[test]
        fn the_target_needs_as_many_attempts_as_the_computer_makes_meanwhile(
            rate in 1.0f64..1e15,
            spacing_s in 0.001f64..86_400.0,
        ) {
            let calibration = Calibration::new(rate, spacing_s);
            let attempts = (rate * spacing_s).max(1.0);
            prop_assert!((needed(calibration.target) / attempts - 1.0).abs() < 1e-9);
            let compact = calibration.compact().expand().unwrap();
            prop_assert!((needed(compact) / attempts - 1.0).abs() < 1e-4);
            let rounded = f64::from(calibration.zero_bits) - calibration.exact_bits();
            prop_assert!(rounded.abs() <= 1.0);
            prop_assert!(calibration.zero_bits_below() <= calibration.zero_bits);
            let factor = calibration.zero_bits_spacing_s * rate / attempts;
            prop_assert!((0.7..=2.1).contains(&factor), "{}", factor);
        }

        #[test]
        fn no_rate_panics(rate in any::<f64>(), spacing_s in any::<f64>()) {
            let calibration = Calibration::new(rate, spacing_s);
            prop_assert!((1..=ZERO_BITS_MAX).contains(&calibration.zero_bits));
        }
    }

    #[test]
    fn whole_bits_are_their_own_target() {
        for bits in [1, 8, 20, 32] {
            let calibration = Calibration::new(f64::from(bits).exp2(), 1.0);
            assert_eq!(calibration.target, Target::with_zero_bits(bits));
            assert_eq!(calibration.zero_bits, bits);
        }
    }
}
