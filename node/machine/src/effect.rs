//! Effects: what the machine asks its body to do, and what it reports to observers.

use std::net::SocketAddr;
use std::sync::Arc;

use chain::amount::Amount;
use chain::hash::{BlockHash, Txid};
use chain::key::SignatureCheck;
use wire::Message;
use wire::frame::Frame;

use super::event::{Direction, PeerId, VerificationId};
use super::template::Template;
use crate::history::HistoryQuestion;
use crate::store::BlockWrites;

/// Something the body shall do. Effects are carried out in their order and never waited for.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Queue a frame for a connection.
    Send {
        /// The peer that it is sent to.
        peer: PeerId,
        /// The frame, as it goes over the wire.
        frame: Arc<Frame>,
    },
    /// Send [`super::Event::Drained`] as soon as the outbound queue of the connection is under half
    /// (at once when it is already).
    NotifyDrained {
        /// The peer whose queue is meant.
        peer: PeerId,
    },
    /// Close a connection once its queue is written (or after a second).
    Disconnect {
        /// The peer whose connection is to be closed.
        peer: PeerId,
        /// Why, as a sentence for people.
        reason: String,
    },
    /// Open a connection.
    Dial {
        /// The address to dial.
        address: SocketAddr,
    },
    /// Give a message to the part of the process that answers it, with [`super::Event::Reply`]. The
    /// next event of this connection waits for that.
    Forward {
        /// The peer that asks.
        peer: PeerId,
        /// Its address.
        address: SocketAddr,
        /// A question to the directory or to whoever runs the node.
        message: Box<Message>,
    },
    /// This template takes the place of all before it: whoever searches shall search this one. A
    /// solution of one that was replaced still counts while the tip is the same.
    Mine(Arc<Template>),
    /// Run these writes, on any thread, and answer with [`super::Event::Written`]. There is at most
    /// one at a time.
    Write(BlockWrites),
    /// Verify these signatures, on any threads, and answer with [`super::Event::Verified`]. Several
    /// may be asked for at a time and answered in any order; the first ones are waited for first.
    Verify {
        /// Repeated in the answer.
        id: VerificationId,
        /// The signatures.
        checks: Arc<[SignatureCheck]>,
    },
    /// Answer this question of a wallet, on any thread, with [`super::Event::Read`]. The connection
    /// is not read on until then, so that answers keep their order.
    Read {
        /// The peer that asks.
        peer: PeerId,
        /// What it asks.
        question: HistoryQuestion,
    },
    /// Read nothing more from this connection until [`Effect::Resume`], which may follow at once:
    /// its payment is being judged.
    Pause {
        /// The peer that waits.
        peer: PeerId,
    },
    /// Read on from this connection.
    Resume {
        /// The peer that waits no more.
        peer: PeerId,
    },
    /// There is nothing worth searching from now on.
    Rest {
        /// Where the best chain ends: a search on top of another block was in vain.
        tip: BlockHash,
    },
    /// Report to whoever listens to this node what happened.
    Report(Report),
}

/// Something an observer of the node may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Our miner found a block (it is connected next, unless a better chain came first).
    BlockFound {
        /// Hash of the block.
        hash: BlockHash,
        /// Height of the block.
        height: u32,
    },
    /// The best chain has a new last block.
    BlockConnected {
        /// Hash of the block.
        hash: BlockHash,
        /// Height of the block.
        height: u32,
        /// Its transactions, the coinbase among them.
        transactions: u32,
        /// What its transfers paid in fees.
        fees: Amount,
        /// Its difficulty in leading zero bits of the target.
        target_zero_bits: u32,
    },
    /// The node left one branch for a better one.
    Reorganized {
        /// The tip that was left.
        from: BlockHash,
        /// The new tip.
        to: BlockHash,
        /// The new tip's height.
        height: u32,
        /// Blocks that were disconnected.
        disconnected: u32,
        /// Blocks that were connected instead.
        connected: u32,
    },
    /// A block broke a rule.
    BlockRefused {
        /// Hash of the block.
        hash: BlockHash,
        /// The rule, as a sentence.
        reason: String,
    },
    /// A transaction is pending now.
    TxAccepted {
        /// Id of the transaction.
        txid: Txid,
        /// Its fee.
        fee: Amount,
        /// Its consensus bytes.
        bytes: u32,
        /// Transactions now pending.
        pending: u32,
    },
    /// A transaction that was offered is not accepted.
    TxRefused {
        /// Id of the transaction.
        txid: Txid,
        /// Why, as a sentence.
        reason: String,
    },
    /// A handshake is done.
    PeerReady {
        /// Which connection.
        peer: PeerId,
        /// Its address.
        address: SocketAddr,
        /// The name it gave itself.
        name: String,
        /// Who opened it.
        direction: Direction,
    },
    /// A connection that had been ready is gone.
    PeerLost {
        /// Which connection.
        peer: PeerId,
        /// Its address.
        address: SocketAddr,
        /// Why, as a sentence.
        reason: String,
    },
}
