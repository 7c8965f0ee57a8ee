//! Targets and their compact form, and the work of a target.

use proptest::prelude::*;
use ruint::aliases::U512;

use super::*;
use crate::samples::any_target;

proptest! {
    #[test]
    fn every_compact_target_reads_back(target in any_target()) {
        let bits = target.to_compact();
        let rounded = bits.expand().unwrap();
        prop_assert!(rounded <= target);
        prop_assert_eq!(rounded.to_compact(), bits);
        // At least 16 significant bits are kept.
        prop_assert!(target.0 - rounded.0 <= target.0 >> 15);
    }

    #[test]
    fn bits_that_expand_are_the_ones_their_target_rounds_to(
        size in 0u32..36,
        mantissa in prop_oneof![0u32..0x100, 0u32..0x100_0000],
    ) {
        let bits = CompactTarget(size << 24 | mantissa);
        if let Ok(target) = bits.expand() {
            prop_assert_eq!(target.to_compact(), bits);
            prop_assert!(!target.0.is_zero());
        }
    }

    #[test]
    fn any_bits_expand_or_are_refused(bits: u32) {
        let _ = CompactTarget(bits).expand();
    }

    #[test]
    fn work_is_two_to_the_256_over_the_target_plus_one(target in any_target()) {
        let divisor = U512::from(target.0) + U512::ONE;
        let expected = (U512::ONE << 256usize) / divisor;
        prop_assert_eq!(U512::from(target.work().0), expected);
    }

    #[test]
    fn a_target_of_zero_bits_is_met_from_exactly_that_many_on(bits in 0u32..=255) {
        let target = Target::with_zero_bits(bits);
        prop_assert_eq!(target.zero_bits(), bits);
        prop_assert_eq!(target.work(), Work(U256::ONE << bits as usize));
        prop_assert!(CompactTarget::with_zero_bits(bits).expand().unwrap() <= target);
        prop_assert_eq!(CompactTarget::with_zero_bits(bits).expand().unwrap().zero_bits(), bits);
    }
}

#[test]
fn bits_that_are_no_target_are_refused_by_name() {
    let cases = [
        (0, CompactError::Zero),
        (0x0100_0000, CompactError::Zero),
        (0x2000_0000, CompactError::Zero),
        (0x0080_0000, CompactError::Zero),
        (0x0100_7fff, CompactError::Zero),
        (0x0080_0001, CompactError::Negative),
        (0x0180_0001, CompactError::Negative),
        (0x1d80_ffff, CompactError::Negative),
        (0x2101_0000, CompactError::Overflow),
        (0x2200_0100, CompactError::Overflow),
        (0x2300_0001, CompactError::Overflow),
        (0xff7f_ffff, CompactError::Overflow),
        (0x1e00_00ff, CompactError::NotCanonical),
        (0x0101_0001, CompactError::NotCanonical),
        (0x2200_00ff, CompactError::NotCanonical),
    ];
    for (bits, expected) in cases {
        assert_eq!(CompactTarget(bits).expand(), Err(expected), "{bits:08x}");
    }
}

#[test]
fn known_bits_expand_to_known_targets() {
    let number = |bits: u32| CompactTarget(bits).expand().unwrap().0;
    assert_eq!(number(0x1d00_ffff), U256::from(0xffff) << 208usize);
    assert_eq!(number(0x2100_ffff), U256::from(0xffff) << 240usize);
    assert_eq!(number(0x0101_0000), U256::ONE);
    assert_eq!(number(0x0200_8000), U256::from(0x80));
    assert_eq!(number(0x0312_3456), U256::from(0x12_3456));
    assert_eq!(Target::MAX.to_compact(), CompactTarget(0x2100_ffff));
    assert_eq!(Target(U256::ZERO).to_compact(), CompactTarget(0));
}

#[test]
fn work_of_the_extremes() {
    assert_eq!(Target::MAX.work(), Work(U256::ONE));
    assert_eq!(Target(U256::ONE).work(), Work(U256::ONE << 255usize));
    assert_eq!(Target(U256::ZERO).work(), Work(U256::MAX));
    // Bitcoin's first target, whose work its block explorers show.
    let first = CompactTarget(0x1d00_ffff).expand().unwrap();
    assert_eq!(first.work(), Work(U256::from(0x1_0001_0001u64)));
    assert_eq!(Work(U256::MAX) + Work(U256::ONE), Work(U256::MAX));
    assert_eq!(Work(U256::MAX).times(2), Work(U256::MAX));
}

#[test]
fn a_hash_equal_to_the_target_meets_it_and_one_above_does_not() {
    let target = CompactTarget(0x1d00_ffff).expand().unwrap();
    let hash = |number: U256| BlockHash(number.to_le_bytes());
    assert!(target.is_met_by(&hash(target.0)));
    assert!(target.is_met_by(&hash(target.0 - U256::ONE)));
    assert!(!target.is_met_by(&hash(target.0 + U256::ONE)));
    assert!(target.is_met_by(&hash(U256::ZERO)) && !target.is_met_by(&hash(U256::MAX)));
}
