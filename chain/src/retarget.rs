//! The retarget: ASERT with its anchors.

use ruint::aliases::{U256, U512};

use crate::spec::{ChainSpec, Retarget};
use crate::target::{CompactTarget, Target};

/// The block from which ASERT measures: the nearest one at the easiest difficulty, else genesis. So
/// idle time is forgotten at the floor and never turns into a flood of easy blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Height of the anchor block.
    pub height: u64,
    /// Time of its parent in seconds since 1970; for genesis its own time less one spacing.
    pub parent_time: i64,
    /// Target of the anchor block.
    pub target: Target,
}

impl Anchor {
    /// The anchor of a chain that has only genesis.
    pub fn genesis(spec: &ChainSpec) -> Self {
        Self {
            height: 0,
            parent_time: i64::from(spec.genesis_time) - i64::from(spec.spacing_s),
            target: spec.starting_target(),
        }
    }

    /// The anchor of a chain whose last block is at `height` with `bits`: that block itself when it
    /// is at the easiest difficulty, else this anchor, its parent's.
    #[must_use]
    pub fn after(
        self,
        spec: &ChainSpec,
        bits: CompactTarget,
        height: u32,
        parent_time: u32,
    ) -> Self {
        if height == 0 || bits != spec.easiest_target().to_compact() {
            return self;
        }
        Self {
            height: u64::from(height),
            parent_time: i64::from(parent_time),
            target: spec.easiest_target(),
        }
    }
}

/// The pace that ASERT keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Seconds between blocks.
    pub spacing_s: u32,
    /// A chain this many seconds behind its schedule doubles its target.
    pub half_life_s: u32,
    /// No target is above this one.
    pub limit: Target,
}

impl Pace {
    /// The pace of a network.
    pub fn of(spec: &ChainSpec) -> Self {
        Self {
            spacing_s: spec.spacing_s,
            half_life_s: spec.half_life_s,
            limit: spec.easiest_target(),
        }
    }
}

/// The bits of the block after the one at `height` with `time`, by aserti3-2d (the absolutely
/// scheduled exponentially rising targets of Mark Lundeberg, Jonathan Toomim and others).
///
/// No height, time or anchor overflows; the half-life must not be zero, which
/// [`ChainSpec::check`] guarantees.
pub fn asert(anchor: &Anchor, height: u64, time: i64, pace: &Pace) -> CompactTarget {
    const RADIX: i128 = 1 << 16;
    let blocks = i128::from(height) - i128::from(anchor.height) + 1;
    let elapsed_s = i128::from(time) - i128::from(anchor.parent_time);
    let behind_s = elapsed_s - i128::from(pace.spacing_s) * blocks;
    // Rust's integer division truncates toward zero, as the definition demands.
    let exponent = behind_s * RADIX / i128::from(pace.half_life_s);
    let shift = exponent >> 16;
    let fraction = u64::try_from(exponent - shift * RADIX).expect("a remainder of 16 bits");
    let factor = asert_factor(fraction);
    let product = U512::from(anchor.target.0) * U512::from(factor);
    let next = shift_saturating(product, shift) >> 16usize;
    let next = if next.is_zero() { U512::ONE } else { next };
    let limit = U512::from(pace.limit.0);
    Target(next.min(limit).to::<U256>()).to_compact()
}

/// 2^16 * 2^(fraction / 2^16) by the published cubic; needs all 64 bits.
fn asert_factor(fraction: u64) -> u64 {
    let linear = 195_766_423_245_049 * fraction;
    let square = 971_821_376 * fraction.pow(2);
    let cubic = 5127 * fraction.pow(3);
    (1 << 16) + ((linear + square + cubic + (1 << 47)) >> 48)
}

/// `value` times 2^`shift`, rounded down; all ones when that needs more than 512 bits.
fn shift_saturating(value: U512, shift: i128) -> U512 {
    let places = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
    if shift <= 0 {
        return if places < 512 { value >> places } else { U512::ZERO };
    }
    if places < 512 && value.bit_len() + places <= 512 { value << places } else { U512::MAX }
}

/// The bits that the child of a block at `height` with `time` must have; `anchor` is that block's.
pub fn next_bits(spec: &ChainSpec, anchor: &Anchor, height: u32, time: u32) -> CompactTarget {
    match spec.retarget {
        Retarget::Fixed => spec.starting_target().to_compact(),
        Retarget::Asert => asert(anchor, u64::from(height), i64::from(time), &Pace::of(spec)),
    }
}

#[cfg(test)]
mod tests;
