//! Fields that hold one word of a few: each word stands here once, for programs and for people.

use serde::{Deserialize, Serialize};

use crate::mining::MiningState;

macro_rules! words {
    (
        $(#[$of_enum:meta])* $name:ident:
        $($(#[$of_variant:meta])* $variant:ident = $word:literal,)*
    ) => {
        $(#[$of_enum])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$of_variant])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// What a node is in its network.
    Role:
    /// Hands out the spec and keeps the directory.
    Bootstrap = "bootstrap",
    /// Mines.
    Miner = "miner",
    /// Relays and never mines.
    Relay = "relay",
}

words! {
    /// What the other side of a connection is.
    PeerRole:
    /// Nobody knows before the handshake is done.
    Handshake = "handshake",
    /// A node.
    Node = "node",
    /// A wallet.
    Wallet = "wallet",
    /// A caller of the directory.
    Directory = "directory",
    /// Whoever runs this node.
    Operator = "operator",
}

words! {
    /// Who opened a connection.
    Direction:
    /// The other side.
    Inbound = "inbound",
    /// This node dialed.
    Outbound = "outbound",
}

words! {
    /// What the miner of a node is doing.
    MinerState:
    /// The node never mines.
    Off = "off",
    /// It searches.
    Mining = "mining",
    /// It waits until there is something worth a block.
    Resting = "resting",
}

words! {
    /// The two kinds of transactions.
    TxKind:
    /// Pays the miner.
    Coinbase = "coinbase",
    /// A payment.
    Transfer = "transfer",
}

impl From<Option<wire::hello::Role>> for PeerRole {
    fn from(role: Option<wire::hello::Role>) -> Self {
        match role {
            None => Self::Handshake,
            Some(wire::hello::Role::Peer) => Self::Node,
            Some(wire::hello::Role::Wallet) => Self::Wallet,
            Some(wire::hello::Role::Directory) => Self::Directory,
            Some(wire::hello::Role::Operator) => Self::Operator,
        }
    }
}

impl From<crate::Direction> for Direction {
    fn from(direction: crate::Direction) -> Self {
        match direction {
            crate::Direction::Inbound => Self::Inbound,
            crate::Direction::Outbound => Self::Outbound,
        }
    }
}

impl From<&MiningState> for MinerState {
    fn from(state: &MiningState) -> Self {
        match state {
            MiningState::Off => Self::Off,
            MiningState::Mining { .. } => Self::Mining,
            MiningState::FewPending { .. } | MiningState::Walking | MiningState::NothingToMine => {
                Self::Resting
            }
        }
    }
}

impl From<&chain::transaction::Transaction> for TxKind {
    fn from(transaction: &chain::transaction::Transaction) -> Self {
        match transaction {
            chain::transaction::Transaction::Coinbase(_) => Self::Coinbase,
            chain::transaction::Transaction::Transfer(_) => Self::Transfer,
        }
    }
}
