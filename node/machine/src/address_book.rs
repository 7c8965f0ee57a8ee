//! The address book: where other nodes are, and whom to dial next.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt;
use rand::seq::IndexedRandom;
use wire::Message;
use wire::peer::{ADDRESSES_MAX, PeerMessage};

use super::conduct::Offense;
use super::effect::Effect;
use super::handshake::canonical;
use super::{Direction, Machine, PeerId};

/// Addresses that are remembered.
const ADDRESSES_KNOWN_MAX: usize = 4096;

/// Connections that are opened on our own account.
const OUTBOUND_MAX: usize = 8;

/// Addresses that one connection may bring; it takes many liars to fill the book.
const ADDRESSES_PER_PEER_MAX: u32 = 256;

const REDIAL_MIN: Duration = Duration::from_secs(1);
const REDIAL_MAX: Duration = Duration::from_secs(60);

/// Failures after which an address that nobody fixed is forgotten.
const FAILURES_MAX: u32 = 10;

/// The same for an address where a handshake was done once: about a week of trying once a minute,
/// for it may be the only way back.
const MET_FAILURES_MAX: u32 = 10_000;

/// Addresses that are worth remembering beyond the end of the node.
const REMEMBERED_MAX: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DialState {
    Idle,
    Dialing,
    Connected(PeerId),
}

#[derive(Debug, Clone)]
struct Entry {
    /// Named by our user: redialed for ever.
    fixed: bool,
    /// A handshake was done with whoever listens there (or says so), now or before the start.
    met: bool,
    state: DialState,
    next_dial: Duration,
    failures: u32,
}

impl Entry {
    fn new(next_dial: Duration) -> Self {
        Self { fixed: false, met: false, state: DialState::Idle, next_dial, failures: 0 }
    }
}

/// Where other nodes are.
#[derive(Debug)]
pub(super) struct AddressBook {
    entries: BTreeMap<SocketAddr, Entry>,
    /// Addresses that turned out to be our own.
    own: Vec<SocketAddr>,
}

impl AddressBook {
    pub(super) fn new(fixed: &[SocketAddr]) -> Self {
        let entry = Entry { fixed: true, ..Entry::new(Duration::ZERO) };
        let entries = fixed.iter().map(|address| (canonical(*address), entry.clone())).collect();
        Self { entries, own: Vec::new() }
    }

    /// An address that somebody told us.
    pub(super) fn seen(&mut self, address: SocketAddr, now: Duration) {
        let address = canonical(address);
        if self.own.contains(&address) || self.entries.contains_key(&address) {
            return;
        }
        if self.entries.len() >= ADDRESSES_KNOWN_MAX && !self.make_room() {
            return;
        }
        self.entries.insert(address, Entry::new(now));
    }

    /// Takes up what a node before us remembered.
    pub(super) fn with_met(mut self, addresses: &[SocketAddr]) -> Self {
        for address in addresses.iter().take(REMEMBERED_MAX) {
            self.seen(*address, Duration::ZERO);
            self.met(*address);
        }
        self
    }

    /// A handshake was done with a node that listens there, or says so.
    pub(super) fn met(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.met = true;
        }
    }

    /// What is worth remembering beyond the end of the node, the most reliable first.
    fn worth_remembering(&self) -> Vec<SocketAddr> {
        let mut met: Vec<(u32, SocketAddr)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.met)
            .map(|(address, entry)| (entry.failures, *address))
            .collect();
        met.sort_unstable();
        met.into_iter().take(REMEMBERED_MAX).map(|(_, address)| address).collect()
    }

    /// Lets an address that failed be dialed without its pause: there is news of it.
    pub(super) fn try_again(&mut self, address: SocketAddr, now: Duration) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.next_dial = entry.next_dial.min(now);
        }
    }

    /// Forgets the address that failed most often, if any did: inventions do not block the book.
    fn make_room(&mut self) -> bool {
        let worst = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.fixed && entry.state == DialState::Idle)
            .filter(|(_, entry)| entry.failures > 0)
            .max_by_key(|(_, entry)| entry.failures)
            .map(|(address, _)| *address);
        worst.is_some_and(|address| self.entries.remove(&address).is_some())
    }

    /// Our own address: never dialed again.
    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.entries.remove(&address);
        if self.own.len() < 16 {
            self.own.push(address);
        }
    }

    pub(super) fn connected(&mut self, address: SocketAddr, peer: PeerId) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = DialState::Connected(peer);
        }
    }

    /// The handshake with an address that we dialed is done.
    pub(super) fn ready(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.failures = 0;
            entry.met = true;
        }
    }

    pub(super) fn dial_failed(&mut self, address: SocketAddr, now: Duration) {
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        entry.state = DialState::Idle;
        entry.failures = entry.failures.saturating_add(1);
        entry.next_dial = now + backoff(entry.failures);
        let failures_max = if entry.met { MET_FAILURES_MAX } else { FAILURES_MAX };
        if !entry.fixed && entry.failures > failures_max {
            self.entries.remove(&address);
        }
    }

    pub(super) fn disconnected(&mut self, address: SocketAddr, peer: PeerId, now: Duration) {
        if let Some(entry) = self.entries.get_mut(&address)
            && entry.state == DialState::Connected(peer)
        {
            self.dial_failed(address, now);
        }
    }
}

/// A second, doubling up to a minute.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    (REDIAL_MIN * 2u32.pow(doublings)).min(REDIAL_MAX)
}

/// Whether a node can be there at all.
pub(super) fn is_dialable(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
}

/// Groups of addresses that one owner can get cheaply: /16 of IPv4, /32 of IPv6.
fn group(ip: IpAddr) -> [u8; 4] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => [4, ip.octets()[0], ip.octets()[1], 0],
        IpAddr::V6(ip) => [ip.octets()[0], ip.octets()[1], ip.octets()[2], ip.octets()[3]],
    }
}

impl Machine {
    /// Addresses of nodes that it has met, for [`super::Surroundings::known`] of its next life.
    pub fn met_addresses(&self) -> Vec<SocketAddr> {
        self.address_book.worth_remembering()
    }

    /// Opens connections until there are enough: fixed addresses always, others at random with at
    /// most one an address and two a group (loopback is exempt).
    pub(super) fn dial(&mut self) {
        let now = self.now.monotonic;
        let mut due: Vec<SocketAddr> = Vec::new();
        let mut fixed: Vec<SocketAddr> = Vec::new();
        let linked: Vec<SocketAddr> =
            self.peers.iter().filter_map(|peer| peer.listen_address).collect();
        for (address, entry) in &self.address_book.entries {
            let waits = entry.state == DialState::Idle && now >= entry.next_dial;
            if waits && !linked.contains(address) && !self.conduct.is_barred(address.ip(), now) {
                if entry.fixed { fixed.push(*address) } else { due.push(*address) }
            }
        }
        for address in fixed {
            self.start_dial(address);
        }
        let mut busy: Vec<IpAddr> = self.outbound_addresses();
        while busy.len() < OUTBOUND_MAX {
            let fits = |address: &&SocketAddr| {
                let ip = address.ip();
                let same_group = busy.iter().filter(|other| group(**other) == group(ip));
                ip.is_loopback() || (!busy.contains(&ip) && same_group.count() < 2)
            };
            let fitting: Vec<SocketAddr> = due.iter().filter(fits).copied().collect();
            let Some(address) = fitting.choose(&mut self.rng).copied() else {
                return;
            };
            due.retain(|other| *other != address);
            busy.push(address.ip());
            self.start_dial(address);
        }
    }

    fn outbound_addresses(&self) -> Vec<IpAddr> {
        let dialing = self.address_book.entries.iter();
        let dialing = dialing
            .filter(|(_, entry)| entry.state == DialState::Dialing)
            .map(|(address, _)| address.ip());
        let open = self.peers.iter().filter(|peer| peer.direction == Direction::Outbound);
        open.map(|peer| peer.address.ip()).chain(dialing).collect()
    }

    fn start_dial(&mut self, address: SocketAddr) {
        if let Some(entry) = self.address_book.entries.get_mut(&address) {
            entry.state = DialState::Dialing;
            self.effects.push(Effect::Dial { address });
        }
    }

    /// Some addresses for another node, loopback only for loopback; once a connection.
    pub(super) fn give_addresses(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut peer.addresses_given, true) {
            return;
        }
        let to_loopback = peer.address.ip().is_loopback();
        let own = peer.listen_address;
        let mut known: Vec<SocketAddr> = self
            .address_book
            .entries
            .iter()
            .filter(|(address, entry)| entry.failures == 0 && Some(**address) != own)
            .map(|(address, _)| *address)
            .filter(|address| to_loopback || !address.ip().is_loopback())
            .collect();
        while known.len() > ADDRESSES_MAX {
            let drop = self.rng.random_range(0..known.len());
            known.swap_remove(drop);
        }
        self.send(id, &Message::Peer(PeerMessage::Addresses(known)));
    }

    /// Addresses that another node tells; loopback only from loopback.
    pub(super) fn take_addresses(&mut self, id: PeerId, addresses: &[SocketAddr]) {
        if addresses.len() > ADDRESSES_MAX {
            self.punish(id, Offense::TooMany, "more than 256 addresses in one message");
            return;
        }
        let now = self.now.monotonic;
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let from_loopback = peer.address.ip().is_loopback();
        for address in addresses {
            let ip = address.ip().to_canonical();
            let is_possible = is_dialable(address) && (from_loopback || !ip.is_loopback());
            if is_possible && peer.addresses_taken < ADDRESSES_PER_PEER_MAX {
                peer.addresses_taken += 1;
                self.address_book.seen(*address, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
