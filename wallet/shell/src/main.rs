//! The `lode-wallet` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    shell::commands::main()
}
