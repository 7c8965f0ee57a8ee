//! What devnet and single nodes tell, as JSON objects: `docs/json.md` explains every field.

use std::net::SocketAddr;

use machine::Report;
use machine::views::{Direction, VERSION};
use serde::Serialize;
use server::runtime::NumberedReport;

use super::ready::{NodeReady, Ready};
use super::summary::Summary;

/// Payments whose coming is told in ten seconds: more than anybody reads.
const ACCEPTED_MAX: u32 = 200;

/// One line of a devnet's or a node's output.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "`docs/json.md` explains every field of every line")]
pub enum Line<'a> {
    /// The first one: the network stands.
    Ready(&'a Ready),
    /// The first one of a node that is its own process.
    #[serde(rename = "ready")]
    NodeReady(&'a NodeReady),
    /// A miner found a block.
    BlockFound { node: &'a str, number: u64, hash: String, height: u32 },
    /// A node's best chain has a new last block.
    BlockConnected {
        node: &'a str,
        number: u64,
        hash: String,
        height: u32,
        transactions: u32,
        fees: String,
        target_zero_bits: u32,
    },
    /// A node left one branch for a better one.
    Reorganized {
        node: &'a str,
        number: u64,
        from: String,
        to: String,
        height: u32,
        disconnected: u32,
        connected: u32,
    },
    /// A node refused a block.
    BlockRefused { node: &'a str, number: u64, hash: String, reason: &'a str },
    /// A transaction is pending at a node.
    TxAccepted { node: &'a str, number: u64, txid: String, fee: String, bytes: u32, pending: u32 },
    /// A node refused a transaction.
    TxRefused { node: &'a str, number: u64, txid: String, reason: &'a str },
    /// A connection of a node is ready.
    PeerReady {
        node: &'a str,
        number: u64,
        address: SocketAddr,
        name: &'a str,
        direction: &'static str,
    },
    /// A connection of a node is gone.
    PeerLost { node: &'a str, number: u64, address: SocketAddr, reason: &'a str },
    /// More happened of one kind than is told in ten seconds: so many lines were left out.
    LeftOut { node: &'a str, of: &'static str, count: u64 },
    /// Output was read too slowly: events of a node were left out.
    Missed { node: &'a str, count: u64 },
    /// The last one: what came of it all.
    Summary(&'a Summary),
}

#[derive(Serialize)]
struct Versioned<'a> {
    v: u32,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

impl<'a> Line<'a> {
    /// The line for what a node reported.
    pub fn of(node: &'a str, reported: &'a NumberedReport) -> Self {
        let number = reported.number;
        match &reported.report {
            Report::BlockFound { hash, height } => {
                Self::BlockFound { node, number, hash: hash.to_string(), height: *height }
            }
            Report::BlockConnected { hash, height, transactions, fees, target_zero_bits } => {
                Self::BlockConnected {
                    node,
                    number,
                    hash: hash.to_string(),
                    height: *height,
                    transactions: *transactions,
                    fees: fees.to_string(),
                    target_zero_bits: *target_zero_bits,
                }
            }
            Report::Reorganized { from, to, height, disconnected, connected } => {
                Self::Reorganized {
                    node,
                    number,
                    from: from.to_string(),
                    to: to.to_string(),
                    height: *height,
                    disconnected: *disconnected,
                    connected: *connected,
                }
            }
            Report::BlockRefused { hash, reason } => {
                Self::BlockRefused { node, number, hash: hash.to_string(), reason }
            }
            Report::TxAccepted { txid, fee, bytes, pending } => Self::TxAccepted {
                node,
                number,
                txid: txid.to_string(),
                fee: fee.to_string(),
                bytes: *bytes,
                pending: *pending,
            },
            Report::TxRefused { txid, reason } => {
                Self::TxRefused { node, number, txid: txid.to_string(), reason }
            }
            Report::PeerReady { address, name, direction, .. } => Self::PeerReady {
                node,
                number,
                address: *address,
                name,
                direction: Direction::from(*direction).word(),
            },
            Report::PeerLost { address, reason, .. } => {
                Self::PeerLost { node, number, address: *address, reason }
            }
        }
    }

    /// What strangers can bring about as often as they like: its kind, and how many lines of it are
    /// written in ten seconds at most. A payment that is taken costs its sender something, and
    /// whoever follows a node follows these.
    pub fn restrained(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::PeerReady { .. } => Some(("peer_ready", 1)),
            Self::PeerLost { .. } => Some(("peer_lost", 1)),
            Self::BlockRefused { .. } => Some(("block_refused", 1)),
            Self::TxRefused { .. } => Some(("tx_refused", 1)),
            Self::TxAccepted { .. } => Some(("tx_accepted", ACCEPTED_MAX)),
            _ => None,
        }
    }

    /// The line as a JSON object, without a line end.
    pub fn to_json(&self) -> String {
        let versioned = Versioned { v: VERSION, line: self };
        serde_json::to_string(&versioned).expect("names, numbers and texts always serialize")
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn a_directory_of_any_name_is_told() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let ready = super::NodeReady {
            name: "Miner1".to_owned(),
            role: "miner",
            address: "127.0.0.1:9001".parse().unwrap(),
            genesis: String::new(),
            coin: String::new(),
            symbol: String::new(),
            difficulty: 8,
            spacing_s: 5,
            height: 0,
            directory: OsStr::from_bytes(b"/tmp/\xff").into(),
            is_elsewhere: false,
            threads: 1,
            kernel: None,
            payout: None,
        };
        let json = super::Line::NodeReady(&ready).to_json();
        assert!(json.contains("\"directory\":\"/tmp/\u{fffd}\""), "{json}");
    }
}
