//! Hashes as people tell them apart: by how they begin.

use chain::hash::BlockHash;

/// Digits of a genesis that are shown: two networks on one desk never share them.
const GENESIS_DIGITS: usize = 16;

/// How the genesis of a network begins.
pub fn genesis(hash: &BlockHash) -> String {
    let mut digits = hash.to_string();
    digits.truncate(GENESIS_DIGITS);
    digits
}
