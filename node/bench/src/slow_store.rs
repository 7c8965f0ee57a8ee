//! Stores whose every sync takes longer, as on a slower disk: block files and database alike.

use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chain::genesis::Network;
use machine::store::{BlockMedium, DirectoryMedium, MemoryMedium, Store};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{BackendError, StorageBackend};
use server::runtime::StorePlace;
use tempfile::TempDir;

use super::volatile_store::{VolatileBackend, VolatileMedium};
use crate::options::BenchStore;

/// A place for the chain of one node, and the directory that ends with it.
pub(super) struct Home {
    pub store: StorePlace,
    /// Dropped after the node is; none in memory.
    pub directory: Option<TempDir>,
}

/// An empty store of `network` whose syncs take `delay` longer.
pub(super) fn make(place: BenchStore, delay: Duration, network: &Network) -> anyhow::Result<Home> {
    let (store, directory) = match place {
        BenchStore::Memory => {
            let medium = DelayedMedium { inner: MemoryMedium::default(), delay };
            (opened(InMemoryBackend::new(), medium, delay, network)?, None)
        }
        BenchStore::Disk => {
            let directory = tempfile::Builder::new().prefix("lode-bench-").tempdir()?;
            let path = directory.path();
            let store = if delay.is_zero() {
                // As every node does it.
                StorePlace::Directory(path.join("node"))
            } else {
                let medium = DelayedMedium { inner: DirectoryMedium::open(path)?, delay };
                let mut options = OpenOptions::new();
                let file = options
                    .create_new(true)
                    .read(true)
                    .write(true)
                    .open(path.join("state.redb"))?;
                opened(FileBackend::new(file)?, medium, delay, network)?
            };
            (store, Some(directory))
        }
    };
    Ok(Home { store, directory })
}

/// The store in `directory`, or an empty one there, as a power cut would leave it whenever the
/// process ends: what is not synced is not there. Its syncs take `delay` longer.
pub(super) fn at_risk(
    directory: &Path,
    delay: Duration,
    network: &Network,
) -> anyhow::Result<StorePlace> {
    let medium = VolatileMedium::over(DirectoryMedium::open(directory)?);
    let medium = DelayedMedium { inner: medium, delay };
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).read(true).write(true);
    let file = options.open(directory.join("state.redb"))?;
    opened(VolatileBackend::over(FileBackend::new(file)?), medium, delay, network)
}

fn opened(
    backend: impl StorageBackend,
    medium: DelayedMedium<impl BlockMedium + 'static>,
    delay: Duration,
    network: &Network,
) -> anyhow::Result<StorePlace> {
    let backend = DelayedBackend { inner: backend, delay };
    Ok(StorePlace::Opened(Box::new(Store::open_on(backend, Arc::new(medium), network)?)))
}

/// The caller waits, as for a disk.
fn wait(delay: Duration) {
    if !delay.is_zero() {
        thread::sleep(delay);
    }
}

/// Block files whose syncs take longer.
struct DelayedMedium<M> {
    inner: M,
    delay: Duration,
}

impl<M: BlockMedium> BlockMedium for DelayedMedium<M> {
    fn files(&self) -> Vec<u32> {
        self.inner.files()
    }

    fn bytes(&self, file: u32) -> io::Result<u64> {
        self.inner.bytes(file)
    }

    fn read(&self, file: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read(file, offset, bytes)
    }

    fn create(&self, file: u32) -> io::Result<()> {
        self.inner.create(file)
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write(file, offset, bytes)
    }

    fn set_aside(&self, file: u32, offset: u64) -> io::Result<Option<PathBuf>> {
        self.inner.set_aside(file, offset)
    }

    fn truncate(&self, file: u32, bytes: u64) -> io::Result<()> {
        self.inner.truncate(file, bytes)
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.inner.remove(file)
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        wait(self.delay);
        self.inner.sync(file)
    }

    fn sync_directory(&self) -> io::Result<()> {
        wait(self.delay);
        self.inner.sync_directory()
    }
}

/// A database file whose syncs take longer.
#[derive(Debug)]
struct DelayedBackend<B> {
    inner: B,
    delay: Duration,
}

impl<B: StorageBackend> StorageBackend for DelayedBackend<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        wait(self.delay);
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const DELAY: Duration = Duration::from_millis(3);

    fn is_slow(sync: impl FnOnce()) -> bool {
        let started = Instant::now();
        sync();
        started.elapsed() >= DELAY
    }

    #[test]
    fn every_kind_of_sync_waits() {
        let medium = DelayedMedium { inner: MemoryMedium::default(), delay: DELAY };
        medium.create(1).unwrap();
        assert!(is_slow(|| medium.sync(1).unwrap()));
        assert!(is_slow(|| medium.sync_directory().unwrap()));
        let backend = DelayedBackend { inner: InMemoryBackend::new(), delay: DELAY };
        assert!(is_slow(|| backend.sync_data().unwrap()));
    }
}
