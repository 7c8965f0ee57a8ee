//! A second ASERT, written to share nothing with the first: numbers are lists of single bits, the
//! anchor is found by walking the whole chain, and there is no saturation.

use super::*;

/// Bits, lowest first.
type Bits = Vec<bool>;

fn bits_of(target: Target) -> Bits {
    let bytes = target.to_le_bytes();
    (0..256).map(|at| bytes[at / 8] >> (at % 8) & 1 == 1).collect()
}

/// School multiplication, one bit of `number` after the other.
fn product(number: &[bool], factor: u64) -> Bits {
    let mut carry = 0;
    let mut digits = Bits::new();
    for bit in number.iter().copied().chain([false; 64]) {
        carry += u64::from(bit) * factor;
        digits.push(carry % 2 == 1);
        carry /= 2;
    }
    assert_eq!(carry, 0);
    digits
}

fn highest(bits: &[bool]) -> Option<usize> {
    bits.iter().rposition(|bit| *bit)
}

fn is_above(number: &[bool], limit: &[bool]) -> bool {
    let width = number.len().max(limit.len());
    let bit = |bits: &[bool], at: usize| bits.get(at).copied().unwrap_or(false);
    (0..width)
        .rev()
        .find(|at| bit(number, *at) != bit(limit, *at))
        .is_some_and(|at| bit(number, at))
}

/// One sign bit and 23 bits from the byte of the highest bit downwards.
fn compact(number: &[bool]) -> u32 {
    let size = (highest(number).unwrap() + 1) / 8 + 1;
    let lowest = 8 * i64::try_from(size).unwrap() - 24;
    let mantissa: u32 = (0..24)
        .filter(|at| {
            usize::try_from(lowest + at).is_ok_and(|at| number.get(at).copied().unwrap_or(false))
        })
        .map(|at| 1 << at)
        .sum();
    (size as u32) * 0x100_0000 + mantissa
}

/// 65,536 times two to the power of `fraction` / 65,536.
pub(super) fn factor(fraction: u64) -> u64 {
    let f = u128::from(fraction);
    let cubic = 195_766_423_245_049 * f + 971_821_376 * f * f + 5127 * f * f * f + (1 << 47);
    65_536 + u64::try_from(cubic / (1 << 48)).unwrap()
}

pub(super) fn asert(anchor: &Anchor, height: u64, time: i64, pace: &Pace) -> u32 {
    let due = (i128::from(height) - i128::from(anchor.height) + 1) * i128::from(pace.spacing_s);
    let behind = i128::from(time) - i128::from(anchor.parent_time) - due;
    let size = behind.unsigned_abs() * 65_536 / u128::from(pace.half_life_s);
    let exponent = i128::try_from(size).unwrap() * behind.signum();
    let (whole, fraction) = (exponent.div_euclid(65_536), exponent.rem_euclid(65_536));
    let scaled = product(&bits_of(anchor.target), factor(u64::try_from(fraction).unwrap()));
    let limit = bits_of(pace.limit);
    // The power of two moves every bit; the factor is 65,536 times too large.
    let places = whole - 16;
    let top = i128::try_from(highest(&scaled).unwrap()).unwrap() + places;
    if top >= 256 {
        return compact(&limit);
    }
    if top < 0 {
        // Nothing is left, which counts as one, which no limit is below.
        return compact(&[true]);
    }
    let moved: Bits = (0..256)
        .map(|at| usize::try_from(at - places).is_ok_and(|at| scaled.get(at) == Some(&true)))
        .collect();
    compact(if is_above(&moved, &limit) { &limit } else { &moved })
}

/// `chain` holds bits and time of every block from genesis on.
pub(super) fn next_bits(spec: &ChainSpec, chain: &[(CompactTarget, u32)]) -> u32 {
    let easiest = compact(&bits_of(Target::with_zero_bits(spec.easiest_bits)));
    let at_floor = (1..chain.len()).rev().find(|at| chain[*at].0.0 == easiest);
    let height = at_floor.unwrap_or(0);
    let parent_time = match at_floor {
        Some(at) => i64::from(chain[at - 1].1),
        None => i64::from(chain[0].1) - i64::from(spec.spacing_s),
    };
    let anchor =
        Anchor { height: height as u64, parent_time, target: chain[height].0.expand().unwrap() };
    let last = chain.len() - 1;
    asert(&anchor, last as u64, i64::from(chain[last].1), &Pace::of(spec))
}
