//! Who gives way: of nodes whoever is of least use, as Bitcoin Core chooses (`SelectNodeToEvict` in
//! `src/node/eviction.cpp`); of clients the youngest idle one of whoever has most of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::PeerId;
use crate::address_book::group;
use crate::owner::Owner;
use crate::peers::Peer;

/// Nodes that stay whatever else they do: one of each of so many groups that nobody can foresee,
/// those that answer pings fastest, those that brought the latest valid transactions, and the
/// latest blocks. An attacker must be better than the best at all of this to replace them.
const GROUPS_KEPT: usize = 4;
const PINGS_KEPT: usize = 8;
const TRANSACTIONS_KEPT: usize = 4;
const BLOCKS_KEPT: usize = 4;

/// A client that has asked nothing for so long is idle. Whoever connects asks at once.
pub(super) const IDLE_AFTER: Duration = Duration::from_secs(1);

/// A connection that may have to give way.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub id: PeerId,
    pub owner: Owner,
    pub since: Duration,
    pub lowest_ping: Option<Duration>,
    pub last_block: Option<Duration>,
    pub last_transaction: Option<Duration>,
    pub last_asked: Duration,
    pub awaits_answer: bool,
}

impl Candidate {
    pub fn of(peer: &Peer) -> Self {
        Self {
            id: peer.id,
            owner: peer.owner(),
            since: peer.since,
            lowest_ping: peer.lowest_ping,
            last_block: peer.last_block,
            last_transaction: peer.last_transaction,
            last_asked: peer.last_asked,
            awaits_answer: peer.awaits_answer,
        }
    }

    fn group(&self) -> [u8; 4] {
        group(self.owner.address())
    }
}

/// The node that gives way; `None` when all deserve to stay.
pub(super) fn node_to_evict(mut nodes: Vec<Candidate>, salt: u64) -> Option<PeerId> {
    keep_some_groups(&mut nodes, salt);
    let newest = |at: Option<Duration>| at.map(|at| Duration::MAX - at);
    keep(&mut nodes, PINGS_KEPT, |node| node.lowest_ping);
    keep(&mut nodes, TRANSACTIONS_KEPT, |node| newest(node.last_transaction));
    keep(&mut nodes, BLOCKS_KEPT, |node| newest(node.last_block));
    let half = nodes.len() / 2;
    keep(&mut nodes, half, |node| Some(node.since));
    let largest = of_largest(nodes, Candidate::group);
    largest.iter().max_by_key(|node| (node.since, node.id)).map(|node| node.id)
}

/// The connection without a hello that gives way: the oldest of whoever has most of them, and so
/// never the one that has just come while there is another.
pub(super) fn handshake_to_evict(handshakes: Vec<Candidate>) -> Option<PeerId> {
    let largest = of_largest(handshakes, |handshake| handshake.owner);
    largest.iter().min_by_key(|one| (one.since, one.id)).map(|one| one.id)
}

/// The client that gives way to a newcomer of this owner: the youngest idle one of whoever has most
/// of them. Where none of those is idle it is the one that asked longest ago, rather one that waits
/// for no answer of ours; `None` when the newcomer's owner would have more then than the owner of
/// the one that gave way. The programs of one owner cannot be told apart and take turns.
pub(super) fn client_to_evict(
    clients: &[Candidate],
    newcomer: Owner,
    now: Duration,
) -> Option<PeerId> {
    let count = |owner| clients.iter().filter(|client| client.owner == owner).count();
    let mut largest = of_largest(clients.iter().collect(), |client| client.owner);
    let (most, own) = (count(largest.first()?.owner), count(newcomer));
    let takes_turns = own == most;
    if takes_turns {
        largest.retain(|client| client.owner == newcomer);
    }
    let is_idle =
        |client: &&&Candidate| !client.awaits_answer && client.last_asked + IDLE_AFTER <= now;
    let idle = largest.iter().filter(is_idle).max_by_key(|client| (client.since, client.id));
    let longest_ago =
        || largest.iter().min_by_key(|client| (client.awaits_answer, client.last_asked, client.id));
    let gives_way = if takes_turns || most > own + 1 { idle.or_else(longest_ago) } else { idle };
    gives_way.map(|client| client.id)
}

/// The members of the group that has most of them; of all such groups where they are equal: of them
/// each is looked at, whichever is the youngest.
fn of_largest<T, G: Ord>(mut members: Vec<T>, group: impl Fn(&T) -> G) -> Vec<T> {
    let mut counts: BTreeMap<G, usize> = BTreeMap::new();
    for member in &members {
        *counts.entry(group(member)).or_default() += 1;
    }
    let most = counts.values().max();
    members.retain(|member| counts.get(&group(member)) == most);
    members
}

/// Takes the best `count` of those that have a rank out of `nodes`: the least is the best.
fn keep<R: Ord>(nodes: &mut Vec<Candidate>, count: usize, rank: impl Fn(&Candidate) -> Option<R>) {
    let mut ranked: Vec<(R, PeerId)> =
        nodes.iter().filter_map(|node| Some((rank(node)?, node.id))).collect();
    ranked.sort_unstable();
    let kept: BTreeSet<PeerId> = ranked.into_iter().take(count).map(|(_, id)| id).collect();
    nodes.retain(|node| !kept.contains(&node.id));
}

/// Takes the oldest node of each of a few groups out of `nodes`; the salt chooses which groups.
fn keep_some_groups(nodes: &mut Vec<Candidate>, salt: u64) {
    let place = |group: [u8; 4]| {
        let mut hasher = DefaultHasher::new();
        (salt, group).hash(&mut hasher);
        hasher.finish()
    };
    let mut oldest: BTreeMap<u64, (Duration, PeerId)> = BTreeMap::new();
    for node in nodes.iter() {
        let this = (node.since, node.id);
        let oldest = oldest.entry(place(node.group())).or_insert(this);
        *oldest = this.min(*oldest);
    }
    let kept: BTreeSet<PeerId> = oldest.values().take(GROUPS_KEPT).map(|(_, id)| *id).collect();
    nodes.retain(|node| !kept.contains(&node.id));
}

#[cfg(test)]
mod tests;
