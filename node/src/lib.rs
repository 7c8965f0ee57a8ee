//! The Lode node: a pure state machine, its store, and the bodies that drive it.

pub mod cli;
pub mod commands;
pub mod devnet;
pub mod directory;
mod founding;
mod interrupt;
mod kernel_choice;
pub mod machine;
pub mod measurement;
pub mod operator;
pub mod replay;
pub mod runtime;
#[cfg(test)]
mod samples;
pub mod simulation;
pub mod statistics;
pub mod store;
