//! `Tally`: what a node counts for whoever runs it.

/// Counts since the node's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections of wallets whose handshake was done.
    pub wallet_connections: u64,
    /// Payments that wallets handed over, whatever became of them.
    pub payments_submitted: u64,
}
