//! Unspent coins, and the hash that says whether two nodes hold the same ones.

use ruint::aliases::U256;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::hash::{UtxoHash, sha256};
use crate::transaction::{OUTPOINT_BYTES, OutPoint, Output};

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

/// The sum modulo 2^256 of SHA-256(outpoint, amount, key, height, coinbase mark) over a set of
/// coins. It does not depend on the order in which coins came and went. A diagnostic, not a
/// commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtxoSum(U256);

impl UtxoSum {
    /// The sum whose bytes are `hash`.
    pub fn from_hash(hash: UtxoHash) -> Self {
        Self(U256::from_le_bytes(hash.0))
    }

    /// Counts a coin in that joins the set.
    pub fn add(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.0 = self.0.wrapping_add(coin_number(outpoint, coin));
    }

    /// Takes a coin out that leaves the set.
    pub fn remove(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.0 = self.0.wrapping_sub(coin_number(outpoint, coin));
    }

    /// The sum as 32 little-endian bytes.
    pub fn hash(&self) -> UtxoHash {
        UtxoHash(self.0.to_le_bytes())
    }
}

/// Bytes that are hashed for a coin: its name, amount, key, height and mark.
const COIN_NUMBER_BYTES: usize = OUTPOINT_BYTES + 8 + 32 + 4 + 1;

fn coin_number(outpoint: &OutPoint, coin: &Coin) -> U256 {
    let mut bytes = Vec::with_capacity(COIN_NUMBER_BYTES);
    outpoint.encode_to(&mut bytes);
    coin.encode_to(&mut bytes);
    U256::from_le_bytes(sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::Amount;
    use crate::hash::Txid;
    use crate::key::OutputKey;
    use proptest::prelude::*;

    fn any_coin() -> impl Strategy<Value = (OutPoint, Coin)> {
        any::<([u8; 32], u32, u64, [u8; 32], u32, bool)>().prop_map(
            |(txid, index, units, key, height, coinbase)| {
                let outpoint = OutPoint { txid: Txid(txid), index };
                let output = Output { amount: Amount(units), key: OutputKey(key) };
                (outpoint, Coin { output, height, coinbase })
            },
        )
    }

    fn sum(coins: &[(OutPoint, Coin)]) -> UtxoSum {
        let mut sum = UtxoSum::default();
        coins.iter().for_each(|(outpoint, coin)| sum.add(outpoint, coin));
        sum
    }

    proptest! {
        #[test]
        fn the_sum_does_not_depend_on_the_order(
            (coins, shuffled) in prop::collection::vec(any_coin(), 0..20)
                .prop_flat_map(|coins| (Just(coins.clone()), Just(coins).prop_shuffle())),
        ) {
            prop_assert_eq!(sum(&coins), sum(&shuffled));
        }

        #[test]
        fn coins_that_came_and_went_leave_no_trace(
            kept in prop::collection::vec(any_coin(), 0..10),
            gone in prop::collection::vec(any_coin(), 0..10),
        ) {
            let mut with_gone = sum(&[&gone[..], &kept].concat());
            gone.iter().for_each(|(outpoint, coin)| with_gone.remove(outpoint, coin));
            prop_assert_eq!(with_gone, sum(&kept));
            prop_assert_eq!(UtxoSum::from_hash(with_gone.hash()), with_gone);
        }

        #[test]
        fn every_field_of_a_coin_counts((outpoint, coin) in any_coin()) {
            let good = sum(&[(outpoint, coin)]);
            let index = outpoint.index ^ 1;
            prop_assert_ne!(sum(&[(OutPoint { index, ..outpoint }, coin)]), good);
            let height = coin.height ^ 1;
            prop_assert_ne!(sum(&[(outpoint, Coin { height, ..coin })]), good);
            let coinbase = !coin.coinbase;
            prop_assert_ne!(sum(&[(outpoint, Coin { coinbase, ..coin })]), good);
            let mut richer = coin;
            richer.output.amount.0 ^= 1;
            prop_assert_ne!(sum(&[(outpoint, richer)]), good);
        }

        #[test]
        fn a_coin_reads_back_and_no_other_mark_does((_, coin) in any_coin(), mark in 2u8..) {
            let mut bytes = coin.encode();
            prop_assert_eq!(Coin::decode(&bytes), Ok(coin));
            let last = bytes.len() - 1;
            bytes[last] = mark;
            prop_assert_eq!(Coin::decode(&bytes), Err(DecodeError::UnknownKind(mark)));
            prop_assert!(Coin::decode(&bytes[..last]).is_err());
        }
    }
}
