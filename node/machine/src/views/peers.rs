//! Who a node is connected with.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Direction, PeerRole};
use crate::{Machine, Peer};

/// All connections, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersView {
    /// A view of each connection.
    pub peers: Vec<PeerView>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Number of the connection in this process.
    pub id: u64,
    /// What the other side is.
    pub role: PeerRole,
    /// The name it gave itself.
    pub name: String,
    /// The other side's address.
    pub address: SocketAddr,
    /// Who opened it.
    pub direction: Direction,
    /// Where the other side accepts connections itself; `None` when it does not.
    pub listens: Option<SocketAddr>,
    /// Height of the best block it is known to have; `None` for what is no node.
    pub height: Option<u32>,
}

/// The nodes that a node is connected with and that accept connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinersView {
    /// A view of each node.
    pub miners: Vec<MinerView>,
}

/// A node that accepts connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerView {
    /// The name it gave itself.
    pub name: String,
    /// Where it accepts connections.
    pub address: SocketAddr,
}

impl PeersView {
    /// Those of a node.
    pub fn of(machine: &Machine) -> Self {
        let peers = machine.peers().map(|peer| PeerView::of(peer, machine.known_height(peer.id)));
        Self { peers: peers.collect() }
    }
}

impl PeerView {
    /// A connection; `height` is that of the best header that a full node is known to have.
    pub fn of(peer: &Peer, height: Option<u32>) -> Self {
        Self {
            id: peer.id.0,
            role: peer.role().into(),
            name: peer.name().to_owned(),
            address: peer.address,
            direction: peer.direction.into(),
            listens: peer.listen_address,
            height,
        }
    }
}

impl MinersView {
    /// Those of a node.
    pub fn of(machine: &Machine) -> Self {
        let nodes = machine.nodes().into_iter();
        let miners = nodes.filter_map(|peer| {
            Some(MinerView { name: peer.name().to_owned(), address: peer.listen_address? })
        });
        Self { miners: miners.collect() }
    }
}
