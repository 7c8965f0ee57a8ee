//! External peers: connections that no machine holds, played by a test: a wallet, a node that lies.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chain::encoding::Encode;
use chain::transaction::{Transaction, Transfer};
use wire::frame::Frame;
use wire::hello::{Greeting, NetworkIdentity, Role};
use wire::wallet::{Submit, SubmitOutcome, WalletMessage};
use wire::{ByteString, Message};

use super::links::{End, Side};
use super::world::{ScheduledEvent, World};
use machine::PeerId;

/// Names an external peer of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExternalPeerId(pub usize);

/// Somebody at the other end of a node's connection. It answers pings; the rest is up to the test.
#[derive(Debug)]
pub struct ExternalPeer {
    /// Its connection.
    pub connection: PeerId,
    /// Everything it was told, pings left out.
    pub heard: Vec<Message>,
    /// Whether its connection still stands.
    pub connected: bool,
}

impl ExternalPeer {
    /// What became of its payment, if the node has answered.
    pub fn outcome(&self) -> Option<&SubmitOutcome> {
        self.heard.iter().find_map(|message| match message {
            Message::Wallet(WalletMessage::Submitted(answer)) => Some(&answer.outcome),
            _ => None,
        })
    }
}

impl World {
    /// Connects an external peer to a node and says hello. Each comes from an address of its own.
    pub fn connect_external_peer(&mut self, node: usize, role: Role) -> ExternalPeerId {
        let id = ExternalPeerId(self.external_peers.len());
        let now_ns = self.clock_ns;
        let connection = self.links.open(End::ExternalPeer(id), End::Node(node), now_ns);
        self.external_peers.push(ExternalPeer { connection, heard: Vec::new(), connected: true });
        let number = u32::try_from(id.0).expect("a test has fewer than 2^32 of them");
        // 198.18.0.0/15 is set aside for benchmarks, so no node of the world lives there.
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + number);
        let address = SocketAddr::from((ip, 50_000));
        self.enqueue(now_ns, ScheduledEvent::Accepted { connection, address });
        let greeting = Greeting {
            network: Some(NetworkIdentity::of(self.network())),
            role,
            nonce: u64::from(number),
            name: format!("external {number}"),
            listen_port: 0,
        };
        let hello = greeting.hello(self.now().wall_s, 0);
        self.send_as(id, &Message::Hello(Box::new(hello)));
        id
    }

    /// Sends a message as an external peer.
    pub fn send_as(&mut self, external_peer: ExternalPeerId, message: &Message) {
        self.send_frame_as(external_peer, Arc::new(message.to_frame()));
    }

    pub(crate) fn send_frame_as(&mut self, external_peer: ExternalPeerId, frame: Arc<Frame>) {
        let connection = self.external_peers[external_peer.0].connection;
        self.send(connection, Side::Opener, frame);
    }

    /// Hands a payment to a node through a wallet connection of its own.
    pub fn submit(&mut self, node: usize, transfer: &Transfer) -> ExternalPeerId {
        let external_peer = self.connect_external_peer(node, Role::Wallet);
        let transaction = ByteString(Transaction::Transfer(transfer.clone()).encode());
        let submit = WalletMessage::Submit(Submit { request: 1, transaction });
        self.send_as(external_peer, &Message::Wallet(submit));
        external_peer
    }

    /// An external peer by its name.
    pub fn external_peer(&self, external_peer: ExternalPeerId) -> &ExternalPeer {
        &self.external_peers[external_peer.0]
    }

    /// A message arrived at an external peer.
    pub(super) fn external_peer_receives(
        &mut self,
        external_peer: ExternalPeerId,
        message: Message,
    ) {
        match message {
            Message::Ping(number) => self.send_as(external_peer, &Message::Pong(number)),
            other if self.selfish_miner_hears(external_peer, &other) => {}
            other => self.external_peers[external_peer.0].heard.push(other),
        }
    }
}
