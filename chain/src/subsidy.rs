//! The money that a block may make.

use crate::amount::Amount;
use crate::spec::ChainSpec;

/// What the coinbase at `height` may claim besides the fees: the spec's subsidy, halved once for every
/// halving interval. Genesis pays none.
pub fn subsidy(spec: &ChainSpec, height: u32) -> Amount {
    if height == 0 {
        return Amount::ZERO;
    }
    let halvings = height / spec.halving_interval;
    Amount(spec.subsidy.0.checked_shr(halvings).unwrap_or(0))
}

/// Everything that subsidies can ever pay; `None` when it exceeds 64 bits.
pub fn subsidies_total(spec: &ChainSpec) -> Option<Amount> {
    let interval = u64::from(spec.halving_interval);
    let first = spec.subsidy.0.checked_mul(interval.saturating_sub(1))?;
    (1..u64::BITS)
        .try_fold(first, |total, halvings| {
            total.checked_add((spec.subsidy.0 >> halvings).checked_mul(interval)?)
        })
        .map(Amount)
}
