//! Places: how many connections others may open in each role, and who gives way to a newcomer when
//! all are taken. However long somebody holds them, who comes next is served.

use wire::hello::Role;

use crate::conduct::DisconnectReason;
use crate::owner::Owner;
use crate::peers::{Peer, PeerState};
use crate::{Direction, Machine, PeerId};
use eviction::{Candidate, client_to_evict, handshake_to_evict, node_to_evict};

mod eviction;

/// Connections of others that may be without a hello at a time, all together and of one owner
/// (loopback is exempt from the second).
pub(crate) const HANDSHAKES_MAX: usize = 256;
pub(crate) const HANDSHAKES_PER_OWNER_MAX: usize = 16;

/// Connections that others may open, by their role, all together and of one owner (loopback is
/// exempt from the second).
fn inbound_max(role: Role) -> (usize, usize) {
    match role {
        Role::Peer => (64, 8),
        Role::Wallet => (128, 16),
        // Sixty-four programs that a classroom starts on one machine, and calls of others.
        Role::Directory => (96, 16),
        // They call from this computer only, whichever of its addresses they take.
        Role::Operator => (8, usize::MAX),
    }
}

impl Machine {
    /// Whether a connection of `owner` finds a place in this role; another may give way to it.
    pub(crate) fn finds_place(&mut self, role: Role, owner: Owner) -> bool {
        let (all_max, same_owner_max) = inbound_max(role);
        let (all, same_owner) = self.peers.inbound(role, owner);
        if same_owner >= same_owner_max && !owner.is_loopback() {
            return false;
        }
        if all < all_max {
            return true;
        }
        let is_candidate =
            |peer: &&Peer| peer.direction == Direction::Inbound && peer.role() == Some(role);
        let candidates: Vec<Candidate> =
            self.peers.iter().filter(is_candidate).map(Candidate::of).collect();
        let gives_way = match role {
            Role::Peer => node_to_evict(candidates, self.peers.salt),
            _ => client_to_evict(&candidates, owner, self.now.monotonic),
        };
        if let Some(id) = gives_way {
            self.disconnect_peer(id, &DisconnectReason::GaveWay);
        }
        gives_way.is_some()
    }

    /// Whether a connection of `owner` that has just come may stay without a hello for a while. Who
    /// has had most time for its own, of whoever has most, gives way: never the one that just came.
    pub(crate) fn may_shake_hands(&mut self, owner: Owner) -> bool {
        // The one that has just come is among them.
        let (all, same_owner) = self.peers.inbound_handshakes(owner);
        if same_owner > HANDSHAKES_PER_OWNER_MAX && !owner.is_loopback() {
            return false;
        }
        if all > HANDSHAKES_MAX
            && let Some(id) = self.handshake_that_gives_way()
        {
            self.disconnect_peer(id, &DisconnectReason::TooManyHandshakes);
        }
        true
    }

    fn handshake_that_gives_way(&self) -> Option<PeerId> {
        let is_handshake = |peer: &&Peer| {
            peer.direction == Direction::Inbound
                && matches!(peer.state, PeerState::Handshake { .. })
        };
        let handshakes = self.peers.iter().filter(is_handshake).map(Candidate::of);
        handshake_to_evict(handshakes.collect())
    }
}

#[cfg(test)]
mod tests;
