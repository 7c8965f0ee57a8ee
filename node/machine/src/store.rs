//! The store: blocks in flat files, everything derived from them in redb under a write-back cache.
//!
//! The block files are the source of truth; the database can be rebuilt from them at any time. The
//! order of writes keeps it so: a block is appended and synced before anyone hears of it, and a
//! flush names only synced bytes. `docs/files.md` has the bytes.

mod block_files;
mod cache;
mod change;
mod error;
mod history;
mod home;
mod medium;
mod record;
mod recovery;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chain::block::CommittedBlock;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::key::OutputKey;
use chain::rules::block::Connection;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use block_files::BlockFiles;
use cache::Cache;
use change::{Change, Direction, Undo};
use home::{DATABASE_FILE, DirectoryLock, Home, open_database};
use recovery::{Purpose, Reading};
use tables::{Batch, Flushed, Standing, Tables};

pub use block_files::StoredBlock;
pub use change::Totals;
pub use error::StoreError;
pub use medium::{BlockMedium, DirectoryMedium, MemoryMedium};
pub use recovery::{Cut, Rebuilt};

/// Version of everything on disk; a directory with a higher one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// Dirty coins that make a flush due.
pub const DIRTY_COINS_MAX: usize = 16_384;

/// A block file that would grow beyond this many bytes is followed by the next one, as the file
/// systems and tools that people copy with handle files of this size well.
pub const BLOCK_FILE_BYTES_MAX: u64 = 128 << 20;

/// Memory for pages of a database that is memory itself: hundreds of nodes may share a process.
const PAGE_CACHE_BYTES_IN_MEMORY: usize = 1 << 20;

/// Blocks, and the coins, undo data, history and totals that follow from them.
pub struct Store {
    files: BlockFiles,
    tables: Tables,
    cache: Cache,
    /// The block whose coins the store holds, the cache included.
    standing: Standing,
    /// What the database knows.
    flushed: Flushed,
    cut: Option<Cut>,
    /// A write failed: what the disk holds is unknown, so nothing is written any more.
    stopped: bool,
    /// Held as long as the files are open; none in memory.
    _lock: Option<DirectoryLock>,
}

impl Store {
    /// Opens the data directory of `network`, or makes it, with genesis connected. After a crash it
    /// stands at the last flush; blocks appended later are listed by [`Store::blocks`].
    ///
    /// # Errors
    /// [`StoreError::Locked`], `ForeignNetwork`, `NewerSchema`, `Damaged`, or trouble with the
    /// disk.
    pub fn open(dir: &Path, network: &Network) -> Result<Self, StoreError> {
        Self::open_with(dir, network, BLOCK_FILE_BYTES_MAX)
    }

    /// A store in memory; it ends with the process.
    ///
    /// # Errors
    /// None in practice.
    pub fn in_memory(network: &Network) -> Result<Self, StoreError> {
        let medium = Box::new(MemoryMedium::default());
        Self::open_on(InMemoryBackend::new(), medium, network)
    }

    /// A store over a database backend and a medium for block files of the caller's own.
    ///
    /// # Errors
    /// As [`Store::open`], but for the lock.
    pub fn open_on(
        backend: impl StorageBackend,
        medium: Box<dyn BlockMedium>,
        network: &Network,
    ) -> Result<Self, StoreError> {
        Self::open_parts(backend, medium, network, BLOCK_FILE_BYTES_MAX)
    }

    /// Drops the database of a data directory and makes it anew from the block files, which are cut
    /// at the first bad record. The store then stands at genesis; returns the blocks that were
    /// read.
    ///
    /// # Errors
    /// As [`Store::open`], but for damage.
    pub fn rebuild(dir: &Path, network: &Network) -> Result<u64, StoreError> {
        Self::rebuild_and_report(dir, network).map(|rebuilt| rebuilt.blocks)
    }

    /// Does what [`Store::rebuild`] does and tells what was cut.
    ///
    /// # Errors
    /// As [`Store::rebuild`].
    pub fn rebuild_and_report(dir: &Path, network: &Network) -> Result<Rebuilt, StoreError> {
        fs::metadata(dir).map_err(|error| StoreError::io("read", dir, error))?;
        let home = Home::open(dir, BLOCK_FILE_BYTES_MAX)?;
        let path = dir.join(DATABASE_FILE);
        let open_tables = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
            open_database(dir, network.genesis_hash())
        };
        let store = Self::start(home, network, Purpose::Rebuild, open_tables)?;
        Ok(Rebuilt { blocks: store.flushed.blocks, cut: store.cut.clone() })
    }

    fn open_parts(
        backend: impl StorageBackend,
        medium: Box<dyn BlockMedium>,
        network: &Network,
        file_bytes_max: u64,
    ) -> Result<Self, StoreError> {
        let home = Home { medium, dir: PathBuf::new(), file_bytes_max, lock: None };
        let path = PathBuf::from(DATABASE_FILE);
        let genesis = network.genesis_hash();
        let open_tables = || Tables::open(backend, PAGE_CACHE_BYTES_IN_MEMORY, path, genesis);
        Self::start(home, network, Purpose::GoOn, open_tables)
    }

    fn open_with(dir: &Path, network: &Network, file_bytes_max: u64) -> Result<Self, StoreError> {
        let home = Home::open(dir, file_bytes_max)?;
        Self::start(home, network, Purpose::GoOn, || open_database(dir, network.genesis_hash()))
    }

    /// Reads the files, then opens the database (so that a directory of another network is refused
    /// before anything is made or removed), settles the two, and makes sure that genesis is
    /// connected.
    fn start(
        mut home: Home,
        network: &Network,
        purpose: Purpose,
        open_tables: impl FnOnce() -> Result<Tables, StoreError>,
    ) -> Result<Self, StoreError> {
        let reading = Reading {
            medium: home.medium.as_mut(),
            dir: &home.dir,
            genesis: &network.genesis,
            purpose,
        };
        let mut found = reading.read_all()?;
        let tables = open_tables()?;
        let cut = reading.settle(&mut found, &tables)?;
        let earlier = tables.flushed()?;
        let (hash, bytes_max) = (network.genesis_hash(), home.file_bytes_max);
        let files = BlockFiles::new(home.medium, &home.dir, hash, bytes_max, found);
        let flushed = earlier.unwrap_or(Flushed::nothing());
        let mut store = Self {
            files,
            tables,
            cache: Cache::default(),
            standing: flushed.standing,
            flushed,
            cut,
            stopped: false,
            _lock: home.lock,
        };
        if earlier.is_none() {
            let genesis = &network.genesis;
            store.append_block(genesis)?;
            store.apply(genesis, 0, Undo::NOTHING, Direction::Connect, genesis.hash)?;
            store.flush()?;
        }
        Ok(store)
    }

    /// What was cut off the block files when the store was opened.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Every stored block in file order, which is the order of arrival; genesis comes first.
    pub fn blocks(&self) -> impl Iterator<Item = &StoredBlock> {
        self.files.blocks().iter()
    }

    /// Whether a block is stored, connected or not.
    pub fn contains(&self, hash: &BlockHash) -> bool {
        self.files.contains(hash)
    }

    /// Stores a block; it is durable when this returns. A block that is there already is left
    /// alone.
    ///
    /// # Errors
    /// Trouble with the disk, after which the store writes nothing more.
    pub fn append_block(&mut self, block: &CommittedBlock) -> Result<(), StoreError> {
        if self.files.contains(&block.hash) {
            return Ok(());
        }
        self.refuse_if_stopped()?;
        let appended = self.files.append(block);
        self.stopped = !matches!(appended, Ok(()) | Err(StoreError::BlockTooLarge { .. }));
        appended
    }

    /// A block's consensus bytes, header and body; `None` when it is not stored.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they are not as they were written, or trouble with the disk.
    pub fn read_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.files.read(hash)
    }

    /// The block whose coins the store holds.
    pub fn position(&self) -> BlockHash {
        self.standing.position
    }

    /// An unspent coin.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        match self.cache.coin(outpoint) {
            Some(known) => Ok(known),
            None => self.tables.coin(outpoint),
        }
    }

    /// Moves the coins from a block's parent to the block. `connection` is what
    /// [`chain::rules::block::connect`] made of it at this position; its signatures must hold.
    ///
    /// # Errors
    /// [`StoreError::WrongPosition`] or `NotStored`, and nothing has changed; or trouble with the
    /// disk.
    pub fn connect(
        &mut self,
        block: &CommittedBlock,
        height: u32,
        connection: &Connection,
    ) -> Result<(), StoreError> {
        let follows = block.block.header.previous == self.standing.position
            && Some(height) == self.standing.height.checked_add(1);
        if !follows {
            return Err(self.wrong_position(block, height));
        }
        if !self.contains(&block.hash) {
            return Err(StoreError::NotStored { hash: block.hash });
        }
        let undo = Undo::of(connection);
        self.apply(block, height, undo, Direction::Connect, block.hash)
    }

    /// Moves the coins from the block at [`Store::position`] back to its parent.
    ///
    /// # Errors
    /// [`StoreError::WrongPosition`], and nothing has changed; `Damaged` when there is no undo
    /// data; or trouble with the disk.
    pub fn disconnect(&mut self, block: &CommittedBlock, height: u32) -> Result<(), StoreError> {
        let is_last = block.hash == self.standing.position && height == self.standing.height;
        if !is_last || height == 0 {
            return Err(self.wrong_position(block, height));
        }
        let cached = self.cache.undo(&block.hash).cloned();
        let undo = match cached {
            Some(undo) => undo,
            None => self.tables.undo(&block.hash)?.ok_or_else(|| StoreError::Damaged {
                what: format!("the undo data of block {} is missing", block.hash),
            })?,
        };
        let parent = block.block.header.previous;
        self.apply(block, height, undo, Direction::Disconnect, parent)
    }

    /// Everything is computed before anything is changed.
    fn apply(
        &mut self,
        block: &CommittedBlock,
        height: u32,
        undo: Undo,
        direction: Direction,
        position: BlockHash,
    ) -> Result<(), StoreError> {
        let change = Change::of(block, height, undo);
        let totals = self.standing.totals.after(&change, direction).ok_or_else(|| {
            StoreError::Damaged { what: format!("the totals do not fit block {}", block.hash) }
        })?;
        self.cache.apply(block.hash, change, direction);
        self.standing = Standing {
            position,
            height: match direction {
                Direction::Connect => height,
                Direction::Disconnect => height.saturating_sub(1),
            },
            totals,
        };
        Ok(())
    }

    /// Sums over the coins.
    pub fn totals(&self) -> Totals {
        self.standing.totals
    }

    /// Where connected transactions pay to or spend from `key`, rising, `from` included, at most
    /// `max`.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn history(
        &self,
        key: &OutputKey,
        from: TxPosition,
        max: usize,
    ) -> Result<Vec<TxPosition>, StoreError> {
        let range = history::places_from(key, from);
        history::places(&self.tables, &self.cache, range, max)
    }

    /// Coins that the next flush moves; at [`DIRTY_COINS_MAX`] it is due.
    pub fn dirty_coins(&self) -> usize {
        self.cache.dirty_coins()
    }

    /// Moves everything that changed into the database in one transaction, durable when it returns.
    ///
    /// # Errors
    /// Trouble with the disk, after which the store writes nothing more.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.refuse_if_stopped()?;
        let (synced_file, synced_bytes) = self.files.synced();
        let flushed = Flushed {
            standing: self.standing,
            synced_file,
            synced_bytes,
            blocks: self.files.blocks().len() as u64,
        };
        if flushed == self.flushed && self.cache.is_empty() {
            return Ok(());
        }
        let known = usize::try_from(self.flushed.blocks).unwrap_or(usize::MAX);
        let committed = self.tables.commit(&Batch {
            cache: &self.cache,
            blocks: self.files.blocks().get(known..).unwrap_or_default(),
            places: self.files.places().get(known..).unwrap_or_default(),
            flushed: &flushed,
        });
        self.stopped = committed.is_err();
        committed?;
        self.flushed = flushed;
        self.cache.clear();
        Ok(())
    }

    fn refuse_if_stopped(&self) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        Ok(())
    }

    fn wrong_position(&self, block: &CommittedBlock, height: u32) -> StoreError {
        StoreError::WrongPosition { block: block.hash, height, position: self.standing.position }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("standing", &self.standing)
            .field("flushed", &self.flushed)
            .finish_non_exhaustive()
    }
}
