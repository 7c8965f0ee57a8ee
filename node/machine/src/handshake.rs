//! The handshake and the life of a connection: hello, pings, time-outs, the end.

use std::net::SocketAddr;
use std::time::Duration;

use chain::genesis::Network;
use rand::{Rng, RngExt};
use wire::Message;
use wire::PROTOCOL_VERSION;
use wire::hello::{Hello, NetworkIdentity, Role};
use wire::peer::PeerMessage;

use super::conduct::Offense;
use super::peers::PeerState;
use super::{Direction, Machine, PeerId, Report};

/// A connection without a hello is closed at the first look after this long: within 5 s.
pub(super) const HANDSHAKE_MAX: Duration =
    Duration::from_secs(5).saturating_sub(crate::machine::TICK);

/// Connections of others that may be without a hello at a time, all together and from one address.
const HANDSHAKES_MAX: usize = 256;
const HANDSHAKES_PER_IP_MAX: usize = 16;

/// A quiet connection is pinged this often.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(60);

/// A connection that has said nothing for this long is dead.
const DEAD_AFTER: Duration = Duration::from_secs(180);

/// Unknown commands that a connection may send a minute: room for the protocol to grow.
const UNKNOWN_COMMANDS_MAX: u32 = 10;

/// Connections that others may open, by their role, all together and from one address (loopback is
/// exempt from the second).
fn inbound_max(role: Role) -> (usize, usize) {
    match role {
        Role::Peer => (64, 8),
        Role::Wallet => (128, 16),
        // Sixty-four programs that a classroom starts on one machine, and calls of others.
        Role::Directory => (96, 16),
        Role::Operator => (8, 8),
    }
}

/// What our hello says that never changes.
#[derive(Debug)]
pub(super) struct OwnHello {
    identity: NetworkIdentity,
    nonce: u64,
}

impl OwnHello {
    pub(super) fn new(network: &Network, rng: &mut impl Rng) -> Self {
        Self { identity: NetworkIdentity::of(network), nonce: rng.random() }
    }
}

impl Machine {
    pub(super) fn connected(&mut self, peer: PeerId, address: SocketAddr, direction: Direction) {
        let address = canonical(address);
        let ip = address.ip();
        self.peers.insert(peer, address, direction, self.now.monotonic);
        if direction == Direction::Outbound {
            self.address_book.connected(address, peer);
        }
        if self.conduct.is_barred(ip, self.now.monotonic) {
            self.punish(peer, Offense::Barred, "its address is barred for a while");
            return;
        }
        if direction == Direction::Outbound {
            self.send_hello(peer);
            return;
        }
        let (all, same_ip) = self.peers.inbound_handshakes(ip);
        let crowded = same_ip > HANDSHAKES_PER_IP_MAX && !ip.is_loopback();
        if all > HANDSHAKES_MAX || crowded {
            self.punish(peer, Offense::Full, "too many connections without a hello");
        }
    }

    /// Notes a sign of life. The role is none before the handshake; nothing is returned for
    /// connections that are closing.
    pub(super) fn heard_from(&mut self, id: PeerId) -> Option<Option<Role>> {
        let now = self.now.monotonic;
        let peer = self.peers.get_mut(id)?;
        peer.last_heard = now;
        peer.next_ping = now + PING_INTERVAL;
        match &peer.state {
            PeerState::Closing => None,
            PeerState::Handshake { .. } => Some(None),
            PeerState::Ready { role, .. } => Some(Some(*role)),
        }
    }

    pub(super) fn hello(&mut self, id: PeerId, hello: &Hello) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let (direction, address) = (peer.direction, peer.address);
        if !matches!(peer.state, PeerState::Handshake { .. }) {
            self.punish(id, Offense::SecondHello, "a second hello");
            return;
        }
        if direction == Direction::Inbound {
            // Before any refusal, so that the other side can name the field that differs.
            self.send_hello(id);
        }
        if hello.protocol != PROTOCOL_VERSION {
            let reason =
                format!("it speaks protocol {}, this node {PROTOCOL_VERSION}", hello.protocol);
            self.punish(id, Offense::OtherVersion, &reason);
            return;
        }
        if hello.nonce == self.hello.nonce {
            if direction == Direction::Outbound {
                self.address_book.forget(address);
            }
            self.punish(id, Offense::Ourselves, "this is our own address");
            return;
        }
        let difference = match &hello.network {
            Some(theirs) => Hello::difference(&self.hello.identity, theirs),
            None if hello.role == Role::Directory => None,
            None => Some("it names no network".to_owned()),
        };
        if let Some(difference) = difference {
            let reason = format!("it is on another network: {difference}");
            self.punish(id, Offense::OtherNetwork, &reason);
            return;
        }
        let ip = address.ip();
        let is_here = ip.is_loopback() || self.listening.is_some_and(|at| at.ip() == ip);
        if hello.role == Role::Operator && !is_here {
            let reason = "an operator calls from the node's own computer only";
            self.punish(id, Offense::OutOfRole, reason);
            return;
        }
        let (all_max, same_ip_max) = inbound_max(hello.role);
        let (all, same_ip) = self.peers.inbound(hello.role, ip);
        let crowded = same_ip >= same_ip_max && !ip.is_loopback();
        if direction == Direction::Inbound && (all >= all_max || crowded) {
            self.punish(id, Offense::Full, "no room for another connection");
            return;
        }
        self.ready(id, hello);
    }

    fn ready(&mut self, id: PeerId, hello: &Hello) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let name = printable(&hello.name);
        peer.state = PeerState::Ready { role: hello.role, name: name.clone() };
        peer.is_nameless = hello.network.is_none();
        if hello.listen_port != 0 && hello.role == Role::Peer {
            peer.listen_address = Some(match peer.direction {
                Direction::Outbound => peer.address,
                Direction::Inbound => SocketAddr::new(peer.address.ip(), hello.listen_port),
            });
        }
        let (address, direction, listen) = (peer.address, peer.direction, peer.listen_address);
        if peer.is_reported() {
            self.report(Report::PeerReady { peer: id, address, name, direction });
        }
        if hello.role == Role::Wallet {
            self.tally.wallet_connections += 1;
        }
        if hello.role != Role::Peer {
            return;
        }
        if let Some(listen) = listen {
            self.address_book.seen(listen, self.now.monotonic);
            self.address_book.met(listen);
        }
        if direction == Direction::Outbound {
            self.address_book.ready(address);
        }
        self.send(id, &Message::Peer(PeerMessage::GetAddresses(())));
        self.ask_headers(id);
        self.announce_mempool(id);
    }

    pub(super) fn before_handshake(&mut self, id: PeerId) {
        self.punish(id, Offense::BeforeHandshake, "a message before the hello");
    }

    pub(super) fn out_of_role(&mut self, id: PeerId) {
        self.punish(id, Offense::OutOfRole, "a message that its role may not send");
    }

    pub(super) fn malformed(&mut self, id: PeerId, reason: &str) {
        let is_first = self
            .peers
            .get(id)
            .is_some_and(|peer| matches!(peer.state, PeerState::Handshake { .. }));
        let is_inbound =
            self.peers.get(id).is_some_and(|peer| peer.direction == Direction::Inbound);
        if is_first && is_inbound {
            // Perhaps a hello of another version: the other side shall learn ours.
            self.send_hello(id);
        }
        let offense = if is_first { Offense::MalformedHello } else { Offense::Malformed };
        self.punish(id, offense, reason);
    }

    pub(super) fn unknown_command(&mut self, id: PeerId, command: u16) {
        let now = self.now.monotonic;
        if self.heard_from(id) == Some(None) {
            self.before_handshake(id);
        }
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.role().is_some()) else {
            return;
        };
        let (since, count) = &mut peer.unknown_commands;
        if now >= *since + Duration::from_secs(60) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > UNKNOWN_COMMANDS_MAX {
            let reason = format!("too many unknown commands, the last was {command}");
            self.punish(id, Offense::UnknownCommands, &reason);
        }
    }

    pub(super) fn disconnected(&mut self, id: PeerId) {
        self.forget_requests(id);
        self.forget_sender(id);
        if let Some(peer) = self.peers.remove(id) {
            if peer.is_reported() {
                let reason = format!("{}: the connection was closed", peer.name());
                self.report(Report::PeerLost { peer: id, address: peer.address, reason });
            }
            self.address_book.disconnected(peer.address, id, self.now.monotonic);
        }
    }

    /// Closes silent connections and pings quiet ones.
    pub(super) fn time_out_peers(&mut self) {
        let now = self.now.monotonic;
        let (mut silent, mut dead, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
        for peer in self.peers.iter() {
            match &peer.state {
                PeerState::Handshake { deadline } if now >= *deadline => silent.push(peer.id),
                PeerState::Ready { .. } if now >= peer.last_heard + DEAD_AFTER => {
                    dead.push(peer.id);
                }
                PeerState::Ready { role, .. } if now >= peer.next_ping => {
                    quiet.push((peer.id, *role));
                }
                _ => {}
            }
        }
        for id in silent {
            self.punish(id, Offense::SilentHandshake, "no hello within 5 s");
        }
        for id in dead {
            self.punish(id, Offense::Dead, "no sign of life for 180 s");
        }
        for (id, role) in quiet {
            let number = self.rng.random();
            if let Some(peer) = self.peers.get_mut(id) {
                peer.next_ping = now + PING_INTERVAL;
            }
            self.send(id, &Message::Ping(number));
            if role == Role::Peer {
                // Also a second chance for news that got lost.
                self.ask_headers(id);
            }
        }
    }

    fn send_hello(&mut self, id: PeerId) {
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            role: Role::Peer,
            network: Some(self.hello.identity),
            nonce: self.hello.nonce,
            listen_port: self.listening.map_or(0, |at| at.port()),
            wall_s: self.now.wall_s,
            height: self.ledger.tip().height,
            name: self.config.name.clone(),
        };
        self.send(id, &Message::Hello(Box::new(hello)));
    }
}

/// IPv4 and its IPv6-mapped form are one address.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A name from outside, without anything that could move a terminal's cursor.
fn printable(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests;
