//! The conversation with the bootstrap node: the spec, and the list of miners.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::wire::{ByteString, at_most, check_node_name, conversation};

/// Most entries in a [`DirectoryMessage::Miners`].
pub const MINERS_MAX: usize = 256;

/// Largest spec file: all its allocations with their addresses.
pub const SPEC_BYTES_MAX: u32 = 1024 * 1024;

/// A miner that is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerEntry {
    /// Its name, for people only; as in a [`Hello`](crate::wire::hello::Hello).
    pub name: String,
    /// Where it accepts peers and wallets.
    pub address: SocketAddr,
}

fn miners_are_sound(miners: &[MinerEntry]) -> Result<(), String> {
    at_most(MINERS_MAX, miners.len(), "miners")?;
    miners.iter().try_for_each(|miner| check_node_name(&miner.name))
}

conversation! {
    /// What anybody and the bootstrap node say to each other.
    DirectoryMessage {
        /// Asks for the spec: the only question of a caller that named no network.
        128 GetSpec(()) <= 0;
        /// The spec as a TOML file.
        129 Spec(ByteString) <= SPEC_BYTES_MAX;
        /// Asks for the miners that are connected now.
        130 GetMiners(()) <= 0;
        /// The miners.
        131 Miners(Vec<MinerEntry>) <= MINERS_MAX as u32 * 64, if miners_are_sound;
    }
}
