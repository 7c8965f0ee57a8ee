//! `Machine`: a node as a pure state machine, events in and effects out.
//!
//! It opens no socket, reads no clock, starts no thread and draws no randomness of its own. A body
//! (one of sockets and threads, one of virtual time, a test) calls [`Machine::handle`] with what
//! happened and carries out the effects that come back; [`Machine::next_wakeup`] says when it wants
//! to be called again though nothing happened. The first event of a new machine is a
//! [`Event::Wakeup`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Network;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use wire::Message;

use crate::address_book::AddressBook;
use crate::conduct::Conduct;
use crate::effect::{Effect, Report};
use crate::event::{Event, Now, PeerId};
use crate::handshake::OwnHello;
use crate::header_tree::HeaderTree;
use crate::intake::Intake;
use crate::ledger::{Ledger, Tip};
use crate::mempool::{Mempool, MempoolLimits};
use crate::mining::{Mining, MiningPolicy};
use crate::peers::{Peer, Peers};
use crate::relay::Relay;
use crate::store::{Store, StoreError, Totals};
use crate::sync::Sync;
use crate::tally::Tally;
use crate::verifier::Verifier;

/// How often the machine looks at its time-outs while nothing else happens.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// Coins in memory are written at least this often while the node is idle.
const FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// Coins in memory that are written at once.
pub(crate) const DIRTY_COINS_MAX: usize = 16_384;

/// What makes one node different from another.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// Its name, for people.
    pub name: String,
    /// Addresses that are dialed at the start and redialed for ever.
    pub peers: Vec<SocketAddr>,
    /// When it makes templates and for whom; `None` makes none.
    pub mining: Option<MiningPolicy>,
    /// Seed of all its randomness.
    pub seed: [u8; 32],
    /// Whether it hands out the spec and forwards questions to a directory.
    pub directory: bool,
}

/// Where a body puts its machine, as it turns out at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Where the body accepts connections; `None` when it accepts none. Whoever calls from this IP
    /// address is on the same computer; an unspecified one stands for several.
    pub listening: Option<SocketAddr>,
    /// Addresses of nodes that were met before the start: dialed first, but not for ever.
    pub known: Vec<SocketAddr>,
}

/// Trouble of our own, never a peer's: the node must stop.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MachineConfig {
    /// A node that knows nobody, makes no templates and has no directory.
    pub fn new(name: impl Into<String>, seed: [u8; 32]) -> Self {
        Self { name: name.into(), peers: Vec::new(), mining: None, seed, directory: false }
    }
}

/// A node.
pub struct Machine {
    pub(crate) config: MachineConfig,
    pub(crate) listening: Option<SocketAddr>,
    pub(crate) network: Arc<Network>,
    pub(crate) rng: ChaCha12Rng,
    pub(crate) verifier: Box<dyn Verifier>,
    /// The clocks of the call that is going on.
    pub(crate) now: Now,
    pub(crate) hello: OwnHello,
    pub(crate) tree: HeaderTree,
    pub(crate) ledger: Ledger,
    pub(crate) mempool: Mempool,
    pub(crate) mining: Mining,
    pub(crate) intake: Intake,
    pub(crate) peers: Peers,
    pub(crate) conduct: Conduct,
    pub(crate) address_book: AddressBook,
    pub(crate) sync: Sync,
    pub(crate) relay: Relay,
    pub(crate) tally: Tally,
    pub(crate) effects: Vec<Effect>,
    pub(crate) next_tick: Duration,
    pub(crate) last_flush: Duration,
}

impl Machine {
    /// A node on what its store holds.
    ///
    /// # Errors
    /// [`MachineError`] when the store's content does not fit together.
    pub fn new(
        config: MachineConfig,
        surroundings: Surroundings,
        network: Arc<Network>,
        store: Store,
        verifier: Box<dyn Verifier>,
        now: Now,
    ) -> Result<Self, MachineError> {
        let mut rng = ChaCha12Rng::from_seed(config.seed);
        let (ledger, tree) = Ledger::open(Arc::clone(&network), store)?;
        Ok(Self {
            hello: OwnHello::new(&network, &mut rng),
            mining: Mining::new(config.mining, &mut rng),
            address_book: AddressBook::new(&config.peers).with_met(&surroundings.known),
            mempool: Mempool::new(MempoolLimits::default()),
            intake: Intake::default(),
            peers: Peers::default(),
            conduct: Conduct::default(),
            sync: Sync::default(),
            relay: Relay::default(),
            tally: Tally::default(),
            effects: Vec::new(),
            next_tick: now.monotonic,
            last_flush: now.monotonic,
            listening: surroundings.listening,
            config,
            network,
            rng,
            verifier,
            now,
            tree,
            ledger,
        })
    }

    /// Takes in what happened and says what is to be done.
    ///
    /// # Errors
    /// [`MachineError`]: the node must stop.
    pub fn handle(&mut self, now: Now, event: Event) -> Result<Vec<Effect>, MachineError> {
        self.now = now;
        match event {
            Event::Connected { peer, address, direction } => {
                self.connected(peer, address, direction);
            }
            Event::Message { peer, message } => self.message(peer, *message)?,
            Event::UnknownCommand { peer, command } => self.unknown_command(peer, command),
            Event::Malformed { peer, reason } => self.malformed(peer, &reason),
            Event::Drained { peer } => self.serve(peer)?,
            Event::Disconnected { peer } => self.disconnected(peer),
            Event::DialFailed { address } => self.address_book.dial_failed(address, now.monotonic),
            Event::Mined { template, header, coinbase } => {
                self.mined(&template, header, coinbase)?;
            }
            Event::Reply { peer, message } => self.reply(peer, &message),
            Event::OwnTransaction(transaction) => {
                // Reported either way; whoever made it offers it again.
                self.take_transaction(&transaction)?;
            }
            Event::Addresses(addresses) => self.hear_addresses(&addresses),
            Event::Wakeup => {}
        }
        if now.monotonic >= self.next_tick {
            self.tick()?;
        }
        self.advance()?;
        self.request_bodies();
        self.adopt_orphans()?;
        self.announce_fresh();
        self.refresh_mining();
        Ok(std::mem::take(&mut self.effects))
    }

    /// When [`Machine::handle`] wants to be called with [`Event::Wakeup`], by the monotonic clock.
    /// A time in the past means at once.
    pub fn next_wakeup(&self) -> Option<Duration> {
        if !self.ledger.is_settled() || self.has_better_chain() {
            return Some(self.now.monotonic);
        }
        let rest = self.mining.rest_until();
        Some(rest.map_or(self.next_tick, |rest| rest.min(self.next_tick)))
    }

    /// Writes everything that is only in memory. Nothing may be handled afterwards.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn shutdown(&mut self) -> Result<(), MachineError> {
        Ok(self.ledger.flush()?)
    }

    /// The network it is part of.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The end of its best chain.
    pub fn tip(&self) -> Tip {
        self.ledger.tip()
    }

    /// Supply, number and hash of its coins.
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// Its best chain and coins.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// All headers it keeps.
    pub fn tree(&self) -> &HeaderTree {
        &self.tree
    }

    /// Its pending transactions.
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// Its connections.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// The full nodes that it is connected to, each by its oldest connection.
    pub fn nodes(&self) -> Vec<&Peer> {
        self.peers.nodes()
    }

    /// The clocks of its last event.
    pub fn now(&self) -> Now {
        self.now
    }

    /// What it has counted since its start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether more is known than walked to.
    pub(crate) fn has_better_chain(&self) -> bool {
        self.tree.best_complete() != self.ledger.cursor()
    }

    pub(crate) fn message(&mut self, peer: PeerId, message: Message) -> Result<(), MachineError> {
        let Some(role) = self.heard_from(peer) else {
            return Ok(());
        };
        match (role, message) {
            (_, Message::Hello(hello)) => self.hello(peer, &hello),
            (None, _) => self.before_handshake(peer),
            (Some(_), Message::Ping(number)) => self.send(peer, &Message::Pong(number)),
            // Any message is a sign of life; a pong is nothing else.
            (Some(_), Message::Pong(_)) => {}
            (Some(role), Message::Directory(message)) => self.directory(peer, role, message),
            (Some(wire::hello::Role::Operator), Message::Operator(message)) => {
                self.operator(peer, message);
            }
            (Some(wire::hello::Role::Peer), Message::Peer(message)) => {
                self.peer_message(peer, message)?;
            }
            (Some(wire::hello::Role::Wallet), Message::Wallet(message)) => {
                self.wallet_message(peer, message)?;
            }
            // A light client may look at headers and blocks as any node may.
            (Some(wire::hello::Role::Wallet), Message::Peer(message)) => {
                self.wallet_looks(peer, message)?;
            }
            (Some(_), _) => self.out_of_role(peer),
        }
        Ok(())
    }

    /// Time-outs, redials, held blocks, flushes: everything that only the clock brings about.
    pub(crate) fn tick(&mut self) -> Result<(), MachineError> {
        self.next_tick = self.now.monotonic + TICK;
        self.time_out_peers();
        self.time_out_requests();
        self.dial();
        self.release_held_blocks()?;
        self.mempool.expire(self.now.monotonic);
        let idle = self.ledger.is_settled();
        let due = self.now.monotonic >= self.last_flush + FLUSH_INTERVAL;
        if idle && due && self.ledger.dirty_coins() > 0 {
            self.ledger.flush()?;
            self.last_flush = self.now.monotonic;
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, peer: PeerId, message: &Message) {
        self.effects.push(Effect::Send { peer, frame: Arc::new(message.to_frame()) });
    }

    pub(crate) fn report(&mut self, report: Report) {
        self.effects.push(Effect::Report(report));
    }
}
