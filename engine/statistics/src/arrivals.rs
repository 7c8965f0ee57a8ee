//! Blocks as arrivals without memory: how many to expect, how fast the network is.

use super::{ALPHA, Interval, chi_square_quantile};

/// The chance that at least one block was found where `expected` were.
pub fn chance_of_any(expected: f64) -> f64 {
    -f64::exp_m1(-expected.max(0.0))
}

/// The range in which the number of blocks found lies where `expected` were: with a chance of at
/// most 2.5 % it is below, and as much above.
pub fn found_interval(expected: f64) -> Interval {
    // The chance of more than k arrivals is that of a chi-square variable with 2k + 2 degrees
    // below twice the expectation, so k is found by walking; it is near the expectation.
    let below = |k: u64| {
        let freedom = 2.0 * (k as f64 + 1.0);
        super::chi_square_beyond(freedom, 2.0 * expected.max(0.0))
    };
    let first = |wanted: f64| {
        let (mut low, mut high) = (0_u64, 1_u64);
        while below(high) < wanted && high < 1 << 50 {
            high *= 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if below(middle) < wanted { low = middle + 1 } else { high = middle }
        }
        low as f64
    };
    Interval { low: first(ALPHA / 2.0), high: first(1.0 - ALPHA / 2.0) }
}

/// The interval for the mean of `count` gaps between blocks that average `expected_gap`.
pub fn mean_gap_interval(expected_gap: f64, count: u64) -> Interval {
    let freedom = 2.0 * count as f64;
    let at = |portion| expected_gap * chi_square_quantile(freedom, portion) / freedom.max(1.0);
    Interval { low: at(ALPHA / 2.0), high: at(1.0 - ALPHA / 2.0) }
}

/// A network's hash rate as its last blocks tell it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkRate {
    /// Hashes per second, right on average.
    pub rate: f64,
    /// Where the true rate is.
    pub interval: Interval,
    /// Gaps between blocks that it is taken from.
    pub gaps: u64,
}

/// The hash rate behind gaps between blocks: `(seconds, expected hashes)` each.
///
/// A gap of t seconds at W expected hashes is t/W seconds a hash. The sum of n of them has the
/// gamma law, and the mean of its inverse is n/(n-1) times the rate: hence the factor (n-1)/n,
/// without which ten blocks tell a rate that is 11 % too high. `None` of fewer than two gaps or of
/// no time.
pub fn network_rate(gaps: &[(f64, f64)]) -> Option<NetworkRate> {
    let count = gaps.len() as u64;
    let sum: f64 = gaps.iter().map(|(seconds, hashes)| seconds / hashes).sum();
    if count < 2 || sum.is_nan() || sum <= 0.0 {
        return None;
    }
    let freedom = 2.0 * count as f64;
    let at = |portion| chi_square_quantile(freedom, portion) / (2.0 * sum);
    Some(NetworkRate {
        rate: (count - 1) as f64 / sum,
        interval: Interval { low: at(ALPHA / 2.0), high: at(1.0 - ALPHA / 2.0) },
        gaps: count,
    })
}
