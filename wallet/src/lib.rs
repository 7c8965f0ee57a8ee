//! Keys, coin selection, payments and history: everything a wallet does that needs no screen.
//!
//! Blocking sockets, one thread. The wallet believes no amount that is not in a block of the chain
//! of most work that any miner has shown it, and sends a payment only in the bytes that it was
//! signed in.

pub mod accounts;
pub mod auto_payments;
pub mod coin_selection;
pub mod contacts;
pub mod header_chain;
pub mod history;
pub mod journal;
pub mod keystore;
pub mod miner_choice;
pub mod payment;
pub mod payment_id;
pub mod seed;
pub mod session;
pub mod traffic;
pub mod wallet;
pub mod wallet_directory;

pub use crate::wallet::Wallet;
