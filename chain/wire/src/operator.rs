//! The conversation between a node and whoever runs it: questions, and the wish that it stops.

use chain::spec::BLOCK_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::{BLOCK_OVERHEAD_BYTES, ByteString, conversation};
use chain::hash::{BlockHash, Txid};

/// What only the node and those who may read its data directory know.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token(pub [u8; 32]);

impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Names a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockName {
    /// That of the best chain at this height.
    Height(u32),
    /// That with this hash.
    Hash(BlockHash),
}

/// A question about the node, or an order to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// The node's tip, work, peers and pool at a glance.
    Status,
    /// Who is connected.
    Peers,
    /// What is pending, highest fee rate first.
    Mempool {
        /// How many entries to leave out.
        skip: u32,
    },
    /// The best chain's blocks, newest first.
    Chain {
        /// Height of the newest one wanted; above the tip means the tip.
        from: u32,
        /// How many are wanted; the node may give fewer.
        count: u32,
    },
    /// One block.
    Block(BlockName),
    /// One transaction, pending or confirmed.
    Tx(Txid),
    /// The miners that the node knows of.
    Miners,
    /// The node writes to disk what is only in memory, and ends.
    Stop,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Repeated in the answer.
    pub request: u32,
    /// From the token file in the node's data directory.
    pub token: Token,
    /// What is asked.
    pub question: Question,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerOutcome {
    /// A JSON object in UTF-8.
    Json(ByteString),
    /// Why there is no answer, as a sentence.
    Refused {
        /// The reason.
        reason: String,
    },
}

/// Answers [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request.
    pub request: u32,
    /// What is answered.
    pub outcome: AnswerOutcome,
}

conversation! {
    /// What a node and whoever runs it say to each other, from one computer to itself only.
    OperatorMessage {
        /// A question.
        192 Ask(Ask) <= 128;
        /// The answer.
        193 Answer(Answer) <= BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES;
    }
}
