//! `Forge`: really ground blocks on any parent, with any transactions, valid or not.

use std::collections::HashMap;
use std::sync::Arc;

use chain::block::{Block, CommittedBlock};
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::rules::block::connect;
use chain::spec::ChainSpec;
use chain::subsidy::subsidy;
use chain::target::Work;
use chain::transaction::{Coinbase, Output, Transaction, Transfer};

use super::super::header_tree::HeaderTree;
use super::super::mempool::fixture::World;
use crate::store::{Store, Totals};

/// Genesis outputs that a forge has to spend.
const FUNDED: usize = 160;

/// Everything that could be known about a network, whether or not a machine was told.
pub(crate) struct Forge {
    pub world: World,
    pub network: Arc<Network>,
    pub tree: HeaderTree,
    blocks: HashMap<BlockHash, Block>,
    made: u64,
}

impl Forge {
    pub fn new() -> Self {
        Self::with_spec(|_| {})
    }

    pub fn with_spec(edit: impl FnOnce(&mut ChainSpec)) -> Self {
        let world = World::with_spec(FUNDED, edit);
        let network = Arc::new(world.network.clone());
        let tree = HeaderTree::new(Arc::clone(&network));
        Self { world, network, tree, blocks: HashMap::new(), made: 0 }
    }

    pub fn genesis(&self) -> BlockHash {
        self.network.genesis_hash()
    }

    /// A block with these transfers; its coinbase claims the subsidy and burns the fees.
    pub fn mine(&mut self, parent: BlockHash, transfers: &[Transfer]) -> BlockHash {
        self.mine_with(parent, transfers, |_| ())
    }

    /// The same, changed before it is ground.
    pub fn mine_with(
        &mut self,
        parent: BlockHash,
        transfers: &[Transfer],
        edit: impl FnOnce(&mut Block),
    ) -> BlockHash {
        let parent_id = self.tree.find(&parent).unwrap();
        let end = self.tree.chain_end(parent_id);
        let demands = end.context(&self.network);
        let height = end.height + 1;
        self.made += 1;
        let mut extra = [0; 32];
        extra[..8].copy_from_slice(&self.made.to_le_bytes());
        let amount = subsidy(&self.network.spec, height);
        let outputs = vec![Output { amount, key: self.world.key(0) }];
        let coinbase = Transaction::Coinbase(Coinbase { height, extra, outputs });
        let transfers = transfers.iter().cloned().map(Transaction::Transfer);
        let header = Header {
            version: VERSION_BASE,
            previous: parent,
            merkle_root: MerkleRoot::ZERO,
            time: self.tree.entry(parent_id).header.time.max(demands.median_time) + 1,
            bits: demands.expected_bits,
            nonce: 0,
        };
        let transactions = std::iter::once(coinbase).chain(transfers).collect();
        let mut block = Block { header, transactions };
        edit(&mut block);
        block.header.merkle_root = block.merkle_root().unwrap();
        grind(&mut block.header);
        self.tree.insert(&block.header, Work::ZERO).unwrap();
        let hash = block.header.hash();
        self.blocks.insert(hash, block);
        hash
    }

    /// A block whose coinbase claims one unit more than it may.
    pub fn mine_greedy(&mut self, parent: BlockHash) -> BlockHash {
        self.mine_with(parent, &[], |block| {
            let Some(Transaction::Coinbase(coinbase)) = block.transactions.first_mut() else {
                panic!("a block begins with its coinbase");
            };
            coinbase.outputs[0].amount.0 += 1;
        })
    }

    /// So many empty blocks on `parent`.
    pub fn chain(&mut self, parent: BlockHash, count: usize) -> Vec<BlockHash> {
        let mut at = parent;
        let mut next = || {
            at = self.mine(at, &[]);
            at
        };
        (0..count).map(|_| next()).collect()
    }

    pub fn block(&self, hash: BlockHash) -> &Block {
        &self.blocks[&hash]
    }

    pub fn has(&self, hash: &BlockHash) -> bool {
        self.blocks.contains_key(hash)
    }

    pub fn header(&self, hash: BlockHash) -> Header {
        self.block(hash).header
    }

    pub fn bytes(&self, hash: BlockHash) -> Vec<u8> {
        self.block(hash).encode()
    }

    pub fn height(&self, hash: BlockHash) -> u32 {
        self.tree.entry(self.tree.find(&hash).unwrap()).height
    }

    /// The blocks from the first one to `tip`.
    pub fn path(&self, tip: BlockHash) -> Vec<BlockHash> {
        let ancestors = self.tree.ancestors(self.tree.find(&tip).unwrap());
        let mut path: Vec<BlockHash> = ancestors.map(|id| self.tree.entry(id).hash).collect();
        path.reverse();
        path.remove(0);
        path
    }

    /// What a node stands at that never saw anything but this chain; checks the supply on the way.
    pub fn replay(&self, tip: BlockHash) -> Totals {
        let mut store = Store::in_memory(&self.network).unwrap();
        for (height, hash) in (1u32..).zip(self.path(tip)) {
            let block = committed(self.block(hash));
            let connection = connect(&block, height, &self.network, |at| store.coin(at)).unwrap();
            let before = store.totals().supply;
            store.append_block(&block).unwrap();
            store.connect(&block, height, &connection).unwrap();
            let subsidy = subsidy(&self.network.spec, height);
            assert_eq!(store.totals().supply.0, before.0 + subsidy.0 - connection.burned.0);
        }
        store.totals()
    }

    /// Genesis output number `index`, paid on to others.
    pub fn payment(&self, index: u32) -> Transfer {
        self.world.payment(&[self.world.funds(index)], 2, 10_000)
    }
}

pub(crate) fn committed(block: &Block) -> CommittedBlock {
    CommittedBlock::decode(block.header, &block.encode_body()).unwrap()
}

pub(crate) fn grind(header: &mut Header) {
    let target = header.bits.expand().unwrap();
    while !target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
}

/// A header of its own that does not meet its target.
pub(crate) fn spoil(header: &mut Header) {
    let target = header.bits.expand().unwrap();
    while target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
}
