//! Scenarios: which nodes there are, what their links are like, and what goes wrong.

use std::sync::Arc;
use std::time::Duration;

use chain::amount::Amount;
use chain::genesis::Network;
use chain::spec::{Allocation, ChainSpec, Retarget, SpecError};

use super::links::LinkConditions;

/// One node of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlan {
    /// Hashes a virtual second; with zero it never finds a block.
    pub hash_rate: u64,
    /// Nodes whose addresses its user gave it.
    pub dials: Vec<usize>,
    /// Pending transactions that make a block worth mining.
    pub min_txs: usize,
    /// A transaction that waited this long is mined alone.
    pub max_wait: Option<Duration>,
}

impl NodePlan {
    /// A node that always mines.
    pub fn miner(hash_rate: u64, dials: Vec<usize>) -> Self {
        Self { hash_rate, dials, min_txs: 0, max_wait: None }
    }
}

/// Something that goes wrong in the network, or right again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nodes of different groups lose each other; nodes in no group form one of their own.
    Partition(Vec<Vec<usize>>),
    /// Everybody can reach everybody again.
    Heal,
    /// A node dies without a word, and its memory with it.
    Stop(usize),
    /// A node that was stopped starts anew, with an empty store.
    Start(usize),
    /// A node's hash rate changes.
    HashRate {
        /// Which node.
        node: usize,
        /// Hashes a virtual second.
        hash_rate: u64,
    },
    /// The links change.
    LinkConditions(LinkConditions),
}

/// A network and what happens to it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The network's rules.
    pub network: Arc<Network>,
    /// Its nodes.
    pub nodes: Vec<NodePlan>,
    /// What the links are like.
    pub link_conditions: LinkConditions,
    /// What goes wrong, and when.
    pub faults: Vec<(Duration, Fault)>,
}

impl Scenario {
    /// Miners that all know each other: every node was given the addresses of those before it.
    ///
    /// # Errors
    /// [`SpecError`] names the field of the spec that is out of bounds.
    pub fn mesh(spec: ChainSpec, hash_rates: &[u64]) -> Result<Self, SpecError> {
        let plan = |(node, rate): (usize, &u64)| NodePlan::miner(*rate, (0..node).collect());
        Ok(Self {
            network: Arc::new(Network::new(spec)?),
            nodes: hash_rates.iter().enumerate().map(plan).collect(),
            link_conditions: LinkConditions::default(),
            faults: Vec::new(),
        })
    }

    /// The same with one more fault.
    #[must_use]
    pub fn with_fault(mut self, at: Duration, fault: Fault) -> Self {
        self.faults.push((at, fault));
        self
    }
}

/// A network for simulations: 50 coins a block, coinbases that mature after ten blocks, and a
/// half-life of 120 blocks.
pub fn small_spec(
    starting_bits: u32,
    easiest_bits: u32,
    spacing_s: u32,
    allocations: Vec<Allocation>,
) -> ChainSpec {
    ChainSpec {
        coin_name: "Simulated".to_owned(),
        coin_symbol: "SIM".to_owned(),
        address_prefix: "sim".to_owned(),
        starting_bits,
        easiest_bits,
        spacing_s,
        retarget: Retarget::Asert,
        half_life_s: spacing_s.saturating_mul(120),
        subsidy: Amount::from_coins(50).expect("50 coins are few"),
        halving_interval: 1_000_000,
        maturity: 10,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations,
    }
}
