//! The handshake and the life of a connection: hello, pings, time-outs, the end.

use std::net::SocketAddr;

use chain::genesis::Network;
use rand::{Rng, RngExt};
use wire::Message;
use wire::hello::{Greeting, Hello, HelloRefusal, NetworkIdentity, Role};
use wire::peer::PeerMessage;

use crate::address_book::canonical;
use crate::conduct::{DisconnectReason, Misbehavior};
use crate::owner::Owner;
use crate::peers::{Peer, PeerState};
use crate::{Direction, Machine, PeerId, Report};

/// How far a connection is that says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is closing or gone: nothing it says is looked at.
    Closing,
    /// It has not said hello yet.
    Handshake,
    /// The handshake is done.
    Ready(Role),
}

/// What our hello says that never changes.
pub(crate) fn own_greeting(
    network: &Network,
    (name, listen_port): (&str, u16),
    rng: &mut impl Rng,
) -> Greeting {
    Greeting {
        network: Some(NetworkIdentity::of(network)),
        role: Role::Peer,
        nonce: rng.random(),
        name: name.to_owned(),
        listen_port,
    }
}

impl Machine {
    pub(crate) fn on_connected(&mut self, peer: PeerId, address: SocketAddr, direction: Direction) {
        let address = canonical(address);
        let owner = Owner::of(address.ip());
        self.peers.insert(peer, address, direction, self.now.monotonic);
        self.conduct.add_peer(peer, self.now.monotonic);
        if direction == Direction::Outbound {
            self.address_book.connected(address, peer);
        }
        if self.conduct.is_banned(owner, self.now.monotonic) {
            self.disconnect_peer(peer, &DisconnectReason::Banned);
            return;
        }
        if direction == Direction::Outbound {
            self.send_hello(peer);
            return;
        }
        if !self.may_shake_hands(owner) {
            self.disconnect_peer(peer, &DisconnectReason::TooManyHandshakes);
        }
    }

    /// Notes a sign of life, and says how far its sender is.
    pub(crate) fn heard_from(&mut self, id: PeerId) -> Heard {
        let now = self.now.monotonic;
        let Some(peer) = self.peers.get_mut(id) else {
            return Heard::Closing;
        };
        peer.last_heard = now;
        match &peer.state {
            PeerState::Closing => Heard::Closing,
            PeerState::Handshake { .. } => Heard::Handshake,
            PeerState::Ready { role, .. } => Heard::Ready(*role),
        }
    }

    pub(crate) fn on_hello(&mut self, id: PeerId, hello: &Hello) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let (direction, address) = (peer.direction, peer.address);
        if !matches!(peer.state, PeerState::Handshake { .. }) {
            self.note_misbehavior(id, Misbehavior::SecondHello, "a second hello");
            return;
        }
        if direction == Direction::Inbound {
            // Before any refusal, so that the other side can name the field that differs.
            self.send_hello(id);
        }
        if let Err(refusal) = self.greeting.judge(hello) {
            if refusal == HelloRefusal::Ourselves && direction == Direction::Outbound {
                self.address_book.forget(address);
            }
            self.refuse_hello(id, &refusal);
            return;
        }
        let ip = address.ip();
        let is_here = ip.is_loopback() || self.listening.is_some_and(|at| at.ip() == ip);
        if hello.role == Role::Operator && !is_here {
            let reason = "an operator calls from the node's own computer only";
            self.note_misbehavior(id, Misbehavior::OutOfRole, reason);
            return;
        }
        if direction == Direction::Inbound && !self.finds_place(hello.role, Owner::of(ip)) {
            self.disconnect_peer(id, &DisconnectReason::NoRoom);
            return;
        }
        self.finish_handshake(id, hello);
    }

    fn finish_handshake(&mut self, id: PeerId, hello: &Hello) {
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
        if matches!(hello.role, Role::Peer | Role::Wallet) {
            self.serving.add_peer(id);
        }
        if hello.role != Role::Peer {
            return;
        }
        self.sync.add_peer(id, direction, self.now.monotonic);
        self.relay.add_peer(id);
        self.address_book.add_peer(id);
        if let Some(listen) = listen {
            self.address_book.seen(listen, self.now.monotonic);
            self.address_book.met(listen);
        }
        if direction == Direction::Outbound {
            self.address_book.ready(address);
        }
        self.send(id, &Message::Peer(PeerMessage::GetAddresses(())));
        self.request_headers(id);
        self.announce_mempool(id);
    }

    pub(crate) fn refuse_before_handshake(&mut self, id: PeerId) {
        self.note_misbehavior(id, Misbehavior::BeforeHandshake, "a message before the hello");
    }

    pub(crate) fn refuse_out_of_role(&mut self, id: PeerId) {
        self.note_misbehavior(id, Misbehavior::OutOfRole, "a message that its role may not send");
    }

    pub(crate) fn on_malformed(&mut self, id: PeerId, reason: &str) {
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
        let misbehavior =
            if is_first { Misbehavior::MalformedHello } else { Misbehavior::Malformed };
        self.note_misbehavior(id, misbehavior, reason);
    }

    pub(crate) fn on_unknown_command(&mut self, id: PeerId, command: u16) {
        if self.heard_from(id) == Heard::Handshake {
            self.refuse_before_handshake(id);
        }
        let now = self.now.monotonic;
        if self.conduct.count_unknown_command(id, now) {
            let reason = format!("too many unknown commands, the last was {command}");
            self.note_misbehavior(id, Misbehavior::UnknownCommands, &reason);
        }
    }

    pub(crate) fn on_disconnected(&mut self, id: PeerId) {
        self.forget_peer(id);
        if let Some(peer) = self.peers.remove(id) {
            if peer.is_reported() {
                let reason = format!("{}: the connection was closed", peer.name());
                self.report(Report::PeerLost { peer: id, address: peer.address, reason });
            }
            self.address_book.disconnected(peer.address, id, self.now.monotonic);
            if peer.direction == Direction::Outbound || peer.listen_address.is_some() {
                // There is room for another one, or a way to its address again.
                self.address_book.look_again();
            }
        }
    }

    /// Nothing is kept about a connection that is closing or gone, and what was asked of it may be
    /// asked of others.
    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.conduct.forget_peer(id);
        self.sync.forget_peer(id);
        self.relay.forget_peer(id);
        self.serving.forget_peer(id);
        for wtxid in self.verifications.transactions.forget_peer(id) {
            self.relay.settle_others(&wtxid, true);
        }
        self.address_book.forget_peer(id);
        self.forget_sender(id);
    }

    /// A ping came back.
    pub(crate) fn on_pong(&mut self, id: PeerId, number: u64) {
        let now = self.now.monotonic;
        if let Some(peer) = self.peers.get_mut(id) {
            peer.ponged(number, now);
        }
    }

    /// Closes silent connections and calls that had their time, and pings the others.
    pub(crate) fn time_out_peers(&mut self) {
        let now = self.now.monotonic;
        let is_silent = |peer: &&Peer| peer.silent_deadline().is_some_and(|at| at <= now);
        let reason = |peer: &Peer| match peer.role() {
            Some(_) if peer.call_deadline().is_some_and(|at| at <= now) => {
                DisconnectReason::CallOver
            }
            Some(_) => DisconnectReason::Dead,
            None => DisconnectReason::SilentHandshake,
        };
        let silent = self.peers.iter().filter(is_silent).map(|peer| (peer.id, reason(peer)));
        for (id, reason) in silent.collect::<Vec<_>>() {
            self.disconnect_peer(id, &reason);
        }
        for id in self.peers.due_pings(now) {
            let number = self.rng.random();
            if let Some(peer) = self.peers.get_mut(id) {
                peer.pinged(number, now);
            }
            self.send(id, &Message::Ping(number));
            // Also a second chance for news that got lost.
            self.request_headers(id);
        }
    }

    fn refuse_hello(&mut self, id: PeerId, refusal: &HelloRefusal) {
        let reason = match refusal {
            HelloRefusal::OtherVersion { .. } => {
                DisconnectReason::OtherVersion(refusal.to_string())
            }
            HelloRefusal::Ourselves => DisconnectReason::Ourselves,
            HelloRefusal::NoNetwork | HelloRefusal::OtherNetwork { .. } => {
                DisconnectReason::OtherNetwork(refusal.to_string())
            }
            HelloRefusal::NoNode { .. } => {
                self.note_misbehavior(id, Misbehavior::OutOfRole, &refusal.to_string());
                return;
            }
        };
        self.disconnect_peer(id, &reason);
    }

    fn send_hello(&mut self, id: PeerId) {
        let hello = self.greeting.hello(self.now.wall_s, self.ledger.published().height);
        self.send(id, &Message::Hello(Box::new(hello)));
    }
}

/// A name from outside, without anything that could move a terminal's cursor.
fn printable(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests;
