//! The spec that a data directory is pinned to; wallets and nodes pin it alike.

pub use client::data_directory::{PinError, SPEC_FILE, pin, pinned_network};
