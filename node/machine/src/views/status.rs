//! How a node is.

use std::net::SocketAddr;

use chain::amount::Amount;
use chain::hash::{BlockHash, UtxoHash};
use serde::{Deserialize, Serialize};

use super::block::zero_bits;
use super::{HashRate, MinerLuck, MinerState, NetworkRate, Role, spelled};
use crate::Machine;
use crate::network_rate::of_best_chain;

/// How a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessView,
    /// The node in it.
    #[serde(flatten)]
    pub node: NodeView,
    /// Why its miner does what it does, as a sentence.
    pub mining_reason: String,
    /// How fast it mines; `None` for one that never does.
    pub hash_rate: Option<HashRate>,
    /// What its hashes came to; `None` for one that never mines.
    pub luck: Option<MinerLuck>,
}

/// What a process knows of the node it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessView {
    /// The node's name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The program's version.
    pub lode: String,
    /// The process.
    pub pid: u32,
    /// Where it is asked.
    pub address: SocketAddr,
    /// Its data directory.
    pub directory: String,
    /// Seconds since its start.
    pub uptime_s: u64,
}

/// What the machine knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Name of the coin.
    pub coin: String,
    /// Its symbol.
    pub symbol: String,
    /// Prefix of addresses.
    pub prefix: String,
    /// Hash of the first block.
    #[serde(with = "spelled")]
    pub genesis: BlockHash,
    /// Height of the best chain.
    pub height: u32,
    /// Its last block.
    #[serde(with = "spelled")]
    pub tip: BlockHash,
    /// Sum of all coins.
    #[serde(with = "spelled")]
    pub supply: Amount,
    /// Hash over them.
    #[serde(with = "spelled")]
    pub utxo_hash: UtxoHash,
    /// Leading zero bits of the next block's target.
    pub difficulty: u32,
    /// Seconds between blocks that the difficulty aims at.
    pub spacing_s: u32,
    /// Transactions that wait for a block.
    pub pending: usize,
    /// Nodes that are connected.
    pub peers: usize,
    /// Wallets that are connected.
    pub wallets: usize,
    /// Connections of wallets since the start.
    pub wallet_connections: u64,
    /// Payments that wallets handed over since then, whatever became of them.
    pub payments_submitted: u64,
    /// What its miner does.
    pub mining: MinerState,
    /// How fast the network is.
    #[serde(flatten)]
    pub network: NetworkRate,
}

/// That a node was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopView {
    /// Whether the node has begun to stop: always true.
    pub stopping: bool,
}

impl NodeView {
    /// How the node is between two events.
    pub fn of(machine: &Machine) -> Self {
        let (network, tip) = (machine.network(), machine.tip());
        let (spec, totals, tally) = (&network.spec, machine.totals(), machine.tally());
        let end = machine.tree().chain_end(machine.ledger().tip_id());
        let is_wallet = |peer: &&crate::Peer| peer.role() == Some(wire::hello::Role::Wallet);
        Self {
            coin: spec.coin_name.clone(),
            symbol: spec.coin_symbol.clone(),
            prefix: spec.address_prefix.clone(),
            genesis: network.genesis_hash(),
            height: tip.height,
            tip: tip.hash,
            supply: totals.supply,
            utxo_hash: totals.utxo_hash,
            difficulty: zero_bits(end.context(network).expected_bits),
            spacing_s: spec.spacing_s,
            pending: machine.mempool().len(),
            peers: machine.nodes().len(),
            wallets: machine.peers().filter(is_wallet).count(),
            wallet_connections: tally.wallet_connections,
            payments_submitted: tally.payments_submitted,
            mining: MinerState::from(&machine.mining_state()),
            network: of_best_chain(machine).into(),
        }
    }
}
