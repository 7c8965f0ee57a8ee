//! `Machine`: a node as a pure state machine, events in and effects out.
//!
//! It opens no socket, reads no clock, starts no thread and draws no randomness of its own. A body
//! ([`crate::runtime`], [`crate::simulation`], a test) calls [`Machine::handle`] with what happened and
//! carries out the effects that come back; [`Machine::next_wakeup`] says when it wants to be called
//! again though nothing happened.

pub mod mempool;
pub mod mining;
pub mod template;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::amount::Amount;
use chain::hash::{BlockHash, Txid};
use chain::header::Header;
use chain::key::SignatureCheck;
use chain::wire::Message;
use chain::wire::frame::Frame;

use template::Template;

/// The two clocks of a call: rules use the wall clock, time-outs the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Seconds since 1970; may jump.
    pub wall_s: u64,
    /// Time since the body started; never goes back.
    pub monotonic: Duration,
}

/// Names one connection. The body counts them up and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The other side.
    Inbound,
    /// We did.
    Outbound,
}

/// Names one template that was handed to the miner; a solution of another one is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u64);

/// Something that happened outside.
#[derive(Debug, Clone)]
pub enum Event {
    /// A connection stands; nothing has been said yet.
    Connected {
        /// Its name from now on.
        peer: PeerId,
        /// The other side's address.
        address: SocketAddr,
        /// Who opened it.
        direction: Direction,
    },
    /// A message came.
    Message {
        /// From whom.
        peer: PeerId,
        /// What.
        message: Box<Message>,
    },
    /// A well-formed frame of an unknown command came.
    UnknownCommand {
        /// From whom.
        peer: PeerId,
        /// Which.
        command: u16,
    },
    /// Bytes came that are no frame or no message. The body closes the connection after this event.
    Malformed {
        /// From whom.
        peer: PeerId,
        /// What was wrong with them.
        reason: String,
    },
    /// Answers [`Effect::NotifyDrained`]: the outbound queue of the connection is under half.
    Drained {
        /// Whose.
        peer: PeerId,
    },
    /// A connection is gone, whoever closed it. The last event of this peer.
    Disconnected {
        /// Which.
        peer: PeerId,
    },
    /// Answers [`Effect::Dial`] when no connection came about.
    DialFailed {
        /// The address that was dialled.
        address: SocketAddr,
    },
    /// The miner solved a template.
    Mined {
        /// Which.
        template: TemplateId,
        /// The header that meets its target.
        header: Header,
        /// The extra nonce that the header's merkle root commits to.
        extra_nonce: u64,
    },
    /// The time of [`Machine::next_wakeup`] has come.
    Wakeup,
}

/// Something the body shall do. Effects are carried out in their order and never waited for.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Queue a frame for a connection.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        frame: Arc<Frame>,
    },
    /// Send [`Event::Drained`] as soon as the outbound queue of the connection is under half (at once
    /// when it is already).
    NotifyDrained {
        /// Whose.
        peer: PeerId,
    },
    /// Close a connection once its queue is written (or after a second).
    Disconnect {
        /// Which.
        peer: PeerId,
        /// Why, as a sentence for people.
        reason: String,
    },
    /// Open a connection.
    Dial {
        /// Where to.
        address: SocketAddr,
    },
    /// Search this template from now on, and no other; `None` rests.
    Mine(Option<Arc<Template>>),
    /// Tell whoever listens.
    Report(Report),
}

/// Something an observer of the node may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Our miner found a block (it is connected next, unless a better chain came first).
    BlockFound {
        /// Its hash.
        hash: BlockHash,
        /// Its height.
        height: u32,
    },
    /// The best chain has a new last block.
    BlockConnected {
        /// Its hash.
        hash: BlockHash,
        /// Its height.
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
        /// Its hash.
        hash: BlockHash,
        /// The rule, as a sentence.
        reason: String,
    },
    /// A transaction is pending now.
    TxAccepted {
        /// Its txid.
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
        /// Its txid.
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

/// Verifies lists of signatures. On many threads in the runtime, on the caller's in the simulation; the
/// answer is the same.
pub trait Verifier: Send {
    /// Position of the first check (lowest transaction, lowest input) that does not hold.
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize>;
}

/// Verifies one signature after the other on the caller's thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequentialVerifier;

impl Verifier for SequentialVerifier {
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize> {
        checks.iter().position(|check| !check.is_valid())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
