//! The fields of headers, blocks and transactions, as lines for people and as JSON.

use std::fmt::Write;

use chain::block::Block;
use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::{BlockHash, sha256, to_hex};
use chain::header::{Header, VERSION_ROLLING_MASK};
use chain::transaction::{Output, Transaction};
use serde_json::{Map, Value, json};

use show::times::utc;

/// Width of the column with the names.
const NAME_COLUMNS: usize = 14;

/// An explained thing: names with values, in order.
#[derive(Default)]
pub(super) struct Shown {
    text: String,
    json: Map<String, Value>,
}

impl Shown {
    fn new(kind: &str) -> Self {
        let mut shown = Self::default();
        shown.set("v", json!(1));
        shown.set("command", json!("explain"));
        shown.set("kind", json!(kind));
        shown
    }

    /// A value for programs only.
    pub fn set(&mut self, name: &str, value: Value) {
        self.json.insert(name.to_owned(), value);
    }

    fn line(&mut self, name: &str, text: &str) {
        writeln!(self.text, "{name:<NAME_COLUMNS$}{text}")
            .expect("writing to a String cannot fail");
    }

    /// A value that reads the same for people and programs.
    fn both(&mut self, name: &str, value: &str) {
        self.line(name, value);
        self.set(&name.replace(' ', "_"), json!(value));
    }

    pub fn to_text(&self) -> &str {
        &self.text
    }

    pub fn to_json(&self) -> String {
        Value::Object(self.json.clone()).to_string()
    }
}

/// The 80 bytes by field, the midstate, both hashes, the target beside the hash.
pub(super) fn header(header: &Header) -> Shown {
    let mut shown = Shown::new("header");
    header_into(&mut shown, header);
    shown
}

fn header_into(shown: &mut Shown, header: &Header) {
    let bytes = header.to_bytes();
    let rolled = (header.version & VERSION_ROLLING_MASK) >> VERSION_ROLLING_MASK.trailing_zeros();
    let mut field = |name: &str, range: std::ops::Range<usize>, text: String, value: Value| {
        let raw = to_hex(&bytes[range]);
        let same_line = if raw.len() > 8 { String::new() } else { format!("{raw}  ") };
        shown.line(name, &format!("{same_line}{text}"));
        shown.set(&name.replace(' ', "_"), value);
    };
    let version = format!("0x{:08x}, {rolled:#06x} in the rolling bits", header.version);
    field("version", 0..4, version, json!(header.version));
    let (previous, root) = (header.previous.to_string(), header.merkle_root.to_string());
    field("previous", 4..36, previous.clone(), json!(previous));
    field("merkle root", 36..68, root.clone(), json!(root));
    field("time", 68..72, format!("{}, {}", header.time, utc(header.time)), json!(header.time));
    let target = header.bits.expand();
    let zero_bits = target.map(|target| target.zero_bits());
    let difficulty = match zero_bits {
        Ok(bits) => format!("{bits} leading zero bits, {} hex zeros", hex_zeros(bits)),
        Err(error) => error.to_string(),
    };
    let bits = header.bits.to_string();
    field("bits", 72..76, format!("{bits}, {difficulty}"), json!(bits));
    field("nonce", 76..80, header.nonce.to_string(), json!(header.nonce));
    shown.set("header", json!(to_hex(&bytes)));
    let midstate: Vec<String> =
        engine::midstate(&bytes).iter().map(|word| format!("{word:08x}")).collect();
    shown.line("midstate", &midstate.join(" "));
    shown.set("midstate", json!(midstate.concat()));
    shown.both("first hash", &to_hex(&sha256(&bytes)));
    shown.both("hash", &header.hash().to_string());
    if let Ok(target) = target {
        // Shown as hashes are, so that the two can be compared by eye.
        shown.both("target", &BlockHash(target.to_le_bytes()).to_string());
        shown.both("work", &target.work().to_string());
    }
    shown.set("zero_bits", json!(zero_bits.ok()));
    shown.set("hash_zero_bits", json!(header.hash().leading_zero_bits()));
}

/// The header, the merkle tree and the transactions.
pub(super) fn block(block: &Block, network: Option<&Network>) -> Shown {
    let mut shown = Shown::new("block");
    header_into(&mut shown, &block.header);
    let bytes = block.encode().len();
    shown.line("size", &format!("{bytes} bytes"));
    shown.set("bytes", json!(bytes));
    let levels = merkle_levels(block);
    for (depth, level) in levels.iter().enumerate().rev() {
        let name = format!("merkle {depth}");
        for (position, node) in level.iter().enumerate() {
            let name = if position == 0 { name.as_str() } else { "" };
            shown.line(name, &BlockHash(*node).to_string());
        }
    }
    let hex = |level: &Vec<[u8; 32]>| {
        level.iter().map(|node| BlockHash(*node).to_string()).collect::<Vec<_>>()
    };
    shown.set("merkle_tree", levels.iter().map(hex).collect::<Vec<_>>().into());
    let mut transactions = Vec::new();
    for (position, entry) in block.transactions.iter().enumerate() {
        let inner = transaction(entry, network);
        shown.line(&format!("transaction {position}"), "");
        for line in inner.text.lines() {
            writeln!(shown.text, "  {line}").expect("writing to a String cannot fail");
        }
        let mut object = inner.json;
        object.remove("v");
        object.remove("command");
        transactions.push(Value::Object(object));
    }
    shown.set("transactions", transactions.into());
    shown
}

/// The tree over the wtxids, leaves first.
fn merkle_levels(block: &Block) -> Vec<Vec<[u8; 32]>> {
    let mut level: Vec<[u8; 32]> =
        block.transactions.iter().map(|transaction| transaction.wtxid().0).collect();
    let mut levels = Vec::new();
    while level.len() > 1 {
        let above = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => chain::hash::sha256d(&[*left, *right].concat()),
                odd => odd[0],
            })
            .collect();
        levels.push(std::mem::replace(&mut level, above));
    }
    levels.push(level);
    levels
}

/// Fields, txid and wtxid.
pub(super) fn transaction(transaction: &Transaction, network: Option<&Network>) -> Shown {
    let mut shown = match transaction {
        Transaction::Coinbase(coinbase) => {
            let mut shown = Shown::new("coinbase");
            shown.line("kind", "coinbase");
            shown.both("height", &coinbase.height.to_string());
            shown.set("height", json!(coinbase.height));
            shown.both("extra", &to_hex(&coinbase.extra));
            shown
        }
        Transaction::Transfer(transfer) => {
            let mut shown = Shown::new("transfer");
            shown.line("kind", "transfer");
            let mut inputs = Vec::new();
            for input in &transfer.inputs {
                let (outpoint, signature) = (input.outpoint, to_hex(&input.signature.0));
                shown.line("input", &format!("{}:{}", outpoint.txid, outpoint.index));
                shown.line("  signature", &signature);
                inputs.push(json!({
                    "txid": outpoint.txid.to_string(),
                    "index": outpoint.index,
                    "signature": signature,
                }));
            }
            shown.set("inputs", inputs.into());
            shown.line("lock height", &transfer.lock_height.to_string());
            shown.set("lock_height", json!(transfer.lock_height));
            shown
        }
    };
    let mut outputs = Vec::new();
    for Output { amount, key } in transaction.outputs() {
        let address = network.map(|network| network.spec.address(*key).to_string());
        let to = address.clone().unwrap_or_else(|| key.to_string());
        shown.line("output", &format!("{amount} to {to}"));
        outputs.push(json!({
            "amount": amount.to_string(),
            "key": key.to_string(),
            "address": address,
        }));
    }
    shown.set("outputs", outputs.into());
    shown.both("txid", &transaction.txid().to_string());
    shown.both("wtxid", &transaction.wtxid().to_string());
    let bytes = transaction.encode().len();
    shown.line("size", &format!("{bytes} bytes"));
    shown.set("bytes", json!(bytes));
    shown
}

/// Leading zero bits in hex digits, to a quarter.
fn hex_zeros(bits: u32) -> String {
    let quarters = ["", ".25", ".5", ".75"][(bits % 4) as usize];
    format!("{}{quarters}", bits / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_hex_zeros_to_a_quarter() {
        assert_eq!(hex_zeros(22), "5.5");
        assert_eq!(hex_zeros(20), "5");
        assert_eq!(hex_zeros(3), "0.75");
    }
}
