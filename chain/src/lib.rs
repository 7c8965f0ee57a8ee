//! What every participant must agree on: data and rules.
//!
//! Admission rule: *if two programs may differ on it without splitting the network, it does not
//! belong here.* Pure functions and values only: no I/O, no clock, no threads, no floats. Time and
//! state come in as arguments; expensive checks go out as a list of [`key::SignatureCheck`].

pub mod address;
pub mod amount;
pub mod block;
pub mod chain_end;
pub mod encoding;
pub mod genesis;
pub mod hash;
pub mod header;
pub mod key;
pub mod merkle;
pub mod retarget;
pub mod rules;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
pub mod spec;
pub mod subsidy;
pub mod target;
pub mod transaction;
pub mod utxo;
