//! The SHA extensions: an instruction that does two rounds, kept busy by several nonces at once.
//!
//! One stream would wait for the latency of every pair of rounds; the streams of a row take turns.
//! What is saved is what `lanes` saves: the midstate and four rounds, the schedule shared by the
//! versions, and the last two of the 64 rounds of the second hash.
//!
//! Where the cycles go, for one hash under one of 32 versions. The instruction for two rounds has
//! one port; in a loop of nothing else it starts every other cycle on Zen 4, where everything else
//! fits beside it, and every third on Emerald Rapids, where one in twelve cycles is still lost.
//! Measured by `examples/kernel_cycles.rs`.
//!
//! | | ideal | counted or measured |
//! |---|---|---|
//! | pairs of rounds: 60 rounds of the header's end, 61 of the digest | 61 | 61 |
//! | schedule instructions: 24 for the digest, a 32nd of 24 for the header | 25 | 25 |
//! | cycles: Emerald Rapids | 183 | 199 |
//! | cycles: Zen 4, eight versions | 122 | 125 |
//!
//! One version alone, without a shared schedule: 285 cycles on Emerald Rapids, 187 on Zen 4.
#![expect(unsafe_code, reason = "the only way to call an instruction set that detection found")]

use std::arch::x86_64::*;
use std::ops::ControlFlow;

use super::constants::{DIGEST_BITS, HEADER_BITS, INITIAL_STATE, PADDING, ROUND_CONSTANTS};
use super::row::propose_row;
use super::{Nonces, Proposal};
use crate::job::{Job, VERSIONS_MAX};
use crate::midstate::{Midstate, Tail};

/// Nonces at once. Two would hide the latency of the round instruction, but the compiler sorts the
/// instructions of two or three stream by stream, and then each waits for itself; with four it
/// leaves them in turns (measured on Zen 4: 13, 19.5 and 23.4 million hashes a second).
const STREAMS: usize = 4;

/// Holding one proves that the CPU has the SHA extensions and SSE4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShaNi(());

impl ShaNi {
    /// Asks the CPU.
    pub(super) fn detect() -> Option<ShaNi> {
        let has_both = is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
        has_both.then_some(ShaNi(()))
    }

    /// Proposes attempts of `job` in order of position.
    pub(super) fn scan(
        self,
        job: &Job,
        nonces: Nonces,
        propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // SAFETY: only `detect` makes a `ShaNi`, and it has seen both features.
        unsafe { scan(job, nonces, propose) }
    }
}

/// The words of four rounds, the first in the lowest lane.
type Quad = __m128i;

/// The quads of rounds 16 to 63 of each stream, round constants added.
type KeyedSchedules = [[Quad; STREAMS]; 12];

/// Working variables as the instructions want them: `a b e f` and `c d g h`, from the highest
/// lane down.
#[derive(Clone, Copy)]
struct Halves {
    abef: __m128i,
    cdgh: __m128i,
}

#[target_feature(enable = "sha,sse4.1")]
fn scan(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let tail = job.tail();
    let zeros = job.last_word_zeros();
    for offset in (0..nonces.count).step_by(STREAMS) {
        let first = nonces.first.wrapping_add(offset);
        let nonce_words = std::array::from_fn(|stream| {
            // The header holds the nonce little-endian; SHA-256 reads big-endian words.
            first.wrapping_add(stream as u32).swap_bytes()
        });
        let schedules = header_schedules(tail, nonce_words);
        let mut hits = [0; VERSIONS_MAX];
        let mut any = 0;
        for (hit, midstate) in hits.iter_mut().zip(job.midstates()) {
            let digests = header_digests(midstate, nonce_words, &schedules);
            for (stream, word) in last_words(digests).into_iter().enumerate() {
                *hit |= u32::from(word & zeros == 0) << stream;
            }
            any |= *hit;
        }
        if any != 0 {
            let streams = (STREAMS as u32).min(nonces.count - offset);
            propose_row(&hits, offset, streams, propose)?;
        }
    }
    ControlFlow::Continue(())
}

/// The schedules of the headers' second blocks: the same for every version.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn header_schedules(tail: Tail, nonce_words: [u32; STREAMS]) -> KeyedSchedules {
    let mut windows = [[_mm_setzero_si128(); 4]; STREAMS];
    for (window, word) in windows.iter_mut().zip(nonce_words) {
        window[0] = quad_of([tail[0], tail[1], tail[2], word]);
        window[1] = quad_of([PADDING, 0, 0, 0]);
        window[3] = quad_of([0, 0, 0, HEADER_BITS]);
    }
    let mut schedules = [[_mm_setzero_si128(); STREAMS]; 12];
    for (number, quads) in schedules.iter_mut().enumerate() {
        *quads = next_quads(&mut windows, 4 + number);
    }
    schedules
}

/// SHA-256 of the headers, from the midstate on.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn header_digests(
    midstate: &Midstate,
    nonce_words: [u32; STREAMS],
    schedules: &KeyedSchedules,
) -> [Halves; STREAMS] {
    let start = halves_of(midstate.round4);
    let mut states = [start; STREAMS];
    for (state, word) in states.iter_mut().zip(nonce_words) {
        // Of a whole round, all that depends on its word is these two sums (`a` and `e`).
        let in_a_and_e = quad_of([0, word, 0, word]);
        state.abef = _mm_add_epi32(state.abef, in_a_and_e);
    }
    let padding = [[PADDING, 0, 0, 0], [0; 4], [0, 0, 0, HEADER_BITS]];
    for (number, words) in padding.into_iter().enumerate() {
        four_rounds(&mut states, [keyed(quad_of(words), 1 + number); STREAMS]);
    }
    for quads in schedules {
        four_rounds(&mut states, *quads);
    }
    let before = halves_of(midstate.state);
    for state in &mut states {
        state.abef = _mm_add_epi32(state.abef, before.abef);
        state.cdgh = _mm_add_epi32(state.cdgh, before.cdgh);
    }
    states
}

/// The last words of the digests' SHA-256. Each is `e` of round 60, which is `f` one round later;
/// rounds 62 and 63 only carry it along and are not computed.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn last_words(digests: [Halves; STREAMS]) -> [u32; STREAMS] {
    let padding = [quad_of([PADDING, 0, 0, 0]), quad_of([0, 0, 0, DIGEST_BITS])];
    let mut windows = [[_mm_setzero_si128(); 4]; STREAMS];
    for (window, digest) in windows.iter_mut().zip(digests) {
        let (first, second) = words_of(digest);
        *window = [first, second, padding[0], padding[1]];
    }
    let mut states = [halves_of(INITIAL_STATE); STREAMS];
    for number in 0..4 {
        let mut quads = [_mm_setzero_si128(); STREAMS];
        for (quad, window) in quads.iter_mut().zip(&windows) {
            *quad = keyed(window[number], number);
        }
        four_rounds(&mut states, quads);
    }
    for number in 4..15 {
        four_rounds(&mut states, next_quads(&mut windows, number));
    }
    let quads = next_quads(&mut windows, 15);
    let mut words = [0; STREAMS];
    for ((word, state), quad) in words.iter_mut().zip(states).zip(quads) {
        let abef = _mm_sha256rnds2_epu32(state.cdgh, state.abef, quad);
        *word = _mm_cvtsi128_si32(abef).cast_unsigned().wrapping_add(INITIAL_STATE[7]);
    }
    words
}

/// Extends the windows by a quad and adds its round constants.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn next_quads(windows: &mut [[Quad; 4]; STREAMS], number: usize) -> [Quad; STREAMS] {
    let mut quads = [_mm_setzero_si128(); STREAMS];
    for (quad, window) in quads.iter_mut().zip(windows) {
        extend(window);
        *quad = keyed(window[3], number);
    }
    quads
}

/// Four rounds of every stream, in turns.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn four_rounds(states: &mut [Halves; STREAMS], quads: [Quad; STREAMS]) {
    // Two rounds turn `a b e f` into `c d g h`, so the halves swap names, and swap back.
    for (state, quad) in states.iter_mut().zip(quads) {
        state.cdgh = _mm_sha256rnds2_epu32(state.cdgh, state.abef, quad);
    }
    for (state, quad) in states.iter_mut().zip(quads) {
        let upper = _mm_shuffle_epi32::<0b00_00_11_10>(quad);
        state.abef = _mm_sha256rnds2_epu32(state.abef, state.cdgh, upper);
    }
}

/// Drops the oldest of the last sixteen schedule words' quads and appends the next.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn extend(window: &mut [Quad; 4]) {
    let [oldest, older, newer, newest] = *window;
    let nine_back = _mm_alignr_epi8::<4>(newest, newer);
    let early = _mm_add_epi32(_mm_sha256msg1_epu32(oldest, older), nine_back);
    *window = [older, newer, newest, _mm_sha256msg2_epu32(early, newest)];
}

/// Adds the round constants of rounds 4 `number` to 4 `number` + 3.
#[inline]
#[target_feature(enable = "sse4.1")]
fn keyed(quad: Quad, number: usize) -> Quad {
    let at = 4 * number;
    let constants = [at, at + 1, at + 2, at + 3].map(|round| ROUND_CONSTANTS[round]);
    _mm_add_epi32(quad, quad_of(constants))
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn quad_of(words: [u32; 4]) -> Quad {
    let [first, second, third, fourth] = words.map(u32::cast_signed);
    _mm_setr_epi32(first, second, third, fourth)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn halves_of([a, b, c, d, e, f, g, h]: [u32; 8]) -> Halves {
    Halves { abef: quad_of([f, e, b, a]), cdgh: quad_of([h, g, d, c]) }
}

/// The eight words in the order of a message.
#[inline]
#[target_feature(enable = "sse4.1")]
fn words_of(halves: Halves) -> (Quad, Quad) {
    let badc = _mm_unpackhi_epi64(halves.abef, halves.cdgh);
    let fehg = _mm_unpacklo_epi64(halves.abef, halves.cdgh);
    (_mm_shuffle_epi32::<0b10_11_00_01>(badc), _mm_shuffle_epi32::<0b10_11_00_01>(fehg))
}
