//! `Workshop`: blocks made outside of any node, under all rules, on whatever branch.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use chain::block::Block;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use chain::subsidy::subsidy;
use chain::target::Work;
use chain::transaction::{Coinbase, Output, Transaction, Transfer};
use machine::{HeaderId, HeaderTree};

use crate::miner::grind;

/// Blocks of whoever makes them, and the headers of all that it knows.
pub struct Workshop {
    network: Arc<Network>,
    tree: HeaderTree,
    blocks: BTreeMap<BlockHash, Block>,
    payout: OutputKey,
}

impl Workshop {
    /// Knows genesis; its blocks pay to `payout`.
    pub fn new(network: &Arc<Network>, payout: OutputKey) -> Self {
        let tree = HeaderTree::new(Arc::clone(network));
        Self { network: Arc::clone(network), tree, blocks: BTreeMap::new(), payout }
    }

    /// A block behind `parent`, really ground, at `time` or the earliest second that the rules
    /// allow. `None` when no nonce meets its target: at another time one will.
    pub fn block(
        &mut self,
        parent: HeaderId,
        time: u32,
        transfers: &[Transfer],
    ) -> Option<HeaderId> {
        let end = self.tree.chain_end(parent);
        let demands = end.context(&self.network);
        let height = end.height + 1;
        let time = time.max(demands.median_time.saturating_add(1));
        let mut extra = [0; 32];
        extra[..4].copy_from_slice(&time.to_le_bytes());
        let amount = subsidy(&self.network.spec, height);
        let outputs = vec![Output { amount, key: self.payout }];
        let coinbase = Transaction::Coinbase(Coinbase { height, extra, outputs });
        let transfers = transfers.iter().cloned().map(Transaction::Transfer);
        let header = Header {
            version: VERSION_BASE,
            previous: end.hash,
            merkle_root: MerkleRoot::ZERO,
            time,
            bits: demands.expected_bits,
            nonce: 0,
        };
        let mut block =
            Block { header, transactions: iter::once(coinbase).chain(transfers).collect() };
        block.header.merkle_root = block.merkle_root()?;
        block.header = grind(&block.header)?;
        self.take(block)
    }

    /// Keeps a block of others, too; `None` when its header follows nothing that is known or breaks
    /// a rule.
    pub fn take(&mut self, block: Block) -> Option<HeaderId> {
        let id = self.take_header(&block.header)?;
        self.blocks.insert(block.header.hash(), block);
        Some(id)
    }

    /// The same with a header alone.
    pub fn take_header(&mut self, header: &Header) -> Option<HeaderId> {
        self.tree.insert(header, Work::ZERO).ok()
    }

    /// All headers.
    pub fn tree(&self) -> &HeaderTree {
        &self.tree
    }

    /// A block, unless only its header is known.
    pub fn get(&self, hash: &BlockHash) -> Option<&Block> {
        self.blocks.get(hash)
    }
}
