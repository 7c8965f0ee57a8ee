//! What a node is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use chain::genesis::Network;
use machine::MachineConfig;
use machine::store::{OpeningWatcher, Store, unwatched};
use tokio::sync::mpsc::Sender;

use super::forwarding::Forwarded;
use super::miner::MiningConfig;

/// Where a node keeps its chain.
#[derive(Debug)]
pub enum StorePlace {
    /// In this directory, which is made when it is missing.
    Directory(PathBuf),
    /// In memory: gone when the node stops.
    Memory,
    /// In a store that is open already, of the same network; for those who measure.
    Opened(Box<Store>),
}

/// What happens when the machine panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanicPolicy {
    /// The process ends at once with [`super::PANIC_EXIT_CODE`].
    ExitProcess,
    /// The node ends with [`super::NodeFailure::Panicked`]; for processes that hold several nodes.
    Surface,
}

/// Everything that one node is started with.
pub struct NodeConfig {
    /// For the machine.
    pub machine: MachineConfig,
    /// Addresses of nodes that were met before the start: dialed first, but not for ever.
    pub known: Vec<SocketAddr>,
    /// The network.
    pub network: Arc<Network>,
    /// Where the chain is kept.
    pub store: StorePlace,
    /// Where to accept connections; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The own pool, which searches what the machine's policy makes; `None` leaves that to others.
    pub mining: Option<MiningConfig>,
    /// No template above this height goes out until [`super::Node::mine_up_to`] says otherwise.
    pub mine_up_to: u32,
    /// What happens when the machine panics.
    pub on_panic: PanicPolicy,
    /// Who answers questions to the directory: a channel with [`super::FORWARDED_MAX`] places.
    pub directory: Option<Sender<Forwarded>>,
    /// Who answers whoever runs the node: a channel with as many places.
    pub operator: Option<SyncSender<Forwarded>>,
    /// Hears how far the opening of a directory's store is.
    pub opening: OpeningWatcher,
}

impl NodeConfig {
    /// A node that does nothing but relay, in a process that ends when its machine panics.
    pub fn new(
        machine: MachineConfig,
        network: Arc<Network>,
        store: StorePlace,
        listen: SocketAddr,
    ) -> Self {
        Self {
            machine,
            known: Vec::new(),
            network,
            store,
            listen,
            mining: None,
            mine_up_to: u32::MAX,
            on_panic: PanicPolicy::ExitProcess,
            directory: None,
            operator: None,
            opening: unwatched(),
        }
    }
}
