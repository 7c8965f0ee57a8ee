//! Rules of headers: alone, then in the context of their chain, then against the clock.

use crate::header::{Header, VERSION_BASE, VERSION_ROLLING_MASK};
use crate::rules::RuleError;
use crate::spec::ChainSpec;
use crate::target::CompactTarget;

/// Headers whose median time bounds the next one from below.
pub const MEDIAN_TIME_HEADERS: usize = 11;

/// What a header's chain demands of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderContext {
    /// The bits that the retarget gives.
    pub expected_bits: CompactTarget,
    /// [`median_time`] of the headers before.
    pub median_time: u32,
}

/// A header that is too far ahead of the clock: not invalid, only early. Nobody is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its time {time} is too far ahead of the clock; valid from {valid_from_s} on")]
pub struct TooEarly {
    /// The header's time.
    pub time: u32,
    /// Wall-clock second from which on it may be accepted.
    pub valid_from_s: u64,
}

/// Shape and work of a header alone: one hash, before any effort for a stranger. Genesis does not
/// pass; it is valid by hash equality.
///
/// # Errors
/// The rule that it breaks.
pub fn check_alone(header: &Header, spec: &ChainSpec) -> Result<(), RuleError> {
    if header.version & !VERSION_ROLLING_MASK != VERSION_BASE {
        return Err(RuleError::Version { got: header.version });
    }
    let target = header
        .bits
        .expand()
        .map_err(|reason| RuleError::BitsMalformed { got: header.bits, reason })?;
    let easiest = spec.easiest_target();
    if target > easiest {
        return Err(RuleError::BitsTooEasy { got: header.bits, easiest: easiest.to_compact() });
    }
    let hash = header.hash();
    if !target.is_met_by(&hash) {
        return Err(RuleError::Work { hash, bits: header.bits });
    }
    Ok(())
}

/// A header against the chain before it.
///
/// # Errors
/// The rule that it breaks.
pub fn check_in_context(header: &Header, context: &HeaderContext) -> Result<(), RuleError> {
    if header.bits != context.expected_bits {
        return Err(RuleError::BitsUnexpected {
            got: header.bits,
            expected: context.expected_bits,
        });
    }
    if header.time <= context.median_time {
        return Err(RuleError::TimeTooOld { got: header.time, median: context.median_time });
    }
    Ok(())
}

/// A header against the clock.
///
/// # Errors
/// [`TooEarly`] with the second from which on it may be accepted.
pub fn check_time(header: &Header, spec: &ChainSpec, wall_s: u64) -> Result<(), TooEarly> {
    let valid_from_s = u64::from(header.time).saturating_sub(u64::from(spec.future_limit_s()));
    if wall_s < valid_from_s {
        return Err(TooEarly { time: header.time, valid_from_s });
    }
    Ok(())
}

/// Median of the times of the last [`MEDIAN_TIME_HEADERS`] headers (or all of a shorter chain), in
/// any order: `sorted[n / 2]`. Zero for none.
pub fn median_time(times: &mut [u32]) -> u32 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}
