//! The last line: what came of it all, read back from the nodes' directories.

use std::path::PathBuf;

use machine::views::{self, MiningView};
use serde::Serialize;

use super::paths::lossy;

/// Why devnet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
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
pub struct Summary {
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
pub struct Invariants {
    /// Every node ends on the same block.
    pub same_tip: bool,
    /// Every node has the same coins.
    pub same_coins: bool,
    /// Every node's supply is genesis plus subsidies less what was burned.
    pub supply_adds_up: bool,
}

impl Invariants {
    /// Whether all of them hold.
    pub fn hold(self) -> bool {
        self.same_tip && self.same_coins && self.supply_adds_up
    }
}

/// Blocks against hashes of all miners together.
#[derive(Debug, Serialize)]
pub struct SummaryLuck {
    /// Up to the end.
    #[serde(flatten)]
    pub luck: views::Luck,
    /// How probable it is that blocks fall on the miners as unevenly as they did.
    pub miners_p: Option<f64>,
    /// How fast the network is as its blocks tell it.
    #[serde(flatten)]
    pub network: views::NetworkRate,
}

impl SummaryLuck {
    /// The same for people: one line on blocks, one on the network's rate where it is known.
    pub fn text(&self) -> String {
        let (luck, network) = (&self.luck, &self.network);
        let mut text = format!(
            "found {} blocks, {:.1} expected ({} to {} with 95 %)",
            luck.found, luck.expected, luck.expected_low, luck.expected_high
        );
        text += &match self.miners_p {
            Some(p) if p < 0.01 => format!("; unevenly among the miners, hardly luck (p {p:.1e})"),
            Some(p) => format!("; among the miners as luck has it (p {p:.2})"),
            None => String::new(),
        };
        if let (Some(rate), Some(low), Some(high)) =
            (network.network_rate, network.network_rate_low, network.network_rate_high)
        {
            text += &format!(
                "\n  {:.2} MH/s by the last {} gaps between blocks ({:.2} to {:.2} with 95 %)",
                rate / 1e6,
                network.network_gaps,
                low / 1e6,
                high / 1e6
            );
        }
        text
    }
}

/// Where a node ended.
#[derive(Debug, Serialize)]
pub struct SummaryNode {
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
    #[serde(serialize_with = "lossy")]
    pub directory: PathBuf,
    /// How it mined; `null` for one that does not.
    pub mining: Option<MiningView>,
}
