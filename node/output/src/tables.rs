//! What a node answered, as text for people: names on the left, numbers below each other.

use std::fmt::Write as _;

use machine::views::{
    BlockSummary, BlockView, ChainView, MempoolView, MinerLuck, MinersView, NetworkRate, PeersView,
    Rates, Status, StopView, TxPlace, TxView,
};
use show::columns::{left_out, or_dash, pairs, table};
use show::times::{duration, utc};

/// Pending transactions that are shown.
const PENDING_SHOWN: usize = 50;

/// Transactions of a block that are shown.
const BLOCK_TXS_SHOWN: usize = 50;

/// `lode status`.
pub fn status(status: &Status) -> String {
    let Status { process, node, mining_reason, hash_rate, luck } = status;
    let wallets = format!(
        "{} connected, {} connections and {} payments since the start",
        node.wallets, node.wallet_connections, node.payments_submitted
    );
    let none = || "none".to_owned();
    let lines = [
        ("name", format!("{} ({})", process.name, process.role.word())),
        ("network", format!("{} ({})", node.coin, node.prefix)),
        ("genesis", node.genesis.to_string()),
        ("height", node.height.to_string()),
        ("tip", node.tip.to_string()),
        ("difficulty", format!("{} bits", node.difficulty)),
        ("supply", format!("{} {}", node.supply, node.symbol)),
        ("pending", node.pending.to_string()),
        ("peers", node.peers.to_string()),
        ("wallets", wallets),
        ("mining", format!("{}: {mining_reason}", node.mining.word())),
        ("hash rate", hash_rate.as_ref().and_then(|of| rates(&of.rates)).unwrap_or_else(none)),
        ("luck", luck.as_ref().map_or_else(none, miner_luck)),
        ("network rate", network_rate(&node.network)),
        ("uptime", duration(process.uptime_s)),
        ("address", process.address.to_string()),
        ("data", process.directory.clone()),
    ];
    pairs(&lines)
}

/// Those that are known; `None` when none is.
fn rates(rates: &Rates) -> Option<String> {
    let Rates { ten_s, sixty_s, fifteen_min, max } = *rates;
    let windows = [("10 s", ten_s), ("60 s", sixty_s), ("15 min", fifteen_min), ("max", max)];
    let known = windows.iter().filter_map(|(name, rate)| {
        let kilohashes = (*rate)? / 1000;
        Some(format!("{}.{:03} MH/s ({name})", kilohashes / 1000, kilohashes % 1000))
    });
    let known: Vec<String> = known.collect();
    (!known.is_empty()).then(|| known.join(", "))
}

/// Blocks against hashes.
fn miner_luck(miner: &MinerLuck) -> String {
    let luck = &miner.luck;
    let mut line = format!(
        "found {}, expected {:.1} ({} to {})",
        luck.found, luck.expected, luck.expected_low, luck.expected_high
    );
    if let Some(seconds) = miner.expected_time_s {
        let percent = 100.0 * miner.chance_by_now;
        let _ = write!(line, "; a block every {seconds:.1} s, by now with {percent:.0} %");
    }
    line
}

/// The rate behind the chain's last blocks.
fn network_rate(network: &NetworkRate) -> String {
    let mhs = |rate: Option<f64>| rate.map(|rate| rate / 1e6);
    let NetworkRate { network_rate, network_rate_low, network_rate_high, network_gaps } = *network;
    match (mhs(network_rate), mhs(network_rate_low), mhs(network_rate_high)) {
        (Some(rate), Some(low), Some(high)) => format!(
            "{rate:.3} MH/s by the last {network_gaps} gaps between blocks ({low:.3} to {high:.3})"
        ),
        _ => "not known yet".to_owned(),
    }
}

/// `lode peers`.
pub fn peers(answer: &PeersView) -> String {
    let rows = answer.peers.iter().map(|peer| {
        [
            peer.role.word().to_owned(),
            peer.name.clone(),
            peer.address.to_string(),
            peer.direction.word().to_owned(),
            or_dash(peer.height),
        ]
    });
    table(["ROLE", "NAME", "ADDRESS", "DIRECTION", "HEIGHT"], rows)
}

/// `lode mempool`.
pub fn mempool(answer: &MempoolView) -> String {
    let rows = answer.pending.iter().take(PENDING_SHOWN).map(|pending| {
        [
            pending.fee.to_string(),
            pending.fee_rate.to_string(),
            pending.bytes.to_string(),
            pending.age_s.to_string(),
            pending.amount.to_string(),
            pending.txid.to_string(),
        ]
    });
    let mut out = format!("{} pending, highest fee rate first\n", answer.total);
    if !answer.pending.is_empty() {
        out += &table(["FEE", "PER KB", "BYTES", "AGE S", "AMOUNT", "TXID"], rows);
    }
    out + &left_out(answer.pending.len(), PENDING_SHOWN)
}

/// `lode chain`.
pub fn chain(answer: &ChainView) -> String {
    let rows = answer.blocks.iter().map(|block| {
        [
            block.height.to_string(),
            block.hash.to_string(),
            utc(block.time),
            block.zero_bits.to_string(),
            block.transactions.to_string(),
            block.bytes.to_string(),
            or_dash(block.miner.as_ref()),
        ]
    });
    table(["HEIGHT", "HASH", "TIME", "BITS", "TXS", "BYTES", "MINER"], rows)
}

/// `lode block`.
pub fn block(block: &BlockView) -> String {
    let BlockSummary { height, hash, time, zero_bits, transactions, bytes, miner, reward } =
        &block.summary;
    let lines = [
        ("height", height.to_string()),
        ("hash", hash.to_string()),
        ("previous", block.previous.to_string()),
        ("time", utc(*time)),
        ("zero bits", zero_bits.to_string()),
        ("nonce", block.nonce.to_string()),
        ("transactions", transactions.to_string()),
        ("bytes", bytes.to_string()),
        ("miner", or_dash(miner.as_ref())),
        ("reward", reward.to_string()),
        ("confirmations", block.confirmations.to_string()),
    ];
    let rows = block.listed.iter().take(BLOCK_TXS_SHOWN).map(|tx| {
        [
            tx.kind.word().to_owned(),
            tx.amount.to_string(),
            tx.outputs.to_string(),
            tx.txid.to_string(),
        ]
    });
    pairs(&lines)
        + "\n"
        + &table(["KIND", "AMOUNT", "OUTPUTS", "TXID"], rows)
        + &left_out(block.listed.len(), BLOCK_TXS_SHOWN)
}

/// `lode tx`.
pub fn tx(tx: &TxView) -> String {
    let mut lines = vec![("txid", tx.txid.to_string()), ("kind", tx.kind.word().to_owned())];
    match tx.place {
        TxPlace::Pending { .. } => lines.push(("status", "pending".to_owned())),
        TxPlace::Confirmed { block, height } => lines.extend([
            ("status", "confirmed".to_owned()),
            ("height", height.to_string()),
            ("block", block.to_string()),
        ]),
    }
    lines.push(("confirmations", tx.confirmations.to_string()));
    lines.push(("amount", tx.amount.to_string()));
    if let TxPlace::Pending { fee, bytes, age_s } = tx.place {
        lines.push(("fee", fee.to_string()));
        lines.push(("bytes", bytes.to_string()));
        lines.push(("age s", age_s.to_string()));
    }
    let paid = tx.outputs.iter().map(|output| [output.amount.to_string(), output.address.clone()]);
    pairs(&lines) + "\n" + &table(["PAYS", "TO"], paid)
}

/// `lode miners`.
pub fn miners(answer: &MinersView) -> String {
    let rows = answer.miners.iter().map(|miner| [miner.name.clone(), miner.address.to_string()]);
    table(["NAME", "ADDRESS"], rows)
}

/// `lode stop`.
pub fn stop(_answer: &StopView) -> String {
    "it flushes and ends\n".to_owned()
}

#[cfg(test)]
mod tests {
    use machine::views::Answer;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    fn read<T: DeserializeOwned>(answer: &str) -> T {
        serde_json::from_str::<Answer<T>>(answer).unwrap().view
    }

    /// What `table` shows of an answer, and the answer as it is written anew.
    fn both_ways<T: DeserializeOwned + Serialize>(
        answer: &str,
        table: fn(&T) -> String,
    ) -> (String, String) {
        let answer: Answer<T> = serde_json::from_str(answer).unwrap();
        (table(&answer.view), answer.to_json())
    }

    /// What a node answered once (a mempool and the odd peers are made up), and what was shown.
    macro_rules! sample {
        ($name:literal, $table:path) => {{
            let answer = include_str!(concat!("tables/samples/", $name, ".json"));
            let shown = include_str!(concat!("tables/samples/", $name, ".txt"));
            let (table, json) = both_ways(answer, $table);
            assert_eq!(table, shown, $name);
            assert_eq!(json, answer.trim_end(), $name);
        }};
    }

    #[test]
    fn answers_look_as_they_always_did() {
        sample!("status", status);
        sample!("status_of_bootstrap", status);
        sample!("peers", peers);
        sample!("mempool", mempool);
        sample!("chain", chain);
        sample!("block", block);
        sample!("block_of_genesis", block);
        sample!("tx", tx);
        sample!("tx_coinbase", tx);
        sample!("tx_pending", tx);
        sample!("miners", miners);
        sample!("stop", stop);
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let mut pool: MempoolView = read(include_str!("tables/samples/mempool.json"));
        pool.pending = vec![pool.pending[0].clone(); 60];
        let shown = mempool(&pool);
        assert_eq!(shown.lines().count(), 1 + 1 + PENDING_SHOWN + 1);
        assert!(shown.ends_with("and 10 more; --json shows them\n"), "{shown}");
        pool.pending.clear();
        assert_eq!(mempool(&pool).lines().count(), 1);
        let mut long: BlockView = read(include_str!("tables/samples/block.json"));
        let head = block(&long).lines().count() - long.listed.len();
        long.listed = vec![long.listed[0].clone(); BLOCK_TXS_SHOWN + 1];
        let shown = block(&long);
        assert_eq!(shown.lines().count(), head + BLOCK_TXS_SHOWN + 1);
        assert!(shown.ends_with("and 1 more; --json shows them\n"), "{shown}");
    }
}
