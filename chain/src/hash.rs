//! The hashes of the protocol: SHA-256d, BIP 340's tagged hash, and a type for every meaning of 32
//! bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 applied once.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 applied twice, the hash of headers, transactions and merkle nodes.
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    sha256(&sha256(bytes))
}

/// BIP 340's tagged hash: a hash made for one purpose is worth nothing for another.
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tag_hash = sha256(tag.as_bytes());
    let mut hasher = Sha256::new();
    hasher.update(tag_hash);
    hasher.update(tag_hash);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A text that is not the 64 hex digits of a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits, got {got:?}")]
pub struct ParseHashError {
    /// What was given, cut to 80 characters.
    pub got: String,
}

/// Lower-case hex of any bytes, first byte first.
pub fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The bytes behind hex digits of either case; `None` for an odd length or any other character.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

fn parse_32(text: &str) -> Result<[u8; 32], ParseHashError> {
    from_hex(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| ParseHashError { got: text.chars().take(80).collect() })
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, reversed: $reversed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Thirty-two zero bytes.
            pub const ZERO: Self = Self([0; 32]);

            /// The bytes as they are hashed and sent.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut bytes = self.0;
                if $reversed {
                    bytes.reverse();
                }
                f.write_str(&to_hex(&bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                let mut bytes = parse_32(text)?;
                if $reversed {
                    bytes.reverse();
                }
                Ok(Self(bytes))
            }
        }
    };
}

hash_type!(
    /// SHA-256d of a header's 80 bytes; shown byte-reversed, as Bitcoin does, so work reads as
    /// leading zeros.
    BlockHash, reversed: true
);
hash_type!(
    /// SHA-256d of a transaction without its signatures: what outpoints name. Shown byte-reversed.
    Txid, reversed: true
);
hash_type!(
    /// SHA-256d of a whole transaction: what blocks commit to and relay keys on. Shown
    /// byte-reversed.
    Wtxid, reversed: true
);
hash_type!(
    /// Root of the merkle tree over a block's wtxids. Shown byte-reversed.
    MerkleRoot, reversed: true
);
hash_type!(
    /// SHA-256d of a chain spec's consensus bytes.
    SpecHash, reversed: false
);
hash_type!(
    /// Sum of the hashes of all unspent coins: a diagnostic that says whether two nodes agree.
    UtxoHash, reversed: false
);

impl BlockHash {
    /// Leading zero bits of the hash as a number: what people call its difficulty.
    pub fn leading_zero_bits(&self) -> u32 {
        let zero_bytes = self.0.iter().rev().take_while(|byte| **byte == 0).count();
        let next = self.0.iter().rev().nth(zero_bytes).map_or(0, |byte| byte.leading_zeros());
        u32::try_from(zero_bytes * 8).expect("at most 256") + next
    }
}
