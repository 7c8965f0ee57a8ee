//! What is left of a node's chain after its process was killed, and whether that is all it told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chain::genesis::Network;
use chain::hash::BlockHash;
use machine::replay::BlockIndex;
use machine::store::Store;
use serde_json::Value;

use super::hearing::hash_in;
use super::told::Notes;

/// What lies in a directory.
pub(super) struct Left {
    /// The best chain, hashes and times from genesis on.
    pub best: Vec<(BlockHash, u32)>,
    /// The height of every block that follows from genesis.
    heights: BTreeMap<BlockHash, usize>,
    /// What is wrong with what lies there.
    pub wrong: Option<String>,
}

impl Left {
    /// Looks at a copy: the next process shall find what the last one left, and recover from it.
    pub fn of(directory: &Path, network: &Arc<Network>) -> anyhow::Result<Self> {
        let copy = tempfile::Builder::new().prefix("lode-bench-").tempdir()?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
        let verified = verify(copy.path())?;
        let store = match Store::open(copy.path(), network) {
            Ok(store) => store,
            Err(error) => return Ok(Self::nothing(format!("it does not open: {error}"))),
        };
        let index = BlockIndex::new(&store);
        let times: BTreeMap<BlockHash, u32> =
            store.blocks().map(|block| (block.hash, block.header.time)).collect();
        let heights = times.keys().filter_map(|hash| {
            // A block that does not follow from genesis has no path.
            Some((*hash, index.path_to(*hash).len().checked_sub(1)?))
        });
        let heights = heights.collect();
        let (tip, wrong) = match verified {
            Ok(tip) => (tip, None),
            Err(reason) => (network.genesis_hash(), Some(reason)),
        };
        let best = index.path_to(tip).into_iter().map(|hash| (hash, times[&hash])).collect();
        Ok(Self { best, heights, wrong })
    }

    fn nothing(reason: String) -> Self {
        Self { best: Vec::new(), heights: BTreeMap::new(), wrong: Some(reason) }
    }

    /// What was told and is not there, as sentences.
    pub fn misses(&self, told: &Notes) -> Vec<String> {
        let mut missing = Vec::new();
        for (hash, hearers) in &told.blocks {
            if !self.heights.contains_key(hash) {
                let names: Vec<&str> = hearers.iter().map(|hearer| hearer.name()).collect();
                missing.push(format!("block {hash} is gone, told to: {}", names.join(", ")));
            }
        }
        // All blocks of this network have the same work.
        let told = self.height_told(told);
        if self.height() < told {
            missing.push(format!("the best chain ends at {}, told was {told}", self.height()));
        }
        missing
    }

    /// Height of the best chain.
    pub fn height(&self) -> usize {
        self.best.len().saturating_sub(1)
    }

    /// The highest tip that was told, of those that are there.
    pub fn height_told(&self, told: &Notes) -> usize {
        let tips = told.tips.iter().filter_map(|tip| self.heights.get(tip).copied());
        tips.max().unwrap_or(0).max(told.height as usize)
    }

    /// Whether a block is there.
    pub fn has(&self, hash: &BlockHash) -> bool {
        self.heights.contains_key(hash)
    }
}

/// The tip that `lode verify` finds, or what it has against the directory.
fn verify(directory: &Path) -> anyhow::Result<Result<BlockHash, String>> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("verify").arg(directory).arg("--json").stdin(Stdio::null());
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(match hash_in(&value["tip"]) {
        Some(tip) if output.status.success() => Ok(tip),
        _ => {
            let reason = String::from_utf8_lossy(&output.stderr);
            Err(format!("`lode verify` is not content: {}{}", reason.trim(), text.trim()))
        }
    })
}
