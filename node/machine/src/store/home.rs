//! A data directory: made when missing, locked while open.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::hash::BlockHash;
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::database::StateDatabase;
use super::error::StoreError;
use super::medium::{self, BlockMedium, DirectoryMedium};
use super::progress::{CheckProgress, OpeningWatcher};

/// Memory for pages of the database on disk.
const PAGE_CACHE_BYTES: usize = 64 << 20;

const LOCK_FILE: &str = "lock";
pub(super) const DATABASE_FILE: &str = "state.redb";

/// Where a store lives.
pub(super) struct Home {
    /// Its block files.
    pub medium: Arc<dyn BlockMedium>,
    /// Names the files in messages.
    pub dir: PathBuf,
    /// A block file that would grow beyond this is followed by the next one.
    pub file_bytes_max: u64,
    /// Held as long as the files are open; none in memory.
    pub lock: Option<DirectoryLock>,
}

/// Keeps others out of a data directory. It ends with this, and with the process.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that is just being started holds it, too,
        // until it has begun its own program. A lock that cannot be given up ends with that.
        let _ = self.0.unlock();
    }
}

impl Home {
    /// Makes the directory where there is none, and locks it.
    pub(super) fn open(dir: &Path, file_bytes_max: u64) -> Result<Self, StoreError> {
        let trouble = |action| move |error| StoreError::io(action, dir, error);
        if !dir.exists() {
            fs::create_dir_all(dir).map_err(trouble("create"))?;
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            medium::sync_directory(parent.unwrap_or(Path::new("."))).map_err(trouble("sync"))?;
        }
        let lock = lock(dir)?;
        let medium = DirectoryMedium::open(dir).map_err(trouble("open"))?;
        Ok(Self { medium: Arc::new(medium), dir: dir.to_owned(), file_bytes_max, lock: Some(lock) })
    }
}

fn lock(dir: &Path) -> Result<DirectoryLock, StoreError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StoreError::io("open", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
    }
}

/// Opens the database of a data directory, or makes it.
pub(super) fn open_database(
    dir: &Path,
    genesis: BlockHash,
    watcher: &OpeningWatcher,
) -> Result<StateDatabase, StoreError> {
    let path = dir.join(DATABASE_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|error| StoreError::io("open", &path, error))?;
    medium::sync_directory(dir).map_err(|error| StoreError::io("sync", dir, error))?;
    let backend =
        FileBackend::new(file).map_err(|error| StoreError::database("open", &path, error))?;
    let check = CheckProgress::new(watcher, backend.len().unwrap_or(0));
    let database = StateDatabase::open(check.watch(backend), PAGE_CACHE_BYTES, path, genesis)?;
    check.finish();
    Ok(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_free_again_though_a_child_process_still_holds_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();
        assert!(matches!(lock(directory.path()), Err(StoreError::Locked { .. })));
        let _of_a_child = held.0.try_clone().unwrap();
        drop(held);
        lock(directory.path()).unwrap();
    }
}
