//! `Spread`: what a measurement says of many times.

use std::time::Duration;

use serde_json::{Value, json};

use statistics::quantile;

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

    #[test]
    fn a_spread_is_in_microseconds() {
        let times: Vec<Duration> = (1..=1000).map(Duration::from_micros).collect();
        assert_eq!(Spread::of(&times), Spread { p50: 500.0, p99: 990.0, max: 1000.0 });
        assert_eq!(Spread::of(&[]), Spread { p50: 0.0, p99: 0.0, max: 0.0 });
    }
}
