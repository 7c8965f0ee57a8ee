//! The `lode-wallet` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    wallet::commands::main()
}
