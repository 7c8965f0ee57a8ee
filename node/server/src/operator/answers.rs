//! The answers to operators as JSON: `docs/json.md` explains every field.

use std::time::Duration;

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::difficulty::CompactTarget;
use chain::genesis::Network;
use chain::hash::Txid;
use chain::header::Header;
use chain::transaction::{Output, Transaction};
use engine::Rates;
use serde_json::{Value, json};
use wire::hello::Role;
use wire::operator::{BlockName, Question};

use super::mining_text;
use crate::runtime::Mining;
use machine::network_rate::of_best_chain;
use machine::{Direction, HeaderId, Machine, Peer};

/// Pending transactions in one answer.
const MEMPOOL_PAGE: usize = 500;

/// Blocks in one answer to [`Question::Chain`].
const CHAIN_PAGE: usize = 100;

/// Bytes of blocks read for one answer, and what reading any block costs besides them: the machine
/// never works long for one question.
const BYTES_READ_MAX: usize = 2_000_000;
const BLOCK_BYTES_READ_MIN: usize = 10_000;

/// Transactions listed of one block; an answer stays well under a connection's outbound queue.
const BLOCK_TXS_MAX: usize = 2000;

/// Inputs and outputs listed of one transaction.
const TX_PARTS_MAX: usize = 1000;

/// The answer to anything but [`Question::Tx`].
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn answer(machine: &Machine, question: &Question) -> Result<Value, String> {
    match question {
        Question::Status => Ok(status(machine)),
        Question::Peers => Ok(peers(machine)),
        Question::Mempool { skip } => Ok(mempool(machine, *skip as usize)),
        Question::Chain { from, count } => chain(machine, *from, *count as usize),
        Question::Block(name) => block(machine, *name),
        Question::Miners => Ok(miners(machine)),
        Question::Stop => Ok(json!({ "v": 1, "command": "stop", "stopping": true })),
        Question::Tx(_) => Err("a transaction is searched for, not answered".to_owned()),
    }
}

fn status(machine: &Machine) -> Value {
    let (network, tip) = (machine.network(), machine.tip());
    let spec = &network.spec;
    let wallets = machine.peers().filter(|peer| peer.role() == Some(Role::Wallet)).count();
    let next = machine.tree().chain_end(machine.ledger().tip_id()).context(network).expected_bits;
    let mining = machine.mining_state();
    let tally = machine.tally();
    let totals = machine.totals();
    let genesis = network.genesis_hash().to_string();
    let network = of_best_chain(machine);
    json!({
        "v": 1,
        "command": "status",
        "coin": spec.coin_name,
        "symbol": spec.coin_symbol,
        "prefix": spec.address_prefix,
        "genesis": genesis,
        "height": tip.height,
        "tip": tip.hash.to_string(),
        "supply": totals.supply.to_string(),
        "utxo_hash": totals.utxo_hash.to_string(),
        "difficulty": zero_bits(next),
        "spacing_s": spec.spacing_s,
        "pending": machine.mempool().len(),
        "peers": machine.nodes().len(),
        "wallets": wallets,
        "wallet_connections": tally.wallet_connections,
        "payments_submitted": tally.payments_submitted,
        "mining": mining_text::word(mining),
        "mining_reason": mining_text::reason(mining),
        "network_rate": network.map(|network| network.rate),
        "network_rate_low": network.map(|network| network.interval.low),
        "network_rate_high": network.map(|network| network.interval.high),
        "network_gaps": network.map_or(0, |network| network.gaps),
    })
}

/// How fast a node mines, for [`Question::Status`].
pub(super) fn hash_rate(mining: &Mining) -> Value {
    let of = |rates: &Rates| {
        let Rates { ten_s, sixty_s, fifteen_min, max } = *rates;
        json!({ "ten_s": ten_s, "sixty_s": sixty_s, "fifteen_min": fifteen_min, "max": max })
    };
    let mut whole = of(&mining.rates);
    whole["hashes"] = json!(mining.luck.hashes);
    whole["threads"] = mining.threads.iter().map(of).collect();
    whole
}

/// What its hashes came to, for [`Question::Status`].
pub(super) fn luck(mining: &Mining) -> Value {
    let luck = &mining.luck;
    let range = luck.found_range();
    json!({
        "found": luck.found,
        "expected": luck.expected,
        "expected_low": range.low,
        "expected_high": range.high,
        "expected_time_s": mining.expected_time_s(),
        "chance_by_now": luck.chance_by_now(),
        "wasted": luck.wasted,
    })
}

fn peers(machine: &Machine) -> Value {
    let entry = |peer: &Peer| {
        json!({
            "id": peer.id.0,
            "role": role_name(peer.role()),
            "name": peer.name(),
            "address": peer.address,
            "direction": match peer.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            "listens": peer.listen_address,
            "height": peer.is_ready_node().then(|| machine.tree().entry(peer.best_header).height),
        })
    };
    let peers: Vec<Value> = machine.peers().map(entry).collect();
    json!({ "v": 1, "command": "peers", "peers": peers })
}

/// `handshake` until it is done.
fn role_name(role: Option<Role>) -> &'static str {
    match role {
        None => "handshake",
        Some(Role::Peer) => "node",
        Some(Role::Wallet) => "wallet",
        Some(Role::Directory) => "directory",
        Some(Role::Operator) => "operator",
    }
}

fn mempool(machine: &Machine, skip: usize) -> Value {
    let (pool, now) = (machine.mempool(), machine.now().monotonic);
    let pending: Vec<Value> = pool
        .iter_by_priority()
        .skip(skip)
        .take(MEMPOOL_PAGE)
        .map(|pending| {
            json!({
                "txid": pending.txid.to_string(),
                "fee": pending.fee.to_string(),
                "fee_rate": pending.fee_rate().per_1000_bytes(),
                "bytes": pending.bytes,
                "age_s": age_s(now, pending.arrived),
                "amount": sum(pending.transaction.outputs()),
            })
        })
        .collect();
    let more = skip.saturating_add(pending.len()) < pool.len();
    let fee_rate_min = pool.fee_rate_min();
    json!({
        "v": 1, "command": "mempool", "total": pool.len(), "fee_rate_min": fee_rate_min,
        "pending": pending, "more": more,
    })
}

fn chain(machine: &Machine, from: u32, count: usize) -> Result<Value, String> {
    let ledger = machine.ledger();
    let mut blocks = Vec::new();
    let mut bytes_read = 0;
    let newest = from.min(machine.tip().height);
    for height in (0..=newest).rev().take(count.min(CHAIN_PAGE)) {
        let Some(id) = ledger.at_height(height).filter(|_| bytes_read < BYTES_READ_MAX) else {
            break;
        };
        let hash = machine.tree().entry(id).hash;
        let block = ledger.block(&hash).map_err(|error| error.to_string())?;
        bytes_read += BLOCK_BYTES_READ_MIN + block.encoded_bytes;
        blocks.push(summary(machine.network(), &block, height));
    }
    let next = newest.checked_sub(u32::try_from(blocks.len()).unwrap_or(u32::MAX));
    Ok(json!({
        "v": 1, "command": "chain", "height": machine.tip().height, "blocks": blocks,
        "next": next,
    }))
}

fn block(machine: &Machine, name: BlockName) -> Result<Value, String> {
    let (ledger, tree) = (machine.ledger(), machine.tree());
    let id = match name {
        BlockName::Height(height) => ledger.at_height(height).ok_or_else(|| {
            format!("there is no block at height {height}, the tip is at {}", machine.tip().height)
        })?,
        BlockName::Hash(hash) => {
            tree.find(&hash).ok_or_else(|| format!("block {hash} is unknown"))?
        }
    };
    let entry = tree.entry(id);
    if !ledger.has_block(&entry.hash) {
        return Err(format!("only the header of block {} is known", entry.hash));
    }
    let block = ledger.block(&entry.hash).map_err(|error| error.to_string())?;
    let mut object = summary(machine.network(), &block, entry.height);
    let Header { version, previous, merkle_root, bits, nonce, .. } = block.block.header;
    let pairs = block.block.transactions.iter().zip(&block.txids);
    let transactions: Vec<Value> =
        pairs.take(BLOCK_TXS_MAX).map(|(tx, txid)| transaction_line(tx, *txid)).collect();
    object["v"] = json!(1);
    object["command"] = json!("block");
    object["version"] = json!(version);
    object["previous"] = json!(previous.to_string());
    object["merkle_root"] = json!(merkle_root.to_string());
    object["bits"] = json!(bits.0);
    object["nonce"] = json!(nonce);
    object["confirmations"] = json!(confirmations(machine, id));
    object["listed"] = json!(transactions);
    Ok(object)
}

/// Blocks on the best chain from this one on; zero for one of another branch.
fn confirmations(machine: &Machine, id: HeaderId) -> u32 {
    let height = machine.tree().entry(id).height;
    let on_chain = machine.ledger().at_height(height) == Some(id);
    if on_chain { (machine.tip().height + 1).saturating_sub(height) } else { 0 }
}

fn summary(network: &Network, block: &CommittedBlock, height: u32) -> Value {
    let coinbase = block.block.transactions.first().map(Transaction::outputs).unwrap_or_default();
    // Genesis is nobody's block.
    let miner = coinbase.first().filter(|_| height > 0);
    json!({
        "height": height,
        "hash": block.hash.to_string(),
        "time": block.block.header.time,
        "zero_bits": zero_bits(block.block.header.bits),
        "transactions": block.block.transactions.len(),
        "bytes": block.encoded_bytes,
        "miner": miner.map(|output| network.spec.address(output.key).to_string()),
        "reward": sum(coinbase),
    })
}

fn transaction_line(transaction: &Transaction, txid: Txid) -> Value {
    json!({
        "txid": txid.to_string(),
        "kind": kind(transaction),
        "amount": sum(transaction.outputs()),
        "outputs": transaction.outputs().len(),
    })
}

/// A transaction with all that is worth showing of it, but where it is.
pub(super) fn transaction(network: &Network, transaction: &Transaction) -> Value {
    let outputs: Vec<Value> = transaction
        .outputs()
        .iter()
        .take(TX_PARTS_MAX)
        .map(|output| {
            let address = network.spec.address(output.key).to_string();
            json!({ "amount": output.amount.to_string(), "address": address })
        })
        .collect();
    let inputs: Vec<Value> = match transaction {
        Transaction::Coinbase(_) => Vec::new(),
        Transaction::Transfer(transfer) => transfer
            .inputs
            .iter()
            .take(TX_PARTS_MAX)
            .map(|input| {
                json!({ "txid": input.outpoint.txid.to_string(), "index": input.outpoint.index })
            })
            .collect(),
    };
    json!({
        "v": 1,
        "command": "tx",
        "txid": transaction.txid().to_string(),
        "kind": kind(transaction),
        "amount": sum(transaction.outputs()),
        "inputs": inputs,
        "outputs": outputs,
    })
}

fn miners(machine: &Machine) -> Value {
    let listed: Vec<Value> = machine
        .nodes()
        .into_iter()
        .filter_map(|peer| Some(json!({ "name": peer.name(), "address": peer.listen_address? })))
        .collect();
    json!({ "v": 1, "command": "miners", "miners": listed })
}

fn kind(transaction: &Transaction) -> &'static str {
    match transaction {
        Transaction::Coinbase(_) => "coinbase",
        Transaction::Transfer(_) => "transfer",
    }
}

fn sum(outputs: &[Output]) -> String {
    let sum = Amount::checked_sum(outputs.iter().map(|output| output.amount));
    // What the chain or the mempool holds is below the supply.
    sum.unwrap_or(Amount::ZERO).to_string()
}

fn zero_bits(bits: CompactTarget) -> u32 {
    bits.expand().map_or(0, |target| target.zero_bits())
}

/// Age of something that came at the monotonic time `arrived`, in whole seconds.
pub(super) fn age_s(now: Duration, arrived: Duration) -> u64 {
    now.saturating_sub(arrived).as_secs()
}
