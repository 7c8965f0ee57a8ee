//! Why a node did not start, or did not go on.

use std::io;
use std::net::SocketAddr;

use client::data_directory::PinError;

use super::listener::listen_advice;
use super::miner::MinerError;
use machine::MachineError;
use machine::store::StoreError;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not one of this computer.
    #[error("cannot listen on {address}: {source}; {}", listen_advice(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The data directory is locked, damaged, or of another network.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The spec in the data directory is another one or cannot be read.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The machine could not take up its chain.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The miner cannot run.
    #[error(transparent)]
    Miner(#[from] MinerError),
    /// Nobody could ask the node.
    #[error("cannot write the file for whoever runs the node: {0}")]
    Operator(io::Error),
    /// The operating system refused threads.
    #[error("cannot start the node's threads: {0}")]
    Threads(String),
}

/// Why a node ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeFailure {
    /// The machine's own trouble, of the disk mostly.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The machine panicked: a bug. Nothing half-done was written.
    #[error("the node failed inside: {0}; this is a bug, please report it")]
    Panicked(String),
}
