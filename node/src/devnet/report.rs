//! What devnet and single nodes tell, as JSON objects: `docs/json.md` explains every field.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::luck::{SummaryLuck, SummaryMining};
use machine::{Direction, Report};
use server::runtime::NumberedReport;

/// Version of the JSON objects; it rises when a field changes its meaning.
const JSON_VERSION: u32 = 1;

/// One line of a devnet's or a node's output.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    /// The first one: the network stands.
    Ready(&'a Ready),
    /// The first one of a node that is its own process.
    #[serde(rename = "ready")]
    NodeReady(&'a NodeReady),
    /// A miner found a block.
    BlockFound { node: &'a str, number: u64, hash: String, height: u32 },
    /// A node's best chain has a new last block.
    BlockConnected {
        node: &'a str,
        number: u64,
        hash: String,
        height: u32,
        transactions: u32,
        fees: String,
        target_zero_bits: u32,
    },
    /// A node left one branch for a better one.
    Reorganized {
        node: &'a str,
        number: u64,
        from: String,
        to: String,
        height: u32,
        disconnected: u32,
        connected: u32,
    },
    /// A node refused a block.
    BlockRefused { node: &'a str, number: u64, hash: String, reason: &'a str },
    /// A transaction is pending at a node.
    TxAccepted { node: &'a str, number: u64, txid: String, fee: String, bytes: u32, pending: u32 },
    /// A node refused a transaction.
    TxRefused { node: &'a str, number: u64, txid: String, reason: &'a str },
    /// A connection of a node is ready.
    PeerReady {
        node: &'a str,
        number: u64,
        address: SocketAddr,
        name: &'a str,
        direction: &'static str,
    },
    /// A connection of a node is gone.
    PeerLost { node: &'a str, number: u64, address: SocketAddr, reason: &'a str },
    /// Output was read too slowly: events of a node were left out.
    Missed { node: &'a str, count: u64 },
    /// The last one: what came of it all.
    Summary(&'a Summary),
}

/// The network as it stands when it is ready.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
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
pub(crate) struct NodeReady {
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
    pub directory: PathBuf,
    /// Threads that mine; zero when none do.
    pub threads: usize,
    /// How they hash.
    pub kernel: Option<&'static str>,
    /// The address that is paid for its blocks.
    pub payout: Option<String>,
}

/// A node that runs.
#[derive(Debug, Serialize)]
pub(crate) struct ReadyNode {
    /// Its name.
    pub name: String,
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// Where it keeps its chain.
    pub directory: PathBuf,
    /// Threads that mine; zero for the bootstrap node.
    pub threads: usize,
}

/// A funded wallet.
#[derive(Debug, Serialize)]
pub(crate) struct ReadyWallet {
    /// Its name.
    pub name: String,
    /// Its first address.
    pub address: String,
    /// What a node says it has, in coins.
    pub balance: String,
    /// The twelve words it is restored from.
    pub words: String,
}

/// Why devnet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Every node reached the height that was asked for.
    UntilHeight,
    /// Ctrl-C.
    Interrupted,
    /// The system asked for it.
    Terminated,
    /// Nobody reads the output any more.
    OutputClosed,
}

/// What came of it all, read back from the nodes' directories.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Why devnet ended.
    pub reason: Reason,
    /// Height of the first node's best chain.
    pub height: u32,
    /// Its last block.
    pub tip: String,
    /// Sum of all coins.
    pub supply: String,
    /// What coinbases left unclaimed.
    pub burned: String,
    /// Confirmed transfers.
    pub transactions: u64,
    /// Blocks on the best chain, genesis not counted.
    pub blocks: u32,
    /// Whether all nodes have the same tip and the same coins.
    pub agreed: bool,
    /// What must always hold.
    pub invariants: Invariants,
    /// Header attempts of all miners.
    pub hashes: u64,
    /// Attempts per second from start to end, rests included.
    pub hash_rate: u64,
    /// Seconds from ready to the end.
    pub seconds: u64,
    /// Blocks against hashes.
    pub luck: SummaryLuck,
    /// Every node.
    pub nodes: Vec<SummaryNode>,
}

/// What must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Invariants {
    /// Every node ends on the same block.
    pub same_tip: bool,
    /// Every node has the same coins.
    pub same_coins: bool,
    /// Every node's supply is genesis plus subsidies less what was burned.
    pub supply_adds_up: bool,
}

impl Invariants {
    /// Whether all of them hold.
    pub(crate) fn hold(self) -> bool {
        self.same_tip && self.same_coins && self.supply_adds_up
    }
}

/// Where a node ended.
#[derive(Debug, Serialize)]
pub(crate) struct SummaryNode {
    /// Its name.
    pub name: String,
    /// Height of its best chain.
    pub height: u32,
    /// Its last block.
    pub tip: String,
    /// Hash over its coins.
    pub utxo_hash: String,
    /// Sum of its coins.
    pub supply: String,
    /// Where it keeps its chain.
    pub directory: PathBuf,
    /// How it mined; `null` for one that does not.
    pub mining: Option<SummaryMining>,
}

#[derive(Serialize)]
struct Versioned<'a> {
    v: u32,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

impl<'a> Line<'a> {
    /// The line for what a node reported.
    pub(crate) fn of(node: &'a str, reported: &'a NumberedReport) -> Self {
        let number = reported.number;
        match &reported.report {
            Report::BlockFound { hash, height } => {
                Self::BlockFound { node, number, hash: hash.to_string(), height: *height }
            }
            Report::BlockConnected { hash, height, transactions, fees, target_zero_bits } => {
                Self::BlockConnected {
                    node,
                    number,
                    hash: hash.to_string(),
                    height: *height,
                    transactions: *transactions,
                    fees: fees.to_string(),
                    target_zero_bits: *target_zero_bits,
                }
            }
            Report::Reorganized { from, to, height, disconnected, connected } => {
                Self::Reorganized {
                    node,
                    number,
                    from: from.to_string(),
                    to: to.to_string(),
                    height: *height,
                    disconnected: *disconnected,
                    connected: *connected,
                }
            }
            Report::BlockRefused { hash, reason } => {
                Self::BlockRefused { node, number, hash: hash.to_string(), reason }
            }
            Report::TxAccepted { txid, fee, bytes, pending } => Self::TxAccepted {
                node,
                number,
                txid: txid.to_string(),
                fee: fee.to_string(),
                bytes: *bytes,
                pending: *pending,
            },
            Report::TxRefused { txid, reason } => {
                Self::TxRefused { node, number, txid: txid.to_string(), reason }
            }
            Report::PeerReady { address, name, direction, .. } => Self::PeerReady {
                node,
                number,
                address: *address,
                name,
                direction: match direction {
                    Direction::Inbound => "inbound",
                    Direction::Outbound => "outbound",
                },
            },
            Report::PeerLost { address, reason, .. } => {
                Self::PeerLost { node, number, address: *address, reason }
            }
        }
    }

    /// The line as a JSON object, without a line end.
    pub(crate) fn to_json(&self) -> String {
        let versioned = Versioned { v: JSON_VERSION, line: self };
        serde_json::to_string(&versioned).expect("names, numbers and texts always serialize")
    }
}
