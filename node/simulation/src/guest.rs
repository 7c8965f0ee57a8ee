//! Guests: connections that no machine holds, played by a test: a wallet, a node that lies.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chain::encoding::Encode;
use chain::transaction::{Transaction, Transfer};
use wire::hello::{Greeting, NetworkIdentity, Role};
use wire::wallet::{Submit, SubmitOutcome, WalletMessage};
use wire::{ByteString, Message};

use super::links::{End, Side};
use super::world::{Occurrence, World};
use machine::PeerId;

/// Names a guest of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuestId(pub usize);

/// Somebody at the other end of a node's connection. It answers pings; the rest is up to the test.
#[derive(Debug)]
pub struct Guest {
    /// Its connection.
    pub connection: PeerId,
    /// Everything it was told, pings left out.
    pub heard: Vec<Message>,
    /// Whether its connection still stands.
    pub connected: bool,
}

impl Guest {
    /// What became of its payment, if the node has answered.
    pub fn outcome(&self) -> Option<&SubmitOutcome> {
        self.heard.iter().find_map(|message| match message {
            Message::Wallet(WalletMessage::Submitted(answer)) => Some(&answer.outcome),
            _ => None,
        })
    }
}

impl World {
    /// Connects a guest to a node and says hello. Every guest comes from an address of its own.
    pub fn invite(&mut self, node: usize, role: Role) -> GuestId {
        let id = GuestId(self.guests.len());
        let now_ns = self.clock_ns;
        let connection = self.links.open(End::Guest(id), End::Node(node), now_ns);
        self.guests.push(Guest { connection, heard: Vec::new(), connected: true });
        let number = u32::try_from(id.0).expect("a test invites fewer than 2^32 guests");
        // 198.18.0.0/15 is set aside for benchmarks, so no node of the world lives there.
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + number);
        let address = SocketAddr::from((ip, 50_000));
        self.enqueue(now_ns, Occurrence::Accepted { connection, address });
        let greeting = Greeting {
            network: Some(NetworkIdentity::of(self.network())),
            role,
            nonce: u64::from(number),
            name: format!("guest {number}"),
            listen_port: 0,
        };
        let hello = greeting.hello(self.now().wall_s, 0);
        self.say(id, &Message::Hello(Box::new(hello)));
        id
    }

    /// Sends what a guest has to say.
    pub fn say(&mut self, guest: GuestId, message: &Message) {
        let connection = self.guests[guest.0].connection;
        self.send(connection, Side::Opener, Arc::new(message.to_frame()));
    }

    /// Hands a payment to a node through a wallet connection of its own.
    pub fn submit(&mut self, node: usize, transfer: &Transfer) -> GuestId {
        let guest = self.invite(node, Role::Wallet);
        let transaction = ByteString(Transaction::Transfer(transfer.clone()).encode());
        let submit = WalletMessage::Submit(Submit { request: 1, transaction });
        self.say(guest, &Message::Wallet(submit));
        guest
    }

    /// A guest by its name.
    pub fn guest(&self, guest: GuestId) -> &Guest {
        &self.guests[guest.0]
    }

    /// A message arrived at a guest.
    pub(super) fn guest_hears(&mut self, guest: GuestId, message: Message) {
        match message {
            Message::Ping(number) => self.say(guest, &Message::Pong(number)),
            other => self.guests[guest.0].heard.push(other),
        }
    }
}
