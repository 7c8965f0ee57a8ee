//! Peers: what a connection itself is. What each subsystem keeps about it stands there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use wire::hello::Role;

use crate::event::{Direction, PeerId};
use crate::owner::Owner;

/// A connection without a hello is closed after this long: within 5 s, also when we are late.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_millis(4500);

/// A connection is pinged this often, whatever it says: how fast it answers is of use, too.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(60);

/// Who is to be pinged within this time is pinged together with who is to be pinged now: an idle
/// node is woken for all of them at once.
const PING_TOGETHER: Duration = Duration::from_secs(5);

/// A connection that has said nothing for this long is dead.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(180);

/// A caller of the directory asks a question or two: this much is enough, also for a dial back.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(10);

/// How far a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerState {
    /// No hello yet; closed at the deadline.
    Handshake {
        /// By the monotonic clock.
        deadline: Duration,
    },
    /// Both hellos are through.
    Ready {
        /// What the other side is.
        role: Role,
        /// The name it gave itself.
        name: String,
    },
    /// We have asked the body to close it; whatever still comes is not looked at.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub id: PeerId,
    /// The other side's address; IPv4 is never in its IPv6-mapped form.
    pub address: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// How far it is.
    pub state: PeerState,
    /// Where the other side accepts connections, as its hello says.
    pub listen_address: Option<SocketAddr>,
    /// It named no network: it may ask for the spec and for nothing else.
    pub(crate) is_nameless: bool,
    pub(crate) last_heard: Duration,
    pub(crate) next_ping: Duration,
    /// Since when it is connected.
    pub(crate) since: Duration,
    /// When it last said anything but a ping or a pong, or had the answer to a question that was
    /// answered elsewhere; at first when it connected.
    pub(crate) last_asked: Duration,
    /// Whether another part of the process has a question of its to answer.
    pub(crate) awaits_answer: bool,
    /// The number of the last ping and when it went out, until it comes back.
    ping_sent: Option<(u64, Duration)>,
    /// The shortest time after which a ping came back.
    pub(crate) lowest_ping: Option<Duration>,
    /// When a block that it brought first became part of the best chain.
    pub(crate) last_block: Option<Duration>,
    /// When a transaction that it brought became pending.
    pub(crate) last_transaction: Option<Duration>,
}

impl Peer {
    fn new(id: PeerId, address: SocketAddr, direction: Direction, now: Duration) -> Self {
        Self {
            id,
            address,
            direction,
            state: PeerState::Handshake { deadline: now + HANDSHAKE_MAX },
            listen_address: None,
            is_nameless: false,
            last_heard: now,
            next_ping: now + PING_INTERVAL,
            since: now,
            last_asked: now,
            awaits_answer: false,
            ping_sent: None,
            lowest_ping: None,
            last_block: None,
            last_transaction: None,
        }
    }

    /// A ping goes out.
    pub(crate) fn pinged(&mut self, number: u64, now: Duration) {
        self.next_ping = now + PING_INTERVAL;
        self.ping_sent = Some((number, now));
    }

    /// A ping comes back, if it is the last one.
    pub(crate) fn ponged(&mut self, number: u64, now: Duration) {
        if let Some((_, sent)) = self.ping_sent.take_if(|(sent, _)| *sent == number) {
            let took = now.saturating_sub(sent);
            self.lowest_ping = Some(self.lowest_ping.map_or(took, |lowest| lowest.min(took)));
        }
    }

    /// Its role once the handshake is done.
    pub fn role(&self) -> Option<Role> {
        match self.state {
            PeerState::Ready { role, .. } => Some(role),
            _ => None,
        }
    }

    /// The name it gave itself; empty before the handshake.
    pub fn name(&self) -> &str {
        match &self.state {
            PeerState::Ready { name, .. } => name,
            _ => "",
        }
    }

    /// Whether its coming and going is reported: callers of the directory and operators say one
    /// thing and hang up, every few seconds.
    pub(crate) fn is_reported(&self) -> bool {
        matches!(self.role(), Some(Role::Peer | Role::Wallet))
    }

    /// When it is closed unless it says something.
    pub(crate) fn silent_deadline(&self) -> Option<Duration> {
        match self.state {
            PeerState::Handshake { deadline } => Some(deadline),
            PeerState::Ready { .. } => {
                let dead = self.last_heard + DEAD_AFTER;
                Some(self.call_deadline().map_or(dead, |over| over.min(dead)))
            }
            PeerState::Closing => None,
        }
    }

    /// When it is pinged next.
    fn ping_deadline(&self) -> Option<Duration> {
        self.role().map(|_| self.next_ping)
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> Owner {
        Owner::of(self.address.ip())
    }

    /// When a caller of the directory has had its time.
    pub(crate) fn call_deadline(&self) -> Option<Duration> {
        let is_call = self.role() == Some(Role::Directory) && self.direction == Direction::Inbound;
        // Who waits for an answer of ours is not cut off for it, but not for ever either.
        let calls = if self.awaits_answer { 2 } else { 1 };
        is_call.then_some(self.since + CALL_MAX * calls)
    }

    /// A full node whose handshake is done.
    pub fn is_ready_node(&self) -> bool {
        self.role() == Some(Role::Peer)
    }
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Peers {
    peers: BTreeMap<PeerId, Peer>,
    /// Chooses the groups of which a node stays in any case: nobody else knows it.
    pub(crate) salt: u64,
}

impl Peers {
    /// Nobody yet.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let salt = seed.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self { peers: BTreeMap::new(), salt }
    }

    pub(crate) fn insert(
        &mut self,
        id: PeerId,
        address: SocketAddr,
        direction: Direction,
        now: Duration,
    ) {
        self.peers.insert(id, Peer::new(id, address, direction, now));
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.peers.remove(&id)
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// When the next connection is to be pinged or closed.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let deadlines = |peer: &Peer| [peer.silent_deadline(), peer.ping_deadline()];
        self.iter().flat_map(deadlines).flatten().min()
    }

    /// Who is to be pinged now; nobody before one of them must be.
    pub(crate) fn due_pings(&self, now: Duration) -> Vec<PeerId> {
        let within = |time: Duration| {
            self.iter().filter(move |peer| peer.ping_deadline().is_some_and(|at| at <= time))
        };
        if within(now).next().is_none() {
            return Vec::new();
        }
        within(now + PING_TOGETHER).map(|peer| peer.id).collect()
    }

    /// The full nodes whose handshake is done, each by its oldest connection: two that dial each
    /// other at the same time have two. Both stay, as closing one for what the other side says of
    /// itself would let a stranger close connections that are not his.
    pub(crate) fn nodes(&self) -> Vec<&Peer> {
        let mut seen = BTreeSet::new();
        let is_new = |peer: &&Peer| peer.listen_address.is_none_or(|address| seen.insert(address));
        self.iter().filter(|peer| peer.is_ready_node()).filter(is_new).collect()
    }

    /// Connections with this role that others opened, all of them and those of `owner`.
    pub(crate) fn inbound(&self, role: Role, owner: Owner) -> (usize, usize) {
        self.count_inbound(owner, |peer| peer.role() == Some(role))
    }

    /// Connections without a hello that others opened, all of them and those of `owner`.
    pub(crate) fn inbound_handshakes(&self, owner: Owner) -> (usize, usize) {
        self.count_inbound(owner, |peer| matches!(peer.state, PeerState::Handshake { .. }))
    }

    fn count_inbound(&self, owner: Owner, counts: impl Fn(&Peer) -> bool) -> (usize, usize) {
        let inbound =
            || self.iter().filter(|peer| peer.direction == Direction::Inbound && counts(peer));
        (inbound().count(), inbound().filter(|peer| peer.owner() == owner).count())
    }
}
