//! Blocks for the node that is killed: branches that fork below its tip and outgrow it.

use std::ops::RangeInclusive;

use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::BlockHash;
use engine::Miner;
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::super::chain_builder::{ChainBuilder, announcement, solve_with};

/// Branches that one node gets.
const BRANCHES: usize = 4;

/// How far below a tip a branch forks at most.
const FORK_DEPTH_MAX: usize = 6;

/// How much longer it is than what it leaves: most outgrow what the node mined meanwhile, too.
const AHEAD: RangeInclusive<usize> = 1..=5;

/// A block as it is sent.
pub(super) struct Fed {
    pub hash: BlockHash,
    /// The message that announces it.
    pub frame: Vec<u8>,
    /// Its own bytes.
    pub block: Vec<u8>,
}

/// Branches, each forking from the one before; `best` is the chain of the node, hashes and times
/// from genesis on.
pub(super) fn draw(
    network: &Network,
    miner: &Miner,
    best: &[(BlockHash, u32)],
    rng: &mut ChaCha12Rng,
) -> anyhow::Result<Vec<Fed>> {
    let mut path = best.to_vec();
    let mut fed = Vec::new();
    for _ in 0..BRANCHES {
        let left = rng.random_range(0..=FORK_DEPTH_MAX).min(path.len() - 1);
        path.truncate(path.len() - left);
        let mut builder = ChainBuilder::behind(network, &path, rng.random());
        for _ in 0..left + rng.random_range(AHEAD) {
            let block = builder.extend(Vec::new(), |header| solve_with(miner, header))?;
            let hash = block.header.hash();
            let frame = announcement(&block);
            fed.push(Fed { hash, frame, block: block.encode() });
            path.push((hash, block.header.time));
        }
    }
    Ok(fed)
}
