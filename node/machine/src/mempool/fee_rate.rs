//! `FeeRate`: a fee for its bytes, compared exactly.

use std::cmp::Ordering;

use chain::amount::Amount;
use wire::fee::FEE_RATE_BYTES;

const RATE_BYTES: u128 = FEE_RATE_BYTES as u128;

/// A fee and the bytes it pays for. Ordered by their quotient, by cross multiplication in 128 bits:
/// no division and no float, so every node orders alike. `1/100` equals `2/200`.
#[derive(Debug, Clone, Copy)]
pub struct FeeRate {
    /// What is paid.
    pub fee: Amount,
    /// Consensus bytes it is paid for; more than zero.
    pub bytes: u64,
}

impl FeeRate {
    /// Units per 1000 bytes, rounded down.
    pub fn per_1000_bytes(self) -> u64 {
        let rate = u128::from(self.fee.0) * RATE_BYTES / u128::from(self.bytes.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Whether it is at least `rate` units per 1000 bytes.
    pub fn reaches(self, rate: u64) -> bool {
        u128::from(self.fee.0) * RATE_BYTES >= u128::from(rate) * u128::from(self.bytes)
    }
}

impl Ord for FeeRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let crossed = |fee: Amount, bytes: u64| u128::from(fee.0) * u128::from(bytes);
        crossed(self.fee, other.bytes).cmp(&crossed(other.fee, self.bytes))
    }
}

impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FeeRate {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::fee::fee_at_rate;

    proptest! {
        #[test]
        fn the_least_fee_at_a_rate_reaches_it_and_one_unit_less_does_not(
            rate in 1u64..1_000_000_000,
            bytes in 147u64..4_000_000,
        ) {
            let fee = fee_at_rate(rate, bytes);
            let paid = |fee| FeeRate { fee, bytes };
            prop_assert!(paid(fee).reaches(rate));
            prop_assert!(!paid(Amount(fee.0 - 1)).reaches(rate));
            prop_assert!(paid(fee).per_1000_bytes() >= rate);
        }

        #[test]
        fn rates_of_any_fees_compare_without_overflow(
            a in any::<(u64, u32)>(),
            b in any::<(u64, u32)>(),
        ) {
            let rate = |(fee, bytes): (u64, u32)| FeeRate {
                fee: Amount(fee),
                bytes: u64::from(bytes) + 1,
            };
            prop_assert_eq!(rate(a).cmp(&rate(b)), rate(b).cmp(&rate(a)).reverse());
            if rate(a).per_1000_bytes() < rate(b).per_1000_bytes() {
                prop_assert!(rate(a) < rate(b));
            }
        }
    }

    #[test]
    fn a_third_is_less_than_any_decimal_just_above_it() {
        let rate = |fee, bytes| FeeRate { fee: Amount(fee), bytes };
        assert_eq!(rate(1, 3), rate(100, 300));
        assert!(rate(1_000_000_000, 3_000_000_001) < rate(1, 3));
    }
}
