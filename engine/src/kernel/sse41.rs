//! Four lanes in 128 bits: SSE4.1.
//!
//! Where the cycles go, for a row of 4 nonces under one of 32 versions; ideal, counted and measured
//! as in `avx2`.
//!
//! | | ideal | counted or measured |
//! |---|---|---|
//! | vector instructions that compute | 5058 | 4945 |
//! | copies, as an operand is overwritten; loads and stores | 0 | 2504 |
//! | cycles for one hash with three ports: Emerald Rapids | 412 | 458 |
//! | cycles with four ports: Zen 4, eight versions | 314 | 489 |
//!
//! The copies take no port but their share of the front end: with the three-operand forms of AVX
//! the same row takes 385 cycles on Zen 4, which only CPUs with AVX and without AVX2 would gain.
//! One version alone: 658 cycles on Emerald Rapids, 611 on Zen 4.
#![expect(unsafe_code, reason = "the only way to call an instruction set that detection found")]

use std::arch::x86_64::*;
use std::ops::ControlFlow;

use super::lanes::{self, Lanes};
use super::{Nonces, Proposal};
use crate::job::Job;

/// Holding one proves that the CPU has SSE4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sse41(());

impl Sse41 {
    /// Asks the CPU.
    pub(super) fn detect() -> Option<Sse41> {
        is_x86_feature_detected!("sse4.1").then_some(Sse41(()))
    }

    /// Proposes attempts of `job` in order of position.
    pub(super) fn scan(
        self,
        job: &Job,
        nonces: Nonces,
        propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // SAFETY: only `detect` makes an `Sse41`, and it has seen the feature.
        unsafe { scan(job, nonces, propose) }
    }
}

#[target_feature(enable = "sse4.1")]
fn scan(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    lanes::scan::<Row>(job, nonces, propose)
}

/// Exists only inside [`scan`].
#[derive(Clone, Copy)]
struct Row(__m128i);

impl Lanes for Row {
    const COUNT: u32 = 4;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: rows are made and used only inside `scan`, where SSE4.1 is on.
        Row(unsafe { _mm_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn indices() -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm_setr_epi32(0, 1, 2, 3) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm_and_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm_xor_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm_slli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm_srli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn zero_lanes(self) -> u32 {
        // SAFETY: as in `splat`.
        unsafe {
            let zero = _mm_cmpeq_epi32(self.0, _mm_setzero_si128());
            _mm_movemask_ps(_mm_castsi128_ps(zero)).cast_unsigned()
        }
    }
}
