//! A kit for tests: a chain, and threads with real sockets that answer from it as a node or a
//! directory would.
//!
//! It stands on the rules and the messages alone, so that the tests of whatever talks to a node can
//! use it. No program depends on it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod held_port;
mod polling;
pub mod samples;
pub mod test_chain;
pub mod test_directory;
pub mod test_node;

pub use held_port::HeldPort;
pub use polling::{PATIENCE, poll_until, poll_until_ok};
