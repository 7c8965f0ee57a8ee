//! Which of two is faster: by ranks, so that a burst of somebody else's work does not decide.

use super::{Interval, normal_quantile, normal_two_sided, quantile};

/// Chance that two equal contestants are called different, and that an interval misses.
pub const COMPARISON_ALPHA: f64 = 0.01;

/// Rates that differ by less are the same for all purposes: another layout of the same code in
/// memory makes as much.
pub const MARGIN: f64 = 0.02;

/// Rounds below which ranks can say nothing at 1 %.
pub const ROUNDS_MIN: usize = 10;

/// The first contestant's rate as a multiple of the second's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The middle one of all ratios.
    pub ratio: f64,
    /// Where the true ratio is, with a chance of 99 %.
    pub interval: Interval,
    /// How probable a difference at least as clear is between equals.
    pub p: f64,
}

/// What a comparison says of the first contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Clearly faster.
    Faster,
    /// Clearly slower.
    Slower,
    /// Certainly no more than [`MARGIN`] apart.
    Tie,
    /// Neither: the rounds are too few or too noisy.
    CannotTell,
}

impl Ratio {
    /// What the interval allows to say about the first contestant.
    pub fn verdict(&self) -> Verdict {
        let Interval { low, high } = self.interval;
        match () {
            () if low > 1.0 - MARGIN && high < 1.0 + MARGIN => Verdict::Tie,
            () if low > 1.0 => Verdict::Faster,
            () if high < 1.0 => Verdict::Slower,
            () => Verdict::CannotTell,
        }
    }

    /// Whether more rounds would hardly change the verdict: the interval is so narrow that equals
    /// are a tie. It looks at the width alone, never at the verdict, or the last round would be
    /// chosen by its outcome.
    pub fn is_precise(&self) -> bool {
        self.interval.high / self.interval.low < (1.0 + MARGIN / 2.0).powi(2)
    }

    fn of_logarithms(mut shifts: Vec<f64>, skipped: f64, p: f64) -> Self {
        shifts.sort_by(f64::total_cmp);
        let last = shifts.len().saturating_sub(1);
        #[expect(clippy::cast_sign_loss, reason = "skipped values are not negative")]
        let at = (skipped.max(0.0) as usize).min(last);
        Self {
            ratio: quantile(&shifts, 50).exp(),
            interval: Interval { low: shifts[at].exp(), high: shifts[last - at].exp() },
            p,
        }
    }
}

/// Compares rates `(first, second)` that were measured round by round: Wilcoxon's signed ranks over
/// the logarithms of the ratios, with the estimate and interval of Hodges and Lehmann. `None` for
/// fewer than [`ROUNDS_MIN`].
pub fn paired(rounds: &[(f64, f64)]) -> Option<Ratio> {
    let shifts: Vec<f64> = rounds.iter().map(|(first, second)| (first / second).ln()).collect();
    if shifts.len() < ROUNDS_MIN || shifts.iter().any(|shift| !shift.is_finite()) {
        return None;
    }
    let mut means = Vec::with_capacity(shifts.len() * (shifts.len() + 1) / 2);
    for (index, a) in shifts.iter().enumerate() {
        means.extend(shifts[index..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    let count = shifts.len() as f64;
    let center = count * (count + 1.0) / 4.0;
    let spread = (count * (count + 1.0) * (2.0 * count + 1.0) / 24.0).sqrt();
    // The statistic is the number of means above zero; a zero counts half.
    let (skipped, p) = ranks(&means, center, spread);
    Some(Ratio::of_logarithms(means, skipped, p))
}

/// Compares rates that were measured at different times: the ranks of Mann and Whitney over the
/// logarithms. `None` for fewer than [`ROUNDS_MIN`] on either side.
pub fn unpaired(first: &[f64], second: &[f64]) -> Option<Ratio> {
    if first.len().min(second.len()) < ROUNDS_MIN {
        return None;
    }
    let shifts = first.iter().flat_map(|a| second.iter().map(move |b| (a / b).ln()));
    let shifts: Vec<f64> = shifts.collect();
    if shifts.iter().any(|shift| !shift.is_finite()) {
        return None;
    }
    let (a, b) = (first.len() as f64, second.len() as f64);
    let (skipped, p) = ranks(&shifts, a * b / 2.0, (a * b * (a + b + 1.0) / 12.0).sqrt());
    Some(Ratio::of_logarithms(shifts, skipped, p))
}

/// By the normal law, which is close from ten rounds on: how many of the sorted shifts lie outside
/// the interval on each side, and the probability of so many above zero.
fn ranks(shifts: &[f64], center: f64, spread: f64) -> (f64, f64) {
    let above = shifts.iter().filter(|shift| **shift > 0.0).count() as f64;
    let equal = shifts.iter().filter(|shift| **shift == 0.0).count() as f64;
    let distance = ((above + equal / 2.0 - center).abs() - 0.5).max(0.0);
    let skipped = center + normal_quantile(COMPARISON_ALPHA / 2.0) * spread;
    (skipped.floor(), normal_two_sided(distance / spread))
}
