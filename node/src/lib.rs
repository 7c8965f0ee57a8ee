//! The `lode` program: its command line, its commands, and the devnet.

pub mod cli;
pub mod commands;
pub mod devnet;
mod founding;
mod interrupt;
mod kernel_choice;
