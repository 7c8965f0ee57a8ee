//! `Tally`: what a node counts for whoever runs it.

/// Counts since the node's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections of wallets whose handshake was done.
    pub wallet_connections: u64,
    /// Payments that wallets handed over, whatever became of them.
    pub payments_submitted: u64,
    /// Solutions of a template that the tip has left behind, or that is none of ours.
    pub solutions_stale: u64,
    /// Solutions that make no block of their template.
    pub solutions_invalid: u64,
}
