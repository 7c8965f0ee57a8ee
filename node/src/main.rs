//! The `lode` program: its command line, its commands, and the devnet.

mod cli;
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
