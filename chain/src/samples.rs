//! A small network with keys, coins, transactions and blocks, for the tests of this crate
//! and of the messages that carry them.

use proptest::prelude::*;
use ruint::aliases::U256;

use crate::amount::{Amount, COIN};
use crate::block::{Block, CommittedBlock};
use crate::genesis::Network;
use crate::hash::{BlockHash, MerkleRoot, Txid};
use crate::header::{Header, VERSION_BASE};
use crate::key::{OutputKey, SecretKey, Signature};
use crate::spec::{Allocation, ChainSpec, Retarget};
use crate::subsidy::subsidy;
use crate::target::{CompactTarget, Target};
use crate::transaction::{
    Coinbase, Input, OutPoint, Output, SighashContext, Transaction, Transfer,
};
use crate::utxo::Coin;

/// A network whose blocks take a few hundred hashes; keys 1 to 3 hold 100 coins each at genesis.
pub fn spec() -> ChainSpec {
    ChainSpec {
        coin_name: "Sample coin".to_owned(),
        coin_symbol: "SMPL".to_owned(),
        address_prefix: "slode".to_owned(),
        starting_bits: 8,
        easiest_bits: 8,
        spacing_s: 10,
        retarget: Retarget::Asert,
        half_life_s: 1200,
        subsidy: Amount(50 * COIN),
        halving_interval: 1000,
        maturity: 10,
        block_bytes_max: 10_000,
        genesis_time: 1_700_000_000,
        allocations: (1..=3)
            .map(|owner| Allocation { key: key(owner).output_key(), amount: Amount(100 * COIN) })
            .collect(),
    }
}

/// The network of [`spec`].
pub fn network() -> Network {
    Network::new(spec()).expect("the sample spec is good")
}

/// Secret key number `owner`, not zero.
pub fn key(owner: u8) -> SecretKey {
    SecretKey::from_bytes([owner; 32]).expect("small repeated bytes are a key")
}

/// `units` for `owner`.
pub fn output(owner: u8, units: u64) -> Output {
    Output { amount: Amount(units), key: key(owner).output_key() }
}

/// An outpoint that no sample transaction makes.
pub fn outpoint(number: u32) -> OutPoint {
    OutPoint { txid: Txid([0xab; 32]), index: number }
}

/// The genesis output of `owner` (1 to 3).
pub fn genesis_outpoint(network: &Network, owner: u8) -> OutPoint {
    OutPoint { txid: network.genesis.txids[0], index: u32::from(owner) - 1 }
}

/// An ordinary coin of genesis.
pub fn coin(output: Output) -> Coin {
    Coin { output, height: 0, coinbase: false }
}

/// A transfer without signatures.
pub fn transfer(outpoints: &[OutPoint], outputs: &[Output]) -> Transfer {
    Transfer {
        inputs: outpoints
            .iter()
            .map(|outpoint| Input { outpoint: *outpoint, signature: Signature([0; 64]) })
            .collect(),
        outputs: outputs.to_vec(),
        lock_height: 0,
    }
}

/// Signs every input of `transfer` with the key of `owner`, who holds all of `spent`.
pub fn sign(transfer: &mut Transfer, spent: &[Output], owner: u8, genesis: BlockHash) {
    let context = SighashContext::new(transfer, spent, genesis);
    for (position, input) in (0u32..).zip(&mut transfer.inputs) {
        input.signature = key(owner).sign(&context.message(position), &[0; 32]);
    }
}

/// A coinbase that claims `units`.
pub fn coinbase(height: u32, units: u64) -> Transaction {
    Transaction::Coinbase(Coinbase { height, extra: [7; 32], outputs: vec![output(9, units)] })
}

/// A block of `transactions` whose header commits to them; its work is not done.
pub fn committed(network: &Network, transactions: Vec<Transaction>) -> CommittedBlock {
    let mut block = Block {
        header: Header {
            version: VERSION_BASE,
            previous: network.genesis_hash(),
            merkle_root: MerkleRoot::ZERO,
            time: network.spec.genesis_time + 10,
            bits: network.spec.starting_target().to_compact(),
            nonce: 0,
        },
        transactions,
    };
    block.header.merkle_root = block.merkle_root().expect("there are transactions");
    CommittedBlock::decode(block.header, &block.encode_body()).expect("it commits to its own body")
}

/// A block of a coinbase that claims the plain subsidy of `height`, and `transfers`.
pub fn block(network: &Network, height: u32, transfers: &[Transfer]) -> CommittedBlock {
    let claim = subsidy(&network.spec, height).0;
    let transfers = transfers.iter().cloned().map(Transaction::Transfer);
    committed(network, [coinbase(height, claim)].into_iter().chain(transfers).collect())
}

/// Any target above zero, of any size.
pub fn any_target() -> impl Strategy<Value = Target> {
    (any::<[u8; 32]>(), 0usize..256).prop_map(|(bytes, shift)| {
        let number = U256::from_le_bytes(bytes) >> shift;
        Target(number.max(U256::ONE))
    })
}

/// Any header that the encoding can hold.
pub fn any_header() -> impl Strategy<Value = Header> {
    any::<(u32, [u8; 32], [u8; 32], u32, u32, u32)>().prop_map(
        |(version, previous, merkle_root, time, bits, nonce)| Header {
            version,
            previous: BlockHash(previous),
            merkle_root: MerkleRoot(merkle_root),
            time,
            bits: CompactTarget(bits),
            nonce,
        },
    )
}

fn any_outputs() -> impl Strategy<Value = Vec<Output>> {
    prop::collection::vec(
        any::<(u64, [u8; 32])>()
            .prop_map(|(units, key)| Output { amount: Amount(units), key: OutputKey(key) }),
        0..6,
    )
}

fn any_inputs() -> impl Strategy<Value = Vec<Input>> {
    prop::collection::vec(
        any::<([u8; 32], u32, [u8; 32], [u8; 32])>().prop_map(|(txid, index, r, s)| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r);
            signature[32..].copy_from_slice(&s);
            Input {
                outpoint: OutPoint { txid: Txid(txid), index },
                signature: Signature(signature),
            }
        }),
        0..6,
    )
}

/// Any transaction that the encoding can hold, most of which break a rule.
pub fn any_transaction() -> impl Strategy<Value = Transaction> {
    prop_oneof![
        (any::<u32>(), any::<[u8; 32]>(), any_outputs()).prop_map(|(height, extra, outputs)| {
            Transaction::Coinbase(Coinbase { height, extra, outputs })
        }),
        (any_inputs(), any_outputs(), any::<u32>()).prop_map(|(inputs, outputs, lock_height)| {
            Transaction::Transfer(Transfer { inputs, outputs, lock_height })
        }),
    ]
}
