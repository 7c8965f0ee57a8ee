//! The algorithm once, over a row of lanes: each lane tries its own nonce.
//!
//! What is saved against hashing 80 bytes twice: the midstate takes the first 64 bytes and the
//! first four rounds behind them; the message schedule of the header's end does not depend on the
//! version, so all versions of a job share it; the padding is constant, which the compiler folds
//! into the rounds; and only the digest's last word is computed, so the second hash ends early.
//!
//! Everything here must be inlined into the one function of each instruction set that turns its
//! feature on.

use std::ops::ControlFlow;

use super::constants::{DIGEST_BITS, HEADER_BITS, INITIAL_STATE, PADDING, ROUND_CONSTANTS};
use super::row::propose_row;
use super::{Nonces, Proposal};
use crate::job::{Job, VERSIONS_MAX};
use crate::midstate::{Midstate, Tail};

/// Repeats a block with a constant, so that the compiler sees every index.
macro_rules! unrolled {
    ($t:ident in [$($value:literal)*] $body:block) => {
        $({ let $t = $value; $body })*
    };
}

pub(super) mod overlapped;
#[cfg(test)]
mod tests;

/// A row of 32-bit words on which an instruction works at once.
pub(super) trait Lanes: Copy {
    /// Words in a row; at most 32.
    const COUNT: u32;
    /// The same word in every lane.
    fn splat(word: u32) -> Self;
    /// The index of each lane.
    fn indices() -> Self;
    /// Sums modulo 2^32.
    fn add(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn shift_left<const BITS: i32>(self) -> Self;
    /// Shifts zeros in.
    fn shift_right<const BITS: i32>(self) -> Self;
    /// A bit for each lane, the lowest for the first, set where the word is zero.
    fn zero_lanes(self) -> u32;

    /// Rotates to the right. `LEFT` is 32 - `RIGHT`, which generics cannot compute.
    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        self.shift_right::<RIGHT>().xor(self.shift_left::<LEFT>())
    }

    /// Each bit as most of the three have it. The next round's `other ^ third` is this round's
    /// `self ^ other`, which the compiler keeps where there is no instruction for all of it.
    #[inline(always)]
    fn majority(self, other: Self, third: Self) -> Self {
        self.xor(other).and(other.xor(third)).xor(other)
    }
}

/// Eight working variables. They stay where they are while their names move on by one each round.
type State<L> = [L; 8];

/// The last sixteen words of a message schedule, word t in place t % 16.
type Window<L> = [L; 16];

/// The words of rounds 16 to 63, round constants added.
type KeyedSchedule<L> = [[L; 16]; 3];

/// Proposes attempts of `job` in order of position, a row of nonces at a time: for instruction sets
/// whose registers hold one row's hash and no more.
#[inline(always)]
pub(super) fn scan<L: Lanes>(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let tail = job.tail();
    let zeros = L::splat(job.last_word_zeros());
    for offset in (0..nonces.count).step_by(L::COUNT as usize) {
        let first = L::splat(nonces.first.wrapping_add(offset));
        let nonce_word = swap_bytes(first.add(L::indices()));
        let schedule = header_schedule(tail, nonce_word);
        let mut hits = [0; VERSIONS_MAX];
        let mut any = 0;
        for (hit, midstate) in hits.iter_mut().zip(job.midstates()) {
            let digest = header_digest(midstate, nonce_word, &schedule);
            *hit = last_word(digest).and(zeros).zero_lanes();
            any |= *hit;
        }
        if any != 0 {
            let lanes = L::COUNT.min(nonces.count - offset);
            propose_row(&hits, offset, lanes, propose)?;
        }
    }
    ControlFlow::Continue(())
}

/// The schedule of the header's second block: the same for every version.
#[inline(always)]
fn header_schedule<L: Lanes>(tail: Tail, nonce_word: L) -> KeyedSchedule<L> {
    let zero = L::splat(0);
    let mut window = [zero; 16];
    window[0] = L::splat(tail[0]);
    window[1] = L::splat(tail[1]);
    window[2] = L::splat(tail[2]);
    window[3] = nonce_word;
    window[4] = L::splat(PADDING);
    window[15] = L::splat(HEADER_BITS);
    let mut schedule = [[zero; 16]; 3];
    unrolled!(part in [0 1 2] {
        unrolled!(t in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
            extend(&mut window, t);
            schedule[part][t] = keyed(window[t], 16 * (part + 1) + t);
        });
    });
    schedule
}

/// SHA-256 of the header, from the midstate on.
#[inline(always)]
fn header_digest<L: Lanes>(
    midstate: &Midstate,
    nonce_word: L,
    schedule: &KeyedSchedule<L>,
) -> State<L> {
    let mut state = header_start(midstate, nonce_word);
    unrolled!(t in [4 5 6 7 8 9 10 11 12 13 14 15] {
        round(&mut state, t, header_word(schedule, t));
    });
    for part in schedule {
        unrolled!(t in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
            round(&mut state, t, part[t]);
        });
    }
    header_end(state, midstate)
}

/// The state behind round 3 of the header's second block.
#[inline(always)]
fn header_start<L: Lanes>(midstate: &Midstate, nonce_word: L) -> State<L> {
    let mut state = midstate.round4.map(|word| L::splat(word));
    // Of a whole round, all that depends on its word is these two sums. Round 3 is behind us.
    state[0] = state[0].add(nonce_word);
    state[4] = state[4].add(nonce_word);
    state.rotate_left(4);
    state
}

/// The header's word for round t, from 4 on, its round constant added.
#[inline(always)]
fn header_word<L: Lanes>(schedule: &KeyedSchedule<L>, t: usize) -> L {
    match t {
        4 => keyed(L::splat(PADDING), 4),
        15 => keyed(L::splat(HEADER_BITS), 15),
        16.. => schedule[t / 16 - 1][t % 16],
        _ => L::splat(ROUND_CONSTANTS[t]),
    }
}

/// The digest of the header, of the state behind its last round.
#[inline(always)]
fn header_end<L: Lanes>(mut state: State<L>, midstate: &Midstate) -> State<L> {
    unrolled!(word in [0 1 2 3 4 5 6 7] {
        state[word] = state[word].add(L::splat(midstate.state[word]));
    });
    state
}

/// The last word of the digest's SHA-256. It is `e` of round 60, carried along as `f`, `g` and `h`
/// by the last three rounds, which are not computed.
#[inline(always)]
fn last_word<L: Lanes>(digest: State<L>) -> L {
    let mut window = digest_window(digest);
    let mut state = INITIAL_STATE.map(|word| L::splat(word));
    unrolled!(t in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
        round(&mut state, t, keyed(window[t], t));
    });
    unrolled!(part in [16 32] {
        unrolled!(t in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
            extend(&mut window, t);
            round(&mut state, t, keyed(window[t], part + t));
        });
    });
    unrolled!(t in [0 1 2 3 4 5 6 7 8 9 10 11 12] {
        extend(&mut window, t);
        round(&mut state, t, keyed(window[t], 48 + t));
    });
    digest_end(state)
}

/// The words of the second hash's only block.
#[inline(always)]
fn digest_window<L: Lanes>(digest: State<L>) -> Window<L> {
    let mut window = [L::splat(0); 16];
    window[..8].copy_from_slice(&digest);
    window[8] = L::splat(PADDING);
    window[15] = L::splat(DIGEST_BITS);
    window
}

/// The last word, of the state behind round 60: `e` lies where round 61 would look for it.
#[inline(always)]
fn digest_end<L: Lanes>(state: State<L>) -> L {
    state[(12 + 8 - 61 % 8) % 8].add(L::splat(INITIAL_STATE[7]))
}

/// Replaces word t - 16 of the schedule by word t; `at` is t % 16.
#[inline(always)]
fn extend<L: Lanes>(window: &mut Window<L>, at: usize) {
    let near = window[(at + 14) % 16];
    let far = window[(at + 1) % 16];
    let sigma1 = near.rotate::<17, 15>().xor(near.rotate::<19, 13>()).xor(near.shift_right::<10>());
    let sigma0 = far.rotate::<7, 25>().xor(far.rotate::<18, 14>()).xor(far.shift_right::<3>());
    let early = window[at].add(sigma0);
    window[at] = early.add(window[(at + 9) % 16]).add(sigma1);
}

#[inline(always)]
fn keyed<L: Lanes>(word: L, round: usize) -> L {
    word.add(L::splat(ROUND_CONSTANTS[round]))
}

/// One round. At round t, variable `a` lies in place -t (modulo 8), `b` behind it, and so on: only
/// `d` and `h` change, and `h` is the next round's `a`.
#[inline(always)]
fn round<L: Lanes>(state: &mut State<L>, t: usize, keyed_word: L) {
    let place = |variable: usize| (variable + 8 - t % 8) % 8;
    let [a, b, c] = [state[place(0)], state[place(1)], state[place(2)]];
    let [e, f, g] = [state[place(4)], state[place(5)], state[place(6)]];
    let sum1 = e.rotate::<6, 26>().xor(e.rotate::<11, 21>()).xor(e.rotate::<25, 7>());
    let choice = f.xor(g).and(e).xor(g);
    let first = state[place(7)].add(keyed_word).add(choice).add(sum1);
    let sum0 = a.rotate::<2, 30>().xor(a.rotate::<13, 19>()).xor(a.rotate::<22, 10>());
    state[place(3)] = state[place(3)].add(first);
    state[place(7)] = first.add(a.majority(b, c)).add(sum0);
}

/// The header holds the nonce little-endian; SHA-256 reads big-endian words.
#[inline(always)]
fn swap_bytes<L: Lanes>(word: L) -> L {
    let outer = word.shift_left::<24>().xor(word.shift_right::<24>());
    let second = word.and(L::splat(0x0000_ff00)).shift_left::<8>();
    let third = word.shift_right::<8>().and(L::splat(0x0000_ff00));
    outer.xor(second).xor(third)
}
