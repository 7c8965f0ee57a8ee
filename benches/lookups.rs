//! Looking for transactions in a chain of 200,000: the oldest one, by its txid, by the beginning of
//! it, and what spends it; then any other; then the same as the first thing after a start.
#![allow(missing_docs, reason = "criterion's macros make public functions without docs")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chain::amount::Amount;
use chain::block::{Block, CommittedBlock};
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot, Txid};
use chain::header::{Header, VERSION_BASE};
use chain::key::{OutputKey, Signature};
use chain::rules::block::connect;
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::subsidy::subsidy;
use chain::transaction::{Coinbase, Input, OutPoint, Output, Transaction, Transfer};
use criterion::{Criterion, criterion_group, criterion_main};
use machine::store::{DIRTY_COINS_MAX, Store, View};

const BLOCKS: u32 = 182;
const TRANSFERS: u32 = 1_100;
const COIN: Amount = Amount(1000);
const PREFIX_DIGITS: usize = 12;

/// As many owners as coins; the store looks at no key.
fn owner(number: u32) -> OutputKey {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    OutputKey(key)
}

fn network() -> Network {
    let allocation = |number| Allocation { key: owner(number), amount: COIN };
    Network::new(ChainSpec {
        coin_name: "Bench".to_owned(),
        coin_symbol: "BENCH".to_owned(),
        address_prefix: "bench".to_owned(),
        starting_bits: 1,
        easiest_bits: 1,
        spacing_s: 5,
        retarget: Retarget::Fixed,
        half_life_s: 600,
        subsidy: COIN,
        halving_interval: 1_000_000,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations: (0..TRANSFERS).map(allocation).collect(),
    })
    .expect("the numbers are within their bounds")
}

/// The next block, in which every coin moves once; nobody looks at signatures here.
fn block(
    network: &Network,
    previous: BlockHash,
    height: u32,
    at: &mut [OutPoint],
) -> CommittedBlock {
    let reward = Output { amount: subsidy(&network.spec, height), key: OutputKey([1; 32]) };
    let coinbase = Coinbase { height, extra: [0; 32], outputs: vec![reward] };
    let mut transactions = vec![Transaction::Coinbase(coinbase)];
    for (number, at) in (0..).zip(at) {
        let transfer = Transfer {
            inputs: vec![Input { outpoint: *at, signature: Signature([0; 64]) }],
            outputs: vec![Output { amount: COIN, key: owner(number) }],
            lock_height: 0,
        };
        *at = OutPoint { txid: transfer.txid(), index: 0 };
        transactions.push(Transaction::Transfer(transfer));
    }
    let header = Header {
        version: VERSION_BASE,
        previous,
        merkle_root: MerkleRoot::ZERO,
        time: network.spec.genesis_time + height,
        bits: network.spec.starting_target().to_compact(),
        nonce: 0,
    };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root().expect("a block has a coinbase");
    CommittedBlock::decode(block.header, &block.encode_body()).expect("the root is the body's")
}

/// Fills a store on the disk; returns all transfers, the oldest first.
fn fill(store: &mut Store, network: &Network) -> Vec<Txid> {
    let txid = network.genesis.txids[0];
    let mut at: Vec<OutPoint> = (0..TRANSFERS).map(|index| OutPoint { txid, index }).collect();
    let mut txids = Vec::new();
    for height in 1..=BLOCKS {
        let block = block(network, store.position(), height, &mut at);
        let connection = connect(&block, height, network, |outpoint| store.coin(outpoint))
            .expect("every coin is there");
        store.append_block(&block).expect("the disk takes it");
        store.sync().expect("the disk takes it");
        store.connect(&block, height, &connection).expect("it follows");
        if store.dirty_coins() >= DIRTY_COINS_MAX {
            store.flush().expect("the disk takes it");
        }
        txids.extend(&block.txids[1..]);
    }
    store.flush().expect("the disk takes it");
    store.publish(store.moment());
    txids
}

/// Asks all three questions about one transaction.
fn ask(view: &View, txid: Txid) {
    let place = view.transaction(black_box(&txid)).expect("the disk can be read");
    assert!(place.is_some());
    let digits = txid.to_string();
    let found = view.transactions_with_prefix(&digits[..PREFIX_DIGITS], 2);
    assert_eq!(found.expect("the disk can be read"), [(txid, place.expect("it is there"))]);
    let outpoint = OutPoint { txid, index: 0 };
    black_box(view.spender(&outpoint).expect("the disk can be read"));
}

fn lookups(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a place for a store");
    let network = network();
    let mut store = Store::open(home.path(), &network).expect("the folder is empty");
    let txids = fill(&mut store, &network);
    let oldest = txids[0];
    let digits = oldest.to_string();
    let outpoint = OutPoint { txid: oldest, index: 0 };
    let mut group = criterion.benchmark_group("lookups_in_200000");
    let view = store.reader().view();
    assert!(view.spender(&outpoint).expect("the disk can be read").is_some());
    group.bench_function("oldest_by_txid", |bencher| {
        bencher.iter(|| view.transaction(black_box(&oldest)));
    });
    group.bench_function("oldest_by_prefix", |bencher| {
        bencher.iter(|| view.transactions_with_prefix(black_box(&digits[..PREFIX_DIGITS]), 2));
    });
    group.bench_function("spender_of_the_oldest", |bencher| {
        bencher.iter(|| view.spender(black_box(&outpoint)));
    });
    // A stride that meets every transaction before it meets one again.
    let mut at = 0;
    group.bench_function("all_three_of_another_one_each_time", |bencher| {
        bencher.iter(|| {
            at = (at + 77_777) % txids.len();
            ask(&view, txids[at]);
        });
    });
    drop(view);
    drop(store);
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    group.bench_function("all_three_of_the_oldest_after_a_start", |bencher| {
        bencher.iter_custom(|rounds| {
            let first_answer = || {
                let store = Store::open(home.path(), &network).expect("it was left whole");
                let started = Instant::now();
                ask(&store.reader().view(), oldest);
                started.elapsed()
            };
            (0..rounds).map(|_| first_answer()).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
