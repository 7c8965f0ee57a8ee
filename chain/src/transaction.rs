//! Transactions: the coinbase that makes money and the transfer that moves it.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader, write_compact_size, write_list};
use crate::hash::{BlockHash, Txid, Wtxid, sha256, sha256d, tagged_hash};
use crate::key::{OutputKey, Signature, SignatureCheck};

/// Names one output of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutPoint {
    /// The transaction that made the output.
    pub txid: Txid,
    /// Position among its outputs.
    pub index: u32,
}

/// Where a transaction is on the chain; it orders a key's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TxPosition {
    /// Height of the block.
    pub height: u32,
    /// Position in the block, counted from 0, the coinbase.
    pub transaction: u32,
}

/// Money that the holder of one key may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Output {
    /// How much money; the rules refuse zero.
    pub amount: Amount,
    /// The key whose signature spends it.
    pub key: OutputKey,
}

/// An output spent, and the signature that allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Input {
    /// The output that it spends.
    pub outpoint: OutPoint,
    /// By whose leave: signs [`SighashContext::message`] with the key of the output spent.
    pub signature: Signature,
}

/// The first transaction of every block: claims the subsidy and the fees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coinbase {
    /// The block's height, which makes every coinbase unique.
    pub height: u32,
    /// The miner's own: template randomness and extra nonce; genesis holds the spec hash here.
    pub extra: [u8; 32],
    /// Where the subsidy and the fees go; what they leave unclaimed is burned.
    pub outputs: Vec<Output>,
}

/// Moves money from outputs to outputs; what is left over is the fee.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// The outputs that it spends; the rules demand one at least, and none twice.
    pub inputs: Vec<Input>,
    /// The outputs that it makes; the rules demand one at least.
    pub outputs: Vec<Output>,
    /// Not valid in a block below this height.
    pub lock_height: u32,
}

/// A transaction of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// Kind 0 in the bytes: makes new money, first in its block.
    Coinbase(Coinbase),
    /// Kind 1 in the bytes: a payment.
    Transfer(Transfer),
}

const KIND_COINBASE: u8 = 0;
const KIND_TRANSFER: u8 = 1;

/// Bytes of an outpoint.
pub const OUTPOINT_BYTES: usize = 32 + 4;
/// Bytes of an output.
pub const OUTPUT_BYTES: usize = 8 + 32;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of the shortest thing that decodes: a transfer of nothing, which the rules refuse.
pub const TRANSACTION_BYTES_MIN: usize = 1 + 1 + 1 + 4;
/// Bytes of the shortest coinbase: one output.
pub const COINBASE_BYTES_MIN: usize = 1 + 4 + 32 + 1 + OUTPUT_BYTES;
/// Bytes of the shortest transfer: one input, one output.
pub const TRANSFER_BYTES_MIN: usize =
    1 + 1 + OUTPOINT_BYTES + 1 + OUTPUT_BYTES + 4 + SIGNATURE_BYTES;

// Two merkle children side by side are 64 bytes: as no transaction that any rule accepts is that
// short, they can never pass for one (nor a transaction for them). Even those that decode and break
// a rule have other lengths: 38 + 40 a, or 7 + 100 a + 40 b.
const _: () = assert!(COINBASE_BYTES_MIN == 78 && TRANSFER_BYTES_MIN == 147);

impl Encode for OutPoint {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.txid.0);
        bytes.extend_from_slice(&self.index.to_le_bytes());
    }
}

impl Decode for OutPoint {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { txid: Txid(reader.array()?), index: reader.u32()? })
    }
}

impl Encode for Output {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.amount.0.to_le_bytes());
        bytes.extend_from_slice(&self.key.0);
    }
}

impl Decode for Output {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { amount: Amount(reader.u64()?), key: OutputKey(reader.array()?) })
    }
}

impl Transfer {
    fn encode_unsigned_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(KIND_TRANSFER);
        write_compact_size(self.inputs.len() as u64, bytes);
        for input in &self.inputs {
            input.outpoint.encode_to(bytes);
        }
        write_list(&self.outputs, bytes);
        bytes.extend_from_slice(&self.lock_height.to_le_bytes());
    }

    /// What outpoints name: the hash without the signatures.
    pub fn txid(&self) -> Txid {
        let mut bytes = Vec::new();
        self.encode_unsigned_to(&mut bytes);
        Txid(sha256d(&bytes))
    }

    /// The hash of everything.
    pub fn wtxid(&self) -> Wtxid {
        let mut bytes = Vec::new();
        self.encode_to(&mut bytes);
        Wtxid(sha256d(&bytes))
    }

    /// Bytes in consensus form.
    pub fn encoded_bytes(&self) -> usize {
        let count = |entries: usize| match entries {
            0..=0xfc => 1,
            0xfd..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        };
        1 + count(self.inputs.len())
            + self.inputs.len() * (OUTPOINT_BYTES + SIGNATURE_BYTES)
            + count(self.outputs.len())
            + self.outputs.len() * OUTPUT_BYTES
            + 4
    }
}

impl Encode for Transfer {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        self.encode_unsigned_to(bytes);
        for input in &self.inputs {
            bytes.extend_from_slice(&input.signature.0);
        }
    }
}

impl Encode for Coinbase {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(KIND_COINBASE);
        bytes.extend_from_slice(&self.height.to_le_bytes());
        bytes.extend_from_slice(&self.extra);
        write_list(&self.outputs, bytes);
    }
}

impl Encode for Transaction {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Coinbase(coinbase) => coinbase.encode_to(bytes),
            Self::Transfer(transfer) => transfer.encode_to(bytes),
        }
    }
}

impl Decode for Transaction {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            KIND_COINBASE => Ok(Self::Coinbase(Coinbase {
                height: reader.u32()?,
                extra: reader.array()?,
                outputs: reader.list(OUTPUT_BYTES)?,
            })),
            KIND_TRANSFER => {
                let outpoints: Vec<OutPoint> = reader.list(OUTPOINT_BYTES + SIGNATURE_BYTES)?;
                let outputs = reader.list(OUTPUT_BYTES)?;
                let lock_height = reader.u32()?;
                let inputs = outpoints
                    .into_iter()
                    .map(|outpoint| Ok(Input { outpoint, signature: Signature(reader.array()?) }))
                    .collect::<Result<_, DecodeError>>()?;
                Ok(Self::Transfer(Transfer { inputs, outputs, lock_height }))
            }
            kind => Err(DecodeError::UnknownKind(kind)),
        }
    }
}

impl Transaction {
    /// The outputs of either kind.
    pub fn outputs(&self) -> &[Output] {
        match self {
            Self::Coinbase(coinbase) => &coinbase.outputs,
            Self::Transfer(transfer) => &transfer.outputs,
        }
    }

    /// What outpoints name: the hash without the signatures.
    pub fn txid(&self) -> Txid {
        match self {
            Self::Coinbase(coinbase) => Txid(sha256d(&coinbase.encode())),
            Self::Transfer(transfer) => transfer.txid(),
        }
    }

    /// The hash of everything: what blocks commit to.
    pub fn wtxid(&self) -> Wtxid {
        Wtxid(sha256d(&self.encode()))
    }
}

/// The parts of a signed message that all inputs of a transfer share, hashed once.
///
/// Every message names the network, everything spent with its amounts and keys, and everything
/// paid: a signature is good on one network, and nobody can lie to a signer about an amount.
#[derive(Debug, Clone)]
pub struct SighashContext {
    genesis: BlockHash,
    outpoints: [u8; 32],
    spent: [u8; 32],
    outputs: [u8; 32],
    lock_height: u32,
}

impl SighashContext {
    /// `spent` holds the outputs that the inputs name, in the inputs' order.
    pub fn new(transfer: &Transfer, spent: &[Output], genesis: BlockHash) -> Self {
        let encoded = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            write(&mut bytes);
            sha256(&bytes)
        };
        Self {
            genesis,
            outpoints: encoded(&|bytes| {
                transfer.inputs.iter().for_each(|input| input.outpoint.encode_to(bytes));
            }),
            spent: encoded(&|bytes| spent.iter().for_each(|output| output.encode_to(bytes))),
            outputs: encoded(&|bytes| write_list(&transfer.outputs, bytes)),
            lock_height: transfer.lock_height,
        }
    }

    /// The 32 bytes that the key of input `input` signs.
    pub fn message(&self, input: u32) -> [u8; 32] {
        tagged_hash(
            "lode/sighash",
            &[
                &[KIND_TRANSFER],
                &self.genesis.0,
                &self.outpoints,
                &self.spent,
                &self.outputs,
                &self.lock_height.to_le_bytes(),
                &input.to_le_bytes(),
            ],
        )
    }
}

/// The signatures of `transfer` still to be verified; `spent` as for [`SighashContext::new`].
///
/// # Panics
/// When `spent` does not hold one output for each input: a bug of the caller that would otherwise
/// leave a signature unverified.
pub fn signature_checks(
    transfer: &Transfer,
    spent: &[Output],
    genesis: BlockHash,
    transaction: u32,
) -> Vec<SignatureCheck> {
    assert_eq!(transfer.inputs.len(), spent.len(), "an output for each input");
    let context = SighashContext::new(transfer, spent, genesis);
    (0u32..)
        .zip(transfer.inputs.iter().zip(spent))
        .map(|(input, (signed, output))| SignatureCheck {
            key: output.key,
            message: context.message(input),
            signature: signed.signature,
            transaction,
            input,
        })
        .collect()
}

#[cfg(test)]
mod tests;
