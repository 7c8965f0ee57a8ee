//! The first 64 header bytes, hashed once per version: they do not change while the nonce moves.

use crate::kernel::constants::{INITIAL_STATE, ROUND_CONSTANTS};
use crate::sha256::compress256;

/// The words of the second block that do not change either: the end of the merkle root, the time
/// and the bits, as SHA-256 reads them.
pub(crate) type Tail = [u32; 3];

/// One version's share of a header's hash that no nonce changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Midstate {
    /// SHA-256 after the first 64 header bytes.
    pub(crate) state: [u32; 8],
    /// The working variables `a` to `h` after rounds 0 to 3 of the second block, as they are with
    /// a nonce of zero: the nonce's word has only to be added to `a` and `e`.
    pub(crate) round4: [u32; 8],
}

impl Midstate {
    /// Hashes the first 64 bytes of `header`.
    pub(crate) fn new(header: &[u8; 80]) -> Midstate {
        let (first, _) = header.split_first_chunk().expect("80 bytes begin with 64");
        let mut state = INITIAL_STATE;
        compress256(&mut state, first);
        let [end, time, bits] = tail(header);
        let mut round4 = state;
        for (word, constant) in [end, time, bits, 0].into_iter().zip(ROUND_CONSTANTS) {
            round4 = round(round4, word.wrapping_add(constant));
        }
        Midstate { state, round4 }
    }
}

/// SHA-256's state after the first 64 bytes of `header`: what a search starts from, to be shown.
pub fn midstate(header: &[u8; 80]) -> [u32; 8] {
    Midstate::new(header).state
}

/// The constant words at the start of the header's second block.
pub(crate) fn tail(header: &[u8; 80]) -> Tail {
    [64, 68, 72]
        .map(|at| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
}

/// One round of SHA-256, given the sum of schedule word and round constant.
fn round([a, b, c, d, e, f, g, h]: [u32; 8], keyed_word: u32) -> [u32; 8] {
    let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choice = ((f ^ g) & e) ^ g;
    let first = h.wrapping_add(sum1).wrapping_add(choice).wrapping_add(keyed_word);
    let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let majority = ((a ^ b) & (b ^ c)) ^ b;
    let second = sum0.wrapping_add(majority);
    [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g]
}
