//! An axis of a chart: where a value lies, and which values are written beside it.

/// Ticks of a linear axis, about.
const TICKS: f64 = 5.0;

/// A range of values, linear or logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Values with their texts.
    pub ticks: Vec<(f64, String)>,
    /// What the values are, with their unit.
    pub label: &'static str,
}

impl Axis {
    /// From `low` to `high`, ticks at round values.
    pub(super) fn linear(label: &'static str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let step = round_step((high - low) / TICKS);
        // Texts need the digits that tell two ticks apart, and no more.
        let digits = (0..9).find(|digits| step * 10_f64.powi(*digits) >= 0.999).unwrap_or(9);
        let digits = usize::try_from(digits).unwrap_or(0);
        let first = (low / step).ceil();
        let values = (0..).map(|n| (first + f64::from(n)) * step);
        let values = values.take_while(|value| *value <= high + step * 1e-6);
        let ticks = values.map(|value| (value, format!("{value:.digits$}"))).collect();
        Self { low, high, logarithmic: false, ticks, label }
    }

    /// From the power of ten below `low` to the one above `high`, a tick at each.
    pub(super) fn powers_of_ten(
        label: &'static str,
        low: f64,
        high: f64,
        text: fn(f64) -> String,
    ) -> Self {
        let low = low.max(1e-12).log10().floor();
        let high = high.max(1e-12).log10().ceil().max(low + 1.0);
        let powers = (0..).map(|n| low + f64::from(n)).take_while(|power| *power <= high);
        let ticks = powers.map(|power| 10_f64.powf(power)).map(|value| (value, text(value)));
        let ticks = ticks.collect();
        let (low, high) = (10_f64.powf(low), 10_f64.powf(high));
        Self { low, high, logarithmic: true, ticks, label }
    }

    /// One tick for each of `names`, at 0, 1, ... with half a step of room on both sides.
    pub(super) fn places(label: &'static str, names: impl Iterator<Item = String>) -> Self {
        let ticks: Vec<(f64, String)> = (0..).map(f64::from).zip(names).collect();
        let high = (ticks.len() as f64 - 0.5).max(0.5);
        Self { low: -0.5, high, logarithmic: false, ticks, label }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high one, outside values at the ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.max(1e-12).log10() } else { value };
        let (low, high) = (scale(self.low), scale(self.high));
        let place = (scale(value) - low) / (high - low);
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// How long a `step` is on a linear axis, which has the length 1.
    pub(super) fn length(&self, step: f64) -> f64 {
        (step / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The next of 1, 2, 5, 10, ... times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    let fits = |factor: &f64| factor * power >= least * 0.999;
    [1.0, 2.0, 5.0].into_iter().find(fits).unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ticks_are_few_rise_and_lie_inside(low in -1e6f64..1e6, width in 1e-3f64..1e9) {
            let axis = Axis::linear("", low, low + width);
            prop_assert!((1..=7).contains(&axis.ticks.len()), "{:?}", axis.ticks);
            let places: Vec<f64> = axis.ticks.iter().map(|(value, _)| axis.place(*value)).collect();
            prop_assert!(places.is_sorted());
        }

        #[test]
        fn powers_of_ten_hold_what_they_were_made_for(low in 1e-6f64..1e3, factor in 1f64..1e6) {
            let axis = Axis::powers_of_ten("", low, low * factor, |value| value.to_string());
            prop_assert!(axis.place(low) < 1.0 && axis.place(low * factor) > 0.0);
            prop_assert!(axis.ticks.len() >= 2 && axis.ticks.len() <= 20);
        }

        #[test]
        fn no_value_falls_off_the_paper(value in any::<f64>()) {
            let axis = Axis::linear("", 0.0, 1.0);
            prop_assert!((0.0..=1.0).contains(&axis.place(value)));
        }
    }

    #[test]
    fn ticks_are_round_numbers() {
        let texts = |low, high| -> Vec<String> {
            Axis::linear("", low, high).ticks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(0.0, 20.0), ["0", "5", "10", "15", "20"]);
        assert_eq!(texts(0.85, 1.15), ["0.9", "1.0", "1.1"]);
    }
}
