//! The machine's real body and what is served beside it.
//!
//! [`runtime`] drives one machine with sockets, threads and a disk; [`directory`] holds the
//! services of a bootstrap node; [`operator`] answers whoever runs the node.

mod allowance;
pub mod directory;
pub mod operator;
pub mod runtime;
