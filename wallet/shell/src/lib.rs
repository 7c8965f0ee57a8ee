//! A wallet at a terminal: its command line, what each command does, and the prompt.
//!
//! One thread types and prints; at the prompt the wallet lives on another one and is asked.

pub(crate) mod background;
pub mod cli;
pub mod commands;
pub(crate) mod hidden_input;
pub(crate) mod passphrase;
pub(crate) mod prompt;
