//! The conversation between a wallet and a node: payments in, history with proofs out.

use std::fmt;

use chain::spec::BLOCK_BYTES_MAX;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{BLOCK_OVERHEAD_BYTES, ByteString, at_most, conversation};
use chain::hash::{BlockHash, Txid};
use chain::key::OutputKey;
use chain::transaction::{TRANSFER_BYTES_MIN, TxPosition};

/// Most entries in a [`History`].
pub const HISTORY_MAX: usize = 500;

/// Most transactions in a [`Pending`]: more of the shortest do not fit its payload.
pub const PENDING_MAX: usize = BLOCK_BYTES_MAX as usize / TRANSFER_BYTES_MIN;

/// Bytes of a key that stand for it in a [`GetPendingOfMany`]: enough that strangers hardly ever
/// share them, and a fourth of what whole keys would take.
pub const KEY_BEGINNING_BYTES: usize = 8;

/// Most keys in a [`GetPendingOfMany`]: looking them up takes a node no longer than other questions
/// of a wallet do, and they fit a command that older nodes still skip.
pub const KEYS_MAX: usize = 2000;

/// The end of a node's best chain, as its answers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainTip {
    /// Its last block.
    pub hash: BlockHash,
    /// That block's height.
    pub height: u32,
}

/// A payment for the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// Repeated in the answer.
    pub request: u32,
    /// The signed transaction in consensus form.
    pub transaction: ByteString,
}

/// Why a payment was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// It breaks a rule and never can be valid.
    Invalid,
    /// It spends what another pending payment spends.
    Conflict,
    /// Its fee is below what the node takes now.
    FeeTooLow,
    /// It spends coins that the node does not know (they may be spent, or still to come).
    MissingCoins,
    /// It may be valid later (locked or immature).
    NotYet,
    /// The node's own limits are reached.
    Busy,
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubmitOutcome {
    /// It is pending at this node now.
    Accepted(Txid),
    /// It was pending or confirmed already.
    AlreadyKnown(Txid),
    /// It is not accepted.
    Refused {
        /// What kind of reason.
        kind: RefusalKind,
        /// The reason as a sentence.
        reason: String,
    },
}

/// Answers [`Submit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The request.
    pub request: u32,
    /// What became of it.
    pub outcome: SubmitOutcome,
}

/// Asks for the confirmed transactions that pay to or spend from a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetHistory {
    /// Repeated in the answer.
    pub request: u32,
    /// The key that is paid or spends.
    pub key: OutputKey,
    /// Entries before this place are left out.
    pub from: TxPosition,
}

/// A confirmed transaction with the proof that it is in its block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Its place on the best chain.
    pub position: TxPosition,
    /// Hash of its block.
    pub block: BlockHash,
    /// Its header's 80 bytes.
    pub header: ByteString,
    /// The transaction in consensus form.
    pub transaction: ByteString,
    /// Transactions in the block.
    pub transactions: u32,
    /// Merkle siblings, 32 bytes each, lowest first.
    pub siblings: ByteString,
}

/// Answers [`GetHistory`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The request.
    pub request: u32,
    /// The node's best block when it answered.
    pub tip: BlockHash,
    /// Its height.
    pub tip_height: u32,
    /// At most [`HISTORY_MAX`] entries in rising order.
    pub entries: Vec<HistoryEntry>,
    /// More entries follow; ask again from behind the last one.
    pub more: bool,
}

/// Asks for the pending transactions that pay to or spend from a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetPending {
    /// Repeated in the answer.
    pub request: u32,
    /// The key that is paid or spends.
    pub key: OutputKey,
}

/// Asks for the pending transactions that pay to or spend from any of many keys. The answer is a
/// [`Pending`], and may have some of keys that only begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetPendingOfMany {
    /// Repeated in the answer.
    pub request: u32,
    /// The first [`KEY_BEGINNING_BYTES`] of each key, rising, none twice: so a node need not look
    /// up each of them where little is pending.
    pub beginnings: ByteString,
}

impl GetPendingOfMany {
    /// The question for these keys, at most [`KEYS_MAX`].
    pub fn new(request: u32, keys: &[OutputKey]) -> Self {
        let mut beginnings: Vec<_> = keys.iter().map(beginning).collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        Self { request, beginnings: ByteString(beginnings.concat()) }
    }

    /// The beginnings, one by one.
    pub fn beginnings(&self) -> &[[u8; KEY_BEGINNING_BYTES]] {
        self.beginnings.0.as_chunks().0
    }
}

/// The bytes that stand for a key.
pub fn beginning(key: &OutputKey) -> [u8; KEY_BEGINNING_BYTES] {
    *key.0.first_chunk().expect("a key has 32 bytes")
}

/// Answers [`GetPending`] and [`GetPendingOfMany`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The request.
    pub request: u32,
    /// At most [`PENDING_MAX`] transactions in consensus form, in order of arrival.
    #[serde(deserialize_with = "transactions_without_empty_ones")]
    pub transactions: Vec<ByteString>,
}

/// Answers [`WalletMessage::GetTip`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The request.
    pub request: u32,
    /// The node's best block.
    pub tip: BlockHash,
    /// Its height.
    pub height: u32,
    /// Least fee the node takes now, in units per 1000 bytes.
    pub fee_rate_min: u64,
    /// Rises whenever what is pending at this node changes, so that a wallet that saw the same
    /// number and tip before need not ask for more. It starts anew with the node.
    pub pending_changes: u64,
}

fn beginnings_are_whole(question: &GetPendingOfMany) -> Result<(), String> {
    let (beginnings, rest) = question.beginnings.0.as_chunks::<KEY_BEGINNING_BYTES>();
    if !rest.is_empty() {
        return Err(format!("{} bytes of keys behind the last whole beginning", rest.len()));
    }
    if !beginnings.is_sorted_by(|before, after| before < after) {
        return Err("beginnings of keys that do not rise".to_owned());
    }
    at_most(KEYS_MAX, beginnings.len(), "keys")
}

fn entries_are_few(history: &History) -> Result<(), String> {
    at_most(HISTORY_MAX, history.entries.len(), "entries")
}

conversation! {
    /// What wallets and nodes say to each other.
    WalletMessage {
        /// A payment.
        64 Submit(Submit) <= BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES;
        /// What became of it.
        65 Submitted(Submitted) <= 1024;
        /// Asks for a key's confirmed transactions.
        66 GetHistory(GetHistory) <= 64;
        /// The answer.
        67 History(History) <= BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES, if entries_are_few;
        /// Asks for a key's pending transactions.
        68 GetPending(GetPending) <= 64;
        /// The answer.
        69 Pending(Pending) <= BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES;
        /// Asks for the best block; the number is repeated in the answer.
        70 GetTip(u32) <= 8;
        /// The answer.
        71 Tip(Tip) <= 64;
        /// Asks for the pending transactions of many keys; a [`Self::Pending`] answers.
        72 GetPendingOfMany(GetPendingOfMany)
            <= (KEYS_MAX * KEY_BEGINNING_BYTES) as u32 + BLOCK_OVERHEAD_BYTES,
            if beginnings_are_whole;
    }
}

/// Reads the list of a [`Pending`], refusing entries too short for a transaction: each takes more
/// memory than its bytes, and four million empty ones would take a hundred megabytes.
fn transactions_without_empty_ones<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ByteString>, D::Error> {
    struct Transactions;

    impl<'de> Visitor<'de> for Transactions {
        type Value = Vec<ByteString>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of transactions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut transactions = Vec::new();
            while let Some(entry) = entries.next_element::<ByteString>()? {
                if entry.0.len() < TRANSFER_BYTES_MIN || transactions.len() == PENDING_MAX {
                    return Err(A::Error::custom("more transactions than bytes for them"));
                }
                transactions.push(entry);
            }
            Ok(transactions)
        }
    }

    deserializer.deserialize_seq(Transactions)
}
