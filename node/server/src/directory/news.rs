//! `News`: what happens at a directory, for people.

use std::fmt;

use chain::address::Address;
use chain::hash::Txid;
use wire::directory::MinerEntry;

use super::faucet;

/// Something that whoever runs the directory may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A miner is listed that was not before.
    Listed(MinerEntry),
    /// A miner has not registered again.
    Expired(MinerEntry),
    /// A name has a record, or a new one.
    Named {
        /// As typed.
        name: String,
        /// Who is paid.
        address: Address,
    },
    /// The faucet pays.
    Paid {
        /// Address that is paid.
        address: Address,
        /// By this transaction.
        txid: Txid,
        /// Payouts that are left.
        left: usize,
    },
    /// Something does not work; the node goes on.
    Trouble(String),
}

impl News {
    /// Its kind, if strangers can bring it about as often as they like. The faucet keeps a pace,
    /// and each of its payouts is money.
    pub fn restrained(&self) -> Option<&'static str> {
        match self {
            Self::Listed(_) => Some("miners listed"),
            Self::Expired(_) => Some("miners that have not registered again"),
            Self::Named { .. } => Some("names"),
            Self::Trouble(_) => Some("trouble"),
            Self::Paid { .. } => None,
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(miner) => write!(f, "miner {} listed at {}", miner.name, miner.address),
            Self::Expired(miner) => {
                write!(f, "miner {} at {} has not registered again", miner.name, miner.address)
            }
            Self::Named { name, address } => write!(f, "name {name} belongs to {address}"),
            Self::Paid { address, txid, left } => {
                let amount = faucet::PAYS;
                write!(f, "faucet pays {amount} to {address} by {txid}, {left} payouts left")
            }
            Self::Trouble(trouble) => f.write_str(trouble),
        }
    }
}
