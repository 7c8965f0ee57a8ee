//! `WalletDirectory`: where the files of one wallet lie, and the lock that keeps a second one out.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use client::durable_file;

/// Name of the wallet's folder in its data directory, so that a node may live beside it.
pub const WALLET_FOLDER: &str = "wallet";

/// The files in it that are replaced as a whole, and the journal, which is brought up to date so.
const REPLACED: [&str; 5] = ["key", "payments", "contacts.json", "name.json", "miners.json"];

/// The files of a wallet. While it is held, no other process can have it.
#[derive(Debug)]
pub struct WalletDirectory {
    path: PathBuf,
    /// What a killed process was writing and this one removed.
    pub swept: Vec<PathBuf>,
    /// Locked; the lock ends with the file, even when the process is killed.
    _lock: File,
}

/// Why a wallet's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error(
        "the wallet in {} is open in another process: close that one first",
        path.display()
    )]
    Locked {
        /// The wallet's directory.
        path: PathBuf,
    },
    /// The operating system failed us.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl WalletDirectory {
    /// Opens the wallet's folder in the data directory `directory`, makes both when missing, and
    /// locks it.
    ///
    /// # Errors
    /// [`DirectoryError`], mostly because the wallet is open already.
    pub fn open(directory: &Path) -> Result<Self, DirectoryError> {
        let path = folder(directory);
        let failed = |action| {
            let path = path.clone();
            move |source| DirectoryError::Io { action, path, source }
        };
        if !path.is_dir() {
            fs::create_dir_all(directory).map_err(failed("create"))?;
            create_private(&path).map_err(failed("create"))?;
            durable_file::sync_directory(directory).map_err(failed("create"))?;
        }
        let lock = durable_file::private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(failed("open the lock in"))?;
        match lock.try_lock() {
            Ok(()) => {
                let swept = durable_file::sweep(&path, &REPLACED).map_err(failed("clean up"))?;
                Ok(Self { path, swept, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(failed("lock")(source)),
        }
    }

    /// The encrypted key file.
    pub fn key_file(&self) -> PathBuf {
        key_file(&self.path)
    }

    /// Whether a wallet was at work here: its key was made before all that it writes.
    pub fn was_used(&self) -> bool {
        let written = [self.journal(), self.contacts(), self.name_record()];
        written.iter().any(|path| fs::symlink_metadata(path).is_ok())
    }

    /// The journal of payments.
    pub fn journal(&self) -> PathBuf {
        self.path.join("payments")
    }

    /// The pinned contacts.
    pub fn contacts(&self) -> PathBuf {
        self.path.join("contacts.json")
    }

    /// The signed record of the wallet's name.
    pub fn name_record(&self) -> PathBuf {
        self.path.join("name.json")
    }

    /// The remembered miners.
    pub fn miners(&self) -> PathBuf {
        self.path.join("miners.json")
    }

    /// The headers of the chain that is believed.
    pub fn headers(&self) -> PathBuf {
        self.path.join("headers")
    }

    /// What was typed in the shell.
    pub fn typed_lines(&self) -> PathBuf {
        self.path.join("shell_history")
    }
}

/// The wallet's folder in a data directory.
pub fn folder(directory: &Path) -> PathBuf {
    directory.join(WALLET_FOLDER)
}

/// The key file in a wallet's folder.
pub fn key_file(folder: &Path) -> PathBuf {
    folder.join("key")
}

/// Another process may make it at the same time.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_wallet_on_one_directory_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = WalletDirectory::open(directory.path()).unwrap();
        let second = WalletDirectory::open(directory.path());
        assert!(matches!(second, Err(DirectoryError::Locked { .. })));
        drop(first);
        WalletDirectory::open(directory.path()).unwrap();
    }

    #[test]
    fn what_a_killed_process_was_writing_is_removed_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let first = WalletDirectory::open(directory.path()).unwrap();
        assert!(first.swept.is_empty() && !first.was_used());
        let left = first.contacts().with_extension("json.new");
        fs::write(&left, "half").unwrap();
        drop(first);
        let second = WalletDirectory::open(directory.path()).unwrap();
        assert_eq!(second.swept, [left]);
        assert!(WalletDirectory::open(directory.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_look_into_it() {
        use std::os::unix::fs::MetadataExt;
        let directory = tempfile::tempdir().unwrap();
        let _wallet = WalletDirectory::open(directory.path()).unwrap();
        let mode = fs::metadata(folder(directory.path())).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
