//! Rules of headers.

use proptest::prelude::*;

use super::super::header::{
    HeaderContext, MEDIAN_TIME_HEADERS, TooEarly, check_alone, check_in_context, check_time,
    median_time,
};
use super::super::*;
use crate::hash::MerkleRoot;
use crate::header::{Header, VERSION_BASE, VERSION_ROLLING_MASK};
use crate::samples;
use crate::spec::ChainSpec;
use crate::target::CompactTarget;

fn unworked(bits: CompactTarget) -> Header {
    Header {
        version: VERSION_BASE,
        previous: BlockHash([3; 32]),
        merkle_root: MerkleRoot([4; 32]),
        time: 1_700_000_010,
        bits,
        nonce: 0,
    }
}

/// Searches the nonce whose hash does, or does not, meet the header's target.
fn searched(mut header: Header, meets: bool) -> Header {
    let target = header.bits.expand().unwrap();
    while target.is_met_by(&header.hash()) != meets {
        header.nonce += 1;
    }
    header
}

fn good(spec: &ChainSpec) -> Header {
    searched(unworked(spec.easiest_target().to_compact()), true)
}

fn context(expected_bits: CompactTarget, median_time: u32) -> HeaderContext {
    HeaderContext { expected_bits, median_time }
}

/// One error for each rule of headers.
pub(super) fn broken() -> Vec<RuleError> {
    let spec = samples::spec();
    let header = good(&spec);
    let version = Header { version: 1, ..header };
    let malformed = unworked(CompactTarget(0));
    let easy = unworked(CompactTarget::with_zero_bits(7));
    let alone = [version, malformed, easy, searched(header, false)]
        .map(|header| check_alone(&header, &spec).unwrap_err());
    let contexts =
        [context(CompactTarget::with_zero_bits(9), 0), context(header.bits, header.time)]
            .map(|context| check_in_context(&header, &context).unwrap_err());
    alone.into_iter().chain(contexts).collect()
}

#[test]
fn a_header_with_work_passes() {
    let spec = samples::spec();
    assert_eq!(check_alone(&good(&spec), &spec), Ok(()));
}

#[test]
fn only_the_bits_of_the_rolling_mask_may_change_in_the_version() {
    let spec = samples::spec();
    for bit in 0..32 {
        let version = VERSION_BASE ^ (1 << bit);
        let header = searched(Header { version, ..good(&spec) }, true);
        let expected = if VERSION_ROLLING_MASK >> bit & 1 == 1 {
            Ok(())
        } else {
            Err(RuleError::Version { got: version })
        };
        assert_eq!(check_alone(&header, &spec), expected, "bit {bit}");
    }
    // Bits 13 to 28, as in BIP 320.
    assert_eq!(
        (VERSION_ROLLING_MASK.trailing_zeros(), VERSION_ROLLING_MASK.count_ones()),
        (13, 16)
    );
}

#[test]
fn bits_that_are_no_target_are_refused_with_their_reason() {
    let spec = samples::spec();
    for (bits, reason) in [
        (0x1d80_ffff, CompactError::Negative),
        (0x1d00_0000, CompactError::Zero),
        (0xff00_ffff, CompactError::Overflow),
        (0x1e00_00ff, CompactError::NotCanonical),
    ] {
        let got = CompactTarget(bits);
        let expected = RuleError::BitsMalformed { got, reason };
        assert_eq!(check_alone(&unworked(got), &spec), Err(expected));
    }
}

#[test]
fn one_step_easier_than_the_easiest_is_refused_and_one_step_harder_is_not() {
    let spec = samples::spec();
    let easiest = spec.easiest_target().to_compact();
    assert_eq!(easiest, CompactTarget(0x2000_ffff));
    let easier = CompactTarget(0x2001_0000);
    assert!(easier.expand().unwrap() > spec.easiest_target());
    let header = searched(unworked(easier), true);
    let expected = RuleError::BitsTooEasy { got: easier, easiest };
    assert_eq!(check_alone(&header, &spec), Err(expected));
    let harder = CompactTarget(easiest.0 - 1);
    assert!(harder.expand().unwrap() < spec.easiest_target());
    let header = searched(unworked(harder), true);
    assert_eq!(check_alone(&header, &spec), Ok(()));
    // In context it must be exactly what the retarget gives.
    for other in [easier, harder] {
        let expected = RuleError::BitsUnexpected { got: easiest, expected: other };
        let got = check_in_context(&good(&spec), &context(other, 0));
        assert_eq!(got, Err(expected));
    }
}

#[test]
fn a_hash_above_the_target_is_no_work() {
    let spec = samples::spec();
    let header = searched(good(&spec), false);
    let expected = RuleError::Work { hash: header.hash(), bits: header.bits };
    assert_eq!(check_alone(&header, &spec), Err(expected));
}

#[test]
fn time_must_exceed_the_median() {
    let header = unworked(CompactTarget::with_zero_bits(8));
    let at = |median| check_in_context(&header, &context(header.bits, median));
    let too_old = |median| Err(RuleError::TimeTooOld { got: header.time, median });
    assert_eq!(at(header.time), too_old(header.time));
    assert_eq!(at(header.time + 1), too_old(header.time + 1));
    assert_eq!(at(header.time - 1), Ok(()));
}

#[test]
fn the_future_limit_is_a_24th_of_the_half_life_or_15_seconds() {
    let limit = |half_life_s| ChainSpec { half_life_s, ..samples::spec() }.future_limit_s();
    assert_eq!([24, 360, 383, 384, 1200].map(limit), [15, 15, 15, 16, 50]);
    assert_eq!(limit(u32::MAX), u32::MAX / 24);
}

#[test]
fn a_header_is_too_early_until_the_clock_is_within_the_future_limit() {
    let spec = samples::spec();
    let header = unworked(CompactTarget::with_zero_bits(8));
    let time = u64::from(header.time);
    let early = Err(TooEarly { time: header.time, valid_from_s: time - 50 });
    assert_eq!(check_time(&header, &spec, 0), early);
    assert_eq!(check_time(&header, &spec, time - 51), early);
    assert_eq!(check_time(&header, &spec, time - 50), Ok(()));
    assert_eq!(check_time(&header, &spec, u64::MAX), Ok(()));
    // Close to 1970 nothing is below zero.
    assert_eq!(check_time(&Header { time: 3, ..header }, &spec, 0), Ok(()));
    let last = Header { time: u32::MAX, ..header };
    assert!(check_time(&last, &spec, 0).is_err());
}

#[test]
fn the_median_of_an_even_number_is_the_upper_one() {
    assert_eq!(median_time(&mut []), 0);
    assert_eq!(median_time(&mut [7]), 7);
    assert_eq!(median_time(&mut [9, 7]), 9);
    assert_eq!(median_time(&mut [9, 7, 8]), 8);
    assert_eq!(median_time(&mut [1, 2, 3, 4]), 3);
    assert_eq!(MEDIAN_TIME_HEADERS, 11);
}

proptest! {
    #[test]
    fn the_median_has_half_of_the_times_on_each_side(
        times in prop::collection::vec(any::<u32>(), 1..=11),
        turn in 0usize..11,
    ) {
        let median = median_time(&mut times.clone());
        prop_assert!(times.contains(&median));
        let below = times.iter().filter(|time| **time < median).count();
        let above = times.iter().filter(|time| **time > median).count();
        prop_assert!(below <= times.len() / 2 && above <= times.len() / 2);
        let mut turned = times.clone();
        turned.rotate_left(turn % times.len());
        prop_assert_eq!(median_time(&mut turned), median);
    }

    #[test]
    fn no_header_panics(header in samples::any_header(), wall_s: u64, median: u32, bits: u32) {
        let spec = samples::spec();
        let _ = check_alone(&header, &spec);
        let _ = check_in_context(&header, &context(CompactTarget(bits), median));
        let _ = check_time(&header, &spec, wall_s);
    }
}
