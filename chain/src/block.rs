//! Blocks: a header and the transactions it commits to.

use crate::encoding::{Decode, DecodeError, Encode, Reader, write_list};
use crate::hash::{BlockHash, MerkleRoot, Txid, Wtxid};
use crate::header::{HEADER_BYTES, Header};
use crate::merkle;
use crate::transaction::{TRANSACTION_BYTES_MIN, Transaction};

/// A header and the transactions it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The 80 bytes that carry the work.
    pub header: Header,
    /// The coinbase, then the transfers.
    pub transactions: Vec<Transaction>,
}

/// These bytes are not the body of that header. It says nothing about the block: the right body may
/// still come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyMismatch {
    /// The bytes are no list of transactions.
    #[error("the body does not decode: {0}")]
    Undecodable(#[from] DecodeError),
    /// The list is empty.
    #[error("the body has no transactions")]
    Empty,
    /// The transactions are others than those the header commits to.
    #[error("the body has merkle root {got}, its header {expected}")]
    WrongRoot {
        /// Root of the body.
        got: MerkleRoot,
        /// Root in the header.
        expected: MerkleRoot,
    },
}

/// A body that belongs to its header, with its hashes: the only thing a block's rules may judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedBlock {
    /// The block.
    pub block: Block,
    /// Its header's hash.
    pub hash: BlockHash,
    /// The transactions' txids, in order.
    pub txids: Vec<Txid>,
    /// The transactions' wtxids, in order.
    pub wtxids: Vec<Wtxid>,
    /// Consensus bytes of header, count and transactions.
    pub encoded_bytes: usize,
}

impl CommittedBlock {
    /// Decodes `body` (count and transactions) and binds it to `header`.
    ///
    /// # Errors
    /// [`BodyMismatch`]: undecodable bytes, bytes left over, an empty list or another root.
    pub fn decode(header: Header, body: &[u8]) -> Result<Self, BodyMismatch> {
        let mut reader = Reader::new(body);
        let transactions: Vec<Transaction> = reader.list(TRANSACTION_BYTES_MIN)?;
        reader.finish()?;
        let wtxids: Vec<Wtxid> = transactions.iter().map(Transaction::wtxid).collect();
        let got = merkle::root(&wtxids).ok_or(BodyMismatch::Empty)?;
        if got != header.merkle_root {
            return Err(BodyMismatch::WrongRoot { got, expected: header.merkle_root });
        }
        Ok(Self {
            hash: header.hash(),
            txids: transactions.iter().map(Transaction::txid).collect(),
            wtxids,
            encoded_bytes: HEADER_BYTES + body.len(),
            block: Block { header, transactions },
        })
    }
}

impl Block {
    /// The root its transactions have (its header may say another); `None` without transactions.
    pub fn merkle_root(&self) -> Option<MerkleRoot> {
        let wtxids: Vec<Wtxid> = self.transactions.iter().map(Transaction::wtxid).collect();
        merkle::root(&wtxids)
    }

    /// Count and transactions in consensus form: what [`CommittedBlock::decode`] reads.
    pub fn encode_body(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_list(&self.transactions, &mut bytes);
        bytes
    }
}

impl Encode for Block {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        self.header.encode_to(bytes);
        write_list(&self.transactions, bytes);
    }
}

impl Decode for Block {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            header: Header::decode_from(reader)?,
            transactions: reader.list(TRANSACTION_BYTES_MIN)?,
        })
    }
}

#[cfg(test)]
mod tests;
