//! Random chains of real blocks: what a property test connects and disconnects.

use std::collections::BTreeMap;

use chain::amount::{Amount, COIN};
use chain::block::{Block, CommittedBlock};
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot, Txid};
use chain::header::{Header, VERSION_BASE};
use chain::key::{OutputKey, Signature};
use chain::rules::block::{Connection, connect};
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::subsidy::subsidy;
use chain::target::CompactTarget;
use chain::transaction::{Coinbase, Input, OutPoint, Output, Transaction, Transfer};
use chain::utxo::Coin;
use proptest::prelude::*;

/// Few, so that histories are long and cross each other.
pub fn keys() -> [OutputKey; 4] {
    [1, 2, 3, 4].map(|byte| OutputKey([byte; 32]))
}

/// A network of its own for every `genesis_time`.
pub fn network(genesis_time: u32) -> Network {
    let allocations = keys().map(|key| Allocation { key, amount: Amount(100 * COIN) });
    Network::new(ChainSpec {
        coin_name: "Test".into(),
        coin_symbol: "TST".into(),
        address_prefix: "tlode".into(),
        starting_bits: 1,
        easiest_bits: 1,
        spacing_s: 1,
        retarget: Retarget::Fixed,
        half_life_s: 120,
        subsidy: Amount(50 * COIN),
        halving_interval: 5,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time,
        allocations: allocations.to_vec(),
    })
    .unwrap()
}

/// A block with what connecting it changes.
#[derive(Debug, Clone)]
pub struct Mined {
    pub block: CommittedBlock,
    pub height: u32,
    pub connection: Connection,
}

/// What a random block shall hold; choices are taken modulo what there is.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Inputs and keys of the outputs of each transfer.
    pub transfers: Vec<(Vec<u16>, Vec<u8>)>,
    pub burned: u16,
    pub payout: u8,
    pub nonce: u32,
}

pub fn recipe() -> impl Strategy<Value = Recipe> {
    let inputs = prop::collection::vec(any::<u16>(), 1..4);
    let outputs = prop::collection::vec(any::<u8>(), 1..4);
    (prop::collection::vec((inputs, outputs), 0..4), any::<u16>(), any::<u8>(), any::<u32>())
        .prop_map(|(transfers, burned, payout, nonce)| Recipe { transfers, burned, payout, nonce })
}

/// A chain as plain maps: the coins after its last block, by recomputation.
#[derive(Debug, Clone)]
pub struct Chain {
    network: Network,
    pub mined: Vec<Mined>,
}

impl Chain {
    pub fn new(genesis_time: u32) -> Self {
        Self { network: network(genesis_time), mined: Vec::new() }
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn tip(&self) -> BlockHash {
        self.mined.last().map_or(self.network.genesis_hash(), |mined| mined.block.hash)
    }

    /// The blocks from genesis on.
    pub fn blocks(&self) -> impl Iterator<Item = (u32, &CommittedBlock)> {
        let mined = self.mined.iter().map(|mined| &mined.block);
        (0..).zip(std::iter::once(&self.network.genesis).chain(mined))
    }

    /// The unspent coins, replayed from genesis.
    pub fn coins(&self) -> BTreeMap<OutPoint, Coin> {
        let mut coins = BTreeMap::new();
        for (height, block) in self.blocks() {
            for (txid, transaction) in block.txids.iter().zip(&block.block.transactions) {
                if let Transaction::Transfer(transfer) = transaction {
                    for input in &transfer.inputs {
                        coins.remove(&input.outpoint).expect("the chain is valid");
                    }
                }
                let coinbase = matches!(transaction, Transaction::Coinbase(_)) && height > 0;
                add_outputs(&mut coins, *txid, transaction.outputs(), height, coinbase);
            }
        }
        coins
    }

    /// A block with nothing but its coinbase.
    pub fn mine_plain(&mut self) -> Mined {
        let recipe = Recipe { transfers: Vec::new(), burned: 0, payout: 0, nonce: 0 };
        self.mine(&recipe)
    }

    /// A valid block (but for work and signatures, which the store does not look at).
    pub fn mine(&mut self, recipe: &Recipe) -> Mined {
        let height = u32::try_from(self.mined.len()).unwrap() + 1;
        let coins = self.coins();
        let mut spendable = coins.clone();
        spendable
            .retain(|_, coin| !coin.coinbase || coin.height + self.network.spec.maturity <= height);
        let mut fees = 0;
        let mut transfers = Vec::new();
        for (inputs, outputs) in &recipe.transfers {
            if let Some((transfer, fee)) = transfer(&mut spendable, inputs, outputs) {
                fees += fee;
                let txid = transfer.txid();
                // In the set at once: the next transfer may spend them inside the block.
                add_outputs(&mut spendable, txid, &transfer.outputs, height, false);
                transfers.push(Transaction::Transfer(transfer));
            }
        }
        let allowed = subsidy(&self.network.spec, height).0 + fees;
        let amount = Amount(allowed.saturating_sub(u64::from(recipe.burned)).max(1));
        let output = Output { amount, key: pick(&keys(), recipe.payout) };
        let coinbase = Coinbase { height, extra: [9; 32], outputs: vec![output] };
        let mut transactions = vec![Transaction::Coinbase(coinbase)];
        transactions.extend(transfers);
        let block = committed(self.tip(), height, recipe.nonce, transactions);
        let lookup = |outpoint: &OutPoint| Ok::<_, ()>(coins.get(outpoint).copied());
        let connection = connect(&block, height, &self.network, lookup).unwrap();
        let mined = Mined { block, height, connection };
        self.mined.push(mined.clone());
        mined
    }
}

fn transfer(
    spendable: &mut BTreeMap<OutPoint, Coin>,
    inputs: &[u16],
    outputs: &[u8],
) -> Option<(Transfer, u64)> {
    let mut sum = 0;
    let mut spent = Vec::new();
    for choice in inputs {
        let count = spendable.len();
        let Some(outpoint) = spendable.keys().nth(usize::from(*choice) % count.max(1)).copied()
        else {
            break;
        };
        sum += spendable.remove(&outpoint).unwrap().output.amount.0;
        spent.push(Input { outpoint, signature: Signature([0; 64]) });
    }
    let share = sum / (outputs.len() as u64 + 1);
    if share == 0 {
        return None;
    }
    let outputs = outputs
        .iter()
        .map(|choice| Output { amount: Amount(share), key: pick(&keys(), *choice) })
        .collect::<Vec<_>>();
    let fee = sum - share * outputs.len() as u64;
    Some((Transfer { inputs: spent, outputs, lock_height: 0 }, fee))
}

fn add_outputs(
    coins: &mut BTreeMap<OutPoint, Coin>,
    txid: Txid,
    outputs: &[Output],
    height: u32,
    coinbase: bool,
) {
    for (index, output) in (0..).zip(outputs) {
        coins.insert(OutPoint { txid, index }, Coin { output: *output, height, coinbase });
    }
}

fn pick(keys: &[OutputKey], choice: u8) -> OutputKey {
    keys[usize::from(choice) % keys.len()]
}

fn committed(
    previous: BlockHash,
    time: u32,
    nonce: u32,
    transactions: Vec<Transaction>,
) -> CommittedBlock {
    let merkle_root = MerkleRoot::ZERO;
    let bits = CompactTarget::with_zero_bits(1);
    let header = Header { version: VERSION_BASE, previous, merkle_root, time, bits, nonce };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root().unwrap();
    CommittedBlock::decode(block.header, &block.encode_body()).unwrap()
}
