//! The commands of `lode`: what each does, and how the program ends.

mod bootstrap;
mod explain;
mod export;
mod failure;
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

use chain::genesis::Network;
use chain::spec::ChainSpec;
use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use command::failure::{Failure, UsageError};
use command::print;
use devnet::DevnetOptions;
use devnet::Ending;
use show::exit::Exit;
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

/// Runs the program.
pub fn main() -> ExitCode {
    // People shall read what to do, not where in the source it happened.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(io::stderr(), "lode: failed inside ({place}); please report this bug");
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error).into(),
    };
    let exit = run(cli).unwrap_or_else(|Failure { text, exit }| {
        // If nobody reads it, the code still tells.
        note(&format!("lode: {text}"));
        exit
    });
    exit.into()
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

fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        None => Ok(print(START_HELP).map(|()| Exit::Ok)?),
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
        Some(Command::Simulate(options)) => laboratory::run(&options),
        Some(Command::Bench(command)) => bench::run(&command),
        Some(Command::Version(options)) => version::run(&options),
    }
}

/// The network of a spec file.
fn network_of(path: &Path) -> Result<Network, UsageError> {
    let text = fs::read_to_string(path)
        .map_err(|error| UsageError(format!("cannot read {}: {error}", path.display())))?;
    let network = ChainSpec::from_toml(&text).and_then(Network::new);
    network.map_err(|error| UsageError(format!("{}: {error}", path.display())))
}

fn devnet(options: &DevnetOptions) -> Result<Exit, Failure> {
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
