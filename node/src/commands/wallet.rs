//! `lode wallet`: the same code as the program `lode-wallet`.

use shell::cli::WalletOptions;
use shell::commands::CommandError;

use command::failure::Failure;
use show::exit::Exit;

/// Does what the wallet is told.
///
/// # Errors
/// [`CommandError`].
pub(super) fn run(options: &WalletOptions) -> Result<Exit, Failure> {
    match shell::commands::run(options) {
        Ok(()) => Ok(Exit::Ok),
        // Whoever pressed Ctrl-C need not be told.
        Err(CommandError::Interrupted) => Ok(Exit::Interrupted),
        Err(error) => Err(error.into()),
    }
}
