//! Difficulty: compact targets, work, and the ASERT retarget with its anchors.

use std::fmt;
use std::iter;
use std::ops::Add;

use ruint::aliases::{U256, U512};
use serde::{Deserialize, Serialize};

use crate::hash::BlockHash;
use crate::spec::{ChainSpec, Retarget};

/// A 256-bit number that a hash, read as a little-endian number, must not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(pub U256);

/// A target in Bitcoin's compact form: an exponent byte and a 23-bit mantissa.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompactTarget(pub u32);

/// Why compact bits are no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// The sign bit is set.
    #[error("the target is negative")]
    Negative,
    /// No hash could meet it.
    #[error("the target is zero")]
    Zero,
    /// It needs more than 256 bits.
    #[error("the target needs more than 256 bits")]
    Overflow,
    /// Another compact form is the one that this target rounds to.
    #[error("the target is not in its shortest form")]
    NotCanonical,
}

impl Target {
    /// The largest target: every hash meets it.
    pub const MAX: Self = Self(U256::MAX);

    /// 2^(256 - `bits`) - 1: met by hashes with at least that many leading zero bits.
    pub fn with_zero_bits(bits: u32) -> Self {
        Self(if bits >= 256 { U256::ZERO } else { U256::MAX >> bits as usize })
    }

    /// Whether `hash` is at most this target.
    pub fn is_met_by(&self, hash: &BlockHash) -> bool {
        U256::from_le_bytes(hash.0) <= self.0
    }

    /// The compact form, rounded down to its 23 bits of precision.
    pub fn to_compact(self) -> CompactTarget {
        let mut size = self.0.byte_len();
        let mantissa =
            if size <= 3 { self.0 << (8 * (3 - size)) } else { self.0 >> (8 * (size - 3)) };
        let mut mantissa = mantissa.to::<u32>();
        // The top mantissa bit is a sign in this form: a number that needs it moves one byte up.
        if mantissa & 0x0080_0000 != 0 {
            mantissa >>= 8;
            size += 1;
        }
        CompactTarget(u32::try_from(size).expect("at most 33") << 24 | mantissa)
    }

    /// Thirty-two little-endian bytes, as hashes are compared.
    pub fn to_le_bytes(self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// Expected number of hashes to meet it: 2^256 / (target + 1), rounded down, and at most
    /// 2^256 - 1.
    pub fn work(self) -> Work {
        // 2^256 needs a 257th bit; (2^256 - (target + 1)) / (target + 1) + 1 does not.
        match self.0.checked_add(U256::ONE) {
            Some(divisor) => Work((!self.0 / divisor).saturating_add(U256::ONE)),
            None => Work(U256::ONE),
        }
    }

    /// Leading zero bits that every hash meeting it has.
    pub fn zero_bits(self) -> u32 {
        u32::try_from(self.0.leading_zeros()).expect("at most 256")
    }
}

impl CompactTarget {
    /// The compact rounding of 2^(256 - `bits`) - 1.
    pub fn with_zero_bits(bits: u32) -> Self {
        Target::with_zero_bits(bits).to_compact()
    }

    /// The full target.
    ///
    /// # Errors
    /// [`CompactError`]; only the one form that [`Target::to_compact`] makes is accepted.
    pub fn expand(self) -> Result<Target, CompactError> {
        let size = (self.0 >> 24) as usize;
        let mantissa = U256::from(self.0 & 0x007f_ffff);
        if mantissa.is_zero() {
            return Err(CompactError::Zero);
        }
        if self.0 & 0x0080_0000 != 0 {
            return Err(CompactError::Negative);
        }
        let target = if size <= 3 {
            mantissa >> (8 * (3 - size))
        } else {
            let shift = 8 * (size - 3);
            if mantissa.bit_len() + shift > 256 {
                return Err(CompactError::Overflow);
            }
            mantissa << shift
        };
        if target.is_zero() {
            return Err(CompactError::Zero);
        }
        if Target(target).to_compact() != self {
            return Err(CompactError::NotCanonical);
        }
        Ok(Target(target))
    }
}

impl fmt::Debug for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompactTarget({self})")
    }
}

impl fmt::Display for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

/// Expected number of hashes spent, summed over a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Work(pub U256);

impl Work {
    /// No work.
    pub const ZERO: Self = Self(U256::ZERO);

    /// This work `count` times.
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(U256::from(count)))
    }

    /// The difference, or zero when `other` is more.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        // A target may fall to 1 in theory: rather a sum that stands still than one that wraps.
        Self(self.0.saturating_add(other.0))
    }
}

impl iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

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
        Retarget::Asert => asert(anchor, u64::from(height), i64::from(time), &spec.pace()),
    }
}

#[cfg(test)]
mod tests;
