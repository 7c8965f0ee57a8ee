//! Unspent coins, and the hash that says whether two nodes hold the same ones.

use ruint::aliases::U256;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::hash::{UtxoHash, sha256};
use crate::transaction::{OutPoint, Output};

/// An output that nobody has spent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coin {
    /// The money and its key.
    pub output: Output,
    /// Height of the block that made it.
    pub height: u32,
    /// Made by a coinbase, so it must mature. Genesis outputs are ordinary coins.
    pub coinbase: bool,
}

impl Encode for Coin {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        self.output.encode_to(bytes);
        bytes.extend_from_slice(&self.height.to_le_bytes());
        bytes.push(u8::from(self.coinbase));
    }
}

impl Decode for Coin {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            output: Output::decode_from(reader)?,
            height: reader.u32()?,
            coinbase: match reader.u8()? {
                0 => false,
                1 => true,
                kind => return Err(DecodeError::UnknownKind(kind)),
            },
        })
    }
}

/// The sum modulo 2^256 of SHA-256(outpoint, amount, key, height, coinbase mark) over a set of coins.
/// It does not depend on the order in which coins came and went. A diagnostic, not a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtxoSum(U256);

impl UtxoSum {
    /// The sum whose bytes are `hash`.
    pub fn from_hash(hash: UtxoHash) -> Self {
        Self(U256::from_le_bytes(hash.0))
    }

    /// A coin joins the set.
    pub fn add(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.0 = self.0.wrapping_add(coin_number(outpoint, coin));
    }

    /// A coin leaves the set.
    pub fn remove(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.0 = self.0.wrapping_sub(coin_number(outpoint, coin));
    }

    /// The sum as 32 little-endian bytes.
    pub fn hash(&self) -> UtxoHash {
        UtxoHash(self.0.to_le_bytes())
    }
}

fn coin_number(outpoint: &OutPoint, coin: &Coin) -> U256 {
    let mut bytes = outpoint.encode();
    coin.encode_to(&mut bytes);
    U256::from_le_bytes(sha256(&bytes))
}
