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

/// Digits of other hashes that are shown: enough to tell blocks apart by eye.
const DIGITS: usize = 10;

/// The beginning of a transaction's id, as every command shows it.
pub fn begun(txid: &str) -> &str {
    txid.get(..DIGITS).unwrap_or(txid)
}

/// A part of a block's hash. Work makes hashes begin with zeros, so those tell nothing.
pub fn short(hash: &str) -> &str {
    let digits = hash.trim_start_matches('0');
    digits.get(..DIGITS).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart_by_what_follows_their_zeros() {
        assert_eq!(short("0000012345678900ff"), "1234567890");
        assert_eq!(begun("0000012345678900ff"), "0000012345");
        assert_eq!((short("00"), begun("ab")), ("", "ab"));
    }
}
