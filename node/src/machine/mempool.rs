//! The memory pool: pending transactions, highest fee rate first.
