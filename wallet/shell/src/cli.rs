//! The command line of a wallet: what may be typed. What it does stands in [`crate::commands`].

use std::path::PathBuf;

use chain::amount::Amount;
use chain::hash::{BlockHash, Txid};
use clap::{Args, Parser, Subcommand};

use client::data_directory::check_name;
use client::joining::{DEFAULT_BOOTSTRAP, check_address};
use wallet::payment_id::PaymentId;

/// A wallet for a small proof-of-work network.
#[derive(Debug, Parser)]
#[command(name = "lode-wallet", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// What the wallet is told.
    #[command(flatten)]
    pub options: WalletOptions,
}

/// What a wallet is told.
#[derive(Debug, Clone, Args)]
#[command(subcommand_value_name = "COMMAND", args_conflicts_with_subcommands = false)]
pub struct WalletOptions {
    /// Name of the wallet: others pay it by this name
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
    /// What to do; without it, the interactive shell
    #[command(subcommand)]
    pub command: Option<WalletCommand>,
    /// Make a random payment every 5 to 60 seconds
    #[arg(long)]
    pub auto: bool,
    /// Where a bootstrap node is; may be given more than once
    #[arg(long = "bootstrap", value_name = "ADDR:PORT", global = true)]
    #[arg(env = "LODE_BOOTSTRAP", value_delimiter = ',', default_value = DEFAULT_BOOTSTRAP)]
    #[arg(value_parser = bootstrap)]
    pub bootstraps: Vec<String>,
    /// The only network that will do
    #[arg(long, value_name = "HASH", global = true)]
    pub genesis: Option<BlockHash>,
    /// Keep the wallet here [default: a directory of the network and name]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Take the passphrase from a file's first line, - for standard input
    #[arg(long, value_name = "FILE|-", global = true)]
    pub passphrase_file: Option<PathBuf>,
    /// Print JSON objects
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands of a wallet.
#[derive(Debug, Clone, Subcommand)]
pub enum WalletCommand {
    /// Pay somebody
    Send(SendOptions),
    /// What the wallet has
    Balance,
    /// Every transaction that touched the wallet
    History,
    /// The address to be paid at next
    Receive,
    /// The coins behind the balance
    Coins,
    /// Whom names mean, pinned at the first payment
    Contacts {
        /// List them, or change one.
        #[command(subcommand)]
        change: Option<ContactChange>,
    },
    /// The miners that the directory lists
    Miners,
    /// Show the twelve recovery words: whoever has them has the money
    Words,
    /// Make the wallet anew from its twelve words, read from the terminal or standard input
    Restore,
    /// Wait until payments are in a block
    Wait(WaitOptions),
}

/// What `send` is told.
#[derive(Debug, Clone, Args)]
pub struct SendOptions {
    /// A name or an address
    #[arg(value_name = "RECEIVER")]
    pub receiver: String,
    /// How much arrives, in coins
    #[arg(value_name = "AMOUNT")]
    pub amount: Amount,
    /// What the miner gets, in coins, or auto for the least that is taken
    #[arg(long, value_name = "AMOUNT|auto", default_value = "auto", value_parser = fee)]
    pub fee: FeeChoice,
    /// Show how the coins were selected
    #[arg(long)]
    pub explain: bool,
    /// Wait until the payment is in a block
    #[arg(long)]
    pub wait: bool,
    /// Never pay this payment twice: whatever was killed, repeat the command with the same id
    #[arg(long, value_name = "TEXT")]
    pub id: Option<PaymentId>,
    /// Pay also somebody new who looks like somebody you know
    #[arg(long)]
    pub yes: bool,
}

/// What `wait` is told.
#[derive(Debug, Clone, Args)]
pub struct WaitOptions {
    /// The transaction [default: all that wait now]
    #[arg(value_name = "TXID")]
    pub txid: Option<Txid>,
    /// Blocks that must hold or follow it
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub confirmations: u32,
}

/// A change of the contacts.
#[derive(Debug, Clone, Subcommand)]
pub enum ContactChange {
    /// Pin a name to an address
    Add {
        /// The name
        name: String,
        /// The address
        address: String,
    },
    /// Forget a name; the next payment to it asks the directory again
    Remove {
        /// The name
        name: String,
    },
}

/// What a payer gives the miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeChoice {
    /// The least that is taken now.
    Auto,
    /// This amount.
    Fixed(Amount),
}

/// `auto`, or coins.
///
/// # Errors
/// How to write it.
pub fn fee(text: &str) -> Result<FeeChoice, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(FeeChoice::Auto);
    }
    text.parse().map(FeeChoice::Fixed).map_err(|error| format!("{error}; or auto"))
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn bootstrap(text: &str) -> Result<String, String> {
    check_address(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests;
