//! `StoreError`: what can go wrong with a data directory, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use chain::hash::BlockHash;

/// Why the store could not do what it was asked. It never condemns a block or a peer: the trouble
/// is the disk's, the directory's or the caller's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another store, in this process or another one, has the directory open.
    #[error("{} is in use by another node: stop that one or give another directory", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The operating system reported an error. The node must stop.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk, or what the user may have of it, is full. The node must stop.
    #[error("cannot {action} {}: the disk is full; make room, then start again", path.display())]
    DiskFull {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
    },
    /// Something is not as it was written.
    #[error("{what}; run `lode verify --reindex` on the data directory to rebuild from its blocks")]
    Damaged {
        /// What, with the place.
        what: String,
    },
    /// The directory belongs to another network.
    #[error("the data directory is of the network with genesis {got}, expected {expected}")]
    ForeignNetwork {
        /// Genesis of the directory.
        got: BlockHash,
        /// Genesis of the network that was asked for.
        expected: BlockHash,
    },
    /// The directory was written by a newer program.
    #[error("the data directory has schema {got}, this program knows {supported}: update it")]
    NewerSchema {
        /// Schema of the directory.
        got: u32,
        /// The one this program writes.
        supported: u32,
    },
    /// The block does not follow the block that the coins belong to, or is not that block. The
    /// caller's mistake; nothing has changed.
    #[error("block {block} at height {height} does not fit: the store stands at {position}")]
    WrongPosition {
        /// The block that was to be connected or disconnected.
        block: BlockHash,
        /// The height that was named for it.
        height: u32,
        /// Where the store stands.
        position: BlockHash,
    },
    /// A block was to be connected before it was appended. The caller's mistake; nothing has
    /// changed.
    #[error("block {hash} must be appended before it is connected")]
    NotStored {
        /// The block.
        hash: BlockHash,
    },
    /// A block is larger than any spec allows. The caller's mistake; nothing has changed.
    #[error("a block of {got} bytes cannot be stored, the most is {max}")]
    BlockTooLarge {
        /// Bytes of the block.
        got: usize,
        /// The most.
        max: u32,
    },
    /// An earlier write failed. What the disk holds is known again only after a restart.
    #[error("an earlier write failed, so nothing more is written; start the node again")]
    Stopped,
}

impl StoreError {
    /// Gives an error of the operating system its place; a full disk gets its own variant.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// Gives an error of the database its place, and tells damage from trouble.
    pub(super) fn database(
        action: &'static str,
        path: &Path,
        error: impl Into<redb::Error>,
    ) -> Self {
        match error.into() {
            // A file that is no database, or ends early, was not left so by us.
            redb::Error::Io(source)
                if !matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::io(action, path, source)
            }
            redb::Error::PreviousIo => Self::Stopped,
            redb::Error::DatabaseAlreadyOpen => {
                Self::Locked { dir: path.parent().unwrap_or(path).to_owned() }
            }
            other => Self::Damaged { what: format!("cannot {action} {}: {other}", path.display()) },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::Damaged { what: format!("{} is damaged: {what}", path.display()) }
    }
}
