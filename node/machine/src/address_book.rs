//! The address book: where other nodes are, and whom to dial next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt;
use rand::seq::IndexedRandom;
use wire::Message;
use wire::peer::{ADDRESSES_MAX, PeerMessage};

use crate::conduct::Misbehavior;
use crate::effect::Effect;
use crate::owner::Owner;
use crate::{Direction, Machine, PeerId};

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

/// What a connection has told us of other nodes, and we told it.
#[derive(Debug, Default)]
pub(crate) struct AddressPeer {
    /// Addresses of its that were taken.
    taken: u32,
    /// Whether it was given some.
    given: bool,
}

/// Where other nodes are.
#[derive(Debug)]
pub(crate) struct AddressBook {
    /// The full nodes whose handshake is done.
    pub(crate) peers: BTreeMap<PeerId, AddressPeer>,
    entries: BTreeMap<SocketAddr, Entry>,
    /// Addresses that turned out to be our own.
    own: Vec<SocketAddr>,
    /// When to look whom to dial: brought forward by whatever may let somebody be dialed earlier.
    next_look: Option<Duration>,
}

impl AddressBook {
    pub(crate) fn new(fixed: &[SocketAddr]) -> Self {
        let entry = Entry { fixed: true, ..Entry::new(Duration::ZERO) };
        let entries = fixed.iter().map(|address| (canonical(*address), entry.clone())).collect();
        Self { peers: BTreeMap::new(), entries, own: Vec::new(), next_look: Some(Duration::ZERO) }
    }

    /// When to look whom to dial.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.next_look
    }

    /// Somebody may be dialed earlier than it seemed.
    pub(crate) fn look_again(&mut self) {
        self.next_look = Some(Duration::ZERO);
    }

    pub(crate) fn add_peer(&mut self, id: PeerId) {
        self.peers.insert(id, AddressPeer::default());
    }

    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.peers.remove(&id);
    }

    /// An address that somebody told us.
    pub(crate) fn seen(&mut self, address: SocketAddr, now: Duration) {
        let address = canonical(address);
        if self.own.contains(&address) || self.entries.contains_key(&address) {
            return;
        }
        if self.entries.len() >= ADDRESSES_KNOWN_MAX && !self.make_room() {
            return;
        }
        self.entries.insert(address, Entry::new(now));
        self.look_again();
    }

    /// Whether this connection may tell us one address more.
    fn may_tell(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else {
            return false;
        };
        let may = peer.taken < ADDRESSES_PER_PEER_MAX;
        peer.taken += u32::from(may);
        may
    }

    /// Takes up what a node before us remembered.
    pub(crate) fn with_met(mut self, addresses: &[SocketAddr]) -> Self {
        for address in addresses.iter().take(REMEMBERED_MAX) {
            self.seen(*address, Duration::ZERO);
            self.met(*address);
        }
        self
    }

    /// A handshake was done with a node that listens there, or says so.
    pub(crate) fn met(&mut self, address: SocketAddr) {
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
    pub(crate) fn try_again(&mut self, address: SocketAddr, now: Duration) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.next_dial = entry.next_dial.min(now);
            self.look_again();
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
    pub(crate) fn forget(&mut self, address: SocketAddr) {
        self.entries.remove(&address);
        if self.own.len() < 16 {
            self.own.push(address);
        }
    }

    pub(crate) fn connected(&mut self, address: SocketAddr, peer: PeerId) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = DialState::Connected(peer);
        }
    }

    /// The handshake with an address that we dialed is done.
    pub(crate) fn ready(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.failures = 0;
            entry.met = true;
        }
    }

    pub(crate) fn dial_failed(&mut self, address: SocketAddr, now: Duration) {
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
        self.look_again();
    }

    pub(crate) fn disconnected(&mut self, address: SocketAddr, peer: PeerId, now: Duration) {
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

/// IPv4 and its IPv6-mapped form are one address.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a node can be there at all.
pub(crate) fn is_dialable(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
}

/// Groups of addresses that one owner can get cheaply: /16 of IPv4, /32 of IPv6.
pub(crate) fn group(ip: IpAddr) -> [u8; 4] {
    match ip.to_canonical() {
        IpAddr::V4(ip) => [4, ip.octets()[0], ip.octets()[1], 0],
        IpAddr::V6(ip) => [ip.octets()[0], ip.octets()[1], ip.octets()[2], ip.octets()[3]],
    }
}

/// An address that may be dialed from some time on.
struct DialTime {
    address: SocketAddr,
    fixed: bool,
    at: Duration,
}

/// Whether an address that nobody fixed may be dialed beside these connections.
fn has_room(busy: &[IpAddr], ip: IpAddr) -> bool {
    let same_group = busy.iter().filter(|other| group(**other) == group(ip));
    let is_new = || busy.iter().all(|other| Owner::of(*other) != Owner::of(ip));
    let fits = ip.is_loopback() || (is_new() && same_group.count() < 2);
    busy.len() < OUTBOUND_MAX && fits
}

impl Machine {
    /// Addresses of nodes that it has met, for [`crate::Surroundings::known`] of its next life.
    pub fn met_addresses(&self) -> Vec<SocketAddr> {
        self.address_book.worth_remembering()
    }

    /// Opens connections until there are enough: fixed addresses always, others at random with at
    /// most one an owner and two a group (loopback is exempt).
    pub(crate) fn dial_due(&mut self) {
        let now = self.now.monotonic;
        let (fixed, mut due): (Vec<_>, Vec<_>) =
            self.dial_times().filter(|dial| dial.at <= now).partition(|dial| dial.fixed);
        for dial in fixed {
            self.start_dial(dial.address);
        }
        let mut busy = self.outbound_addresses();
        loop {
            let fitting = due.iter().filter(|dial| has_room(&busy, dial.address.ip()));
            let fitting: Vec<SocketAddr> = fitting.map(|dial| dial.address).collect();
            let Some(address) = fitting.choose(&mut self.rng).copied() else {
                break;
            };
            due.retain(|dial| dial.address != address);
            busy.push(address.ip());
            self.start_dial(address);
        }
        // Who is due and does not fit waits for a connection to end.
        let later = self.dial_times().filter(|dial| dial.at > now);
        let possible = later.filter(|dial| dial.fixed || has_room(&busy, dial.address.ip()));
        let next_look = possible.map(|dial| dial.at).min();
        self.address_book.next_look = next_look;
    }

    /// The addresses that nobody is connected to, each with the time from which on it may be
    /// dialed.
    fn dial_times(&self) -> impl Iterator<Item = DialTime> {
        let linked: BTreeSet<SocketAddr> =
            self.peers.iter().filter_map(|peer| peer.listen_address).collect();
        let idle = self.address_book.entries.iter();
        let idle = idle.filter(|(_, entry)| entry.state == DialState::Idle);
        idle.filter(move |(address, _)| !linked.contains(address)).map(|(address, entry)| {
            let banned_until =
                self.conduct.banned_until(Owner::of(address.ip())).unwrap_or_default();
            let at = entry.next_dial.max(banned_until);
            DialTime { address: *address, fixed: entry.fixed, at }
        })
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
    pub(crate) fn on_get_addresses(&mut self, id: PeerId) {
        let Some(told) = self.address_book.peers.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut told.given, true) {
            return;
        }
        let Some(peer) = self.peers.get(id) else {
            return;
        };
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
    pub(crate) fn on_addresses(&mut self, id: PeerId, addresses: &[SocketAddr]) {
        if addresses.len() > ADDRESSES_MAX {
            self.note_misbehavior(
                id,
                Misbehavior::TooMany,
                "more than 256 addresses in one message",
            );
            return;
        }
        let now = self.now.monotonic;
        let from_loopback = self.peers.get(id).is_some_and(|peer| peer.address.ip().is_loopback());
        for address in addresses {
            let ip = address.ip().to_canonical();
            let is_possible = is_dialable(address) && (from_loopback || !ip.is_loopback());
            if is_possible && self.address_book.may_tell(id) {
                self.address_book.seen(*address, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
