//! `lode wallet`: the same code as the program `lode-wallet`.

use ::wallet::keystore::KeystoreError;
use client::joining::JoinError;
use shell::cli::WalletOptions;
use shell::commands::{CommandError, exit_code_of_join, exit_code_of_key};

use super::Exit;

/// Does what the wallet is told.
///
/// # Errors
/// [`CommandError`].
pub(super) fn run(options: &WalletOptions) -> anyhow::Result<Exit> {
    match shell::commands::run(options) {
        Ok(()) => Ok(Exit::Ok),
        // Whoever pressed Ctrl-C need not be told.
        Err(CommandError::Interrupted) => Ok(Exit::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// How a wallet's failure ends the program.
pub(super) fn exit_of(error: &CommandError) -> Exit {
    exit_of_code(error.exit_code())
}

/// How a network that could not be joined ends any program.
pub(super) fn exit_of_join(error: &JoinError) -> Exit {
    exit_of_code(exit_code_of_join(error))
}

/// How a key that cannot be used ends any program.
pub(super) fn exit_of_key(error: &KeystoreError) -> Exit {
    exit_of_code(exit_code_of_key(error))
}

fn exit_of_code(code: u8) -> Exit {
    match code {
        2 => Exit::Usage,
        3 => Exit::Refused,
        4 => Exit::Unreachable,
        5 => Exit::Directory,
        6 => Exit::Passphrase,
        7 => Exit::WrongNetwork,
        130 => Exit::Interrupted,
        _ => Exit::Other,
    }
}
