//! Views of anything: fields that no node has together are read back all the same.

use std::net::SocketAddr;

use chain::amount::{Amount, MAX_MONEY};
use chain::hash::{BlockHash, MerkleRoot, Txid, UtxoHash};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;

/// Any number that can be written: JSON knows no infinity.
fn real() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

fn amount() -> impl Strategy<Value = Amount> {
    (0..=MAX_MONEY.0).prop_map(Amount)
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,8}|[\"\\\\\u{0}-\u{1f}é🦀]{0,8}"
}

pub fn rates() -> impl Strategy<Value = Rates> {
    any::<[Option<u64>; 4]>().prop_map(|[ten_s, sixty_s, fifteen_min, max]| Rates {
        ten_s,
        sixty_s,
        fifteen_min,
        max,
    })
}

fn hash_rate() -> impl Strategy<Value = HashRate> {
    let parts = (any::<u64>(), rates(), vec(rates(), 0..3));
    parts.prop_map(|(hashes, rates, threads)| HashRate { hashes, rates, threads })
}

fn luck() -> impl Strategy<Value = MinerLuck> {
    let parts = (any::<[u64; 2]>(), [real(), real(), real(), real()], of(real()));
    parts.prop_map(|([found, wasted], reals, expected_time_s)| {
        let [expected, expected_low, expected_high, chance_by_now] = reals;
        let luck = Luck { found, expected, expected_low, expected_high, wasted };
        MinerLuck { luck, expected_time_s, chance_by_now }
    })
}

pub fn mining() -> impl Strategy<Value = MiningView> {
    (hash_rate(), luck()).prop_map(|(hash_rate, luck)| MiningView { hash_rate, luck })
}

fn network_rate() -> impl Strategy<Value = NetworkRate> {
    let parts = (of(real()), of(real()), of(real()), any::<u64>());
    parts.prop_map(|(rate, low, high, gaps)| NetworkRate {
        network_rate: rate,
        network_rate_low: low,
        network_rate_high: high,
        network_gaps: gaps,
    })
}

fn process() -> impl Strategy<Value = ProcessView> {
    let texts = [text(), text(), text()];
    let parts = (texts, select(Role::ALL), any::<u32>(), any::<SocketAddr>(), any::<u64>());
    parts.prop_map(|([name, lode, directory], role, pid, address, uptime_s)| ProcessView {
        name,
        role,
        lode,
        pid,
        address: plain(address),
        directory,
        uptime_s,
    })
}

/// Without scope and flow label: a text of an address does not tell the latter.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn node() -> impl Strategy<Value = NodeView> {
    let state = (amount(), select(MinerState::ALL), network_rate());
    let numbers = (any::<[u32; 3]>(), any::<[u64; 2]>(), any::<[usize; 3]>());
    let parts = ([text(), text(), text()], any::<[[u8; 32]; 3]>(), state, numbers);
    parts.prop_map(|(texts, hashes, (supply, mining, network), numbers)| {
        let ([coin, symbol, prefix], [genesis, tip, utxo_hash]) = (texts, hashes);
        let (small, [wallet_connections, payments_submitted], counts) = numbers;
        let ([height, difficulty, spacing_s], [pending, peers, wallets]) = (small, counts);
        NodeView {
            coin,
            symbol,
            prefix,
            genesis: BlockHash(genesis),
            height,
            tip: BlockHash(tip),
            supply,
            utxo_hash: UtxoHash(utxo_hash),
            difficulty,
            spacing_s,
            pending,
            peers,
            wallets,
            wallet_connections,
            payments_submitted,
            mining,
            network,
        }
    })
}

pub fn status() -> impl Strategy<Value = Status> {
    let parts = (process(), node(), text(), of(hash_rate()), of(luck()));
    parts.prop_map(|(process, node, mining_reason, hash_rate, luck)| Status {
        process,
        node,
        mining_reason,
        hash_rate,
        luck,
    })
}

fn peer() -> impl Strategy<Value = PeerView> {
    let words = (select(PeerRole::ALL), select(Direction::ALL));
    let addresses = any::<(SocketAddr, Option<SocketAddr>)>();
    let parts = (any::<u64>(), words, text(), addresses, any::<Option<u32>>());
    parts.prop_map(|(id, (role, direction), name, (address, listens), height)| PeerView {
        id,
        role,
        name,
        address: plain(address),
        direction,
        listens: listens.map(plain),
        height,
    })
}

pub fn peers() -> impl Strategy<Value = PeersView> {
    vec(peer(), 0..4).prop_map(|peers| PeersView { peers })
}

pub fn miners() -> impl Strategy<Value = MinersView> {
    let miner = (text(), any::<SocketAddr>())
        .prop_map(|(name, address)| MinerView { name, address: plain(address) });
    vec(miner, 0..4).prop_map(|miners| MinersView { miners })
}

fn pending() -> impl Strategy<Value = PendingView> {
    let parts = (any::<[u8; 32]>(), [amount(), amount()], any::<[u64; 2]>(), any::<u32>());
    parts.prop_map(|(txid, [fee, amount], [fee_rate, age_s], bytes)| PendingView {
        txid: Txid(txid),
        fee,
        fee_rate,
        bytes,
        age_s,
        amount,
    })
}

pub fn mempool() -> impl Strategy<Value = MempoolView> {
    let parts = (any::<usize>(), any::<u64>(), vec(pending(), 0..4), any::<bool>());
    parts.prop_map(|(total, fee_rate_min, pending, more)| MempoolView {
        total,
        fee_rate_min,
        pending,
        more,
    })
}

fn summary() -> impl Strategy<Value = BlockSummary> {
    let parts = (any::<[u32; 3]>(), any::<[u8; 32]>(), any::<[usize; 2]>(), of(text()), amount());
    parts.prop_map(|(numbers, hash, [transactions, bytes], miner, reward)| {
        let [height, time, zero_bits] = numbers;
        let hash = BlockHash(hash);
        BlockSummary { height, hash, time, zero_bits, transactions, bytes, miner, reward }
    })
}

pub fn chain() -> impl Strategy<Value = ChainView> {
    let parts = (any::<u32>(), vec(summary(), 0..4), any::<Option<u32>>());
    parts.prop_map(|(height, blocks, next)| ChainView { height, blocks, next })
}

fn tx_summary() -> impl Strategy<Value = TxSummary> {
    let parts = (any::<[u8; 32]>(), select(TxKind::ALL), amount(), any::<usize>());
    parts.prop_map(|(txid, kind, amount, outputs)| TxSummary {
        txid: Txid(txid),
        kind,
        amount,
        outputs,
    })
}

pub fn block() -> impl Strategy<Value = BlockView> {
    let parts = (summary(), any::<[u32; 4]>(), any::<[[u8; 32]; 2]>(), vec(tx_summary(), 0..4));
    parts.prop_map(|(summary, numbers, [previous, merkle_root], listed)| {
        let [version, bits, nonce, confirmations] = numbers;
        BlockView {
            summary,
            version,
            previous: BlockHash(previous),
            merkle_root: MerkleRoot(merkle_root),
            bits,
            nonce,
            confirmations,
            listed,
        }
    })
}

fn place() -> impl Strategy<Value = TxPlace> {
    let pending = (amount(), any::<u32>(), any::<u64>())
        .prop_map(|(fee, bytes, age_s)| TxPlace::Pending { fee, bytes, age_s });
    let confirmed = any::<([u8; 32], u32)>()
        .prop_map(|(hash, height)| TxPlace::Confirmed { block: BlockHash(hash), height });
    prop_oneof![pending, confirmed]
}

pub fn tx() -> impl Strategy<Value = TxView> {
    let input =
        any::<([u8; 32], u32)>().prop_map(|(txid, index)| TxInput { txid: Txid(txid), index });
    let output = (amount(), text()).prop_map(|(amount, address)| TxOutput { amount, address });
    let lists = (vec(input, 0..4), vec(output, 0..4));
    let parts = (any::<[u8; 32]>(), select(TxKind::ALL), place(), any::<u32>(), amount(), lists);
    parts.prop_map(|(txid, kind, place, confirmations, amount, (inputs, outputs))| TxView {
        txid: Txid(txid),
        kind,
        place,
        confirmations,
        amount,
        inputs,
        outputs,
    })
}
