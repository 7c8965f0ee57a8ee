//! Joining a network: which one it is, and waiting until a bootstrap node is there.
//!
//! The first spec that a bootstrap node hands out decides, and stays: it is pinned in the directory
//! of the name. Later the directory alone is enough, and another spec from the same bootstrap node
//! is an error. Here bootstrap nodes are asked and no file is touched; [`crate::membership`] reads
//! what is pinned before, and pins what is found.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Network;
use chain::hash::BlockHash;
use wire::hello::{Hello, NetworkIdentity};

use crate::data_directory::{BOOTSTRAPS_MAX, BadName, NoHome, PinError, Pinned, check_name};
use crate::directory_client;
use crate::node_client::{ClientError, Timeouts};

/// Where a bootstrap node is looked for when nobody says where.
pub const DEFAULT_BOOTSTRAP: &str = "127.0.0.1:9000";

/// Pause between two rounds of asking: a bootstrap node is found well within 2 s of its start.
pub const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// How long one bootstrap node gets: a spec is small, and others may be waiting to be asked.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(1), answer: Duration::from_secs(5) };

/// Rounds in which something answers that is no bootstrap node, until it is given up: one that is
/// just starting or full gets some seconds.
pub(crate) const STRANGE_ROUNDS_MAX: u32 = 6;

/// Addresses that are tried for one host name.
const ADDRESSES_PER_HOST_MAX: usize = 4;

/// Who wants to join what.
#[derive(Debug, Clone)]
pub struct JoinOrder {
    /// Name of the node or wallet.
    pub name: String,
    /// Bootstrap nodes as `HOST:PORT`, asked in this order. Without any, only a directory that is
    /// pinned already will do.
    pub bootstraps: Vec<String>,
    /// The platform's place for data, as [`crate::data_directory::data_home`] says.
    pub home: PathBuf,
    /// The directory itself, instead of one under `home`.
    pub data_dir: Option<PathBuf>,
    /// The only network that will do.
    pub genesis: Option<BlockHash>,
}

/// What happens meanwhile, told as it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinNews {
    /// A directory of that name holds money or a chain, and its spec is gone or damaged: it is not
    /// found by its network.
    WithoutSpec {
        /// The directory.
        directory: PathBuf,
    },
    /// No bootstrap node answers yet, and nothing is pinned; told once.
    Waiting {
        /// The nodes, as they were written.
        bootstraps: String,
    },
    /// No bootstrap node answers, and the pinned network goes on without.
    WithoutBootstrap {
        /// The nodes, as they were written.
        bootstraps: String,
        /// The directory that is taken up.
        directory: PathBuf,
    },
}

/// Why a network was not joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The system does not say where data belongs.
    #[error(transparent)]
    NoHome(#[from] NoHome),
    /// A bootstrap node is written wrongly.
    #[error(
        "{given:?} is no address of a bootstrap node: write HOST:PORT like {DEFAULT_BOOTSTRAP}"
    )]
    Address {
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// Something answers there, but it is no bootstrap node.
    #[error("no bootstrap node answers at {address} ({reason}): is the port right?")]
    NoBootstrapNode {
        /// The address that was tried, as `HOST:PORT`.
        address: String,
        /// What it did.
        reason: String,
    },
    /// The bootstrap node is on another network than the directory.
    #[error(
        "the bootstrap node at {address} is on another network than {name} was: {difference}; \
         `--genesis {genesis}` joins the new one in its own directory, nothing is lost"
    )]
    OtherSpec {
        /// The bootstrap node's address, as `HOST:PORT`.
        address: String,
        /// Who wants to join.
        name: String,
        /// The field that differs; *here* is the pinned one.
        difference: String,
        /// Genesis of the new one.
        genesis: BlockHash,
    },
    /// The bootstrap nodes are on another network than the one that was demanded.
    #[error(
        "the bootstrap node at {address} is on network {got}, not {expected}: \
         choose another --bootstrap or --genesis"
    )]
    OtherGenesis {
        /// The bootstrap node's address, as `HOST:PORT`.
        address: String,
        /// Genesis of its network.
        got: BlockHash,
        /// What was demanded.
        expected: BlockHash,
    },
    /// No bootstrap node is named and nothing is pinned.
    #[error("{name} has joined no network yet: say where its bootstrap node is, --bootstrap ADDR")]
    NothingPinned {
        /// Who wants to join.
        name: String,
    },
    /// The directory's spec.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The directory cannot be made.
    #[error("cannot make {}: {source}", directory.display())]
    Directory {
        /// The directory that cannot be made.
        directory: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// `pause` said that it is enough.
    #[error("interrupted while waiting for a bootstrap node")]
    Interrupted,
}

/// What joining came to.
pub(crate) enum Choice<'a> {
    /// The network of a bootstrap node that answered; nothing speaks against it.
    Found(Found),
    /// No bootstrap node answers, and this one is what is meant.
    Pinned(&'a Pinned),
}

/// A bootstrap node that answered.
pub(crate) struct Found {
    /// As on the command line.
    pub written: String,
    pub address: SocketAddr,
    pub network: Arc<Network>,
}

impl JoinOrder {
    /// Whether it can be carried out at all; nobody is asked for that.
    pub(crate) fn check(&self) -> Result<(), JoinError> {
        check_name(&self.name)?;
        for address in &self.bootstraps {
            check_address(address).map_err(|_| bad_address(address))?;
        }
        Ok(())
    }
}

/// Finds the network; `pinned` are those that may be gone on with, the last used first. Waits as
/// long as it takes: `pause` is called between two rounds and may end it; `tell` hears the news.
pub(crate) fn choose<'a>(
    order: &JoinOrder,
    pinned: &'a [Pinned],
    tell: &mut dyn FnMut(JoinNews),
    pause: &mut dyn FnMut(Duration) -> ControlFlow<()>,
) -> Result<Choice<'a>, JoinError> {
    let mut strange_rounds = 0;
    let mut told = false;
    loop {
        let mut strange = None;
        match ask_around(order, &mut strange) {
            Some(found) => {
                check_found(order, pinned, &found)?;
                return Ok(Choice::Found(found));
            }
            None if order.bootstraps.is_empty() && pinned.is_empty() => {
                return Err(JoinError::NothingPinned { name: order.name.clone() });
            }
            None => {}
        }
        let bootstraps = order.bootstraps.join(", ");
        if let Some(pinned) = pinned.iter().find(|pinned| is_meant(order, pinned)) {
            if !order.bootstraps.is_empty() {
                let directory = pinned.directory.clone();
                tell(JoinNews::WithoutBootstrap { bootstraps, directory });
            }
            return Ok(Choice::Pinned(pinned));
        }
        strange_rounds = if strange.is_some() { strange_rounds + 1 } else { 0 };
        if strange_rounds >= STRANGE_ROUNDS_MAX
            && let Some((address, reason)) = strange
        {
            return Err(JoinError::NoBootstrapNode { address, reason });
        }
        if !std::mem::replace(&mut told, true) {
            tell(JoinNews::Waiting { bootstraps });
        }
        if pause(RETRY_INTERVAL).is_break() {
            return Err(JoinError::Interrupted);
        }
    }
}

/// Whether `address` looks like `HOST:PORT`; whether the host exists is not asked.
///
/// # Errors
/// What to write instead.
pub fn check_address(address: &str) -> Result<(), String> {
    let parts = address.rsplit_once(':');
    let sound = parts.is_some_and(|(host, port)| {
        let is_ipv6 = host.starts_with('[') && host.ends_with(']');
        let host_fits = (1..=253).contains(&host.len())
            && !host.chars().any(|letter| letter.is_whitespace() || letter.is_control())
            && (is_ipv6 || !host.contains(':'));
        host_fits && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if sound { Ok(()) } else { Err(format!("write HOST:PORT like {DEFAULT_BOOTSTRAP}")) }
}

/// The addresses that the system knows for `HOST:PORT`, some at most.
///
/// # Errors
/// The system's.
pub fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(address.to_socket_addrs()?.take(ADDRESSES_PER_HOST_MAX).collect())
}

/// Whether the network in a directory is what the order is about though no bootstrap node answers:
/// it was named, or came from the same bootstrap node, or there is nobody to ask.
fn is_meant(order: &JoinOrder, pinned: &Pinned) -> bool {
    match order.genesis {
        Some(genesis) => genesis == pinned.network.genesis_hash(),
        None => {
            order.data_dir.is_some()
                || order.bootstraps.is_empty()
                || came_from(pinned, &order.bootstraps)
        }
    }
}

fn came_from(pinned: &Pinned, bootstraps: &[String]) -> bool {
    pinned.bootstraps.iter().any(|address| bootstraps.contains(address))
}

/// The first bootstrap node that answers, one of the demanded network if there is one. Notes in
/// `strange` who answered with something else than a spec.
fn ask_around(order: &JoinOrder, strange: &mut Option<(String, String)>) -> Option<Found> {
    let mut other = None;
    for written in order.bootstraps.iter().take(BOOTSTRAPS_MAX) {
        // A name that cannot be resolved now may be known later.
        for address in resolve(written).unwrap_or_default() {
            match directory_client::spec(address, TIMEOUTS) {
                Ok(spec) => {
                    let Ok(network) = Network::new(spec).map(Arc::new) else {
                        continue;
                    };
                    if order.genesis.is_none_or(|genesis| genesis == network.genesis_hash()) {
                        return Some(Found { written: written.clone(), address, network });
                    }
                    let written = written.clone();
                    other.get_or_insert(Found { written, address, network });
                }
                Err(ClientError::Unreachable { .. } | ClientError::TimedOut { .. }) => {}
                Err(error) => *strange = Some((written.clone(), error.to_string())),
            }
        }
    }
    other
}

/// Whether something speaks against the network of the bootstrap node that was found.
fn check_found(order: &JoinOrder, pinned: &[Pinned], found: &Found) -> Result<(), JoinError> {
    let Found { written: address, network, .. } = found;
    let (address, genesis) = (address.clone(), network.genesis_hash());
    if let Some(expected) = order.genesis
        && expected != genesis
    {
        return Err(JoinError::OtherGenesis { address, got: genesis, expected });
    }
    let is_known = pinned.iter().any(|pinned| pinned.network.genesis_hash() == genesis);
    let from_here = [address.clone()];
    let before = pinned.iter().find(|pinned| came_from(pinned, &from_here));
    if let Some(before) = before
        && !is_known
        && order.genesis.is_none()
        && order.data_dir.is_none()
    {
        let ours = NetworkIdentity::of(&before.network);
        let difference = Hello::difference(&ours, &NetworkIdentity::of(network))
            .unwrap_or_else(|| "genesis differs".to_owned());
        return Err(JoinError::OtherSpec {
            address,
            name: order.name.clone(),
            difference,
            genesis,
        });
    }
    Ok(())
}

fn bad_address(given: &str) -> JoinError {
    JoinError::Address { given: given.chars().take(80).collect() }
}

#[cfg(test)]
mod tests;
