//! Conduct: what connections do wrong, and what follows, in one table.

mod unpaid;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::effect::{Effect, Report};
use crate::event::PeerId;
use crate::machine::Machine;
use crate::owner::Owner;
use crate::peers::{CALL_MAX, DEAD_AFTER, HANDSHAKE_MAX, PeerState};
use unpaid::UnpaidWork;

/// Owners of addresses that are remembered as banned.
const BANNED_MAX: usize = 4096;

const BAN_PUBLIC: Duration = Duration::from_hours(24);
const BAN_PRIVATE: Duration = Duration::from_mins(10);

/// What one connection may do of what is tolerated: the right body is welcome after a wrong one,
/// for a while.
const MISBEHAVIOR_SCORE_MAX: u32 = 10;

/// Unknown commands that a connection may send a minute: room for the protocol to grow.
pub(crate) const UNKNOWN_COMMANDS_MAX: u32 = 10;

/// Who brings something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Our own miner.
    Miner,
    /// A connection.
    Peer(PeerId),
    /// The clock: a block that was held until its second.
    Held,
}

/// What a connection can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misbehavior {
    /// Bytes that are no frame or no message.
    Malformed,
    /// The same before the handshake: another program, or another version of this one.
    MalformedHello,
    /// Something else than a hello first.
    BeforeHandshake,
    /// A second hello.
    SecondHello,
    /// A message that its role may not send.
    OutOfRole,
    /// A header that breaks a rule anybody can check.
    InvalidHeader,
    /// Headers that do not follow each other, or more of them than a message may hold.
    BrokenHeaders,
    /// The header of a block that is known to be invalid, or of one behind it: honest nodes may not
    /// know yet.
    CondemnedHeader,
    /// A body that belongs to its header and breaks a rule.
    InvalidBlock,
    /// A body that does not belong to its header.
    BodyMismatch,
    /// Blocks that were promised and do not come, while others wait for them.
    Stalling,
    /// Blocks that it said it has and has not.
    NotFound,
    /// A payment that breaks a rule for ever, from a wallet, which cannot check all that a node
    /// can.
    InvalidPayment,
    /// A transaction that breaks a rule for ever, relayed by a node that should have checked.
    InvalidTransaction,
    /// Payments whose verification was too much work for nothing.
    UnpaidWork,
    /// More in one list than the protocol allows.
    TooMany,
    /// Too many commands that nobody knows.
    UnknownCommands,
}

/// What follows for a peer that did something wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Its score rises; the connection is closed once that is too high.
    Score,
    /// The connection is closed.
    Disconnect,
    /// The connection is closed and its address banned for a while.
    Ban,
}

/// The table. What an honest node can bring about, by being slow, behind, restarted or on another
/// network, never bans.
pub(crate) fn consequence(misbehavior: Misbehavior) -> Consequence {
    match misbehavior {
        Misbehavior::BodyMismatch
        | Misbehavior::CondemnedHeader
        | Misbehavior::NotFound
        | Misbehavior::InvalidPayment => Consequence::Score,
        Misbehavior::MalformedHello
        | Misbehavior::SecondHello
        | Misbehavior::OutOfRole
        | Misbehavior::Stalling
        | Misbehavior::TooMany
        | Misbehavior::UnknownCommands => Consequence::Disconnect,
        Misbehavior::Malformed
        | Misbehavior::BeforeHandshake
        | Misbehavior::InvalidHeader
        | Misbehavior::BrokenHeaders
        | Misbehavior::InvalidBlock
        | Misbehavior::InvalidTransaction
        | Misbehavior::UnpaidWork => Consequence::Ban,
    }
}

/// Why a connection is closed that did nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DisconnectReason {
    /// An earlier connection of its address did something wrong.
    #[error("its address is barred for a while")]
    Banned,
    /// Too many have not said hello yet.
    #[error("too many connections without a hello")]
    TooManyHandshakes,
    /// No room for another connection of its role.
    #[error("no room for another connection")]
    NoRoom,
    /// All places of its role are taken, and somebody came who has fewer of them or is of more use.
    #[error("its place was needed for another connection")]
    GaveWay,
    /// It called the directory, and had its time.
    #[error("a call of the directory lasts {} s", CALL_MAX.as_secs())]
    CallOver,
    /// It is ourselves.
    #[error("this is our own address")]
    Ourselves,
    /// Its hello is of another version of the protocol; the text says of which.
    #[error("{0}")]
    OtherVersion(String),
    /// Its hello is of another network; the text says where they differ.
    #[error("{0}")]
    OtherNetwork(String),
    /// No hello within its time. (It is told in the seconds that nodes promise; they close a little
    /// earlier.)
    #[error("no hello within {} s", HANDSHAKE_MAX.as_secs_f64().ceil())]
    SilentHandshake,
    /// No sign of life.
    #[error("no sign of life for {} s", DEAD_AFTER.as_secs())]
    Dead,
}

/// Who did what.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    /// The connections that are not closing.
    pub(crate) peers: BTreeMap<PeerId, ConductPeer>,
    banned_until: BTreeMap<Owner, Duration>,
    unpaid: UnpaidWork,
}

/// What a connection did that is tolerated a few times.
#[derive(Debug)]
pub(crate) struct ConductPeer {
    misbehavior_score: u32,
    /// Commands that nobody knows, in the minute that began then.
    unknown_commands: (Duration, u32),
}

impl Conduct {
    pub(crate) fn add_peer(&mut self, id: PeerId, now: Duration) {
        let peer = ConductPeer { misbehavior_score: 0, unknown_commands: (now, 0) };
        self.peers.insert(id, peer);
    }

    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.peers.remove(&id);
    }

    /// Counts a command that nobody knows; true when there are too many.
    pub(crate) fn count_unknown_command(&mut self, id: PeerId, now: Duration) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else {
            return false;
        };
        let (since, count) = &mut peer.unknown_commands;
        if now >= *since + Duration::from_mins(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > UNKNOWN_COMMANDS_MAX
    }

    /// Bans whoever has an address; loopback never is.
    pub(crate) fn ban(&mut self, owner: Owner, now: Duration) {
        if owner.is_loopback() {
            return;
        }
        self.banned_until.retain(|_, until| *until > now);
        if self.banned_until.len() < BANNED_MAX {
            let time = if is_private(owner.address()) { BAN_PRIVATE } else { BAN_PUBLIC };
            self.banned_until.insert(owner, now + time);
        }
    }

    /// Whether whoever has an address is banned.
    pub(crate) fn is_banned(&self, owner: Owner, now: Duration) -> bool {
        self.banned_until(owner).is_some_and(|until| until > now)
    }

    /// Until when whoever has an address is or was banned.
    pub(crate) fn banned_until(&self, owner: Owner) -> Option<Duration> {
        self.banned_until.get(&owner).copied()
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl Machine {
    /// Notes what whoever brought something did wrong, if it was a connection.
    pub(crate) fn blame(&mut self, source: Source, misbehavior: Misbehavior, reason: &str) {
        if let Source::Peer(peer) = source {
            self.note_misbehavior(peer, misbehavior, reason);
        }
    }

    /// Notes what a connection did wrong, and does what follows by the table.
    pub(crate) fn note_misbehavior(&mut self, id: PeerId, misbehavior: Misbehavior, reason: &str) {
        let Some(conduct) = self.conduct.peers.get_mut(&id) else {
            return;
        };
        match consequence(misbehavior) {
            Consequence::Score => {
                conduct.misbehavior_score += 1;
                if conduct.misbehavior_score <= MISBEHAVIOR_SCORE_MAX {
                    return;
                }
            }
            Consequence::Disconnect => {}
            Consequence::Ban => {
                if let Some(peer) = self.peers.get(id) {
                    self.conduct.ban(peer.owner(), self.now.monotonic);
                }
            }
        }
        self.close_connection(id, reason);
    }

    /// Closes a connection that did nothing wrong.
    pub(crate) fn disconnect_peer(&mut self, id: PeerId, reason: &DisconnectReason) {
        self.close_connection(id, &reason.to_string());
    }

    /// Closes a connection; nothing that still comes from it is looked at.
    fn close_connection(&mut self, id: PeerId, reason: &str) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if peer.state == PeerState::Closing {
            return;
        }
        if peer.is_reported() {
            let name = peer.name().to_owned();
            let report = Report::PeerLost {
                peer: id,
                address: peer.address,
                reason: format!("{name}: {reason}"),
            };
            self.effects.push(Effect::Report(report));
        }
        peer.state = PeerState::Closing;
        self.effects.push(Effect::Disconnect { peer: id, reason: reason.to_owned() });
        self.forget_peer(id);
    }
}

#[cfg(test)]
mod tests;
