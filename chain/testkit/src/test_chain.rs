//! A chain for tests: real blocks of almost no work, connected by the chain's own rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::amount::{Amount, COIN};
use chain::block::{Block, CommittedBlock};
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use chain::merkle;
use chain::rules::block::{check_alone, connect};
use chain::spec::{Allocation, ChainSpec};
use chain::subsidy::subsidy;
use chain::transaction::{Coinbase, OutPoint, Output, Transaction, Transfer, TxPosition};
use chain::utxo::Coin;
use wire::ByteString;
use wire::peer::HEADERS_MAX;
use wire::wallet::{ChainTip, HistoryEntry};

use crate::samples;

/// Blocks before a coinbase may be spent.
pub const MATURITY: u32 = 3;

/// A devnet whose genesis pays 100 coins to each of `funded`.
pub fn network(funded: &[OutputKey]) -> Arc<Network> {
    let allocation = |key: &OutputKey| Allocation { key: *key, amount: Amount(100 * COIN) };
    let spec = ChainSpec {
        coin_name: "Lode".to_owned(),
        coin_symbol: "LODE".to_owned(),
        address_prefix: "dlode".to_owned(),
        starting_bits: 1,
        easiest_bits: 1,
        halving_interval: 1_000_000,
        maturity: MATURITY,
        block_bytes_max: 100_000,
        allocations: funded.iter().map(allocation).collect(),
        ..samples::spec()
    };
    Arc::new(Network::new(spec).unwrap())
}

/// Blocks from genesis on, and the transactions that wait for the next one.
#[derive(Debug, Clone)]
pub struct TestChain {
    /// Whose rules hold.
    pub network: Arc<Network>,
    /// Block and the coins after it, by height.
    blocks: Vec<(CommittedBlock, BTreeMap<OutPoint, Coin>)>,
    /// What the next block may take, in order of arrival.
    pub pending: Vec<Transaction>,
    /// Makes the blocks of two branches differ.
    pub branch: u8,
}

impl TestChain {
    /// Only the genesis block of `network`.
    pub fn new(network: Arc<Network>) -> Self {
        let genesis = network.genesis.clone();
        let mut chain = Self { network, blocks: Vec::new(), pending: Vec::new(), branch: 0 };
        chain.connect(genesis);
        chain
    }

    /// Its last block.
    pub fn tip(&self) -> ChainTip {
        let height = self.blocks.len() as u32 - 1;
        ChainTip { hash: self.blocks.last().unwrap().0.hash, height }
    }

    /// The coins after its last block.
    pub fn coins(&self) -> &BTreeMap<OutPoint, Coin> {
        &self.blocks.last().unwrap().1
    }

    /// Whether it is pending or in a block.
    pub fn knows(&self, transaction: &Transaction) -> bool {
        let confirmed = self.blocks.iter().flat_map(|(block, _)| &block.block.transactions);
        confirmed.chain(&self.pending).any(|known| known == transaction)
    }

    /// Mines a block with `transfers` that pays the subsidy to `payout`.
    pub fn mine(&mut self, payout: OutputKey, transfers: Vec<Transfer>) {
        let height = self.blocks.len() as u32;
        let amount = subsidy(&self.network.spec, height);
        let coinbase = Coinbase {
            height,
            extra: [self.branch; 32],
            outputs: vec![Output { amount, key: payout }],
        };
        let transfers = transfers.into_iter().map(Transaction::Transfer);
        let transactions: Vec<Transaction> =
            [Transaction::Coinbase(coinbase)].into_iter().chain(transfers).collect();
        let mut block = Block {
            header: Header {
                version: VERSION_BASE,
                previous: self.tip().hash,
                merkle_root: MerkleRoot::ZERO,
                time: self.network.spec.genesis_time + 5 * height,
                bits: self.network.spec.starting_target().to_compact(),
                nonce: 0,
            },
            transactions,
        };
        block.header.merkle_root = block.merkle_root().unwrap();
        while !self.network.spec.starting_target().is_met_by(&block.header.hash()) {
            block.header.nonce += 1;
        }
        let committed = CommittedBlock::decode(block.header, &block.encode_body()).unwrap();
        check_alone(&committed, height, &self.network).unwrap();
        self.connect(committed);
    }

    /// Mines all that is pending.
    pub fn mine_pending(&mut self, payout: OutputKey) {
        let pending = std::mem::take(&mut self.pending);
        let transfers = pending.into_iter().map(|transaction| match transaction {
            Transaction::Transfer(transfer) => transfer,
            Transaction::Coinbase(_) => panic!("a coinbase is never pending"),
        });
        let transfers = transfers.collect();
        self.mine(payout, transfers);
    }

    fn connect(&mut self, block: CommittedBlock) {
        let height = self.blocks.len() as u32;
        let mut coins = self.blocks.last().map(|last| last.1.clone()).unwrap_or_default();
        let lookup = |outpoint: &OutPoint| Ok::<_, ()>(coins.get(outpoint).copied());
        let connection = connect(&block, height, &self.network, lookup).unwrap();
        assert!(connection.checks.iter().all(|check| check.is_valid()));
        coins.retain(|outpoint, _| !connection.spent.iter().any(|(spent, _)| spent == outpoint));
        coins.extend(connection.created);
        self.blocks.push((block, coins));
    }

    /// Leaves all blocks above `height`; blocks mined from now on differ from those.
    pub fn rewind(&mut self, height: u32) {
        self.blocks.truncate(height as usize + 1);
        self.branch += 1;
    }

    /// The keys that a transaction pays to and spends from.
    pub fn keys_of(&self, transaction: &Transaction) -> Vec<OutputKey> {
        let mut keys: Vec<OutputKey> =
            transaction.outputs().iter().map(|output| output.key).collect();
        let Transaction::Transfer(transfer) = transaction else { return keys };
        let all = self.blocks.iter().flat_map(|(block, _)| &block.block.transactions);
        let output = |outpoint: &OutPoint| {
            let mut makers = all.clone().chain(&self.pending);
            let maker = makers.find(|transaction| transaction.txid() == outpoint.txid)?;
            maker.outputs().get(outpoint.index as usize).copied()
        };
        let spent = transfer.inputs.iter().filter_map(|input| output(&input.outpoint));
        keys.extend(spent.map(|output| output.key));
        keys
    }

    fn touches(&self, transaction: &Transaction, key: &OutputKey) -> bool {
        self.keys_of(transaction).contains(key)
    }

    /// What a node tells of `key`: every transaction in a block that touches it, proven.
    pub fn history(&self, key: &OutputKey) -> Vec<HistoryEntry> {
        let mut entries = Vec::new();
        for (height, (block, _)) in (0u32..).zip(&self.blocks) {
            for (place, transaction) in block.block.transactions.iter().enumerate() {
                if self.touches(transaction, key) {
                    let siblings = merkle::proof(&block.wtxids, place).unwrap();
                    entries.push(HistoryEntry {
                        position: TxPosition { height, transaction: place as u32 },
                        block: block.hash,
                        header: ByteString(block.block.header.to_bytes().to_vec()),
                        transaction: ByteString(transaction.encode()),
                        transactions: block.wtxids.len() as u32,
                        siblings: ByteString(siblings.concat()),
                    });
                }
            }
        }
        entries
    }

    /// The header at `height`.
    pub fn header(&self, height: u32) -> Option<Header> {
        self.blocks.get(height as usize).map(|(block, _)| block.block.header)
    }

    /// What a node answers to a locator: the headers behind the first of its blocks that the chain
    /// has.
    pub fn headers_behind(&self, locator: &[BlockHash]) -> Vec<Header> {
        let place =
            |hash: &BlockHash| self.blocks.iter().position(|(block, _)| block.hash == *hash);
        let from = locator.iter().find_map(place).map_or(0, |at| at + 1);
        let behind = self.blocks[from..].iter().take(HEADERS_MAX);
        behind.map(|(block, _)| block.block.header).collect()
    }

    /// The block of that name.
    pub fn block(&self, hash: &BlockHash) -> Option<&Block> {
        let mut blocks = self.blocks.iter().map(|(block, _)| block);
        blocks.find(|block| block.hash == *hash).map(|block| &block.block)
    }

    /// The pending transactions that touch `key`.
    pub fn pending_of(&self, key: &OutputKey) -> Vec<Transaction> {
        let touching = self.pending.iter().filter(|transaction| self.touches(transaction, key));
        touching.cloned().collect()
    }
}
