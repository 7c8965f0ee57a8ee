//! Attempts until a solution: the geometric law, and whether attempts follow it.

use super::{ALPHA, Interval, chi_square_beyond, chi_square_quantile};

/// Chance that a law-abiding search is called biased by [`pooled_p`], and that any level of a run
/// exceeds its [`ks_critical`].
pub const FALSE_ALARM: f64 = 0.001;

/// The expected attempts at `bits` leading zero bits: `2^bits`.
pub fn expected_attempts(bits: u32) -> f64 {
    f64::from(bits).exp2()
}

/// The chance that a solution needs at most `attempts`, each a hit with `chance`.
pub fn within(chance: f64, attempts: u64) -> f64 {
    -f64::exp_m1(attempts as f64 * f64::ln_1p(-chance))
}

/// The interval for the mean of `trials` numbers with this `sum`, if they are geometric.
///
/// The sum of n geometric numbers of a small chance is a gamma variable, so twice the sum over the
/// true mean has the chi-square law with 2n degrees. (Below eight bits it is a little too wide, as
/// the spread of a geometric number is smaller than its mean by a share of the chance.) `None` of
/// no trials.
pub fn mean_interval(sum: f64, trials: u64) -> Option<Interval> {
    let freedom = 2.0 * trials as f64;
    (trials > 0).then(|| Interval {
        low: 2.0 * sum / chi_square_quantile(freedom, 1.0 - ALPHA / 2.0),
        high: 2.0 * sum / chi_square_quantile(freedom, ALPHA / 2.0),
    })
}

/// The Kolmogorov-Smirnov distance between `attempts` and the geometric law of `chance`: the
/// largest difference between the share of trials within k attempts and the chance of it, over all
/// whole k. Zero of nothing.
pub fn ks_distance(attempts: &[u64], chance: f64) -> f64 {
    let mut sorted = attempts.to_vec();
    sorted.sort_unstable();
    let count = sorted.len() as f64;
    let mut distance = 0.0_f64;
    let mut below = 0;
    for run in sorted.chunk_by(|a, b| a == b) {
        // Both laws are stairs: they are furthest apart on a step of the trials, or on the last
        // whole number before it.
        let before = within(chance, run[0].saturating_sub(1));
        distance = distance.max((below as f64 / count - before).abs());
        below += run.len();
        distance = distance.max((below as f64 / count - within(chance, run[0])).abs());
    }
    distance
}

/// What [`ks_distance`] of `trials` exceeds with a chance of at most [`FALSE_ALARM`] in any of
/// `levels` (Bonferroni).
///
/// By the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant, which holds for
/// every number of trials and every law, discrete ones among them.
pub fn ks_critical(trials: u64, levels: usize) -> f64 {
    let alpha = FALSE_ALARM / levels.max(1) as f64;
    ((2.0 / alpha).ln() / (2.0 * trials.max(1) as f64)).sqrt()
}

/// What the trials of one level add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelSum {
    /// The chance that one attempt succeeds.
    pub chance: f64,
    /// How many searches there were.
    pub trials: u64,
    /// The sum of their attempts.
    pub attempts: f64,
}

/// How probable it is that a search without bias strays at least this far, on either side, from
/// the expected attempts of all levels together; 1 of nothing.
///
/// Attempts are measured in expected attempts, so that each trial weighs the same. Their sum is
/// compared with the gamma law of the same mean and spread.
pub fn pooled_p(levels: &[LevelSum]) -> f64 {
    let over = |term: fn(&LevelSum) -> f64| levels.iter().map(term).sum::<f64>();
    let mean = over(|level| level.trials as f64);
    let variance = over(|level| level.trials as f64 * (1.0 - level.chance));
    let sum = over(|level| level.attempts * level.chance);
    if variance.is_nan() || variance <= 0.0 {
        return 1.0;
    }
    // A gamma variable of this mean and variance is a chi-square one of other units.
    let beyond = chi_square_beyond(2.0 * mean * mean / variance, 2.0 * sum * mean / variance);
    (2.0 * beyond.min(1.0 - beyond)).min(1.0)
}
