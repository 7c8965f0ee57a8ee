//! The `lode` program: its command line, its commands, and the devnet.

mod cli;
mod commands;
mod devnet;
mod founding;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
