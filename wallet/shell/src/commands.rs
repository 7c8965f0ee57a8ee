//! The commands of a wallet: what each does, and which error ends the program how.

use std::io;
use std::process::ExitCode;

use chain::hash::Txid;
use clap::Parser;
use client::data_directory::PinError;
use client::joining::JoinError;
use show::exit::Exit;
use show::misread::reason_of;
use show::report::{self, Report};
use show::streams::{note, print_line};
use wallet::contacts::ContactsError;
use wallet::keystore::KeystoreError;
use wallet::payment::PaymentError;
use wallet::seed::SeedError;
use wallet::session::{PayError, ReceiverError, SessionError, UnlockError};
use wallet::wallet_directory::DirectoryError;

use crate::background::SessionFailed;
use crate::cli::{Cli, WalletCommand, WalletOptions};
use crate::hidden_input::HiddenInputError;
use crate::passphrase::PassphraseError;
use crate::prompt;
use opening::Patience;

pub(crate) mod balance;
pub(crate) mod coins;
pub(crate) mod contacts;
pub(crate) mod history;
pub(crate) mod miners;
pub(crate) mod opening;
pub(crate) mod receive;
pub(crate) mod recovery_words;
pub(crate) mod send;
pub(crate) mod wait;

#[cfg(test)]
pub(crate) mod tests;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// A rule or a miner refuses it.
    #[error("{0}")]
    Refused(String),
    /// No network was joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The wallet's directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The wallet's key.
    #[error(transparent)]
    Key(#[from] KeystoreError),
    /// The passphrase.
    #[error(transparent)]
    Passphrase(PassphraseError),
    /// The key or its passphrase.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The wallet's files.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Who is to be paid.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    /// The payment.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// The contacts.
    #[error(transparent)]
    Contacts(#[from] ContactsError),
    /// The recovery words.
    #[error("these are not the words of a wallet: {0}")]
    Words(#[from] SeedError),
    /// The wallet's own thread.
    #[error(transparent)]
    SessionFailed(#[from] SessionFailed),
    /// Ctrl-C at a question. Whoever pressed it need not be told.
    #[error("interrupted")]
    Interrupted,
    /// A payment was made, and whoever ordered it could not be told.
    #[error(
        "PAID, but it could not be shown ({source}): tx {txid}; {advice}", advice = ordered.advice()
    )]
    PaidNotShown {
        /// The payment.
        txid: Txid,
        /// Where it was ordered.
        ordered: Ordered,
        /// What the operating system says.
        source: io::Error,
    },
    /// The terminal, or standard input or output.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Where a payment was ordered: says what to repeat to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    /// By a command of its own.
    ByCommand,
    /// By a line in the wallet's shell; the lines before it were other payments.
    ByLine,
    /// By `--auto`, which orders something else the next time.
    ByItself,
}

impl Ordered {
    fn advice(self) -> &'static str {
        match self {
            Self::ByCommand => "the same command again shows it and pays nothing more",
            Self::ByLine => {
                "the same line again shows it and pays nothing more, the lines before it pay again"
            }
            Self::ByItself => "`history` shows it",
        }
    }
}

impl From<PassphraseError> for CommandError {
    fn from(error: PassphraseError) -> Self {
        match error {
            PassphraseError::NotTyped(HiddenInputError::Interrupted) => Self::Interrupted,
            other => Self::Passphrase(other),
        }
    }
}

impl CommandError {
    /// How the program ends by it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::SessionFailed(_) | Self::Terminal(_) => Exit::Other,
            Self::PaidNotShown { .. } => Exit::PaidNotShown,
            Self::Usage(_) | Self::Words(_) => Exit::Usage,
            Self::Refused(_) => Exit::Refused,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Directory(_) => Exit::Directory,
            Self::Passphrase(_) => Exit::Passphrase,
            Self::Interrupted => Exit::Interrupted,
            Self::Join(error) => exit_of_join(error),
            Self::Key(error) => exit_of_key(error),
            Self::Unlock(UnlockError::Key(error)) => exit_of_key(error),
            Self::Unlock(UnlockError::Seed(_)) | Self::Session(_) => Exit::Directory,
            Self::Receiver(error) => of_receiver(error),
            Self::Pay(error) => of_pay(error),
            Self::Contacts(error) => of_contacts(error),
        }
    }
}

/// How a program ends that could not join a network.
pub fn exit_of_join(error: &JoinError) -> Exit {
    match error {
        JoinError::Name(_) | JoinError::Address { .. } | JoinError::NothingPinned { .. } => {
            Exit::Usage
        }
        JoinError::NoBootstrapNode { .. } => Exit::Unreachable,
        JoinError::OtherSpec { .. } | JoinError::OtherGenesis { .. } => Exit::WrongNetwork,
        JoinError::Pin(PinError::OtherNetwork { .. }) => Exit::WrongNetwork,
        JoinError::Pin(_) | JoinError::Directory { .. } | JoinError::NoHome(_) => Exit::Directory,
        JoinError::Interrupted => Exit::Interrupted,
    }
}

/// How a program ends whose key failed it.
pub fn exit_of_key(error: &KeystoreError) -> Exit {
    match error {
        KeystoreError::WrongPassphrase | KeystoreError::PassphraseNeeded => Exit::Passphrase,
        KeystoreError::Exists { .. } => Exit::Refused,
        KeystoreError::Encryption(_) => Exit::Other,
        KeystoreError::Missing { .. }
        | KeystoreError::Gone { .. }
        | KeystoreError::Io { .. }
        | KeystoreError::Damaged { .. }
        | KeystoreError::LaterVersion { .. }
        | KeystoreError::Directory(_) => Exit::Directory,
    }
}

fn of_receiver(error: &ReceiverError) -> Exit {
    use chain::address::AddressError;
    match error {
        ReceiverError::Address { reason: AddressError::OtherNetwork { .. }, .. } => {
            Exit::WrongNetwork
        }
        ReceiverError::Address { .. } => Exit::Usage,
        ReceiverError::Unknown { .. }
        | ReceiverError::LookAlike { .. }
        | ReceiverError::KeyChanged { .. } => Exit::Refused,
        ReceiverError::DirectoryUnreachable { .. } => Exit::Unreachable,
    }
}

fn of_pay(error: &PayError) -> Exit {
    match error {
        PayError::Payment(PaymentError::Locked) => Exit::Passphrase,
        PayError::Payment(_)
        | PayError::TooMuch { .. }
        | PayError::OtherPayment { .. }
        | PayError::CannotConfirm { .. } => Exit::Refused,
        PayError::NotSynced => Exit::Unreachable,
        PayError::Journal(_) => Exit::Directory,
        PayError::Contacts(error) => of_contacts(error),
    }
}

fn of_contacts(error: &ContactsError) -> Exit {
    match error {
        ContactsError::Io { .. } | ContactsError::Damaged { .. } => Exit::Directory,
        ContactsError::NoName(_) => Exit::Usage,
        ContactsError::Unknown(_) | ContactsError::Other { .. } | ContactsError::Full => {
            Exit::Refused
        }
    }
}

/// Runs the program `lode-wallet`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            note(&format!("lode-wallet: {}", reason_of(&error.render().to_string())));
            note("`lode-wallet --help` shows every command and flag");
            return Exit::Usage.into();
        }
        Err(help) => {
            // If nobody reads the help, nobody misses it.
            let _ = help.print();
            return Exit::Ok.into();
        }
    };
    match run(&cli.options) {
        Ok(()) => Exit::Ok.into(),
        Err(CommandError::Interrupted) => Exit::Interrupted.into(),
        Err(error) => {
            note(&format!("lode-wallet: {error}"));
            error.exit().into()
        }
    }
}

/// Does what a wallet is told. Errors are the caller's to show.
///
/// # Errors
/// [`CommandError`].
pub fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let Some(command) = &options.command else {
        return prompt::run(options);
    };
    if options.auto {
        let reason = "--auto pays until it is stopped: leave the command away";
        return Err(CommandError::Usage(reason.to_owned()));
    }
    match command {
        WalletCommand::Send(order) => send::run(options, order),
        WalletCommand::Balance => balance::run(options),
        WalletCommand::History => history::run(options),
        WalletCommand::Receive => receive::run(options),
        WalletCommand::Coins => coins::run(options),
        WalletCommand::Contacts { change } => contacts::run(options, change.as_ref()),
        WalletCommand::Miners => miners::run(options),
        WalletCommand::Words => recovery_words::show_words(options),
        WalletCommand::Restore => recovery_words::restore(options),
        WalletCommand::Wait(order) => wait::run(options, order),
    }
}

/// Shows a report on standard output.
pub(crate) fn show<R: Report>(options: &WalletOptions, report: &R) -> Result<(), CommandError> {
    Ok(print_report(options, report)?)
}

/// Shows what became of a payment that was made: if that fails, it is paid all the same.
pub(crate) fn show_paid<R: Report>(
    options: &WalletOptions,
    txid: Txid,
    ordered: Ordered,
    report: &R,
) -> Result<(), CommandError> {
    print_report(options, report).map_err(|source| CommandError::PaidNotShown {
        txid,
        ordered,
        source,
    })
}

fn print_report<R: Report>(options: &WalletOptions, report: &R) -> io::Result<()> {
    let text = if options.json { report::json(report)? } else { report.to_string() };
    print_line(&text)
}
