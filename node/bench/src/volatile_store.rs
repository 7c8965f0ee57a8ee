//! Files as a power cut leaves them: what was written and not synced ends with the process.
//!
//! A process that is killed leaves all that it wrote to the operating system, synced or not. Here
//! writes stay in its own memory until their file is synced, so that killing it loses them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::store::BlockMedium;
use redb::{BackendError, StorageBackend};

/// The writes to one file that no sync has followed, in their order.
#[derive(Debug, Default)]
struct Unsynced(Vec<(u64, Vec<u8>)>);

impl Unsynced {
    fn add(&mut self, offset: u64, bytes: &[u8]) {
        self.0.push((offset, bytes.to_vec()));
    }

    /// Where the last of them ends.
    fn end(&self) -> u64 {
        self.0.iter().map(|(offset, bytes)| offset + bytes.len() as u64).max().unwrap_or(0)
    }

    /// Puts into `bytes`, which were read from `offset` on, what was written since.
    fn lay_over(&self, offset: u64, bytes: &mut [u8]) {
        for (at, written) in &self.0 {
            let skipped = usize::try_from(offset.saturating_sub(*at)).unwrap_or(usize::MAX);
            let start = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
            let new = written.get(skipped..).unwrap_or_default();
            let old = bytes.get_mut(start..).unwrap_or_default();
            old.iter_mut().zip(new).for_each(|(old, new)| *old = *new);
        }
    }

    /// Forgets everything from `length` on.
    fn cut(&mut self, length: u64) {
        for (offset, bytes) in &mut self.0 {
            bytes.truncate(usize::try_from(length.saturating_sub(*offset)).unwrap_or(usize::MAX));
        }
        self.0.retain(|(_, bytes)| !bytes.is_empty());
    }

    /// Reads over a file of `length` bytes.
    fn read(
        &self,
        length: u64,
        offset: u64,
        bytes: &mut [u8],
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if offset + bytes.len() as u64 > length.max(self.end()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let there = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let there = there.min(bytes.len());
        read(&mut bytes[..there])?;
        bytes[there..].fill(0);
        self.lay_over(offset, bytes);
        Ok(())
    }

    /// Makes them, and has none left.
    fn make(&mut self, write: impl Fn(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let writes = std::mem::take(&mut self.0);
        writes.iter().try_for_each(|(offset, bytes)| write(*offset, bytes))
    }
}

/// A map of writes is whole between any two statements, so a panic elsewhere has not harmed it.
fn lock<T>(unsynced: &Mutex<T>) -> MutexGuard<'_, T> {
    unsynced.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Block files of which only what is synced outlives the process.
pub(super) struct VolatileMedium<M> {
    inner: M,
    unsynced: Mutex<BTreeMap<u32, Unsynced>>,
}

impl<M: BlockMedium> VolatileMedium<M> {
    pub(super) fn over(inner: M) -> Self {
        Self { inner, unsynced: Mutex::default() }
    }
}

impl<M: BlockMedium> BlockMedium for VolatileMedium<M> {
    fn files(&self) -> Vec<u32> {
        self.inner.files()
    }

    fn bytes(&self, file: u32) -> io::Result<u64> {
        let unsynced = lock(&self.unsynced).get(&file).map_or(0, Unsynced::end);
        Ok(self.inner.bytes(file)?.max(unsynced))
    }

    fn read(&self, file: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut files = lock(&self.unsynced);
        let unsynced = files.entry(file).or_default();
        let read = |bytes: &mut [u8]| self.inner.read(file, offset, bytes);
        unsynced.read(self.inner.bytes(file)?, offset, bytes, read)
    }

    fn create(&self, file: u32) -> io::Result<()> {
        self.inner.create(file)
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        lock(&self.unsynced).entry(file).or_default().add(offset, bytes);
        Ok(())
    }

    fn set_aside(&self, file: u32, offset: u64) -> io::Result<Option<PathBuf>> {
        self.sync(file)?;
        self.inner.set_aside(file, offset)
    }

    fn truncate(&self, file: u32, bytes: u64) -> io::Result<()> {
        lock(&self.unsynced).entry(file).or_default().cut(bytes);
        // What is behind the end may be there or not until the next sync.
        if bytes < self.inner.bytes(file)? { self.inner.truncate(file, bytes) } else { Ok(()) }
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        lock(&self.unsynced).remove(&file);
        self.inner.remove(file)
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        let mut files = lock(&self.unsynced);
        let write = |offset, bytes: &[u8]| self.inner.write(file, offset, bytes);
        files.entry(file).or_default().make(write)?;
        drop(files);
        self.inner.sync(file)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }
}

/// A database file of which only what is synced outlives the process.
#[derive(Debug)]
pub(super) struct VolatileBackend<B> {
    inner: B,
    unsynced: Mutex<Unsynced>,
}

impl<B: StorageBackend> VolatileBackend<B> {
    pub(super) fn over(inner: B) -> Self {
        Self { inner, unsynced: Mutex::default() }
    }
}

impl<B: StorageBackend> StorageBackend for VolatileBackend<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner.len()?.max(lock(&self.unsynced).end()))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let unsynced = lock(&self.unsynced);
        unsynced.read(self.inner.len()?, offset, out, |out| self.inner.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.unsynced).cut(len);
        // A length may be there before its bytes are.
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        lock(&self.unsynced).make(|offset, bytes| self.inner.write(offset, bytes))?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        lock(&self.unsynced).add(offset, data);
        Ok(())
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
    use machine::store::MemoryMedium;
    use proptest::prelude::*;

    use super::*;

    /// Something that is done to a file.
    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        Truncate(u64),
        Sync,
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = prop::collection::vec(any::<u8>(), 1..12);
        prop_oneof![
            4 => (0u64..24, bytes).prop_map(|(offset, bytes)| Step::Write(offset, bytes)),
            1 => (0u64..24).prop_map(Step::Truncate),
            1 => Just(Step::Sync),
        ]
    }

    fn contents(medium: &impl BlockMedium) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(medium.bytes(1).unwrap()).unwrap()];
        medium.read(1, 0, &mut bytes).unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_only_what_is_synced_stays(
            steps in prop::collection::vec(step(), 0..24),
        ) {
            let volatile = VolatileMedium::over(MemoryMedium::default());
            let plain = MemoryMedium::default();
            volatile.create(1).unwrap();
            plain.create(1).unwrap();
            for step in steps {
                match step {
                    Step::Write(offset, bytes) => {
                        // No store leaves a gap behind the end of a file.
                        let offset = offset.min(plain.bytes(1).unwrap());
                        volatile.write(1, offset, &bytes).unwrap();
                        plain.write(1, offset, &bytes).unwrap();
                        let mut kept = contents(&volatile.inner);
                        kept.resize(contents(&plain).len(), 0);
                        // Bytes that are not synced are in nobody's file.
                        let unsynced = lock(&volatile.unsynced);
                        unsynced.get(&1).unwrap().lay_over(0, &mut kept);
                        prop_assert_eq!(kept, contents(&plain));
                    }
                    Step::Truncate(bytes) => {
                        let bytes = bytes.min(plain.bytes(1).unwrap());
                        volatile.truncate(1, bytes).unwrap();
                        plain.truncate(1, bytes).unwrap();
                    }
                    Step::Sync => {
                        volatile.sync(1).unwrap();
                        prop_assert_eq!(contents(&volatile.inner), contents(&plain));
                    }
                }
                prop_assert_eq!(contents(&volatile), contents(&plain));
            }
        }
    }
}
