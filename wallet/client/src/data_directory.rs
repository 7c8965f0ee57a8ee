//! Where data lies: one directory for each network and name, pinned to its network's spec.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::spec::{ChainSpec, SpecError};
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use wire::directory::{NAME_BYTES_MAX, is_name};

use crate::durable_file;

/// Name of the spec's file in a data directory.
pub const SPEC_FILE: &str = "spec.toml";

/// Longest spec file that is read; the same limit as on the wire.
const SPEC_FILE_BYTES_MAX: u64 = wire::directory::SPEC_BYTES_MAX as u64;

/// Name of the file that remembers where the spec came from.
const BOOTSTRAPS_FILE: &str = "bootstraps.json";

/// Bootstrap nodes that are remembered for one directory, the last used ones.
pub const BOOTSTRAPS_MAX: usize = 16;

/// Longest file of bootstrap nodes that is read: sixteen of the longest host names and some room.
const BOOTSTRAPS_FILE_BYTES_MAX: u64 = 8 * 1024;

/// Networks that are looked through for a name: far more than anybody joins.
const NETWORKS_MAX: usize = 1024;

/// Files that hold money or a chain, and the beginning of the names of others: a directory with any
/// of them belongs to a network, whether its spec is there or not.
const PRECIOUS: [&str; 5] =
    ["faucet.key", "state.redb", "directory.redb", "wallet/key", "wallet/payments"];
const PRECIOUS_BEGINNING: &str = "blocks-";

/// Digits of genesis in a directory's name: two networks of one prefix hardly share them, and
/// [`pin`] notices when they do.
const GENESIS_DIGITS: usize = 8;

/// Why a name is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is no name: write 1 to {NAME_BYTES_MAX} letters a-z, digits, - or _, like Miner1"
)]
pub struct BadName {
    /// What was given, cut to 40 characters.
    pub name: String,
}

/// The system does not say where data belongs.
#[derive(Debug, thiserror::Error)]
#[error("no home directory is known: set HOME or XDG_DATA_HOME, or say --data-dir DIR")]
pub struct NoHome;

/// A directory that a name has on some network.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The directory.
    pub directory: PathBuf,
    /// The network of its spec.
    pub network: Arc<Network>,
    /// The bootstrap nodes that it was used with, the last one first, as they were written.
    pub bootstraps: Vec<String>,
    /// When it was last used.
    pub used: SystemTime,
}

/// Why a directory's spec is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// There is none.
    #[error("{} has no {SPEC_FILE}: it is not a node's data directory", directory.display())]
    Missing {
        /// The directory.
        directory: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is no spec.
    #[error(
        "{} is not a spec: {reason}; put back that of another node of the network, or move it away \
         and join again",
        path.display()
    )]
    Spec {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: SpecError,
    },
    /// It is another network's.
    #[error(
        "{} belongs to the network {got}, not to {expected}: choose another directory",
        directory.display()
    )]
    OtherNetwork {
        /// The directory.
        directory: PathBuf,
        /// Genesis of the spec that lies there.
        got: BlockHash,
        /// Genesis that was meant.
        expected: BlockHash,
    },
}

/// Whether `name` may be that of a node or wallet: it becomes the name of a directory.
///
/// # Errors
/// [`BadName`].
pub fn check_name(name: &str) -> Result<(), BadName> {
    if is_name(name) {
        return Ok(());
    }
    Err(BadName { name: name.chars().take(40).collect() })
}

/// The platform's place for data; `XDG_DATA_HOME` is honored.
///
/// # Errors
/// [`NoHome`].
pub fn data_home() -> Result<PathBuf, NoHome> {
    etcetera::choose_base_strategy().map(|strategy| strategy.data_dir()).map_err(|_| NoHome)
}

/// Where everything of `network` lies under `home`: `lode/PREFIX-GENESIS`, the first digits of it.
pub fn network_directory(home: &Path, network: &Network) -> PathBuf {
    let genesis = network.genesis_hash().to_string();
    let digits = &genesis[..GENESIS_DIGITS];
    home.join("lode").join(format!("{}-{digits}", network.spec.address_prefix))
}

/// The directories that `name` has under `home`, one a network, the last used first. What has no
/// sound spec is left out.
pub fn directories_of(home: &Path, name: &str) -> Vec<Pinned> {
    let networks = fs::read_dir(home.join("lode")).into_iter().flatten().flatten();
    let directories = networks.take(NETWORKS_MAX).map(|network| network.path().join(name));
    let mut found: Vec<Pinned> =
        directories.filter_map(|directory| pinned_directory(&directory).ok()).collect();
    found.sort_by(|one, other| {
        other.used.cmp(&one.used).then_with(|| one.directory.cmp(&other.directory))
    });
    found
}

/// What holds money or a chain in `directory`, sorted; nothing where nothing can be read.
pub fn precious_files(directory: &Path) -> Vec<PathBuf> {
    let named = PRECIOUS.iter().map(|name| directory.join(name));
    let mut found: Vec<PathBuf> = named.filter(|path| fs::symlink_metadata(path).is_ok()).collect();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_precious = |name: &str| name.starts_with(PRECIOUS_BEGINNING);
    let blocks = entries.filter(|entry| is_precious(&entry.file_name().to_string_lossy()));
    found.extend(blocks.map(|entry| entry.path()));
    found.sort();
    found
}

/// The directories that `name` has under `home` which hold money or a chain, and no sound spec.
pub fn without_spec(home: &Path, name: &str) -> Vec<PathBuf> {
    let networks = fs::read_dir(home.join("lode")).into_iter().flatten().flatten();
    let directories = networks.take(NETWORKS_MAX).map(|network| network.path().join(name));
    let is_lost = |directory: &PathBuf| {
        pinned_network(directory).is_err() && !precious_files(directory).is_empty()
    };
    let mut found: Vec<PathBuf> = directories.filter(is_lost).collect();
    found.sort();
    found
}

/// What `directory` is pinned to and where that came from.
///
/// # Errors
/// [`PinError`]. A damaged list of bootstrap nodes counts as an empty one.
pub fn pinned_directory(directory: &Path) -> Result<Pinned, PinError> {
    let network = Arc::new(pinned_network(directory)?);
    let path = directory.join(BOOTSTRAPS_FILE);
    let text = read(&path, BOOTSTRAPS_FILE_BYTES_MAX).ok();
    let remembered: Option<Bootstraps> = text.and_then(|text| serde_json::from_str(&text).ok());
    let mut bootstraps = remembered.map(|file| file.bootstraps).unwrap_or_default();
    bootstraps.truncate(BOOTSTRAPS_MAX);
    let modified = fs::metadata(&path).and_then(|file| file.modified());
    let used = modified.unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Pinned { directory: directory.to_owned(), network, bootstraps, used })
}

/// Remembers that `directory` was used with these bootstrap nodes, before those it knew.
///
/// # Errors
/// [`PinError::Io`].
pub fn remember_bootstraps(directory: &Path, bootstraps: &[String]) -> Result<(), PinError> {
    let earlier = pinned_directory(directory)?.bootstraps;
    let mut all = bootstraps.to_vec();
    all.extend(earlier.into_iter().filter(|address| !bootstraps.contains(address)));
    all.truncate(BOOTSTRAPS_MAX);
    let file = Bootstraps { v: 1, bootstraps: all };
    let text = serde_json::to_string(&file).expect("numbers and texts always serialize");
    write(&directory.join(BOOTSTRAPS_FILE), &text)
}

/// The file of bootstrap nodes.
#[derive(Serialize, Deserialize)]
struct Bootstraps {
    /// Version of the file.
    v: u32,
    /// As they were written on the command line, the last used first.
    bootstraps: Vec<String>,
}

/// Writes the spec of `network` into `directory`, or checks the one that lies there.
///
/// # Errors
/// [`PinError`], mostly because the directory belongs to another network.
pub fn pin(directory: &Path, network: &Network) -> Result<(), PinError> {
    match pinned_network(directory) {
        Ok(pinned) if pinned.genesis_hash() == network.genesis_hash() => Ok(()),
        Ok(pinned) => Err(PinError::OtherNetwork {
            directory: directory.to_owned(),
            got: pinned.genesis_hash(),
            expected: network.genesis_hash(),
        }),
        Err(PinError::Missing { .. }) => write(&directory.join(SPEC_FILE), &network.spec.to_toml()),
        Err(error) => Err(error),
    }
}

/// The network that `directory` is pinned to.
///
/// # Errors
/// [`PinError`].
pub fn pinned_network(directory: &Path) -> Result<Network, PinError> {
    let path = directory.join(SPEC_FILE);
    let text = match read(&path, SPEC_FILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PinError::Missing { directory: directory.to_owned() });
        }
        read => {
            read.map_err(|source| PinError::Io { action: "read", path: path.clone(), source })?
        }
    };
    let network = ChainSpec::from_toml(&text).and_then(Network::new);
    network.map_err(|reason| PinError::Spec { path, reason })
}

fn read(path: &Path, bytes_max: u64) -> io::Result<String> {
    let bytes = durable_file::read_limited(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn write(path: &Path, text: &str) -> Result<(), PinError> {
    durable_file::replace(path, text.as_bytes()).map_err(|source| PinError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
