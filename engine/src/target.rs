//! The number a hash must not exceed.

use std::cmp::Ordering;

/// A 256-bit number. A hash, read as a little-endian number, meets it when it is not above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    le_bytes: [u8; 32],
}

impl Target {
    /// The target with these 32 little-endian bytes.
    pub const fn from_le_bytes(le_bytes: [u8; 32]) -> Target {
        Target { le_bytes }
    }

    /// 2^(256 - `bits`) - 1: hashes need `bits` leading zero bits. From 256 on it is zero.
    pub fn with_zero_bits(bits: u32) -> Target {
        let mut le_bytes = [0; 32];
        let mut ones = 256_u32.saturating_sub(bits);
        for byte in &mut le_bytes {
            let here = ones.min(8);
            *byte = u8::MAX.checked_shr(8 - here).unwrap_or(0);
            ones -= here;
        }
        Target { le_bytes }
    }

    /// Whether `hash` (as SHA-256 leaves it; its last byte is the most significant) is a hit.
    pub fn is_met_by(&self, hash: &[u8; 32]) -> bool {
        hash.iter().rev().cmp(self.le_bytes.iter().rev()) != Ordering::Greater
    }

    /// The 32 little-endian bytes.
    pub fn to_le_bytes(&self) -> [u8; 32] {
        self.le_bytes
    }

    /// Leading zero bits: a hash is a hit with a chance of 2^-bits at most, and of half that at
    /// least.
    pub(crate) fn zero_bits(&self) -> u32 {
        let zero_bytes = self.le_bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        let partial =
            self.le_bytes.iter().rev().nth(zero_bytes).map_or(0, |byte| byte.leading_zeros());
        8 * zero_bytes as u32 + partial
    }

    /// Bits that are zero in the last word of every digest that meets this target, so that a
    /// kernel can drop nearly all attempts by looking at one word.
    pub(crate) fn last_word_zeros(&self) -> u32 {
        let [.., a, b, c, d] = self.le_bytes;
        let leading = u32::from_le_bytes([a, b, c, d]).leading_zeros();
        let low = u32::MAX.checked_shr(leading).unwrap_or(0);
        // SHA-256 words are big-endian, the number is little-endian.
        (!low).swap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The number one above, little-endian; wraps at the top.
    fn one_above(mut number: [u8; 32]) -> [u8; 32] {
        for byte in &mut number {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        number
    }

    #[test]
    fn as_many_zero_bits_are_counted_as_were_asked_for() {
        for bits in 0..=256 {
            let target = Target::with_zero_bits(bits);
            assert_eq!(target.zero_bits(), bits);
            assert_eq!(
                Target::from_le_bytes(one_above(target.le_bytes)).zero_bits(),
                match bits {
                    0 => 256,
                    _ => bits - 1,
                }
            );
        }
    }

    #[test]
    fn zero_bits_count_from_the_most_significant_end() {
        assert_eq!(Target::with_zero_bits(0).to_le_bytes(), [0xff; 32]);
        assert_eq!(Target::with_zero_bits(256).to_le_bytes(), [0; 32]);
        assert_eq!(Target::with_zero_bits(u32::MAX).to_le_bytes(), [0; 32]);
        let twelve = Target::with_zero_bits(12).to_le_bytes();
        assert_eq!((twelve[31], twelve[30], twelve[29]), (0, 0x0f, 0xff));
        let one = Target::with_zero_bits(255).to_le_bytes();
        assert_eq!((one[0], one[1]), (1, 0));
    }

    #[test]
    fn the_extreme_targets_take_everything_and_only_zero() {
        assert!(Target::from_le_bytes([0xff; 32]).is_met_by(&[0xff; 32]));
        assert!(Target::from_le_bytes([0; 32]).is_met_by(&[0; 32]));
        let mut lowest = [0; 32];
        lowest[0] = 1;
        assert!(!Target::from_le_bytes([0; 32]).is_met_by(&lowest));
    }

    proptest! {
        #[test]
        fn a_hash_equal_to_the_target_is_a_hit_and_one_above_is_not(number: [u8; 32]) {
            let target = Target::from_le_bytes(number);
            prop_assert!(target.is_met_by(&number));
            let above = one_above(number);
            prop_assert_eq!(target.is_met_by(&above), above == [0; 32]);
        }

        #[test]
        fn the_filter_on_the_last_word_never_drops_a_hit(
            hash: [u8; 32], number: [u8; 32], zeros in 0_usize..8, same_end: bool,
        ) {
            let (mut hash, mut number) = (hash, number);
            number[32 - zeros..].fill(0);
            hash[32 - zeros..].fill(0);
            if same_end {
                hash[24..].copy_from_slice(&number[24..]);
            }
            let target = Target::from_le_bytes(number);
            let last = u32::from_be_bytes([hash[28], hash[29], hash[30], hash[31]]);
            if target.is_met_by(&hash) {
                prop_assert_eq!(last & target.last_word_zeros(), 0);
            }
        }
    }
}
