//! `lode miner`: a node that joins a network, mines in it, and lives through anything.

mod registration;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chain::address::{Address, AddressError};
use chain::genesis::Network;
use chain::key::OutputKey;
use client::data_directory::data_home;
use client::joining::{DEFAULT_BOOTSTRAP, JoinError, JoinNews, JoinOrder, resolve};
use client::membership::{Joined, join};
use wallet::keystore::payout_key;

use super::node_process::{NodeProcess, ProcessOrder};
use crate::cli::MinerOptions;
use command::failure::{Failure, UsageError};
use command::interrupt::Interrupt;
use command::kernel_choice;
use machine::MachineConfig;
use machine::mining::MiningPolicy;
use registration::Registration;
use server::operator::Role;
use server::runtime::{MiningConfig, NodeConfig, StorePlace};
use show::exit::Exit;
use show::streams::note;

/// How often a wait looks whether somebody wants the program to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The payout address is of no use here.
#[derive(Debug, thiserror::Error)]
#[error("--payout: {source}; give an address of this network, or leave it out")]
pub(super) struct PayoutError {
    /// What is wrong with it.
    pub source: AddressError,
}

/// Joins the network and mines until it is told to stop.
///
/// # Errors
/// A [`JoinError`], [`PayoutError`], or why the node did not start or did not go on.
pub(super) fn run(options: &MinerOptions) -> Result<Exit, Failure> {
    if options.difficulty.is_some() {
        let advice = "the network's difficulty is set at `lode bootstrap`, not at a miner";
        return Err(UsageError(advice.to_owned()).into());
    }
    let interrupt = Interrupt::listen()?;
    let bootstraps = bootstraps(options);
    let joined = match join_network(options, &bootstraps, &interrupt) {
        Err(JoinError::Interrupted) => return Ok(Exit::Ok),
        joined => joined?,
    };
    let Joined { network, directory, .. } = joined;
    note(&format!("network {}", network.genesis_hash()));
    let config = node_config(options, &network, &directory)?;
    let role = if config.mining.is_some() { Role::Miner } else { Role::Relay };
    let order = ProcessOrder { config, directory, role, json: options.json };
    let process = NodeProcess::start(order, interrupt)?;
    let port = process.node.address.port();
    let registration =
        Registration::start(&bootstraps, &options.name, port, &network, &process.handle())?;
    process.run(|| registration.stop())
}

/// The bootstrap nodes to ask; none with `--peer` and without a word about them.
fn bootstraps(options: &MinerOptions) -> Vec<String> {
    if !options.bootstrap.is_empty() {
        options.bootstrap.clone()
    } else if options.peer.is_empty() {
        vec![DEFAULT_BOOTSTRAP.to_owned()]
    } else {
        Vec::new()
    }
}

fn join_network(
    options: &MinerOptions,
    bootstraps: &[String],
    interrupt: &Interrupt,
) -> Result<Joined, JoinError> {
    let mut order = JoinOrder {
        name: options.name.clone(),
        bootstraps: bootstraps.to_vec(),
        home: home(options.data_dir.as_deref())?,
        data_dir: options.data_dir.clone(),
        genesis: options.genesis,
    };
    let mut pause = |time| pause(time, interrupt);
    match join(&order, &mut tell, &mut pause) {
        // Fixed peers alone cannot say which network this is.
        Err(JoinError::NothingPinned { .. }) if bootstraps.is_empty() => {
            order.bootstraps = vec![DEFAULT_BOOTSTRAP.to_owned()];
            join(&order, &mut tell, &mut pause)
        }
        joined => joined,
    }
}

/// The place for data; of no interest when the directory itself is named.
fn home(data_dir: Option<&Path>) -> Result<PathBuf, JoinError> {
    if data_dir.is_some() {
        return Ok(PathBuf::new());
    }
    Ok(data_home()?)
}

fn tell(news: JoinNews) {
    match news {
        JoinNews::WithoutSpec { directory } => note(&format!(
            "{} holds money or a chain and no sound spec.toml: put back that of another node of \
             the network",
            directory.display()
        )),
        JoinNews::Waiting { bootstraps } => {
            note(&format!(
                "waiting for the bootstrap node at {bootstraps}: start one with `lode \
                 bootstrap`, or say where it is with --bootstrap"
            ));
        }
        JoinNews::WithoutBootstrap { bootstraps, directory } => note(&format!(
            "no bootstrap node answers at {bootstraps}: going on with {}",
            directory.display()
        )),
    }
}

fn pause(time: Duration, interrupt: &Interrupt) -> ControlFlow<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if interrupt.came() {
            return ControlFlow::Break(());
        }
        thread::sleep(LOOK_INTERVAL.min(time));
    }
    ControlFlow::Continue(())
}

fn node_config(
    options: &MinerOptions,
    network: &Arc<Network>,
    directory: &Path,
) -> Result<NodeConfig, Failure> {
    let threads = options.threads.unwrap_or_else(|| engine::default_threads().get());
    let mining = NonZeroUsize::new(threads).map(|threads| {
        let kernel = kernel_choice::choose(options.kernel);
        MiningConfig { threads, kernel }
    });
    let policy = match mining {
        Some(_) => Some(MiningPolicy {
            min_txs: options.min_txs,
            max_wait: options.max_wait,
            payout: payout(options, network, directory)?,
        }),
        None => None,
    };
    let mut peers = Vec::new();
    for peer in &options.peer {
        let resolved = resolve(peer)
            .map_err(|error| UsageError(format!("--peer {peer}: {error}; write HOST:PORT")))?;
        peers.extend(resolved);
    }
    let machine = MachineConfig {
        peers,
        mining: policy,
        ..MachineConfig::new(&options.name, rand::random())
    };
    let store = StorePlace::Directory(directory.to_owned());
    let relay = NodeConfig::new(machine, Arc::clone(network), store, listen(options));
    Ok(NodeConfig { mining, ..relay })
}

/// A port alone is this computer's own.
fn listen(options: &MinerOptions) -> SocketAddr {
    let port = options.port.unwrap_or(0);
    options.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// The address that was given, or the wallet of the same name.
fn payout(
    options: &MinerOptions,
    network: &Network,
    directory: &Path,
) -> Result<OutputKey, Failure> {
    match &options.payout {
        Some(address) => Address::parse(address, &network.spec.address_prefix)
            .map(|address| address.key)
            .map_err(|source| PayoutError { source }.into()),
        None => Ok(payout_key(directory, network)?),
    }
}
