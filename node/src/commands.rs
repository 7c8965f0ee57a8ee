//! The commands of `lode`: what each does, and how the program ends.

mod bench;
mod bootstrap;
mod explain;
mod export;
mod miner;
mod node_process;
mod questions;
mod verify;
mod version;
mod wallet;

pub use shell::cli::WalletOptions;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use chain::address::AddressError;
use chain::genesis::Network;
use chain::spec::{ChainSpec, SpecError};
use clap::{CommandFactory, Parser};
use client::data_directory::PinError;

use crate::cli::{Cli, Command, DevnetOptions};
use crate::devnet::{self, Ending, PlanError};
use machine::MachineError;
use machine::replay::ReplayError;
use machine::store::StoreError;
use miner::PayoutError;
use server::directory::DirectoryError;
use server::runtime::{NodeFailure, PANIC_EXIT_CODE, StartError};
use show::misread::reason_of;
use show::streams::note;

/// What `lode` prints when it is given nothing to do.
const START_HELP: &str = "\
Lode: a small proof-of-work network that you can hold in your hand.

  lode devnet                   run a whole network here, with wallets that pay each other
  lode bootstrap                make a network of your own, with a faucet
  lode miner Miner1 9001        mine in it, in another terminal
  lode wallet Adam              pay and be paid in it, in a third one
  lode status                   ask a running node how it is
  lode explain HEX              take a header, block or transaction apart

`lode --help` lists all commands, `lode COMMAND --help` every flag of one.
";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked for.
    Ok = 0,
    /// Something else went wrong.
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A rule refused it.
    Refused = 3,
    /// Nobody answers.
    Unreachable = 4,
    /// The data directory is locked or damaged.
    Directory = 5,
    /// The passphrase is missing or wrong.
    Passphrase = 6,
    /// Another network was meant.
    WrongNetwork = 7,
    /// The program itself is wrong.
    Panicked = PANIC_EXIT_CODE as isize,
    /// Ctrl-C.
    Interrupted = 130,
}

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Runs the program.
pub fn main() -> ExitCode {
    // People shall read what to do, not where in the source it happened.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(io::stderr(), "lode: failed inside ({place}); please report this bug");
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(u8::try_from(misread(&error) as i32).unwrap_or(1)),
    };
    let exit = run(cli).unwrap_or_else(|error| {
        // Every error of ours names its cause itself. If nobody reads it, the code still tells.
        let _ = writeln!(io::stderr(), "lode: {error}");
        exit_of(&error)
    });
    ExitCode::from(u8::try_from(exit as i32).unwrap_or(1))
}

/// Help that was asked for goes out as it is; of anything else the reason alone, in two lines.
fn misread(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // If nobody reads the help, nobody misses it.
        let _ = error.print();
        return Exit::Ok;
    }
    note(&format!("lode: {}", reason_of(&error.render().to_string())));
    note(&format!("`lode {}--help` shows more", command_of(std::env::args_os())));
    Exit::Usage
}

/// The command that the words of a command line name, a space behind each of its words; nothing
/// where they name none.
fn command_of(words: impl Iterator<Item = OsString>) -> String {
    let mut known = Cli::command();
    let mut named = String::new();
    for word in words.skip(1) {
        if let Some(command) = known.find_subcommand(&word).cloned() {
            named.push_str(command.get_name());
            named.push(' ');
            known = command;
        }
    }
    named
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        None => print(START_HELP).map(|()| Exit::Ok),
        Some(Command::Devnet(options)) => devnet(&options),
        Some(Command::Bootstrap(options)) => bootstrap::run(&options),
        Some(Command::Miner(options)) => miner::run(&options),
        Some(Command::Wallet(options)) => wallet::run(&options),
        Some(Command::Status(options)) => questions::status(&options),
        Some(Command::Peers(options)) => questions::peers(&options),
        Some(Command::Mempool(options)) => questions::mempool(&options),
        Some(Command::Chain(options)) => questions::chain(&options),
        Some(Command::Block(options)) => questions::block(&options),
        Some(Command::Tx(options)) => questions::tx(&options),
        Some(Command::Miners(options)) => questions::miners(&options),
        Some(Command::Stop(options)) => questions::stop(&options),
        Some(Command::Verify(options)) => verify::run(&options),
        Some(Command::Export(options)) => export::run(&options),
        Some(Command::Explain(options)) => explain::run(&options),
        Some(Command::Bench(command)) => bench::run(&command),
        Some(Command::Version(options)) => version::run(&options),
    }
}

/// The one place that says which error ends the program how.
fn exit_of(error: &anyhow::Error) -> Exit {
    let of_cause = |cause: &(dyn std::error::Error + 'static)| {
        let of = [
            cause.downcast_ref().map(exit_of_store),
            cause.downcast_ref().map(exit_of_pin),
            cause.downcast_ref().map(exit_of_machine),
            cause.downcast_ref().map(exit_of_start),
            cause.downcast_ref().map(exit_of_failure),
            cause.downcast_ref().map(exit_of_replay),
            cause.downcast_ref().and_then(exit_of_plan),
            cause.downcast_ref().map(bootstrap::exit_of),
            cause.downcast_ref().map(exit_of_directory),
            cause.downcast_ref().map(wallet::exit_of_join),
            cause.downcast_ref().map(wallet::exit_of_key),
            cause.downcast_ref().map(exit_of_payout),
            cause.downcast_ref().map(questions::exit_of),
            cause.downcast_ref().map(wallet::exit_of),
            cause.downcast_ref::<SpecError>().map(|_| Exit::Usage),
            cause.downcast_ref::<UsageError>().map(|_| Exit::Usage),
        ];
        of.into_iter().flatten().next()
    };
    error.chain().find_map(of_cause).unwrap_or(Exit::Other)
}

fn exit_of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::ForeignNetwork { .. } => Exit::WrongNetwork,
        _ => Exit::Directory,
    }
}

fn exit_of_pin(error: &PinError) -> Exit {
    match error {
        PinError::OtherNetwork { .. } => Exit::WrongNetwork,
        _ => Exit::Directory,
    }
}

fn exit_of_machine(error: &MachineError) -> Exit {
    match error {
        MachineError::Store(error) => exit_of_store(error),
        MachineError::Write(error) => exit_of_store(error),
    }
}

fn exit_of_start(error: &StartError) -> Exit {
    match error {
        StartError::Store(error) => exit_of_store(error),
        StartError::Pin(error) => exit_of_pin(error),
        StartError::Machine(error) => exit_of_machine(error),
        _ => Exit::Other,
    }
}

fn exit_of_failure(error: &NodeFailure) -> Exit {
    match error {
        NodeFailure::Machine(error) => exit_of_machine(error),
        NodeFailure::Panicked(_) => Exit::Panicked,
    }
}

fn exit_of_replay(error: &ReplayError) -> Exit {
    match error {
        ReplayError::Store(error) => exit_of_store(error),
        ReplayError::Invalid { .. } | ReplayError::Body { .. } => Exit::Directory,
    }
}

fn exit_of_directory(error: &DirectoryError) -> Exit {
    match error {
        DirectoryError::Database(_) => Exit::Directory,
        DirectoryError::Thread(_) => Exit::Other,
    }
}

fn exit_of_payout(error: &PayoutError) -> Exit {
    match error.source {
        AddressError::OtherNetwork { .. } => Exit::WrongNetwork,
        _ => Exit::Usage,
    }
}

/// A plan's trouble with the directory is told by its cause.
fn exit_of_plan(error: &PlanError) -> Option<Exit> {
    match error {
        PlanError::Pin(_) => None,
        PlanError::Calibration(_) => Some(Exit::Other),
        _ => Some(Exit::Usage),
    }
}

/// Writes a result to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    until_nobody_reads(show::streams::print(text))
}

fn until_nobody_reads(written: io::Result<()>) -> anyhow::Result<()> {
    show::streams::unless_nobody_reads(written)
        .map_err(|error| anyhow::anyhow!("cannot write to standard output: {error}"))
}

/// The network of a spec file.
fn network_of(path: &Path) -> anyhow::Result<Network> {
    let text = fs::read_to_string(path)
        .map_err(|error| UsageError(format!("cannot read {}: {error}", path.display())))?;
    let network = ChainSpec::from_toml(&text).and_then(Network::new);
    network.map_err(|error| UsageError(format!("{}: {error}", path.display())).into())
}

fn devnet(options: &DevnetOptions) -> anyhow::Result<Exit> {
    Ok(match devnet::run(options)? {
        Ending::Good => Exit::Ok,
        Ending::Interrupted => Exit::Interrupted,
        Ending::Bad => Exit::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> String {
        command_of(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_help_that_is_named_is_that_of_the_command() {
        assert_eq!(named("lode miner Miner1 9001 --treads 2"), "miner ");
        assert_eq!(named("lode --color wallet miner receive"), "wallet receive ");
        assert_eq!(named("lode bench calibrate --spacing 5s"), "bench calibrate ");
        assert_eq!(named("lode"), "");
        assert_eq!(named("miner nothing"), "", "the program's own name is no command");
    }
}
