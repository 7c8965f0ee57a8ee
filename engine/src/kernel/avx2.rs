//! Eight lanes in 256 bits: AVX2.
//!
//! Where the cycles go, for a row of 8 nonces under one of 32 versions. Ideal: a round has two
//! sums of 6 shifts and 5 logic, 3 for the choice, 3 for the majority and 6 additions; a schedule
//! word 9 for each sigma and 4 additions; before constants are folded. Counted in the compiled loop
//! (`objdump -d`), with a 32nd of the schedule that the versions share. Measured by
//! `examples/kernel_cycles.rs`.
//!
//! | | ideal | counted or measured |
//! |---|---|---|
//! | vector instructions of 120 rounds, 45 schedule words, a 32nd of 48 more | 5058 | 4945 |
//! | of them shifts, for which there are two ports | | 1828 |
//! | cycles for one hash with three ports: Emerald Rapids | 206 | 224 |
//! | cycles with four ports: Zen 4, eight versions | 157 | 191 |
//!
//! On Zen 4 the rest is rows waiting for themselves. Two rows in turns were tried there, and the
//! sixteen registers do not hold them: 900 loads and stores more, 220 cycles. One version alone:
//! 261 cycles on Emerald Rapids, 221 on Zen 4.
#![expect(unsafe_code, reason = "the only way to call an instruction set that detection found")]

use std::arch::x86_64::*;
use std::ops::ControlFlow;

use super::lanes::{self, Lanes};
use super::{Nonces, Proposal};
use crate::job::Job;

/// Holding one proves that the CPU has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// Asks the CPU.
    pub(super) fn detect() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// Proposes attempts of `job` in order of position.
    pub(super) fn scan(
        self,
        job: &Job,
        nonces: Nonces,
        propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // SAFETY: only `detect` makes an `Avx2`, and it has seen the feature.
        unsafe { scan(job, nonces, propose) }
    }
}

#[target_feature(enable = "avx2")]
fn scan(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    lanes::scan::<Row>(job, nonces, propose)
}

/// Exists only inside [`scan`].
#[derive(Clone, Copy)]
struct Row(__m256i);

impl Lanes for Row {
    const COUNT: u32 = 8;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: rows are made and used only inside `scan`, where AVX2 is on.
        Row(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn indices() -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm256_and_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm256_slli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm256_srli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn zero_lanes(self) -> u32 {
        // SAFETY: as in `splat`.
        unsafe {
            let zero = _mm256_cmpeq_epi32(self.0, _mm256_setzero_si256());
            _mm256_movemask_ps(_mm256_castsi256_ps(zero)).cast_unsigned()
        }
    }
}
