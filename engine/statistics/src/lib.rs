//! Statistics of searches, rates and arrivals: pure functions from numbers to numbers.
//!
//! Every attempt meets a target with the same chance, whatever came before it. All laws here
//! follow from that: attempts until a solution are [`geometric`], blocks are [`arrivals`] without
//! memory, and blocks of several miners fall on them by [`shares`]. What is measured and follows
//! no law (rates) is summed up by [`rates`] and compared by [`comparison`].
//!
//! Floats are fine here: nobody's agreement depends on them.

pub mod arrivals;
pub mod comparison;
pub mod geometric;
pub mod proportions;
pub mod rates;
pub mod shares;

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

/// Chance that an interval of 95 % misses the truth.
pub const ALPHA: f64 = 0.05;

/// A range that holds the true value with a stated chance, 95 % unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies inside.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The interval of the value times `factor`, which is not negative.
    pub fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }
}

/// The value that `percent` (0 to 100) of the others do not exceed (nearest rank); zero of nothing.
pub fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent.min(100)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// Degrees of freedom from which on the cube root of a chi-square variable is normal to six digits
/// (Wilson and Hilferty), while the exact series would take for ever.
const FREEDOM_EXACT_MAX: f64 = 1e6;

/// The value a chi-square variable with `freedom` degrees stays below with chance `portion`.
pub(crate) fn chi_square_quantile(freedom: f64, portion: f64) -> f64 {
    if freedom > FREEDOM_EXACT_MAX {
        let spread = 2.0 / (9.0 * freedom);
        return freedom * (1.0 - spread + normal_quantile(portion) * spread.sqrt()).powi(3);
    }
    match ChiSquared::new(freedom) {
        Ok(law) => law.inverse_cdf(portion),
        Err(_) => 0.0,
    }
}

/// The chance that a chi-square variable with `freedom` degrees exceeds `value`; 1 when one of them
/// is no number.
pub(crate) fn chi_square_beyond(freedom: f64, value: f64) -> f64 {
    if value.is_nan() {
        return 1.0;
    }
    if freedom > FREEDOM_EXACT_MAX {
        let spread = 2.0 / (9.0 * freedom);
        let z = ((value / freedom).cbrt() - 1.0 + spread) / spread.sqrt();
        return Normal::standard().sf(z);
    }
    ChiSquared::new(freedom).map_or(1.0, |law| law.sf(value.max(0.0)))
}

/// The value a standard normal variable stays below with chance `portion`.
pub(crate) fn normal_quantile(portion: f64) -> f64 {
    Normal::standard().inverse_cdf(portion)
}

/// The chance that a standard normal variable is further from zero than `z`, on either side.
pub(crate) fn normal_two_sided(z: f64) -> f64 {
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

#[cfg(test)]
mod tests;
