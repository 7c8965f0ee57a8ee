//! `lode wallet`: the same code as the program `lode-wallet`.

use ::wallet::cli::WalletOptions;
use ::wallet::commands::CommandError;

use super::Exit;

/// Does what the wallet is told.
///
/// # Errors
/// [`CommandError`].
pub(super) fn run(options: &WalletOptions) -> anyhow::Result<Exit> {
    match ::wallet::commands::run(options) {
        Ok(()) => Ok(Exit::Ok),
        // Whoever pressed Ctrl-C need not be told.
        Err(CommandError::Interrupted) => Ok(Exit::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// How a wallet's failure ends the program.
pub(super) fn exit_of(error: &CommandError) -> Exit {
    match error.exit_code() {
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
