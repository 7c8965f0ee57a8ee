//! Sixteen lanes in 512 bits: AVX-512, which rotates in one instruction; the compiler makes
//! three-input logic out of pairs of `and` and `xor`.
//!
//! Where the cycles go, for a row of 16 nonces under one of 32 versions. Ideal: a round has two
//! sums of 3 rotations and 1 logic, a choice, a majority and 6 additions; a schedule word has 3 and
//! 1 for each sigma and 4 additions; constants are folded. Counted in the compiled loop by
//! `objdump -d`, with a 32nd of the schedule that the versions share. Measured by
//! `examples/kernel_cycles.rs`.
//!
//! | vector instructions | ideal | counted or measured |
//! |---|---|---|
//! | additions | | 894 |
//! | rotations and shifts, for which there is one 512-bit port | | 955 |
//! | logic, comparison | | 558 |
//! | all | 2404 | 2407 |
//! | cycles for one hash with two 512-bit ports: Emerald Rapids | 75 | 78 |
//! | the same with eight versions: Emerald Rapids | 77 | 80 |
//! | the same with eight versions: Zen 4, which does each instruction in two halves | 77 | 89 |
//!
//! One version alone takes 99 cycles on Emerald Rapids. The majority in one instruction saves 110
//! instructions against the pair with a remembered `xor`, and costs as many copies of registers,
//! which CPUs with AVX-512 do while renaming. What follows was measured on Zen 4 with eight
//! versions. One attempt after the other took 99 cycles: a sum waits for three rotations, each of
//! which takes two cycles and the only port. The rest of the way to 77 is scheduling: instructions
//! of this mix with operands 6 to 31 instructions old keep the ports 91 % busy, independent ones
//! 100 %.
//!
//! Tried and left: two rows of nonces in turns (87 cycles at best, but twice the code, and slices
//! of 50 ms had medians of 33 to 40 MH/s where these had 37 to 41), two versions in turns (same),
//! four rows (95, registers spill), additions in an order of our own (within 1 %), another order of
//! the instructions (the same), 256-bit rows of eight in the 32 registers (92), rounds in loops of
//! eight (89, in half the code; two rows of nonces so, 89). `sha256rnds2` beside them is not free:
//! one costs as much as 1.6 of these, so a hash by the SHA extensions in between costs as many
//! cycles as it saves. Nor is a seventeenth attempt by the scalar ports: 3,500 instructions more do
//! not fit the cache of decoded ones (164 cycles unrolled, 107 in loops of eight rounds).
#![expect(unsafe_code, reason = "the only way to call an instruction set that detection found")]

use std::arch::x86_64::*;
use std::ops::ControlFlow;

use super::lanes::{self, Lanes};
use super::{Nonces, Proposal};
use crate::job::Job;

/// Holding one proves that the CPU has the foundation of AVX-512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512(());

impl Avx512 {
    /// Asks the CPU.
    pub(super) fn detect() -> Option<Avx512> {
        is_x86_feature_detected!("avx512f").then_some(Avx512(()))
    }

    /// Proposes attempts of `job` in order of position.
    pub(super) fn scan(
        self,
        job: &Job,
        nonces: Nonces,
        propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // SAFETY: only `detect` makes an `Avx512`, and it has seen the feature.
        unsafe { scan(job, nonces, propose) }
    }
}

#[target_feature(enable = "avx512f")]
fn scan(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    lanes::overlapped::scan::<Row>(job, nonces, propose)
}

/// The truth table of "at least two of three", for the ternary instruction: it is made by doing to
/// these three bytes what is to be done to the operands.
const MAJORITY: i32 = (0xf0 & 0xcc) | (0xf0 & 0xaa) | (0xcc & 0xaa);

/// Exists only inside [`scan`].
#[derive(Clone, Copy)]
struct Row(__m512i);

impl Lanes for Row {
    const COUNT: u32 = 16;

    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: rows are made and used only inside `scan`, where AVX-512 is on.
        Row(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn indices() -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_sllv_epi32(self.0, _mm512_set1_epi32(BITS)) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_srlv_epi32(self.0, _mm512_set1_epi32(BITS)) })
    }

    #[inline(always)]
    fn zero_lanes(self) -> u32 {
        // SAFETY: as in `splat`.
        u32::from(unsafe { _mm512_testn_epi32_mask(self.0, self.0) })
    }

    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_ror_epi32::<RIGHT>(self.0) })
    }

    #[inline(always)]
    fn majority(self, other: Self, third: Self) -> Self {
        // SAFETY: as in `splat`.
        Row(unsafe { _mm512_ternarylogic_epi32::<MAJORITY>(self.0, other.0, third.0) })
    }
}
