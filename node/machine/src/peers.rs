//! Peers: what the machine knows of every connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chain::hash::{BlockHash, Wtxid};
use wire::hello::Role;

use super::event::{Direction, PeerId};
use super::header_tree::HeaderId;
use super::sync::{HeaderRun, Served};

/// Transactions that a connection is remembered to know.
const KNOWN_TRANSACTIONS_MAX: usize = 5000;

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
    /// The header with most work that it is known to have.
    pub best_header: HeaderId,
    /// Blocks requested from it, with the time of the request.
    pub blocks_in_flight: BTreeMap<BlockHash, Duration>,
    /// It named no network: it may ask for the spec and for nothing else.
    pub(super) is_nameless: bool,
    pub(super) last_heard: Duration,
    pub(super) next_ping: Duration,
    pub(super) transactions: KnownTransactions,
    /// Transactions it announced that are still to be asked for.
    pub(super) announced: VecDeque<Wtxid>,
    pub(super) transactions_in_flight: BTreeSet<Wtxid>,
    /// When a block that was requested from it came last.
    pub(super) last_delivery: Duration,
    /// Blocks and transactions it asked for that are still to be sent.
    pub(super) serving: VecDeque<Served>,
    /// Whether [`super::Event::Drained`] is awaited before more is sent.
    pub(super) draining: bool,
    /// Headers of little work that it is showing us.
    pub(super) run: Option<HeaderRun>,
    /// When headers were last asked of it and nothing has come yet.
    pub(super) headers_asked: Option<Duration>,
    /// What it did that is tolerated a few times.
    pub(super) misbehavior_score: u32,
    pub(super) unknown_commands: (Duration, u32),
    pub(super) addresses_taken: u32,
    pub(super) addresses_given: bool,
}

impl Peer {
    fn new(id: PeerId, address: SocketAddr, direction: Direction, now: Duration) -> Self {
        Self {
            id,
            address,
            direction,
            state: PeerState::Handshake { deadline: now + super::handshake::HANDSHAKE_MAX },
            listen_address: None,
            best_header: HeaderId::GENESIS,
            blocks_in_flight: BTreeMap::new(),
            is_nameless: false,
            last_heard: now,
            next_ping: now + super::handshake::PING_INTERVAL,
            transactions: KnownTransactions::default(),
            announced: VecDeque::new(),
            transactions_in_flight: BTreeSet::new(),
            last_delivery: now,
            serving: VecDeque::new(),
            draining: false,
            run: None,
            headers_asked: None,
            misbehavior_score: 0,
            unknown_commands: (now, 0),
            addresses_taken: 0,
            addresses_given: false,
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
    pub(super) fn is_reported(&self) -> bool {
        matches!(self.role(), Some(Role::Peer | Role::Wallet))
    }

    /// A full node whose handshake is done.
    pub fn is_ready_node(&self) -> bool {
        self.role() == Some(Role::Peer)
    }
}

/// Transactions that a connection has, as far as we know: nothing is announced twice. The oldest
/// are forgotten.
#[derive(Debug, Default)]
pub(super) struct KnownTransactions {
    order: VecDeque<Wtxid>,
    set: BTreeSet<Wtxid>,
}

impl KnownTransactions {
    /// Remembers one; false when it was known.
    pub(super) fn insert(&mut self, wtxid: Wtxid) -> bool {
        if !self.set.insert(wtxid) {
            return false;
        }
        self.order.push_back(wtxid);
        if self.order.len() > KNOWN_TRANSACTIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<PeerId, Peer>,
}

impl Peers {
    pub(super) fn insert(
        &mut self,
        id: PeerId,
        address: SocketAddr,
        direction: Direction,
        now: Duration,
    ) {
        self.peers.insert(id, Peer::new(id, address, direction, now));
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.peers.remove(&id)
    }

    pub(super) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.peers.values_mut()
    }

    /// Names of the full nodes whose handshake is done.
    pub(super) fn ready_nodes(&self) -> Vec<PeerId> {
        self.iter().filter(|peer| peer.is_ready_node()).map(|peer| peer.id).collect()
    }

    /// The full nodes whose handshake is done, each by its oldest connection: two that dial each
    /// other at the same time have two. Both stay, as closing one for what the other side says of
    /// itself would let a stranger close connections that are not his.
    pub(super) fn nodes(&self) -> Vec<&Peer> {
        let mut seen = BTreeSet::new();
        let is_new = |peer: &&Peer| peer.listen_address.is_none_or(|address| seen.insert(address));
        self.iter().filter(|peer| peer.is_ready_node()).filter(is_new).collect()
    }

    /// Connections with this role that others opened, all of them and those from `ip`.
    pub(super) fn inbound(&self, role: Role, ip: IpAddr) -> (usize, usize) {
        self.count_inbound(ip, |peer| peer.role() == Some(role))
    }

    /// Connections without a hello that others opened, all of them and those from `ip`.
    pub(super) fn inbound_handshakes(&self, ip: IpAddr) -> (usize, usize) {
        self.count_inbound(ip, |peer| matches!(peer.state, PeerState::Handshake { .. }))
    }

    fn count_inbound(&self, ip: IpAddr, counts: impl Fn(&Peer) -> bool) -> (usize, usize) {
        let inbound =
            || self.iter().filter(|peer| peer.direction == Direction::Inbound && counts(peer));
        (inbound().count(), inbound().filter(|peer| peer.address.ip() == ip).count())
    }
}
