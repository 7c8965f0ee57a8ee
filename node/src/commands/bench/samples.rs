//! What a measurement says of many samples: some of its quantiles.

use std::time::Duration;

use serde_json::{Value, json};

/// The value that `percent` of the others do not exceed (nearest rank); zero of nothing.
pub(super) fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or(0.0)
}

/// Median, 99 % and the largest, in microseconds with one digit behind the point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Spread {
    /// Of nothing it is all zeros.
    pub(super) fn of(times: &[Duration]) -> Self {
        let us: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        let at = |percent| (quantile(&us, percent) * 10.0).round() / 10.0;
        Self { p50: at(50), p99: at(99), max: at(100) }
    }

    pub(super) fn to_json(self) -> Value {
        json!({ "p50": self.p50, "p99": self.p99, "max": self.max })
    }

    /// One row for people; `what` is measured.
    pub(super) fn row(self, what: &str) -> String {
        format!("{what:<46} {:>9.1} {:>9.1} {:>9.1}\n", self.p50, self.p99, self.max)
    }

    /// The heading over such rows.
    pub(super) fn heading() -> String {
        format!("{:<46} {:>9} {:>9} {:>9}\n", "microseconds", "median", "99 %", "largest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_one_of_the_values_and_they_rise(
            values in prop::collection::vec(0.0f64..1e9, 1..50),
        ) {
            let quantiles = [0, 10, 50, 90, 100].map(|percent| quantile(&values, percent));
            prop_assert!(quantiles.is_sorted());
            prop_assert!(quantiles.iter().all(|quantile| values.contains(quantile)));
            let below = values.iter().filter(|value| **value <= quantiles[2]).count();
            prop_assert!(2 * below >= values.len());
        }
    }

    #[test]
    fn the_middle_of_three_is_their_median() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 50), 2.0);
        assert_eq!(quantile(&[], 50), 0.0);
    }

    #[test]
    fn a_spread_is_in_microseconds() {
        let times: Vec<Duration> = (1..=1000).map(Duration::from_micros).collect();
        assert_eq!(Spread::of(&times), Spread { p50: 500.0, p99: 990.0, max: 1000.0 });
        assert_eq!(Spread::of(&[]), Spread { p50: 0.0, p99: 0.0, max: 0.0 });
    }
}
