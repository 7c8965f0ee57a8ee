//! Targets and their compact form; the work that they stand for.

use std::fmt;
use std::iter;
use std::ops::Add;

use ruint::aliases::U256;
use serde::{Deserialize, Serialize};

use crate::hash::BlockHash;

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

#[cfg(test)]
mod tests;
