//! `Pass`: the file that lets whoever can read it ask the running node.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chain::hash::{from_hex, to_hex};
use client::durable_file;
use serde::{Deserialize, Serialize};
use wire::operator::Token;

/// Name of the file in a node's data directory.
pub const FILE: &str = "operator.json";

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 4096;

/// Folders that are looked into for passes: more networks and nodes than one computer carries.
const FOLDERS_MAX: usize = 4096;

/// Where a node is asked, and what it wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The node's name.
    pub name: String,
    /// Where it is asked, from this computer.
    pub address: SocketAddr,
    /// What it wants to be shown.
    pub token: Token,
    /// Its process.
    pub pid: u32,
}

#[derive(Serialize, Deserialize)]
struct Content {
    v: u32,
    name: String,
    address: SocketAddr,
    token: String,
    pid: u32,
}

impl Pass {
    /// Writes the file into a node's data directory, for its owner alone, whatever the umask.
    ///
    /// # Errors
    /// The operating system's.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let content = Content {
            v: 1,
            name: self.name.clone(),
            address: self.address,
            token: to_hex(&self.token.0),
            pid: self.pid,
        };
        let text = serde_json::to_string(&content).expect("texts and numbers always serialize");
        durable_file::replace(&directory.join(FILE), text.as_bytes())
    }

    /// Reads the file of the node whose data directory this is.
    ///
    /// # Errors
    /// The operating system's; [`io::ErrorKind::NotFound`] means that no node runs there.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let damaged = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
        if fs::metadata(&path)?.len() > FILE_BYTES_MAX {
            return Err(damaged("it is too long"));
        }
        let content: Content = serde_json::from_str(&fs::read_to_string(&path)?)
            .map_err(|error| damaged(&error.to_string()))?;
        let token = from_hex(&content.token)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| damaged("its token is not 64 hex digits"))?;
        let Content { name, address, pid, .. } = content;
        Ok(Self { name, address, token: Token(token), pid })
    }
}

/// Removes the file; that of a node which is gone is of no use to anybody.
pub fn remove(directory: &Path) {
    // If that fails the next start replaces it, and nobody answers to it until then.
    let _ = fs::remove_file(directory.join(FILE));
}

/// Whether two tokens are the same, in a time that does not tell how much of them is.
pub fn is_same(one: &Token, other: &Token) -> bool {
    let pairs = one.0.iter().zip(&other.0);
    let difference = pairs.fold(0, |difference, (one, other)| difference | (one ^ other));
    std::hint::black_box(difference) == 0
}

/// Where a node that listens at `address` is reached from its own computer.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The folders two levels below `root` that hold a pass, sorted.
pub fn directories_below(root: &Path) -> Vec<PathBuf> {
    let networks = folders_in(root).into_iter();
    networks.flat_map(|network| directories_in(&network)).take(FOLDERS_MAX).collect()
}

/// The folders in `network` that hold a pass, sorted.
pub fn directories_in(network: &Path) -> Vec<PathBuf> {
    let mut nodes = folders_in(network);
    nodes.retain(|node| node.join(FILE).is_file());
    nodes
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.take(FOLDERS_MAX).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pass_reads_back_and_only_its_owner_may_read_it(
            token: [u8; 32], port: u16, pid: u32, name in "[A-Za-z0-9_-]{1,32}",
        ) {
            let directory = tempfile::tempdir().unwrap();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let pass = Pass { name, address, token: Token(token), pid };
            pass.write(directory.path()).unwrap();
            prop_assert_eq!(&Pass::read(directory.path()).unwrap(), &pass);
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
                prop_assert_eq!(mode & 0o777, 0o600);
            }
            remove(directory.path());
            let gone = Pass::read(directory.path()).unwrap_err();
            prop_assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        }

        #[test]
        fn tokens_are_the_same_when_every_bit_is(token: [u8; 32], bit in 0usize..256) {
            let mut other = token;
            prop_assert!(is_same(&Token(token), &Token(other)));
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!is_same(&Token(token), &Token(other)));
        }

        #[test]
        fn a_damaged_pass_opens_nothing(text in ".{0,200}") {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join(FILE), text).unwrap();
            prop_assert!(Pass::read(directory.path()).is_err());
        }
    }

    #[test]
    fn a_node_that_listens_everywhere_is_asked_over_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9001"), "127.0.0.1:9001");
        assert_eq!(reached("[::]:9001"), "[::1]:9001");
        assert_eq!(reached("127.0.0.2:9001"), "127.0.0.2:9001");
    }

    #[test]
    fn passes_are_found_two_levels_down() {
        let root = tempfile::tempdir().unwrap();
        let token = Token([1; 32]);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        for place in ["b/Miner1", "a/bootstrap", "a/Miner2", "deep/er/still"] {
            let directory = root.path().join(place);
            fs::create_dir_all(&directory).unwrap();
            if place != "a/Miner2" {
                let pass = Pass { name: "x".to_owned(), address, token, pid: 1 };
                pass.write(&directory).unwrap();
            }
        }
        let found = directories_below(root.path());
        assert_eq!(found, [root.path().join("a/bootstrap"), root.path().join("b/Miner1")]);
    }
}
