//! `lode bootstrap`: makes a network or goes on with one, and keeps its directory and faucet.

mod network;

use std::sync::Arc;
use std::time::Instant;

use client::joining::DEFAULT_BOOTSTRAP;
use tokio::sync::mpsc::channel;

use super::node_process::{NodeProcess, ProcessOrder};
use crate::cli::BootstrapOptions;
use command::failure::Failure;
use command::interrupt::Interrupt;
use machine::MachineConfig;
use network::{Founded, found};
use output::restraint::Restraint;
use server::directory::{Directory, DirectoryOrder, News};
use server::operator::Role;
use server::operator::pass::reachable;
use server::runtime::{FORWARDED_MAX, NodeConfig, StorePlace};
use show::exit::Exit;
use show::streams::note;

pub(super) use network::BootstrapError;

/// Its name, and that of its directory.
const NAME: &str = "bootstrap";

/// Makes a network or goes on with one, until it is told to stop.
///
/// # Errors
/// [`BootstrapError`], or why the node or the directory did not start or did not go on.
pub(super) fn run(options: &BootstrapOptions) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let Founded { network, directory, faucet, is_new } = found(options)?;
    if !options.json {
        let verb = if is_new { "a new network" } else { "going on with the network" };
        note(&format!("{verb} {} in {}", network.genesis_hash(), directory.display()));
    }
    let (forward, questions) = channel(FORWARDED_MAX);
    let machine = MachineConfig { directory: true, ..MachineConfig::new(NAME, rand::random()) };
    let store = StorePlace::Directory(directory.clone());
    let config = NodeConfig {
        directory: Some(forward),
        ..NodeConfig::new(machine, Arc::clone(&network), store, options.listen)
    };
    let order = ProcessOrder {
        config,
        directory: directory.clone(),
        role: Role::Bootstrap,
        json: options.json,
    };
    let process = NodeProcess::start(order, interrupt)?;
    let directory = Directory::start(DirectoryOrder {
        network,
        directory,
        faucet,
        miners: Vec::new(),
        handle: process.handle(),
        questions,
        tell: Box::new(tell_sparingly()),
    })?;
    if !options.json {
        say_what_next(&reachable(process.node.address).to_string());
    }
    process.run(|| directory.stop())
}

/// Tells people what happens at the directory: what anybody can bring about as often as he likes
/// once in ten seconds, with the count of what was left out before.
fn tell_sparingly() -> impl FnMut(News) + Send {
    let (started, mut restraint) = (Instant::now(), Restraint::default());
    move |news| {
        let now = started.elapsed();
        for (kind, count) in restraint.over(now) {
            note(&format!("left out {count} more lines of the directory: {kind}"));
        }
        if news.restrained().is_none_or(|kind| restraint.admits(kind, 1, now)) {
            note(&news.to_string());
        }
    }
}

fn say_what_next(address: &str) {
    let flag = if address == DEFAULT_BOOTSTRAP {
        String::new()
    } else {
        format!(" --bootstrap {address}")
    };
    note(&format!(
        "In other terminals:  lode miner Miner1 9001{flag}\n                     \
         lode wallet Adam{flag}"
    ));
}
