//! Events: what a body tells the machine.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::header::Header;
use chain::transaction::{Coinbase, Transaction};
use wire::Message;
use wire::frame::Frame;

use crate::store::StoreError;
use crate::template::Template;

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
    /// This node dialed.
    Outbound,
}

/// Names one list of signatures in [`super::Effect::Verify`] and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerificationId(pub u64);

/// Bytes of an unfinished message that are told of: a line that needs longer for them than for the
/// patience with a block is too slow for blocks.
pub const PROGRESS_BYTES: usize = 4 * 1024;

/// How often they are told of, at most: half of the least patience with a block. A message that is
/// whole within this time is never told of.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(125);

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
        /// The peer that sent it.
        peer: PeerId,
        /// The message.
        message: Box<Message>,
    },
    /// Some of a message came that is still on its way: [`PROGRESS_BYTES`] at least since it
    /// was told last, which is not before [`PROGRESS_INTERVAL`] is over. Whoever waits for a block
    /// sees by it that it comes.
    Progress {
        /// The peer that sends it.
        peer: PeerId,
    },
    /// A well-formed frame of an unknown command came.
    UnknownCommand {
        /// The peer that sent it.
        peer: PeerId,
        /// The command's number in the frame.
        command: u16,
    },
    /// Bytes came that are no frame or no message. The body closes the connection after this event.
    Malformed {
        /// The peer that sent them.
        peer: PeerId,
        /// What was wrong with them.
        reason: String,
    },
    /// Answers [`super::Effect::NotifyDrained`]: the outbound queue of the connection is under
    /// half.
    Drained {
        /// The peer whose queue is under half.
        peer: PeerId,
    },
    /// A connection is gone, whoever closed it. The last event of this peer.
    Disconnected {
        /// The peer whose connection is gone.
        peer: PeerId,
    },
    /// Answers [`super::Effect::Dial`] when no connection came about.
    DialFailed {
        /// The address that was dialed.
        address: SocketAddr,
    },
    /// Somebody solved a template: the latest or one before it, as long as it is on the tip.
    Mined {
        /// Which: the very one that [`super::Effect::Mine`] brought.
        template: Arc<Template>,
        /// The header that meets its target.
        header: Header,
        /// The coinbase that the header's merkle root commits to.
        coinbase: Coinbase,
    },
    /// Answers [`super::Effect::Forward`]; of no interest when the connection is gone.
    Reply {
        /// The peer that asked.
        peer: PeerId,
        /// The answer.
        message: Box<Message>,
    },
    /// A transaction that another part of the process made.
    OwnTransaction(Box<Transaction>),
    /// Where other nodes are, as another part of the process has heard.
    Addresses(Vec<SocketAddr>),
    /// Answers [`super::Effect::Write`]: everything is durable, or why not.
    Written {
        /// The trouble, after which nothing is known about what the disk holds.
        outcome: Result<(), Arc<StoreError>>,
    },
    /// Answers [`super::Effect::Verify`].
    Verified {
        /// The number that the effect gave it.
        id: VerificationId,
        /// Position of the first check that does not hold.
        first_invalid: Option<usize>,
    },
    /// Answers [`super::Effect::Read`]; of no interest when the connection is gone.
    Read {
        /// The peer that asked.
        peer: PeerId,
        /// The answer, or our own trouble: the node must stop.
        outcome: Result<Arc<Frame>, Arc<StoreError>>,
    },
    /// The time of [`super::Machine::next_wakeup`] has come.
    Wakeup,
}

impl Event {
    /// Whose question it answers, if it is an answer.
    pub fn answers(&self) -> Option<PeerId> {
        match self {
            Self::Reply { peer, .. } | Self::Read { peer, .. } => Some(*peer),
            _ => None,
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
