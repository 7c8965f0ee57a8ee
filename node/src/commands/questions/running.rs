//! The nodes that run on this computer, found by their passes.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chain::genesis::Network;
use client::data_directory::{PinError, data_home, pinned_network};

use server::operator::pass::{self, Pass};

/// A node on this computer accepts at once, or it is not there.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// Nodes that an error names.
const LISTED_MAX: usize = 12;

/// A node that has left its pass.
pub(super) struct Running {
    /// Its network.
    pub network: Arc<Network>,
    /// How to ask it.
    pub pass: Pass,
}

/// Why no node is asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// None has left a pass and accepts connections.
    #[error(
        "no node runs here that you may ask: start one, or say where it keeps its data with \
         --data-dir DIR"
    )]
    None,
    /// Not at this address.
    #[error(
        "no node that you may ask runs at {address}{}; one that was started with --data-dir DIR is \
         found with --data-dir DIR",
        listed(running)
    )]
    NotThere {
        /// The address.
        address: SocketAddr,
        /// Those that run.
        running: Vec<String>,
    },
    /// Not in this directory.
    #[error("no node runs in {} ({source})", directory.display())]
    NotInDirectory {
        /// The directory.
        directory: PathBuf,
        /// Why its pass cannot be read.
        source: io::Error,
    },
    /// Several nodes run here, and none was named.
    #[error("several nodes run here, say which one with --node ADDR{}", listed(running))]
    Several {
        /// Those that run.
        running: Vec<String>,
    },
    /// The spec of its directory.
    #[error(transparent)]
    Pin(#[from] PinError),
}

fn listed(running: &[String]) -> String {
    if running.is_empty() {
        return String::new();
    }
    let more = if running.len() > LISTED_MAX { ", ..." } else { "" };
    format!(": {}{more}", running[..running.len().min(LISTED_MAX)].join(", "))
}

/// The only node that runs here or, where `directory` is given, in that one, which may be a node's
/// or a devnet's; with an `address` the one of them that is there.
///
/// # Errors
/// [`FindError`].
pub(super) fn find(
    address: Option<SocketAddr>,
    directory: Option<&Path>,
) -> Result<Running, FindError> {
    let mut running = match directory {
        Some(directory) => running_in(directory)?,
        None => running_here(),
    };
    if let Some(address) = address {
        let wanted = pass::reachable(address);
        let Some(at) = running.iter().position(|(_, pass)| pass.address == wanted) else {
            return Err(FindError::NotThere { address, running: names(&running) });
        };
        let (directory, pass) = running.swap_remove(at);
        return open(&directory, pass);
    }
    if running.len() > 1 {
        return Err(FindError::Several { running: names(&running) });
    }
    let (directory, pass) = running.pop().ok_or(FindError::None)?;
    open(&directory, pass)
}

/// The node of a directory, or those of a devnet's.
fn running_in(directory: &Path) -> Result<Vec<(PathBuf, Pass)>, FindError> {
    let source = match Pass::read(directory) {
        // Whether it accepts connections is found out when it is asked.
        Ok(pass) => return Ok(vec![(directory.to_owned(), pass)]),
        Err(error) => error,
    };
    let running = running(pass::directories_in(directory));
    if running.is_empty() {
        return Err(FindError::NotInDirectory { directory: directory.to_owned(), source });
    }
    Ok(running)
}

fn running_here() -> Vec<(PathBuf, Pass)> {
    let mut directories = Vec::new();
    if let Ok(home) = data_home() {
        directories.extend(server::operator::directories(&home));
    }
    directories.extend(devnet::temporary_directories());
    running(directories)
}

/// All nodes with a pass that accept connections: one that was killed leaves its pass behind.
fn running(directories: Vec<PathBuf>) -> Vec<(PathBuf, Pass)> {
    let passes = directories.into_iter().filter_map(|directory| {
        let written = fs::metadata(directory.join(pass::FILE)).and_then(|file| file.modified());
        let pass = Pass::read(&directory).ok()?;
        Some((written.ok()?, directory, pass))
    });
    let mut running = newest(passes.collect());
    running.retain(|(_, pass)| accepts(pass.address));
    running
}

/// One pass for each address: an older one is that of a node which was killed there.
fn newest(mut passes: Vec<(SystemTime, PathBuf, Pass)>) -> Vec<(PathBuf, Pass)> {
    passes.sort_by_key(|(written, _, pass)| (pass.address, Reverse(*written)));
    passes.dedup_by_key(|(_, _, pass)| pass.address);
    passes.into_iter().map(|(_, directory, pass)| (directory, pass)).collect()
}

fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PROBE_TIMEOUT).is_ok()
}

fn names(running: &[(PathBuf, Pass)]) -> Vec<String> {
    running.iter().map(|(_, pass)| format!("{} at {}", pass.name, pass.address)).collect()
}

fn open(directory: &Path, pass: Pass) -> Result<Running, FindError> {
    Ok(Running { network: Arc::new(pinned_network(directory)?), pass })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::operator::Token;

    use super::*;

    proptest! {
        #[test]
        fn the_last_pass_of_every_address_is_the_one_that_counts(
            written in prop::collection::vec((0u64..50, 1u16..6), 0..20),
        ) {
            let at = |s: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
            let pass = |port: u16, pid: u32| Pass {
                name: "Miner1".to_owned(),
                address: SocketAddr::from(([127, 0, 0, 1], port)),
                token: Token([0; 32]),
                pid,
            };
            let passes = written.iter().zip(0..);
            let passes = passes.map(|((s, port), pid)| (at(*s), PathBuf::new(), pass(*port, pid)));
            let kept = newest(passes.collect());
            for (_, pass) in &kept {
                let port = pass.address.port();
                let at_port = written.iter().filter(|(_, other)| *other == port);
                let last = at_port.map(|(s, _)| *s).max();
                prop_assert_eq!(Some(written[pass.pid as usize].0), last);
            }
            let mut ports: Vec<u16> = written.iter().map(|(_, port)| *port).collect();
            ports.sort_unstable();
            ports.dedup();
            prop_assert_eq!(kept.len(), ports.len());
        }
    }
}
