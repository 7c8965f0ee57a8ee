//! Small values that the tests of several modules start from.

use chain::amount::Amount;
use chain::block::{Block, CommittedBlock};
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot};
use chain::header::{Header, VERSION_BASE};
use chain::key::{SecretKey, Signature};
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::transaction::{
    Coinbase, Input, OutPoint, Output, SighashContext, Transaction, Transfer,
};

/// A secret key that differs for every `number`.
pub fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes([number.max(1); 32]).expect("sample values are good")
}

/// The numbers of a network with almost no work in a block and nobody to pay in genesis. A test
/// names what it depends on: `ChainSpec { maturity: 3, ..samples::spec() }`.
pub fn spec() -> ChainSpec {
    ChainSpec {
        coin_name: "Sample".to_owned(),
        coin_symbol: "SMP".to_owned(),
        address_prefix: "slode".to_owned(),
        starting_bits: 8,
        easiest_bits: 8,
        spacing_s: 5,
        retarget: Retarget::Fixed,
        half_life_s: 600,
        subsidy: Amount::from_coins(50).expect("sample values are good"),
        halving_interval: 1000,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations: Vec::new(),
    }
}

/// A network whose blocks need `bits` leading zero bits and whose genesis pays [`secret`] 1.
pub fn network(bits: u32) -> Network {
    let allocation = Allocation {
        key: secret(1).output_key(),
        amount: Amount::from_coins(100).expect("sample values are good"),
    };
    let allocations = vec![allocation];
    Network::new(ChainSpec { starting_bits: bits, easiest_bits: bits, allocations, ..spec() })
        .expect("sample values are good")
}

/// Spends the output of genesis: `paid` coins to [`secret`] 2, the rest is the fee.
pub fn transfer(network: &Network, paid: u64) -> Transaction {
    let coin = network.genesis.block.transactions[0].outputs()[0];
    let outpoint = OutPoint { txid: network.genesis.txids[0], index: 0 };
    let mut transfer = Transfer {
        inputs: vec![Input { outpoint, signature: Signature([0; 64]) }],
        outputs: vec![Output {
            amount: Amount::from_coins(paid).expect("sample values are good"),
            key: secret(2).output_key(),
        }],
        lock_height: 0,
    };
    let context = SighashContext::new(&transfer, &[coin], network.genesis_hash());
    transfer.inputs[0].signature = secret(1).sign(&context.message(0), &[0; 32]);
    Transaction::Transfer(transfer)
}

/// A block with work, on `previous` at `height`; its coinbase claims `claim` coins. Blocks with
/// different `tag`s differ.
pub fn block(
    network: &Network,
    previous: BlockHash,
    height: u32,
    claim: u64,
    tag: u8,
    transfers: Vec<Transaction>,
) -> CommittedBlock {
    let coinbase = Transaction::Coinbase(Coinbase {
        height,
        extra: [tag; 32],
        outputs: vec![Output {
            amount: Amount::from_coins(claim).expect("sample values are good"),
            key: secret(3).output_key(),
        }],
    });
    let header = Header {
        version: VERSION_BASE,
        previous,
        merkle_root: MerkleRoot::ZERO,
        time: network.spec.genesis_time + height,
        bits: network.spec.starting_target().to_compact(),
        nonce: 0,
    };
    let mut block =
        Block { header, transactions: std::iter::once(coinbase).chain(transfers).collect() };
    block.header.merkle_root = block.merkle_root().expect("sample values are good");
    let target = network.spec.starting_target();
    while !target.is_met_by(&block.header.hash()) {
        block.header.nonce += 1;
    }
    CommittedBlock::decode(block.header, &block.encode_body()).expect("sample values are good")
}
