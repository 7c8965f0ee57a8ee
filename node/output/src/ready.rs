//! The first line: the network, or the node, as it stands when it is ready.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::paths::lossy;

/// The network as it stands when it is ready.
#[derive(Debug, Serialize)]
pub struct Ready {
    /// Where the bootstrap node accepts connections.
    pub bootstrap: SocketAddr,
    /// Hash of the first block.
    pub genesis: String,
    /// Name of the coin.
    pub coin: String,
    /// Its symbol.
    pub symbol: String,
    /// Leading zero bits of the starting target, which is also the easiest.
    pub difficulty: u32,
    /// `asert` or `fixed`.
    pub retarget: &'static str,
    /// Seconds between blocks.
    pub spacing_s: u32,
    /// Pending transactions that make a block worth mining.
    pub min_txs: usize,
    /// Height of the best chain; above zero when a kept network goes on.
    pub height: u32,
    /// The seed of all accounts.
    pub seed: u64,
    /// How the miners hash.
    pub kernel: &'static str,
    /// Where everything is kept.
    #[serde(serialize_with = "lossy")]
    pub directory: PathBuf,
    /// Whether the directory stays when devnet ends.
    pub kept: bool,
    /// The bootstrap node and the miners.
    pub nodes: Vec<ReadyNode>,
    /// The funded wallets.
    pub wallets: Vec<ReadyWallet>,
}

/// A node that is its own process, as it stands when it is ready.
#[derive(Debug, Serialize)]
pub struct NodeReady {
    /// Its name.
    pub name: String,
    /// `bootstrap`, `miner` or `relay`.
    pub role: &'static str,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// Hash of the first block.
    pub genesis: String,
    /// Name of the coin.
    pub coin: String,
    /// Its symbol.
    pub symbol: String,
    /// Leading zero bits of the starting target.
    pub difficulty: u32,
    /// Seconds between blocks.
    pub spacing_s: u32,
    /// Height of its best chain.
    pub height: u32,
    /// Where it keeps its chain.
    #[serde(serialize_with = "lossy")]
    pub directory: PathBuf,
    /// Whether it lies where no node is looked for, so that whoever asks it must name it.
    #[serde(skip)]
    pub is_elsewhere: bool,
    /// Threads that mine; zero when none do.
    pub threads: usize,
    /// How they hash.
    pub kernel: Option<&'static str>,
    /// The address that is paid for its blocks.
    pub payout: Option<String>,
}

/// A node that runs.
#[derive(Debug, Serialize)]
pub struct ReadyNode {
    /// Its name.
    pub name: String,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// Where it keeps its chain.
    #[serde(serialize_with = "lossy")]
    pub directory: PathBuf,
    /// Threads that mine; zero for the bootstrap node.
    pub threads: usize,
}

/// A funded wallet.
#[derive(Debug, Serialize)]
pub struct ReadyWallet {
    /// Its name.
    pub name: String,
    /// Its first address.
    pub address: String,
    /// What a node says it has, in coins.
    pub balance: String,
    /// The twelve words it is restored from.
    pub words: String,
}
