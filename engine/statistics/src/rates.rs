//! Rates that were measured: work over time, with an interval, and whether they drift.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{ALPHA, Interval};

/// A rate and where the true one is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Work per second, in the unit of the pieces that it was taken from.
    pub rate: f64,
    /// Its interval; as narrow as the rate itself for fewer than two pieces of work.
    pub interval: Interval,
}

/// All work over all time of pieces `(work, seconds)`.
///
/// A piece with more work takes longer, so the interval comes from how far the pieces are from
/// *one* rate (the ratio estimator, Cochran 1977, 6.2), not from how much they differ. `None`
/// without time.
pub fn rate(pieces: &[(f64, f64)]) -> Option<Rate> {
    let count = pieces.len() as f64;
    let work: f64 = pieces.iter().map(|(work, _)| work).sum();
    let seconds: f64 = pieces.iter().map(|(_, seconds)| seconds).sum();
    if seconds.is_nan() || seconds <= 0.0 {
        return None;
    }
    let rate = work / seconds;
    let residual = |(work, seconds): &(f64, f64)| (work - rate * seconds).powi(2);
    let spread: f64 = pieces.iter().map(residual).sum::<f64>() / (count - 1.0).max(1.0);
    let error = (spread / count).sqrt() / (seconds / count);
    let half = if pieces.len() < 2 { 0.0 } else { t_quantile(count - 1.0) * error };
    Some(Rate { rate, interval: Interval { low: (rate - half).max(0.0), high: rate + half } })
}

/// How much the last half of `rounds` differs from the first, as a share of the first; zero for
/// fewer than two.
pub fn drift(rounds: &[f64]) -> f64 {
    let (first, last) = rounds.split_at(rounds.len() / 2);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    if first.is_empty() || mean(first) <= 0.0 { 0.0 } else { mean(last) / mean(first) - 1.0 }
}

/// Where the next of several equal measurements of something positive lies. Wider than the interval
/// of their mean: on a busy computer the next minute is not like the last. By the logarithms, as
/// a disturbance divides a rate. As wide as nothing for fewer than two.
pub fn prediction(measured: &[f64]) -> Interval {
    let count = measured.len() as f64;
    if measured.len() < 2 {
        let only = measured.first().copied().unwrap_or(0.0);
        return Interval { low: only, high: only };
    }
    let logarithms: Vec<f64> = measured.iter().map(|one| one.max(f64::MIN_POSITIVE).ln()).collect();
    let mean = logarithms.iter().sum::<f64>() / count;
    let variance = logarithms.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = t_quantile(count - 1.0) * (variance * (1.0 + 1.0 / count)).sqrt();
    Interval { low: (mean - half).exp(), high: (mean + half).exp() }
}

fn t_quantile(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |law| law.inverse_cdf(1.0 - ALPHA / 2.0))
}
