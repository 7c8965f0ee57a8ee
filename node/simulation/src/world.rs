//! The world: an event queue over virtual time, and machines that live in it.

mod node_slot;
mod traffic;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Network;
use chain::hash::tagged_hash;
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use wire::frame::Frame;

use super::external_peer::ExternalPeer;
use super::invariants::{Violation, Watch};
use super::links::{Links, Side};
use super::scenario::{Fault, Scenario};
use super::selfish_miner::SelfishMiner;
use super::trace::Trace;
use machine::store::BlockWrites;
use machine::{
    Direction, Effect, Event, Machine, MachineError, Now, PeerId, Report, first_invalid,
};
use node_slot::NodeSlot;

/// What a call of a machine takes: one that asks to be called again at once is called this much
/// later, so that no machine can stop the time.
const CALL_NS: u64 = 1_000_000;

/// How long a disk takes to make blocks durable; nobody hears of them before.
pub const DISK_WRITE: Duration = Duration::from_millis(3);

/// Why a simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A machine gave up.
    #[error("node {node} stopped at {at:?}: {source}")]
    Machine {
        /// Which node.
        node: usize,
        /// Virtual time.
        at: Duration,
        /// What it says.
        source: MachineError,
    },
    /// An invariant does not hold.
    #[error("node {node} at {at:?}: {source}")]
    Violation {
        /// Which node.
        node: usize,
        /// Virtual time.
        at: Duration,
        /// The invariant that is broken.
        source: Violation,
    },
}

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum ScheduledEvent {
    /// A machine wanted to be called now (unless it has changed its mind).
    Wake { node: usize },
    /// A frame arrives.
    Arrival { connection: PeerId, side: Side, frame: Arc<Frame> },
    /// Everything that was sent before has arrived; the sender wanted to know.
    Drained { connection: PeerId, side: Side },
    /// One end learns that the connection is gone.
    Gone { connection: PeerId, side: Side },
    /// A call for a connection arrives.
    Dial { node: usize, incarnation: u64, address: SocketAddr },
    /// Who dialed learns how it went.
    Dialled { node: usize, incarnation: u64, address: SocketAddr, connection: Option<PeerId> },
    /// Who was dialed learns of the connection.
    Accepted { connection: PeerId, address: SocketAddr },
    /// A miner finds a block (unless it searches something else by now).
    Solved { node: usize, search: u64 },
    /// The miner that withholds finds one.
    SolvedSelfishly { search: u64 },
    /// A disk begins to write blocks, which are then durable.
    Write { node: usize, incarnation: u64, writes: BlockWrites },
    /// Somebody has verified signatures.
    Answered { node: usize, incarnation: u64, event: Event },
    /// A fault of the scenario is due.
    Fault(Fault),
}

/// A network in virtual time.
pub struct World {
    pub(super) network: Arc<Network>,
    pub(super) rng: ChaCha12Rng,
    /// Nanoseconds since genesis.
    pub(super) clock_ns: u64,
    /// What is still to happen, by time and then by order of planning.
    queue: BTreeMap<(u64, u64), ScheduledEvent>,
    planned: u64,
    slots: Vec<NodeSlot>,
    pub(super) links: Links,
    pub(super) external_peers: Vec<ExternalPeer>,
    pub(super) selfish: Option<SelfishMiner>,
    searches: u64,
    events: u64,
    trace: Trace,
    watch: Watch,
    reports: Vec<(Duration, usize, Report)>,
}

impl World {
    /// The world of a scenario at genesis. All its randomness comes from `seed`.
    ///
    /// # Errors
    /// [`SimulationError`] when a machine does not start.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, SimulationError> {
        let seed = tagged_hash("lode/simulation/seed", &[&seed.to_le_bytes()]);
        let mut world = Self {
            network: Arc::clone(&scenario.network),
            rng: ChaCha12Rng::from_seed(seed),
            clock_ns: 0,
            queue: BTreeMap::new(),
            planned: 0,
            slots: scenario.nodes.iter().cloned().enumerate().map(NodeSlot::new).collect(),
            links: Links::new(scenario.link_conditions),
            external_peers: Vec::new(),
            selfish: None,
            searches: 0,
            events: 0,
            trace: Trace::default(),
            watch: Watch::default(),
            reports: Vec::new(),
        };
        for node in 0..world.slots.len() {
            world.start(node)?;
        }
        for (at, fault) in &scenario.faults {
            world.schedule(*at, fault.clone());
        }
        Ok(world)
    }

    /// Lets everything happen up to this virtual time.
    ///
    /// # Errors
    /// [`SimulationError`].
    pub fn run_until(&mut self, time: Duration) -> Result<(), SimulationError> {
        self.run_while(time, |_| true)?;
        self.clock_ns = self.clock_ns.max(nanoseconds(time));
        Ok(())
    }

    /// Lets things happen while `goes_on`, at most up to `limit`. Returns whether it ended before.
    ///
    /// # Errors
    /// [`SimulationError`].
    pub fn run_while(
        &mut self,
        limit: Duration,
        goes_on: impl Fn(&Self) -> bool,
    ) -> Result<bool, SimulationError> {
        let limit_ns = nanoseconds(limit);
        while goes_on(self) {
            let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= limit_ns)
            else {
                return Ok(false);
            };
            let ((at_ns, _), scheduled) = next.remove_entry();
            self.clock_ns = at_ns;
            self.happen(scheduled)?;
        }
        Ok(true)
    }

    /// Plans a fault; one for a time that is over happens next.
    pub fn schedule(&mut self, at: Duration, fault: Fault) {
        self.enqueue(nanoseconds(at).max(self.clock_ns), ScheduledEvent::Fault(fault));
    }

    /// Virtual time since genesis.
    pub fn clock(&self) -> Duration {
        Duration::from_nanos(self.clock_ns)
    }

    /// The network that all nodes are part of.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The machine of a node, unless it is stopped.
    pub fn machine(&self, node: usize) -> Option<&Machine> {
        self.slots.get(node)?.machine.as_ref()
    }

    /// How many nodes there are, those that are stopped among them.
    pub fn nodes(&self) -> usize {
        self.slots.len()
    }

    /// All machines that run, in the order of their nodes.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.slots.iter().filter_map(|slot| slot.machine.as_ref())
    }

    /// What the machines reported: when, which node, what.
    pub fn reports(&self) -> &[(Duration, usize, Report)] {
        &self.reports
    }

    /// Takes what the machines reported since the last time: a long run would keep it all.
    pub fn take_reports(&mut self) -> Vec<(Duration, usize, Report)> {
        std::mem::take(&mut self.reports)
    }

    /// Events that were handled.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash over every (time, node, event, effects) so far.
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.hash()
    }

    /// The clocks of all nodes.
    pub(super) fn now(&self) -> Now {
        let wall_s = u64::from(self.network.spec.genesis_time) + self.clock().as_secs();
        Now { wall_s, monotonic: self.clock() }
    }

    pub(super) fn enqueue(&mut self, at_ns: u64, scheduled: ScheduledEvent) {
        self.queue.insert((at_ns, self.planned), scheduled);
        self.planned += 1;
    }

    fn happen(&mut self, scheduled: ScheduledEvent) -> Result<(), SimulationError> {
        match scheduled {
            ScheduledEvent::Wake { node } => {
                if self.slots[node].wake_ns == Some(self.clock_ns) {
                    self.handle(node, Event::Wakeup)?;
                }
            }
            ScheduledEvent::Arrival { connection, side, frame } => {
                self.arrive(connection, side, &frame)?;
            }
            ScheduledEvent::Drained { connection, side } => {
                if let Some(node) = self.listening(connection, side) {
                    self.handle(node, Event::Drained { peer: connection })?;
                }
            }
            ScheduledEvent::Gone { connection, side } => self.end_at(connection, side)?,
            ScheduledEvent::Dial { node, incarnation, address } => {
                self.dial(node, incarnation, address)
            }
            ScheduledEvent::Dialled { node, incarnation, address, connection } => {
                if self.slots[node].incarnation == incarnation {
                    self.dialed(node, address, connection)?;
                }
            }
            ScheduledEvent::Accepted { connection, address } => {
                if let Some(node) = self.listening(connection, Side::Acceptor) {
                    let direction = Direction::Inbound;
                    self.handle(node, Event::Connected { peer: connection, address, direction })?;
                }
            }
            ScheduledEvent::Solved { node, search } => self.solve(node, search)?,
            ScheduledEvent::SolvedSelfishly { search } => self.solve_selfishly(search),
            ScheduledEvent::Write { node, incarnation, writes } => {
                if self.slots[node].incarnation == incarnation {
                    let outcome = writes.run().map_err(Arc::new);
                    self.handle(node, Event::Written { outcome })?;
                }
            }
            ScheduledEvent::Answered { node, incarnation, event } => {
                if self.slots[node].incarnation == incarnation {
                    self.handle(node, event)?;
                }
            }
            ScheduledEvent::Fault(fault) => self.apply_fault(fault)?,
        }
        Ok(())
    }

    /// Gives a machine an event and does what it asks for.
    fn handle(&mut self, node: usize, event: Event) -> Result<(), SimulationError> {
        let (now, at) = (self.now(), self.clock());
        let Some(machine) = self.slots[node].machine.as_mut() else {
            return Ok(());
        };
        self.trace.event(self.clock_ns, node, &event);
        let effects = machine.handle(now, event).map_err(|source| SimulationError::Machine {
            node,
            at,
            source,
        })?;
        self.trace.effects(&effects);
        self.events += 1;
        self.watch.check(node, machine).map_err(|source| SimulationError::Violation {
            node,
            at,
            source,
        })?;
        let wakeup = machine.next_wakeup();
        for effect in effects {
            self.carry_out(node, effect);
        }
        let wake_ns = wakeup.map(|time| nanoseconds(time).max(self.clock_ns + CALL_NS));
        if self.slots[node].wake_ns != wake_ns {
            self.slots[node].wake_ns = wake_ns;
            if let Some(wake_ns) = wake_ns {
                self.enqueue(wake_ns, ScheduledEvent::Wake { node });
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send { peer, frame } => {
                if let Some(side) = self.side_of(peer, node) {
                    self.send(peer, side, frame);
                }
            }
            Effect::NotifyDrained { peer } => {
                if let Some(side) = self.side_of(peer, node) {
                    self.notify_drained(peer, side);
                }
            }
            Effect::Disconnect { peer, .. } => {
                if let Some(side) = self.side_of(peer, node) {
                    self.close(peer, side);
                }
            }
            Effect::Dial { address } => {
                let (at_ns, incarnation) =
                    (self.clock_ns + self.draw_latency_ns(), self.slots[node].incarnation);
                self.enqueue(at_ns, ScheduledEvent::Dial { node, incarnation, address });
            }
            // No node of a simulation has a directory or an operator, and nothing is read there but
            // what has arrived.
            Effect::Forward { .. } | Effect::Pause { .. } | Effect::Resume { .. } => {}
            Effect::Mine(template) => self.search(node, Some(template)),
            Effect::Rest { .. } => self.search(node, None),
            Effect::Write(writes) => {
                let incarnation = self.slots[node].incarnation;
                self.enqueue(
                    self.clock_ns + nanoseconds(DISK_WRITE),
                    ScheduledEvent::Write { node, incarnation, writes },
                );
            }
            Effect::Verify { id, checks } => {
                let incarnation = self.slots[node].incarnation;
                let event = Event::Verified { id, first_invalid: first_invalid(&checks) };
                self.enqueue(
                    self.clock_ns + CALL_NS,
                    ScheduledEvent::Answered { node, incarnation, event },
                );
            }
            Effect::Read { peer, question } => {
                let incarnation = self.slots[node].incarnation;
                let event = Event::Read { peer, outcome: question.answer().map_err(Arc::new) };
                let at_ns = self.clock_ns + CALL_NS;
                self.enqueue(at_ns, ScheduledEvent::Answered { node, incarnation, event });
            }
            Effect::Report(report) => self.reports.push((self.clock(), node, report)),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
