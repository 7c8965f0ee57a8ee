//! Conduct: who is to blame for what, in one table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::effect::Effect;
use super::event::PeerId;
use super::intake::Source;
use super::peers::{Peer, PeerState};
use super::{Machine, Report};

/// Addresses that are remembered as barred.
const BARRED_MAX: usize = 4096;

const BAR_PUBLIC: Duration = Duration::from_secs(24 * 3600);
const BAR_PRIVATE: Duration = Duration::from_secs(10 * 60);

/// How often one connection is borne with: the right body is welcome after a wrong one, for a
/// while.
const DISAPPOINTMENTS_MAX: u32 = 10;

/// What a connection can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offense {
    /// Bytes that are no frame or no message.
    Malformed,
    /// The same before the handshake: another program, or another version of this one.
    MalformedHello,
    /// A hello of another version.
    OtherVersion,
    /// Something else than a hello first.
    BeforeHandshake,
    /// A second hello.
    SecondHello,
    /// A message that its role may not send.
    OutOfRole,
    /// Nothing within the time for a handshake.
    SilentHandshake,
    /// No sign of life.
    Dead,
    /// Another network.
    OtherNetwork,
    /// Ourselves.
    Ourselves,
    /// No room for another connection of its kind.
    Full,
    /// Its address is barred.
    Barred,
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
    /// More in one list than the protocol allows.
    TooMany,
    /// Too many commands that nobody knows.
    UnknownCommands,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Punishment {
    /// Nothing, at least the first few times.
    Patience,
    /// The connection is closed.
    Disconnect,
    /// The connection is closed and its address barred for a while.
    Bar,
}

/// The table. What an honest node can bring about, by being slow, behind, restarted or on another
/// network, is never barred.
pub(super) fn punishment(offense: Offense) -> Punishment {
    match offense {
        Offense::BodyMismatch
        | Offense::CondemnedHeader
        | Offense::NotFound
        | Offense::InvalidPayment => Punishment::Patience,
        Offense::SilentHandshake
        | Offense::Dead
        | Offense::MalformedHello
        | Offense::OtherVersion
        | Offense::OtherNetwork
        | Offense::Ourselves
        | Offense::Full
        | Offense::Barred
        | Offense::SecondHello
        | Offense::OutOfRole
        | Offense::Stalling
        | Offense::TooMany
        | Offense::UnknownCommands => Punishment::Disconnect,
        Offense::Malformed
        | Offense::BeforeHandshake
        | Offense::InvalidHeader
        | Offense::BrokenHeaders
        | Offense::InvalidBlock
        | Offense::InvalidTransaction => Punishment::Bar,
    }
}

/// Addresses that are barred.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    barred_until: BTreeMap<IpAddr, Duration>,
}

impl Conduct {
    /// Bars an address; loopback never is.
    pub(super) fn bar(&mut self, ip: IpAddr, now: Duration) {
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            return;
        }
        self.barred_until.retain(|_, until| *until > now);
        if self.barred_until.len() < BARRED_MAX {
            let time = if is_private(ip) { BAR_PRIVATE } else { BAR_PUBLIC };
            self.barred_until.insert(ip, now + time);
        }
    }

    /// Whether an address is barred; IPv4 and its mapped form are one.
    pub(super) fn is_barred(&self, ip: IpAddr, now: Duration) -> bool {
        self.barred_until.get(&ip.to_canonical()).is_some_and(|until| *until > now)
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl Machine {
    /// Punishes whoever brought something, if it was a connection.
    pub(super) fn blame(&mut self, source: Source, offense: Offense, reason: &str) {
        if let Source::Peer(peer) = source {
            self.note_misbehavior(peer, offense, reason);
        }
    }

    /// Punishes a connection by the table.
    pub(super) fn note_misbehavior(&mut self, id: PeerId, offense: Offense, reason: &str) {
        let still_here = |peer: &&mut Peer| peer.state != PeerState::Closing;
        let Some(peer) = self.peers.get_mut(id).filter(still_here) else {
            return;
        };
        let ip = peer.address.ip();
        match punishment(offense) {
            Punishment::Patience => {
                peer.disappointments += 1;
                if peer.disappointments <= DISAPPOINTMENTS_MAX {
                    return;
                }
            }
            Punishment::Disconnect => {}
            Punishment::Bar => self.conduct.bar(ip, self.now.monotonic),
        }
        self.disconnect(id, reason);
    }

    /// Closes a connection; nothing that still comes from it is looked at.
    fn disconnect(&mut self, id: PeerId, reason: &str) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
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
        self.forget_requests(id);
    }
}

#[cfg(test)]
mod tests;
