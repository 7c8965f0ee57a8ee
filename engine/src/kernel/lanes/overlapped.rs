//! Two attempts at a time: the second hash of one beside the first hash of the next.
//!
//! A round waits for the round before. Where the registers hold two states and a window, another
//! hash fills the pauses; and a second hash beside a first one asks for fewer registers than two of
//! a kind, and for less code.

use std::ops::ControlFlow;

use super::super::constants::INITIAL_STATE;
use super::super::row::propose_row;
use super::super::{Nonces, Proposal};
use super::{
    KeyedSchedule, Lanes, State, digest_end, digest_window, extend, header_end, header_schedule,
    header_start, header_word, keyed, last_word, round, swap_bytes,
};
use crate::job::{Job, VERSIONS_MAX};
use crate::midstate::Midstate;

/// Proposes attempts of `job` in order of position, a row of nonces at a time.
#[inline(always)]
pub(in super::super) fn scan<L: Lanes>(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let tail = job.tail();
    let zeros = L::splat(job.last_word_zeros());
    let last = job.midstates().len() - 1;
    let mut hits = [0; VERSIONS_MAX];
    // Of nothing, before the first attempt.
    let mut digest = [L::splat(0); 8];
    for offset in (0..nonces.count).step_by(L::COUNT as usize) {
        let first = L::splat(nonces.first.wrapping_add(offset));
        let nonce_word = swap_bytes(first.add(L::indices()));
        let schedule = header_schedule(tail, nonce_word);
        for (version, midstate) in job.midstates().iter().enumerate() {
            let (next, word) = next_digest_and_last_word(midstate, nonce_word, &schedule, digest);
            digest = next;
            let hit = word.and(zeros).zero_lanes();
            if version > 0 {
                hits[version - 1] = hit;
            } else if offset > 0 {
                // The row before is complete only now.
                hits[last] = hit;
                if hits != [0; VERSIONS_MAX] {
                    propose_row(&hits, offset - L::COUNT, L::COUNT, propose)?;
                }
            }
        }
    }
    if nonces.count > 0 {
        hits[last] = last_word(digest).and(zeros).zero_lanes();
        if hits != [0; VERSIONS_MAX] {
            let offset = (nonces.count - 1) / L::COUNT * L::COUNT;
            propose_row(&hits, offset, nonces.count - offset, propose)?;
        }
    }
    ControlFlow::Continue(())
}

/// SHA-256 of the header, and the last word of the SHA-256 of `digest`, round by round.
#[inline(always)]
fn next_digest_and_last_word<L: Lanes>(
    midstate: &Midstate,
    nonce_word: L,
    schedule: &KeyedSchedule<L>,
    digest: State<L>,
) -> (State<L>, L) {
    let mut first = header_start(midstate, nonce_word);
    let mut second = INITIAL_STATE.map(|word| L::splat(word));
    let mut window = digest_window(digest);
    unrolled!(t in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29
        30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59] {
        round(&mut first, t + 4, header_word(schedule, t + 4));
        if t >= 16 {
            extend(&mut window, t % 16);
        }
        round(&mut second, t, keyed(window[t % 16], t));
    });
    extend(&mut window, 60 % 16);
    round(&mut second, 60, keyed(window[60 % 16], 60));
    (header_end(first, midstate), digest_end(second))
}
