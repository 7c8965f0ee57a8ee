//! Proofs: what a node says about a confirmed transaction, believed only as far as work stands
//! behind it.
//!
//! An entry is believed when its transaction hashes up to the merkle root of a header that lies on
//! the chain which the wallet follows. A node can still withhold entries; it cannot invent one.

use chain::block::CommittedBlock;
use chain::encoding::{Decode, DecodeError};
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot, Txid};
use chain::header::{HEADER_BYTES, Header};
use chain::merkle::proven_root;
use chain::rules::{self, RuleError};
use chain::transaction::{Transaction, TxPosition};
use wire::wallet::{ChainTip, HistoryEntry};

use crate::header_chain::HeaderChain;

/// A transaction that is proven to be in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmedTransaction {
    /// Where it is.
    pub position: TxPosition,
    /// The block.
    pub block: BlockHash,
    /// The block's header.
    pub header: Header,
    /// The transaction.
    pub transaction: Transaction,
    /// Its name.
    pub txid: Txid,
}

/// Why an entry is not believed. Whoever sent it lies or is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The header does not have its 80 bytes.
    #[error("a header of {got} bytes, expected {HEADER_BYTES}")]
    HeaderLength {
        /// What it has.
        got: usize,
    },
    /// The header is another block's.
    #[error("the header hashes to {got}, not to the block {expected}")]
    HeaderHash {
        /// The hash of the header that came.
        got: BlockHash,
        /// The block that the entry names.
        expected: BlockHash,
    },
    /// The block at height 0 is another network's.
    #[error("the block {got} is not this network's first, {expected}")]
    Genesis {
        /// The block that the entry names.
        got: BlockHash,
        /// The genesis of the wallet's network.
        expected: BlockHash,
    },
    /// The transaction does not decode.
    #[error("the transaction does not decode: {0}")]
    Undecodable(#[from] DecodeError),
    /// The block is not on the chain that is followed.
    #[error("block {block} is not the one at height {height} of the chain that it shows")]
    OffChain {
        /// The block that the entry names.
        block: BlockHash,
        /// The height that the entry names.
        height: u32,
    },
    /// The header or the transaction breaks a rule.
    #[error("{0}")]
    Rule(#[from] RuleError),
    /// The siblings do not fit the place.
    #[error("{siblings} bytes of merkle siblings do not fit transaction {transaction} of {count}")]
    ProofShape {
        /// Bytes of siblings.
        siblings: usize,
        /// Position of the transaction.
        transaction: u32,
        /// Transactions in the block.
        count: u32,
    },
    /// The transaction is not in the block.
    #[error("the proof leads to the root {got}, the header has {expected}")]
    Root {
        /// Where the proof leads.
        got: MerkleRoot,
        /// What the header commits to.
        expected: MerkleRoot,
    },
}

/// Checks that the entry's block lies on `chain`, and all that the entry can show by itself.
///
/// # Errors
/// [`EntryError`] names the first thing that does not hold.
pub fn verify(
    entry: &HistoryEntry,
    network: &Network,
    chain: &HeaderChain,
) -> Result<ConfirmedTransaction, EntryError> {
    let (height, block) = (entry.position.height, entry.block);
    if !chain.contains(ChainTip { hash: block, height }) {
        return Err(EntryError::OffChain { block, height });
    }
    verify_alone(entry, network)
}

/// Checks all that one entry can show by itself: that somebody did the work of one block for it.
///
/// # Errors
/// [`EntryError`] names the first thing that does not hold.
pub fn verify_alone(
    entry: &HistoryEntry,
    network: &Network,
) -> Result<ConfirmedTransaction, EntryError> {
    let header = verify_header(entry, network)?;
    let transaction = Transaction::decode(&entry.transaction.0)?;
    verify_inclusion(entry, &header, &transaction)?;
    verify_rules(entry.position, &transaction)?;
    Ok(ConfirmedTransaction {
        position: entry.position,
        block: entry.block,
        header,
        txid: transaction.txid(),
        transaction,
    })
}

/// A transaction of a block that lies on the chain at `height`: the body itself is the proof.
///
/// # Errors
/// [`EntryError`] for one that breaks a rule at its place.
///
/// # Panics
/// When the block has no transaction at `place`.
pub fn of_block(
    block: &CommittedBlock,
    height: u32,
    place: usize,
) -> Result<ConfirmedTransaction, EntryError> {
    let position = TxPosition { height, transaction: u32::try_from(place).unwrap_or(u32::MAX) };
    let transaction = block.block.transactions[place].clone();
    verify_rules(position, &transaction)?;
    Ok(ConfirmedTransaction {
        position,
        block: block.hash,
        header: block.block.header,
        txid: block.txids[place],
        transaction,
    })
}

/// The only transaction of genesis, which needs no proof: the spec itself makes it.
pub fn genesis(network: &Network) -> Option<ConfirmedTransaction> {
    let block = &network.genesis;
    Some(ConfirmedTransaction {
        position: TxPosition { height: 0, transaction: 0 },
        block: block.hash,
        header: block.block.header,
        transaction: block.block.transactions.first()?.clone(),
        txid: *block.txids.first()?,
    })
}

fn verify_header(entry: &HistoryEntry, network: &Network) -> Result<Header, EntryError> {
    let bytes = &entry.header.0;
    let bytes = bytes.as_slice().try_into();
    let bytes = bytes.map_err(|_| EntryError::HeaderLength { got: entry.header.0.len() })?;
    let header = Header::from_bytes(bytes);
    let got = header.hash();
    if got != entry.block {
        return Err(EntryError::HeaderHash { got, expected: entry.block });
    }
    if entry.position.height > 0 {
        rules::header::check_alone(&header, &network.spec)?;
    } else if got != network.genesis_hash() {
        return Err(EntryError::Genesis { got, expected: network.genesis_hash() });
    }
    Ok(header)
}

fn verify_inclusion(
    entry: &HistoryEntry,
    header: &Header,
    transaction: &Transaction,
) -> Result<(), EntryError> {
    let (siblings, rest) = entry.siblings.0.as_chunks::<32>();
    let place = entry.position.transaction;
    let got = rest
        .is_empty()
        .then(|| proven_root(transaction.wtxid(), place, entry.transactions, siblings))
        .flatten()
        .ok_or(EntryError::ProofShape {
            siblings: entry.siblings.0.len(),
            transaction: place,
            count: entry.transactions,
        })?;
    if got != header.merkle_root {
        return Err(EntryError::Root { got, expected: header.merkle_root });
    }
    Ok(())
}

fn verify_rules(position: TxPosition, transaction: &Transaction) -> Result<(), EntryError> {
    match transaction {
        Transaction::Coinbase(_) if position.transaction > 0 => {
            Err(RuleError::CoinbaseMisplaced.into())
        }
        Transaction::Coinbase(coinbase) if coinbase.height != position.height => {
            Err(RuleError::CoinbaseHeight { got: coinbase.height, expected: position.height }
                .into())
        }
        Transaction::Coinbase(coinbase) if position.height > 0 => {
            rules::transaction::check_outputs(&coinbase.outputs)?;
            Ok(())
        }
        Transaction::Coinbase(_) => Ok(()),
        Transaction::Transfer(_) if position.transaction == 0 => {
            Err(RuleError::CoinbaseMissing.into())
        }
        Transaction::Transfer(transfer) => Ok(rules::transaction::check_alone(transfer)?),
    }
}
