//! The `lode` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    node::commands::main()
}
