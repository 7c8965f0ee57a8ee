//! The kernel that runs on every CPU: the `sha2` crate's compression from a midstate on.
//!
//! Two compressions of 64 rounds each: by `examples/kernel_cycles.rs`, 262 cycles for one hash on
//! Zen 4 with eight versions and 282 on Emerald Rapids with 32, where `sha2` has the SHA
//! extensions. 128 and 192 would be the limit of the round instruction, but one stream waits for
//! itself.

use std::ops::ControlFlow;

use super::constants::{DIGEST_BITS, HEADER_BITS, INITIAL_STATE, PADDING};
use super::{Nonces, Proposal};
use crate::job::Job;
use crate::sha256::compress256;

/// Proposes attempts of `job` in order of position.
pub(super) fn scan(
    job: &Job,
    nonces: Nonces,
    propose: &mut dyn FnMut(Proposal) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let zeros = job.last_word_zeros();
    let mut header_end = [0; 16];
    header_end[..3].copy_from_slice(&job.tail());
    header_end[4] = PADDING;
    header_end[15] = HEADER_BITS;
    let mut header_end = bytes_of(&header_end);
    let mut digest = [0; 16];
    digest[8] = PADDING;
    digest[15] = DIGEST_BITS;
    let mut digest = bytes_of(&digest);
    for offset in 0..nonces.count {
        // The header holds the nonce little-endian, and the block is made of bytes.
        let nonce = nonces.first.wrapping_add(offset);
        header_end[12..16].copy_from_slice(&nonce.to_le_bytes());
        for (version, midstate) in job.midstates().iter().enumerate() {
            let mut state = midstate.state;
            compress256(&mut state, &header_end);
            for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            let mut state = INITIAL_STATE;
            compress256(&mut state, &digest);
            if state[7] & zeros == 0 {
                propose(Proposal { offset, version })?;
            }
        }
    }
    ControlFlow::Continue(())
}

fn bytes_of(words: &[u32; 16]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}
