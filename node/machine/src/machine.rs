//! `Machine`: a node as a pure state machine, events in and effects out.
//!
//! It opens no socket, reads no clock, starts no thread and draws no randomness of its own. A body
//! (one of sockets and threads, one of virtual time, a test) calls [`Machine::handle`] with what
//! happened and carries out the effects that come back; [`Machine::next_wakeup`] says when it wants
//! to be called again though nothing happened. The first event of a new machine is a
//! [`Event::Wakeup`].
//!
//! A call has one order. The event comes first, then whatever is due by the clock; then the ledger
//! walks toward the best chain. Behind that stands what follows from the new state, whatever
//! brought it about: who holds up the download, which blocks and transactions to ask for, what to
//! announce, what to mine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Network;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use wire::Message;
use wire::hello::Greeting;

use crate::address_book::AddressBook;
use crate::conduct::Conduct;
use crate::effect::{Effect, Report};
use crate::event::{Event, Now, PeerId};
use crate::flushing::Flushing;
use crate::handshake::own_greeting;
use crate::header_tree::HeaderTree;
use crate::intake::{Bringer, Intake};
use crate::ledger::{Ledger, Tip};
use crate::mempool::{Mempool, MempoolLimits};
use crate::mining::{Mining, MiningPolicy};
use crate::peers::{Peer, Peers};
use crate::publication::Publication;
use crate::relay::Relay;
use crate::serving::Serving;
use crate::store::{Reader, Store, StoreError, Totals};
use crate::sync::Sync;
use crate::tally::Tally;
use crate::verifications::Verifications;

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
    /// What a wallet asked for cannot be read.
    #[error(transparent)]
    Read(Arc<StoreError>),
    /// Blocks cannot be written.
    #[error(transparent)]
    Write(Arc<StoreError>),
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
    /// The clocks of the call that is going on.
    pub(crate) now: Now,
    pub(crate) greeting: Greeting,
    pub(crate) tree: HeaderTree,
    pub(crate) ledger: Ledger,
    pub(crate) mempool: Mempool,
    pub(crate) mining: Mining,
    pub(crate) intake: Intake,
    pub(crate) publication: Publication,
    pub(crate) verifications: Verifications,
    pub(crate) peers: Peers,
    pub(crate) conduct: Conduct,
    pub(crate) address_book: AddressBook,
    pub(crate) sync: Sync,
    pub(crate) relay: Relay,
    pub(crate) serving: Serving,
    pub(crate) tally: Tally,
    pub(crate) effects: Vec<Effect>,
    pub(crate) flushing: Flushing,
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
        now: Now,
    ) -> Result<Self, MachineError> {
        let mut rng = ChaCha12Rng::from_seed(config.seed);
        let (ledger, tree) = Ledger::open(Arc::clone(&network), store)?;
        let listen_port = surroundings.listening.map_or(0, |at| at.port());
        Ok(Self {
            greeting: own_greeting(&network, (&config.name, listen_port), &mut rng),
            mining: Mining::new(config.mining, &mut rng),
            address_book: AddressBook::new(&config.peers).with_met(&surroundings.known),
            mempool: Mempool::new(MempoolLimits::default()),
            intake: Intake::default(),
            publication: Publication::new(&network.spec),
            verifications: Verifications::default(),
            peers: Peers::new(&config.seed),
            conduct: Conduct::default(),
            sync: Sync::default(),
            relay: Relay::default(),
            serving: Serving::default(),
            tally: Tally::default(),
            effects: Vec::new(),
            flushing: Flushing::default(),
            listening: surroundings.listening,
            config,
            network,
            rng,
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
        self.verifications.transactions.begin_call();
        match event {
            Event::Connected { peer, address, direction } => {
                self.on_connected(peer, address, direction);
            }
            Event::Message { peer, message } => self.on_message(peer, *message)?,
            Event::Progress { peer } => self.on_progress(peer),
            Event::UnknownCommand { peer, command } => self.on_unknown_command(peer, command),
            Event::Malformed { peer, reason } => self.on_malformed(peer, &reason),
            Event::Drained { peer } => self.on_drained(peer)?,
            Event::Disconnected { peer } => self.on_disconnected(peer),
            Event::DialFailed { address } => self.address_book.dial_failed(address, now.monotonic),
            Event::Mined { template, header, coinbase } => {
                self.on_mined(&template, header, coinbase)?;
            }
            Event::Reply { peer, message } => self.on_reply(peer, &message),
            Event::OwnTransaction(transaction) => {
                // Reported either way; whoever made it offers it again.
                self.offer_transaction(Bringer::Ourselves, *transaction)?;
            }
            Event::Addresses(addresses) => self.hear_addresses(&addresses),
            Event::Written { outcome } => self.on_written(outcome)?,
            Event::Verified { id, first_invalid } => self.on_verified(id, first_invalid)?,
            Event::Read { peer, outcome } => self.on_read(peer, outcome)?,
            Event::Wakeup => {}
        }
        self.do_what_is_due()?;
        self.advance()?;
        // The miner first: it alone goes by what is not durable yet.
        self.refresh_mining();
        self.write_blocks();
        self.time_out_sync();
        self.request_missing_blocks();
        self.judge_waiting()?;
        self.adopt_orphans()?;
        self.request_transactions();
        self.announce_fresh();
        self.refresh_mining();
        self.plan_flush();
        Ok(std::mem::take(&mut self.effects))
    }

    /// When [`Machine::handle`] wants to be called with [`Event::Wakeup`], by the monotonic clock:
    /// the earliest time at which something is due. A time in the past means at once, `None` that
    /// it waits for nothing.
    pub fn next_wakeup(&self) -> Option<Duration> {
        let now = self.now.monotonic;
        let walks = self.is_walking() && !self.ledger.is_waiting(&self.tree);
        if walks || self.has_transactions_to_judge() {
            return Some(now);
        }
        let deadlines = [
            self.peers.next_deadline(),
            self.sync.next_deadline(now),
            self.next_retry(),
            self.relay.next_deadline(),
            self.intake.next_deadline(self.now).filter(|_| self.has_room_for_blocks()),
            self.mempool.next_deadline(),
            self.mining.next_deadline(),
            self.address_book.next_deadline(),
            self.flushing.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Writes everything that is only in memory. Nothing may be handled afterwards; every
    /// [`Effect::Write`] must have been answered.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn shutdown(&mut self) -> Result<(), MachineError> {
        Ok(self.ledger.close()?)
    }

    /// The network it is part of.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The end of its best chain, as everybody may know it: it is durable.
    pub fn tip(&self) -> Tip {
        self.ledger.published()
    }

    /// Supply, number and hash of its coins at [`Machine::tip`].
    pub fn totals(&self) -> Totals {
        self.ledger.reader().view().totals()
    }

    /// Where its best chain is read by everybody outside.
    pub fn reader(&self) -> &Reader {
        self.ledger.reader()
    }

    /// Whether it has told everybody of the best chain that it has walked to.
    pub fn is_settled(&self) -> bool {
        self.ledger.is_settled() && self.ledger.published() == self.ledger.tip()
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

    /// Height of the header with most work that a connected full node is known to have.
    pub fn known_height(&self, peer: PeerId) -> Option<u32> {
        let (_, best) = self.sync.best_headers().find(|(id, _)| *id == peer)?;
        Some(self.tree.entry(best).height)
    }

    /// The clocks of its last event.
    pub fn now(&self) -> Now {
        self.now
    }

    /// What it has counted since its start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the ledger is on its way, be it that the tip waits for the cursor or that both wait
    /// for signatures.
    pub(crate) fn is_walking(&self) -> bool {
        !self.ledger.is_settled() || self.has_better_chain()
    }

    /// Whether more is known than walked to.
    pub(crate) fn has_better_chain(&self) -> bool {
        self.tree.best_complete() != self.ledger.cursor()
    }

    /// Time-outs, redials, held blocks, flushes: everything that only the clock brings about, as
    /// far as it is due.
    fn do_what_is_due(&mut self) -> Result<(), MachineError> {
        let now = self.now.monotonic;
        let is_due = |deadline: Option<Duration>| deadline.is_some_and(|at| at <= now);
        if is_due(self.peers.next_deadline()) {
            self.time_out_peers();
        }
        if is_due(self.address_book.next_deadline()) {
            self.dial_due();
        }
        self.time_out_transactions();
        self.release_held_blocks()?;
        self.mempool.expire(now);
        self.flush_if_due()
    }

    pub(crate) fn send(&mut self, peer: PeerId, message: &Message) {
        self.effects.push(Effect::Send { peer, frame: Arc::new(message.to_frame()) });
    }

    pub(crate) fn report(&mut self, report: Report) {
        self.effects.push(Effect::Report(report));
    }
}
