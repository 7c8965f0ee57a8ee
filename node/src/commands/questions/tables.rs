//! What a node answered, as text for people: names on the left, numbers below each other.

use std::fmt::Write as _;

use serde_json::Value;

use crate::commands::utc::utc;

/// Pending transactions that are shown.
const PENDING_SHOWN: usize = 50;

/// Transactions of a block that are shown.
const BLOCK_TXS_SHOWN: usize = 50;

/// `lode status`.
pub(super) fn status(answer: &Value) -> String {
    let rate = |window: &str| {
        let hashes = answer["hash_rate"][window].as_u64()?;
        let kilohashes = hashes / 1000;
        Some(format!("{}.{:03} MH/s", kilohashes / 1000, kilohashes % 1000))
    };
    let windows =
        [("10 s", "ten_s"), ("60 s", "sixty_s"), ("15 min", "fifteen_min"), ("max", "max")];
    let rates: Vec<String> =
        windows.iter().filter_map(|(name, of)| Some(format!("{} ({name})", rate(of)?))).collect();
    let mining = format!("{}: {}", text(&answer["mining"]), text(&answer["mining_reason"]));
    let wallets = format!(
        "{} connected, {} connections and {} payments since the start",
        text(&answer["wallets"]),
        text(&answer["wallet_connections"]),
        text(&answer["payments_submitted"])
    );
    let lines = [
        ("name", format!("{} ({})", text(&answer["name"]), text(&answer["role"]))),
        ("network", format!("{} ({})", text(&answer["coin"]), text(&answer["prefix"]))),
        ("genesis", text(&answer["genesis"])),
        ("height", text(&answer["height"])),
        ("tip", text(&answer["tip"])),
        ("difficulty", format!("{} bits", text(&answer["difficulty"]))),
        ("supply", format!("{} {}", text(&answer["supply"]), text(&answer["symbol"]))),
        ("pending", text(&answer["pending"])),
        ("peers", text(&answer["peers"])),
        ("wallets", wallets),
        ("mining", mining),
        ("hash rate", if rates.is_empty() { "none".to_owned() } else { rates.join(", ") }),
        ("luck", luck(&answer["luck"])),
        ("network rate", network_rate(answer)),
        ("uptime", duration(answer["uptime_s"].as_u64().unwrap_or(0))),
        ("address", text(&answer["address"])),
        ("data", text(&answer["directory"])),
    ];
    pairs(&lines)
}

/// Blocks against hashes.
fn luck(luck: &Value) -> String {
    let number = |field: &str| luck[field].as_f64();
    let (Some(expected), Some(chance)) = (number("expected"), number("chance_by_now")) else {
        return "none".to_owned();
    };
    let mut line = format!(
        "found {}, expected {expected:.1} ({} to {})",
        text(&luck["found"]),
        number("expected_low").unwrap_or_default(),
        number("expected_high").unwrap_or_default()
    );
    if let Some(seconds) = number("expected_time_s") {
        let _ = write!(line, "; a block every {seconds:.1} s, by now with {:.0} %", 100.0 * chance);
    }
    line
}

/// The rate behind the chain's last blocks.
fn network_rate(answer: &Value) -> String {
    let mhs = |field: &str| answer[field].as_f64().map(|rate| rate / 1e6);
    match (mhs("network_rate"), mhs("network_rate_low"), mhs("network_rate_high")) {
        (Some(rate), Some(low), Some(high)) => format!(
            "{rate:.3} MH/s by the last {} gaps between blocks ({low:.3} to {high:.3})",
            text(&answer["network_gaps"])
        ),
        _ => "not known yet".to_owned(),
    }
}

/// `lode peers`.
pub(super) fn peers(answer: &Value) -> String {
    let peers = rows(&answer["peers"], &["role", "name", "address", "direction", "height"]);
    table(&["ROLE", "NAME", "ADDRESS", "DIRECTION", "HEIGHT"], &peers)
}

/// `lode mempool`.
pub(super) fn mempool(answer: &Value) -> String {
    let mut pending =
        rows(&answer["pending"], &["fee", "fee_rate", "bytes", "age_s", "amount", "txid"]);
    let left = pending.len().saturating_sub(PENDING_SHOWN);
    pending.truncate(PENDING_SHOWN);
    let mut out = format!("{} pending, highest fee rate first\n", text(&answer["total"]));
    if !pending.is_empty() {
        out += &table(&["FEE", "PER KB", "BYTES", "AGE S", "AMOUNT", "TXID"], &pending);
    }
    if left > 0 {
        let _ = writeln!(out, "and {left} more; --json shows them");
    }
    out
}

/// `lode chain`.
pub(super) fn chain(answer: &Value) -> String {
    let fields = ["height", "hash", "time", "zero_bits", "transactions", "bytes", "miner"];
    let blocks = rows(&answer["blocks"], &fields);
    table(&["HEIGHT", "HASH", "TIME", "BITS", "TXS", "BYTES", "MINER"], &blocks)
}

/// `lode block`.
pub(super) fn block(answer: &Value) -> String {
    let names = [
        "height",
        "hash",
        "previous",
        "time",
        "zero_bits",
        "nonce",
        "transactions",
        "bytes",
        "miner",
        "reward",
        "confirmations",
    ];
    let lines = names.map(|name| (name, field(answer, name)));
    let mut out = pairs(&lines);
    let mut listed = rows(&answer["listed"], &["kind", "amount", "outputs", "txid"]);
    let left = listed.len().saturating_sub(BLOCK_TXS_SHOWN);
    listed.truncate(BLOCK_TXS_SHOWN);
    out.push('\n');
    out += &table(&["KIND", "AMOUNT", "OUTPUTS", "TXID"], &listed);
    if left > 0 {
        let _ = writeln!(out, "and {left} more; --json shows them");
    }
    out
}

/// `lode tx`.
pub(super) fn tx(answer: &Value) -> String {
    let names = [
        "txid",
        "kind",
        "status",
        "height",
        "block",
        "confirmations",
        "amount",
        "fee",
        "bytes",
        "age_s",
    ];
    let known = names.iter().filter(|name| !answer[**name].is_null());
    let lines: Vec<(&str, String)> = known.map(|name| (*name, text(&answer[*name]))).collect();
    let mut out = pairs(&lines);
    out.push('\n');
    out + &table(&["PAYS", "TO"], &rows(&answer["outputs"], &["amount", "address"]))
}

/// `lode miners`.
pub(super) fn miners(answer: &Value) -> String {
    table(&["NAME", "ADDRESS"], &rows(&answer["miners"], &["name", "address"]))
}

/// `lode stop`.
pub(super) fn stop(_answer: &Value) -> String {
    "it flushes and ends\n".to_owned()
}

/// A field of an answer as people write it: times as dates, everything else as [`text`].
fn field(answer: &Value, name: &str) -> String {
    let time = answer[name].as_u64().filter(|_| name == "time");
    time.and_then(|time| u32::try_from(time).ok()).map_or_else(|| text(&answer[name]), utc)
}

/// A value as people write it; `-` for nothing. A name from outside cannot move the cursor.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().filter(|letter| !letter.is_control()).collect()
}

fn duration(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

fn pairs(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    lines.iter().fold(String::new(), |mut out, (name, value)| {
        let name = name.replace('_', " ");
        let _ = writeln!(out, "{name:<width$}{value}");
        out
    })
}

fn rows(list: &Value, fields: &[&str]) -> Vec<Vec<String>> {
    let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|entry| fields.iter().map(|of| field(entry, of)).collect()).collect()
}

/// Columns as wide as their widest cell; numbers stand to the right.
fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let is_number = |cell: &String| {
        cell == "-" || cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let columns: Vec<(usize, bool)> = heads
        .iter()
        .enumerate()
        .map(|(at, head)| {
            let width = cells(at).map(|cell| cell.chars().count()).max().unwrap_or(0);
            (width.max(head.len()), !rows.is_empty() && cells(at).all(is_number))
        })
        .collect();
    let line = |row: &mut dyn Iterator<Item = &str>| {
        let cells = row.zip(&columns).map(|(cell, (width, right))| {
            if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut out = line(&mut heads.iter().copied()) + "\n";
    for row in rows {
        out += &(line(&mut row.iter().map(String::as_str)) + "\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a node answered once (a mempool and the odd peers are made up), and what was shown.
    macro_rules! samples {
        ($($name:literal by $table:path;)*) => {
            [$((
                $name,
                $table as fn(&Value) -> String,
                include_str!(concat!("tables/samples/", $name, ".json")),
                include_str!(concat!("tables/samples/", $name, ".txt")),
            )),*]
        };
    }

    #[test]
    fn answers_look_as_they_always_did() {
        let samples = samples! {
            "status" by status;
            "status_of_bootstrap" by status;
            "peers" by super::peers;
            "mempool" by mempool;
            "chain" by chain;
            "block" by block;
            "block_of_genesis" by block;
            "tx" by tx;
            "tx_coinbase" by tx;
            "tx_pending" by tx;
            "miners" by miners;
            "stop" by stop;
        };
        for (name, table, answer, shown) in samples {
            assert_eq!(table(&serde_json::from_str(answer).unwrap()), shown, "{name}");
        }
    }

    #[test]
    fn columns_stand_below_each_other_and_numbers_to_the_right() {
        let peers = json!({ "peers": [
            { "role": "node", "name": "Miner1", "address": "127.0.0.1:9001",
              "direction": "inbound", "height": 7 },
            { "role": "wallet", "name": "a\u{1b}[2Jdam", "address": "127.0.0.1:55555",
              "direction": "inbound", "height": null },
        ]});
        assert_eq!(
            super::peers(&peers),
            "ROLE    NAME     ADDRESS          DIRECTION  HEIGHT\n\
             node    Miner1   127.0.0.1:9001   inbound         7\n\
             wallet  a[2Jdam  127.0.0.1:55555  inbound         -\n"
        );
    }

    #[test]
    fn a_long_mempool_is_cut_and_says_so() {
        let entry = json!({ "fee": "0.1", "txid": "ab" });
        let answer = json!({ "total": 60, "pending": vec![entry; 60] });
        let shown = mempool(&answer);
        assert_eq!(shown.lines().count(), 1 + 1 + PENDING_SHOWN + 1);
        assert!(shown.ends_with("and 10 more; --json shows them\n"), "{shown}");
        assert_eq!(mempool(&json!({ "total": 0, "pending": [] })).lines().count(), 1);
    }

    #[test]
    fn times_of_blocks_are_dates() {
        let block_3 = json!({ "height": 3, "time": 1_231_006_505 });
        let listed = chain(&json!({ "blocks": [block_3] }));
        assert!(listed.contains("  2009-01-03 18:15:05 UTC  "), "{listed}");
        let shown = block(&block_3);
        assert!(shown.contains("\ntime           2009-01-03 18:15:05 UTC\n"), "{shown}");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7322), "2 h 2 min");
    }
}
