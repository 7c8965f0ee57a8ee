//! Blocks in memory that were stored or connected lately, so that nobody reads them back at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::hash::BlockHash;

/// Most blocks that are kept: twice what may wait for the disk.
const BLOCKS_MAX: usize = 128;

/// Most bytes of them; the latest block is kept however large it is.
const BYTES_MAX: usize = 32_000_000;

/// The latest blocks, by hash.
#[derive(Debug, Default)]
pub(super) struct RecentBlocks {
    by_hash: HashMap<BlockHash, Arc<CommittedBlock>>,
    /// Invariant: the hashes of the map, oldest first.
    order: VecDeque<BlockHash>,
    bytes: usize,
}

impl RecentBlocks {
    /// The block, if it is still here.
    pub(super) fn get(&self, hash: &BlockHash) -> Option<Arc<CommittedBlock>> {
        self.by_hash.get(hash).cloned()
    }

    /// Keeps a block, and forgets the oldest for which there is no more room.
    pub(super) fn insert(&mut self, block: Arc<CommittedBlock>) {
        let (hash, bytes) = (block.hash, block.encoded_bytes);
        if self.by_hash.insert(hash, block).is_some() {
            return;
        }
        self.order.push_back(hash);
        self.bytes += bytes;
        while self.order.len() > 1 && (self.order.len() > BLOCKS_MAX || self.bytes > BYTES_MAX) {
            let oldest = self.order.pop_front().and_then(|hash| self.by_hash.remove(&hash));
            self.bytes -= oldest.map_or(0, |block| block.encoded_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use testkit::samples;

    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let network = samples::network(1);
        let genesis = samples::block(&network, network.genesis_hash(), 1, 50, 0, Vec::new());
        let mut recent = RecentBlocks::default();
        let block = |number: u32| {
            let mut block = genesis.clone();
            block.hash.0[..4].copy_from_slice(&number.to_le_bytes());
            Arc::new(block)
        };
        let most = u32::try_from(BLOCKS_MAX).unwrap();
        (0..=most).for_each(|number| recent.insert(block(number)));
        assert!(recent.get(&block(0).hash).is_none());
        assert!((1..=most).all(|number| recent.get(&block(number).hash).is_some()));
        let mut large = (*block(most + 1)).clone();
        large.encoded_bytes = 2 * BYTES_MAX;
        recent.insert(Arc::new(large.clone()));
        assert_eq!((recent.order.len(), recent.by_hash.len()), (1, 1));
        assert!(recent.get(&large.hash).is_some());
    }
}
