//! The fee that a rate asks: one formula for the node that demands it and the wallet that pays it.

use chain::amount::Amount;

/// Bytes that a fee rate counts in: [`crate::wallet::Tip::fee_rate_min`] and all other rates are
/// units per so many.
pub const FEE_RATE_BYTES: u64 = 1000;

/// The least fee that reaches `rate` units per [`FEE_RATE_BYTES`] over `bytes`; all ones when it
/// exceeds 64 bits.
pub fn fee_at_rate(rate: u64, bytes: u64) -> Amount {
    let units = u128::from(rate) * u128::from(bytes);
    let fee = units.div_ceil(u128::from(FEE_RATE_BYTES));
    Amount(u64::try_from(fee).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of every size.
    fn any_size() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(number, places)| number >> places)
    }

    proptest! {
        #[test]
        fn it_is_the_least_number_of_units_that_pays_for_every_byte(
            rate in any_size(),
            bytes in any_size(),
        ) {
            let due = u128::from(rate) * u128::from(bytes);
            let paid = |fee: u64| u128::from(fee) * 1000;
            let fee = fee_at_rate(rate, bytes).0;
            prop_assert!(paid(fee) >= due || paid(u64::MAX) < due && fee == u64::MAX);
            prop_assert!(fee == 0 || paid(fee - 1) < due);
        }
    }
}
