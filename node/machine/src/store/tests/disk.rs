//! A disk in memory that outlives its store: it can be copied as a crash or a power cut would leave
//! it, and fails on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use chain::genesis::Network;
use redb::StorageBackend;

use crate::store::medium::{BlockMedium, MemoryMedium};
use crate::store::{Store, StoreError};

/// Clones share their contents.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Contents>>);

#[derive(Debug, Clone, Default)]
struct Contents {
    blocks: MemoryMedium,
    database: Vec<u8>,
    synced: Synced,
    writes_fail: bool,
    syncs_fail: bool,
    /// Writes and syncs of the database that still succeed; `None` for any number.
    left: Option<u32>,
}

/// What is left when the power goes and every write since the last sync is lost.
#[derive(Debug, Clone, Default)]
struct Synced {
    blocks: BTreeMap<u32, Vec<u8>>,
    listed: BTreeSet<u32>,
    database: Vec<u8>,
}

impl Disk {
    pub fn open(&self, network: &Network, file_bytes_max: u64) -> Result<Store, StoreError> {
        Store::open_parts(self.clone(), Arc::new(self.clone()), network, file_bytes_max)
    }

    /// Every write, or every sync, fails from now on.
    pub fn fail(&self, writes_fail: bool, syncs_fail: bool) {
        let mut contents = self.contents();
        contents.writes_fail = writes_fail;
        contents.syncs_fail = syncs_fail;
    }

    /// What a start after `kill -9` finds: everything written, nothing closed.
    pub fn after_a_crash(&self) -> Self {
        let contents = self.contents().clone();
        Self(Arc::new(Mutex::new(Contents {
            writes_fail: false,
            syncs_fail: false,
            left: None,
            ..contents
        })))
    }

    /// What a start after a power cut finds at the worst: only what was synced.
    pub fn after_a_power_cut(&self) -> Self {
        let synced = self.contents().synced.clone();
        let blocks = MemoryMedium::default();
        for file in &synced.listed {
            blocks.create(*file).unwrap();
            if let Some(bytes) = synced.blocks.get(file) {
                blocks.write(*file, 0, bytes).unwrap();
            }
        }
        let database = synced.database.clone();
        let contents = Contents { blocks, database, synced, ..Contents::default() };
        Self(Arc::new(Mutex::new(contents)))
    }

    /// Writes and syncs of the database fail after so many.
    pub fn fail_after(&self, count: u32) {
        self.contents().left = Some(count);
    }

    /// What the disk holds at the beginning, durably: the first block file, or the database.
    pub fn fill(&self, name: String, bytes: &[u8]) {
        let mut contents = self.contents();
        if name == "state.redb" {
            contents.database = bytes.to_vec();
            contents.synced.database = bytes.to_vec();
        } else {
            contents.blocks.create(0).unwrap();
            contents.blocks.write(0, 0, bytes).unwrap();
            contents.synced.blocks.insert(0, bytes.to_vec());
            contents.synced.listed.insert(0);
        }
    }

    /// One of the writes and syncs that may be limited.
    fn count(contents: &mut Contents) -> io::Result<()> {
        match &mut contents.left {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let contents = self.contents();
        if contents.writes_fail {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(contents)
    }

    fn syncable(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let contents = self.contents();
        if contents.syncs_fail {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(contents)
    }
}

impl BlockMedium for Disk {
    fn files(&self) -> Vec<u32> {
        self.contents().blocks.files()
    }

    fn bytes(&self, file: u32) -> io::Result<u64> {
        self.contents().blocks.bytes(file)
    }

    fn read(&self, file: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.contents().blocks.read(file, offset, bytes)
    }

    fn create(&self, file: u32) -> io::Result<()> {
        self.writable()?.blocks.create(file)
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.writable()?.blocks.write(file, offset, bytes)
    }

    fn set_aside(&self, file: u32, offset: u64) -> io::Result<Option<PathBuf>> {
        self.writable()?.blocks.set_aside(file, offset)
    }

    fn truncate(&self, file: u32, bytes: u64) -> io::Result<()> {
        self.writable()?.blocks.truncate(file, bytes)
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.writable()?.blocks.remove(file)
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        let mut contents = self.syncable()?;
        let mut bytes = vec![0; usize::try_from(contents.blocks.bytes(file)?).unwrap()];
        contents.blocks.read(file, 0, &mut bytes)?;
        contents.synced.blocks.insert(file, bytes);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut contents = self.syncable()?;
        contents.synced.listed = contents.blocks.files().into_iter().collect();
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.contents().database.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let start = usize::try_from(offset).unwrap();
        let contents = self.contents();
        let part = contents.database.get(start..start + out.len());
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.writable()?.database.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut contents = self.syncable()?;
        Self::count(&mut contents)?;
        // Megabytes, hundreds of times: into the memory that is there.
        let Contents { database, synced, .. } = &mut *contents;
        synced.database.clone_from(database);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let start = usize::try_from(offset).unwrap();
        let mut contents = self.writable()?;
        Self::count(&mut contents)?;
        contents.database[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}
