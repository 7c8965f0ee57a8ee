//! The money that a block may make.

use crate::amount::Amount;
use crate::spec::ChainSpec;

/// What the coinbase at `height` may claim besides the fees: the spec's subsidy, halved once for
/// every halving interval. Genesis pays none. `spec` must have passed [`ChainSpec::check`].
pub fn subsidy(spec: &ChainSpec, height: u32) -> Amount {
    if height == 0 {
        return Amount::ZERO;
    }
    let halvings = height / spec.halving_interval;
    Amount(spec.subsidy.0.checked_shr(halvings).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::COIN;
    use crate::samples;
    use proptest::prelude::*;

    fn spec(subsidy: u64, halving_interval: u32) -> ChainSpec {
        ChainSpec { subsidy: Amount(subsidy), halving_interval, ..samples::spec() }
    }

    #[test]
    fn the_subsidy_halves_at_every_interval_and_not_a_block_before() {
        let spec = spec(50 * COIN, 100);
        let coins = |height| subsidy(&spec, height).0;
        assert_eq!(coins(0), 0);
        assert_eq!([1, 99].map(coins), [50 * COIN; 2]);
        assert_eq!([100, 101, 199].map(coins), [25 * COIN; 3]);
        assert_eq!([200, 201].map(coins), [25 * COIN / 2; 2]);
    }

    #[test]
    fn a_shift_of_64_or_more_is_zero() {
        let spec = spec(u64::MAX, 1);
        assert_eq!(subsidy(&spec, 63), Amount(1));
        for height in [64, 65, 127, 128, u32::MAX] {
            assert_eq!(subsidy(&spec, height), Amount::ZERO);
        }
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_over_all_heights(units in 0u64..1 << 20, interval in 1u32..50) {
            let spec = spec(units, interval);
            let sum: u64 = (0..21 * interval).map(|height| subsidy(&spec, height).0).sum();
            prop_assert_eq!(spec.subsidies_total(), Some(Amount(sum)));
        }

        #[test]
        fn no_number_overflows(units: u64, interval in 1u32.., height: u32) {
            let spec = spec(units, interval);
            prop_assert!(subsidy(&spec, height).0 <= units);
            let _ = spec.subsidies_total();
        }
    }
}
