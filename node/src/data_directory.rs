//! The spec that a data directory is pinned to: one directory, one network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::spec::{ChainSpec, SpecError};

/// Name of the spec's file in a data directory.
pub const SPEC_FILE: &str = "spec.toml";

/// Longest spec file that is read; the same limit as on the wire.
const SPEC_FILE_BYTES_MAX: u64 = chain::wire::directory::SPEC_BYTES_MAX as u64;

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
    #[error("{} is not a spec: {reason}", path.display())]
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
        Err(PinError::Missing { .. }) => write_spec(directory, &network.spec),
        Err(error) => Err(error),
    }
}

/// The network that `directory` is pinned to.
///
/// # Errors
/// [`PinError`].
pub fn pinned_network(directory: &Path) -> Result<Network, PinError> {
    let path = directory.join(SPEC_FILE);
    let text = match read_limited(&path) {
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

fn read_limited(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > SPEC_FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("longer than {SPEC_FILE_BYTES_MAX} bytes"),
        ));
    }
    fs::read_to_string(path)
}

/// Writes beside the file and renames: after a crash there is the whole spec or none.
fn write_spec(directory: &Path, spec: &ChainSpec) -> Result<(), PinError> {
    let path = directory.join(SPEC_FILE);
    let written = tempfile::NamedTempFile::new_in(directory).and_then(|mut file| {
        io::Write::write_all(&mut file, spec.to_toml().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    });
    written.map_err(|source| PinError::Io { action: "write", path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_directory_is_pinned_once_and_refuses_another_network() {
        let directory = tempfile::tempdir().unwrap();
        let (ours, other) = (samples::network(8), samples::network(9));
        assert!(matches!(pinned_network(directory.path()), Err(PinError::Missing { .. })));
        pin(directory.path(), &ours).unwrap();
        pin(directory.path(), &ours).unwrap();
        assert_eq!(pinned_network(directory.path()).unwrap(), ours);
        assert!(matches!(
            pin(directory.path(), &other),
            Err(PinError::OtherNetwork { got, .. }) if got == ours.genesis_hash()
        ));
    }

    #[test]
    fn a_spec_that_was_tampered_with_is_never_used() {
        let directory = tempfile::tempdir().unwrap();
        let network = samples::network(8);
        pin(directory.path(), &network).unwrap();
        let path = directory.path().join(SPEC_FILE);
        fs::write(&path, "coin_name = 1").unwrap();
        assert!(matches!(pin(directory.path(), &network), Err(PinError::Spec { .. })));
        let long = fs::File::create(&path).unwrap();
        long.set_len(SPEC_FILE_BYTES_MAX + 1).unwrap();
        assert!(matches!(pin(directory.path(), &network), Err(PinError::Io { .. })));
    }
}
