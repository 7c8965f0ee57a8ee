//! A node's slot: its machine and its miner come and go, the slot stays.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chain::hash::tagged_hash;
use chain::key::OutputKey;
use rand::RngExt;

use super::{ScheduledEvent, SimulationError, World};
use crate::miner::{attempts, grind, search_ns};
use crate::scenario::{Fault, NodePlan};
use machine::mining::MiningPolicy;
use machine::store::Store;
use machine::template::Template;
use machine::{Event, Machine, MachineConfig, MachineError, Surroundings};

/// Where nodes accept connections.
const LISTEN_PORT: u16 = 9333;

/// What stays of a node in the world while machines come and go in it.
pub(super) struct NodeSlot {
    pub(super) plan: NodePlan,
    pub(super) address: SocketAddr,
    pub(super) machine: Option<Machine>,
    /// Counts its machines, so that nothing meant for one reaches the next.
    pub(super) incarnation: u64,
    pub(super) wake_ns: Option<u64>,
    /// What its miner searches, and the name of that search.
    pub(super) template: Option<Arc<Template>>,
    pub(super) search: u64,
}

impl NodeSlot {
    pub(super) fn new((node, plan): (usize, NodePlan)) -> Self {
        Self {
            plan,
            address: SocketAddr::from((address_of(node), LISTEN_PORT)),
            machine: None,
            incarnation: 0,
            wake_ns: None,
            template: None,
            search: 0,
        }
    }
}

impl World {
    /// Draws when the miner will find this template's block. Starting over loses nothing: a search
    /// has no memory.
    pub(super) fn search(&mut self, node: usize, template: Option<Arc<Template>>) {
        self.searches += 1;
        let rate = self.slots[node].plan.hash_rate;
        let target = template.as_ref().and_then(|found| found.header.bits.expand().ok());
        self.slots[node].search = self.searches;
        self.slots[node].template = template;
        let hashes = target.map(|target| attempts(&target, &mut self.rng));
        if let Some(ns) = hashes.and_then(|hashes| search_ns(hashes, rate)) {
            let at_ns = self.clock_ns.saturating_add(ns);
            self.enqueue(at_ns, ScheduledEvent::Solved { node, search: self.searches });
        }
    }

    /// The time has come: grinds the block with the second that it is.
    pub(super) fn solve(&mut self, node: usize, search: u64) -> Result<(), SimulationError> {
        if self.slots[node].search != search {
            return Ok(());
        }
        let Some(template) = self.slots[node].template.clone() else {
            return Ok(());
        };
        let wall_s = u32::try_from(self.now().wall_s).unwrap_or(u32::MAX);
        let mut header = template.header;
        header.time = wall_s.min(template.time_max).max(header.time);
        match grind(&header) {
            Some(header) => {
                let coinbase = template.coinbase.clone();
                self.handle(node, Event::Mined { template, header, coinbase })
            }
            None => Ok(()),
        }
    }

    pub(super) fn apply_fault(&mut self, fault: Fault) -> Result<(), SimulationError> {
        match fault {
            Fault::Partition(groups) => {
                for connection in self.links.partition(&groups) {
                    self.sever(connection);
                }
            }
            Fault::Heal => {
                self.links.partition(&[]);
            }
            Fault::Stop(node) => self.stop(node),
            Fault::Start(node) => self.start(node)?,
            Fault::HashRate { node, hash_rate } => {
                self.slots[node].plan.hash_rate = hash_rate;
                let template = self.slots[node].template.take();
                self.search(node, template);
            }
            Fault::LinkConditions(conditions) => self.links.conditions = conditions,
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, node: usize) {
        let slot = &mut self.slots[node];
        slot.machine = None;
        slot.wake_ns = None;
        slot.template = None;
        for (id, side) in self.links.of_node(node) {
            self.sever(id);
            if let Some(connection) = self.links.connections.get_mut(&id) {
                connection.at_mut(side).gone = true;
            }
        }
        self.watch.forget(node);
    }

    /// A machine begins on an empty store.
    pub(super) fn start(&mut self, node: usize) -> Result<(), SimulationError> {
        if self.slots[node].machine.is_some() {
            return Ok(());
        }
        let at = self.clock();
        let failed = |source: MachineError| SimulationError::Machine { node, at, source };
        let store = Store::in_memory(&self.network).map_err(|error| failed(error.into()))?;
        let plan = &self.slots[node].plan;
        let config = MachineConfig {
            peers: plan.dials.iter().map(|other| self.slots[*other].address).collect(),
            mining: Some(MiningPolicy {
                min_txs: plan.min_txs,
                max_wait: plan.max_wait,
                payout: payout_of(node),
            }),
            ..MachineConfig::new(format!("node {node}"), self.rng.random())
        };
        let surroundings =
            Surroundings { listening: Some(self.slots[node].address), known: Vec::new() };
        let network = Arc::clone(&self.network);
        let machine =
            Machine::new(config, surroundings, network, store, self.now()).map_err(failed)?;
        self.slots[node].machine = Some(machine);
        self.slots[node].incarnation += 1;
        self.handle(node, Event::Wakeup)
    }
}

/// Every node has a /16 of its own, so no rule about neighbors keeps them apart.
fn address_of(node: usize) -> IpAddr {
    let group = 20 * 256 + u32::try_from(node).unwrap_or(u32::MAX) % (64 * 256);
    IpAddr::V4(Ipv4Addr::from(group << 16 | 1))
}

/// Nobody spends what simulated miners earn: any 32 bytes will do.
fn payout_of(node: usize) -> OutputKey {
    OutputKey(tagged_hash("lode/simulation/payout", &[&node.to_le_bytes()]))
}
