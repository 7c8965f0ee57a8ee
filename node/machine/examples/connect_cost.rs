//! What the store costs for each block, signatures left out: coins looked up, blocks connected,
//! changes flushed.
//!
//! One line of JSON with seconds. The transfers move coins of genesis once in every block; nobody
//! looks at their signatures here, so they have none. Run it as
//! `cargo run --release -p lode-machine --example connect_cost -- BLOCKS TRANSFERS`, with
//! `directory` behind that for a store on the disk below the current folder.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use chain::amount::Amount;
use chain::block::{Block, CommittedBlock};
use chain::genesis::Network;
use chain::hash::{BlockHash, MerkleRoot, sha256};
use chain::header::{Header, VERSION_BASE};
use chain::key::{OutputKey, SecretKey, Signature};
use chain::rules::block::{check_alone, connect};
use chain::spec::{Allocation, ChainSpec, Retarget};
use chain::subsidy::subsidy;
use chain::transaction::{Coinbase, Input, OutPoint, Output, Transaction, Transfer};
use machine::store::{DIRTY_COINS_MAX, Store};

const COIN: Amount = Amount(1000);

type Failure = Box<dyn Error>;

/// Seconds of each kind of work, the disk's included.
#[derive(Default)]
struct Cost {
    decode: Duration,
    append: Duration,
    judge: Duration,
    connect: Duration,
    flush: Duration,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (blocks, transfers) = match &arguments[..] {
        [blocks, transfers, ..] => (blocks.parse()?, transfers.parse()?),
        _ => return Err("say how many blocks, and how many transfers each".into()),
    };
    let keys = keys(transfers)?;
    let network = network(&keys)?;
    let chain = chain(&network, &keys, blocks)?;
    let home = tempfile::tempdir_in(".")?;
    let mut store = match arguments.get(2).map(String::as_str) {
        Some("directory") => Store::open(home.path(), &network)?,
        _ => Store::in_memory(&network)?,
    };
    let cost = connect_all(&mut store, &network, &chain)?;
    let seconds = |time: Duration| time.as_secs_f64();
    println!(
        "{{\"blocks\":{blocks},\"txs\":{transfers},\"decode\":{:.4},\"append\":{:.4},\
         \"judge\":{:.4},\"connect\":{:.4},\"flush\":{:.4},\"judge_connect_flush\":{:.4},\
         \"tip\":\"{}\"}}",
        seconds(cost.decode),
        seconds(cost.append),
        seconds(cost.judge),
        seconds(cost.connect),
        seconds(cost.flush),
        seconds(cost.judge + cost.connect + cost.flush),
        store.position(),
    );
    Ok(())
}

fn connect_all(
    store: &mut Store,
    network: &Network,
    chain: &[(Header, Vec<u8>)],
) -> Result<Cost, Failure> {
    let mut cost = Cost::default();
    for (height, (header, body)) in (1..).zip(chain) {
        let started = Instant::now();
        let block = CommittedBlock::decode(*header, body)?;
        check_alone(&block, height, network).map_err(|invalid| invalid.to_string())?;
        cost.decode += started.elapsed();
        let started = Instant::now();
        store.append_block(&block)?;
        store.sync()?;
        cost.append += started.elapsed();
        let started = Instant::now();
        let connection = connect(&block, height, network, |outpoint| store.coin(outpoint))
            .map_err(|error| format!("{error:?}"))?;
        cost.judge += started.elapsed();
        let started = Instant::now();
        store.connect(&block, height, &connection)?;
        cost.connect += started.elapsed();
        if store.dirty_coins() >= DIRTY_COINS_MAX || height as usize == chain.len() {
            let started = Instant::now();
            store.flush()?;
            cost.flush += started.elapsed();
        }
    }
    Ok(cost)
}

fn keys(count: u32) -> Result<Vec<OutputKey>, Failure> {
    let secrets = (0..count).map(|number| SecretKey::from_bytes(sha256(&number.to_le_bytes())));
    Ok(secrets.map(|secret| secret.map(|secret| secret.output_key())).collect::<Result<_, _>>()?)
}

fn network(keys: &[OutputKey]) -> Result<Network, Failure> {
    let allocations = keys.iter().map(|key| Allocation { key: *key, amount: COIN }).collect();
    Ok(Network::new(ChainSpec {
        coin_name: "Bench".to_owned(),
        coin_symbol: "BENCH".to_owned(),
        address_prefix: "bench".to_owned(),
        starting_bits: 1,
        easiest_bits: 1,
        spacing_s: 5,
        retarget: Retarget::Fixed,
        half_life_s: 600,
        subsidy: Amount::from_coins(1).ok_or("one coin is an amount")?,
        halving_interval: 1_000_000,
        maturity: 2,
        block_bytes_max: 1_000_000,
        genesis_time: 1_700_000_000,
        allocations,
    })?)
}

/// Headers and bodies; each block moves every coin of genesis once.
fn chain(
    network: &Network,
    keys: &[OutputKey],
    blocks: u32,
) -> Result<Vec<(Header, Vec<u8>)>, Failure> {
    let txid = network.genesis.txids[0];
    let mut at: Vec<OutPoint> =
        (0..).zip(keys).map(|(index, _)| OutPoint { txid, index }).collect();
    let mut previous = network.genesis_hash();
    let mut chain = Vec::new();
    for height in 1..=blocks {
        let block = block(network, previous, height, keys, &mut at)?;
        previous = block.header.hash();
        chain.push((block.header, block.encode_body()));
    }
    Ok(chain)
}

fn block(
    network: &Network,
    previous: BlockHash,
    height: u32,
    keys: &[OutputKey],
    at: &mut [OutPoint],
) -> Result<Block, Failure> {
    let reward = Output { amount: subsidy(&network.spec, height), key: OutputKey([1; 32]) };
    let coinbase = Coinbase { height, extra: [0; 32], outputs: vec![reward] };
    let mut transactions = vec![Transaction::Coinbase(coinbase)];
    for (key, at) in keys.iter().zip(at) {
        let transfer = Transfer {
            inputs: vec![Input { outpoint: *at, signature: Signature([0; 64]) }],
            outputs: vec![Output { amount: COIN, key: *key }],
            lock_height: 0,
        };
        *at = OutPoint { txid: transfer.txid(), index: 0 };
        transactions.push(Transaction::Transfer(transfer));
    }
    let target = network.spec.starting_target();
    let header = Header {
        version: VERSION_BASE,
        previous,
        merkle_root: MerkleRoot::ZERO,
        time: network.spec.genesis_time + height,
        bits: target.to_compact(),
        nonce: 0,
    };
    let mut block = Block { header, transactions };
    block.header.merkle_root = block.merkle_root().ok_or("a block without transactions")?;
    while !target.is_met_by(&block.header.hash()) {
        block.header.nonce += 1;
    }
    Ok(block)
}
