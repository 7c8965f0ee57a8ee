//! Parts of a whole that chance has drawn.

use statrs::distribution::{Beta, ContinuousCDF};

use super::{ALPHA, Interval};

/// Where the true proportion is when `part` of `whole` drawings came out so: the interval of
/// Clopper and Pearson (1934), which never holds the truth less often than it says. `None` of
/// nothing, or of a part that exceeds its whole.
pub fn proportion_interval(part: u64, whole: u64) -> Option<Interval> {
    if whole == 0 || part > whole {
        return None;
    }
    let (hits, misses) = (part as f64, (whole - part) as f64);
    let at = |hits, misses, portion| Beta::new(hits, misses).map(|law| law.inverse_cdf(portion));
    let low = if part == 0 { 0.0 } else { at(hits, misses + 1.0, ALPHA / 2.0).ok()? };
    let high = if part == whole { 1.0 } else { at(hits + 1.0, misses, 1.0 - ALPHA / 2.0).ok()? };
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(part: u64, whole: u64) -> (f64, f64) {
        let Interval { low, high } = proportion_interval(part, whole).unwrap();
        ((low * 1e4).round() / 1e4, (high * 1e4).round() / 1e4)
    }

    #[test]
    fn intervals_are_those_of_published_tables() {
        // Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions; Clopper, Pearson.
        assert_eq!(rounded(0, 10), (0.0, 0.3085));
        assert_eq!(rounded(10, 10), (0.6915, 1.0));
        assert_eq!(rounded(5, 10), (0.1871, 0.8129));
        assert_eq!(rounded(1, 20), (0.0013, 0.2487));
        assert_eq!(rounded(50, 100), (0.3983, 0.6017));
        assert_eq!((proportion_interval(0, 0), proportion_interval(2, 1)), (None, None));
    }

    proptest! {
        #[test]
        fn the_proportion_lies_in_its_interval_which_shrinks_with_what_is_drawn(
            part in 0u64..500, more in 0u64..500,
        ) {
            let whole = part + more;
            prop_assume!(whole > 0);
            let interval = proportion_interval(part, whole).unwrap();
            prop_assert!(0.0 <= interval.low && interval.high <= 1.0);
            prop_assert!(interval.contains(part as f64 / whole as f64));
            let larger = proportion_interval(part * 4, whole * 4).unwrap();
            prop_assert!(larger.high - larger.low <= interval.high - interval.low);
        }
    }
}
