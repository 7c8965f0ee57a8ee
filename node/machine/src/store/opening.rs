//! How a store begins: opened, made, rebuilt, or brought up to date from an earlier schema.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::genesis::Network;
use chain::hash::BlockHash;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::block_files::BlockFiles;
use super::change::{Change, Direction, Undo};
use super::database::StateDatabase;
use super::error::StoreError;
use super::flush_record::FlushRecord;
use super::home::{DATABASE_FILE, Home, open_database};
use super::layers::Layers;
use super::medium::{BlockMedium, MemoryMedium};
use super::moment::{Heights, Moment};
use super::progress::{OpeningStep, OpeningWatcher, StepProgress, unwatched};
use super::recovery::{Purpose, Reading, Rebuilt};
use super::view::{Reader, View, decode_block};
use super::{BLOCK_FILE_BYTES_MAX, PAGE_CACHE_BYTES_IN_MEMORY, Store};

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

    /// Does what [`Store::open`] does and tells `watcher` how far it is.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_watched(
        dir: &Path,
        network: &Network,
        watcher: &OpeningWatcher,
    ) -> Result<Self, StoreError> {
        Self::open_directory(dir, network, (BLOCK_FILE_BYTES_MAX, watcher))
    }

    /// A store in memory; it ends with the process.
    ///
    /// # Errors
    /// None in practice.
    pub fn in_memory(network: &Network) -> Result<Self, StoreError> {
        let medium = Arc::new(MemoryMedium::default());
        Self::open_on(InMemoryBackend::new(), medium, network)
    }

    /// A store over a database backend and a medium for block files of the caller's own.
    ///
    /// # Errors
    /// As [`Store::open`], but for the lock.
    pub fn open_on(
        backend: impl StorageBackend,
        medium: Arc<dyn BlockMedium>,
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
        Self::rebuild_and_report(dir, network, &unwatched()).map(|rebuilt| rebuilt.blocks)
    }

    /// Does what [`Store::rebuild`] does and tells what was cut, and `watcher` how far it is.
    ///
    /// # Errors
    /// As [`Store::rebuild`].
    pub fn rebuild_and_report(
        dir: &Path,
        network: &Network,
        watcher: &OpeningWatcher,
    ) -> Result<Rebuilt, StoreError> {
        fs::metadata(dir).map_err(|error| StoreError::io("read", dir, error))?;
        let home = Home::open(dir, BLOCK_FILE_BYTES_MAX)?;
        let path = dir.join(DATABASE_FILE);
        let database = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
            open_database(dir, network.genesis_hash(), watcher)
        };
        let store = Self::start(home, network, (Purpose::Rebuild, watcher), database)?;
        Ok(Rebuilt { blocks: store.flushed.blocks, cut: store.cut.clone() })
    }

    pub(super) fn open_parts(
        backend: impl StorageBackend,
        medium: Arc<dyn BlockMedium>,
        network: &Network,
        file_bytes_max: u64,
    ) -> Result<Self, StoreError> {
        let home = Home { medium, dir: PathBuf::new(), file_bytes_max, lock: None };
        let path = PathBuf::from(DATABASE_FILE);
        let genesis = network.genesis_hash();
        let database = || StateDatabase::open(backend, PAGE_CACHE_BYTES_IN_MEMORY, path, genesis);
        Self::start(home, network, (Purpose::GoOn, &unwatched()), database)
    }

    pub(super) fn open_with(
        dir: &Path,
        network: &Network,
        file_bytes_max: u64,
    ) -> Result<Self, StoreError> {
        Self::open_directory(dir, network, (file_bytes_max, &unwatched()))
    }

    fn open_directory(
        dir: &Path,
        network: &Network,
        (file_bytes_max, watcher): (u64, &OpeningWatcher),
    ) -> Result<Self, StoreError> {
        let home = Home::open(dir, file_bytes_max)?;
        let database = || open_database(dir, network.genesis_hash(), watcher);
        Self::start(home, network, (Purpose::GoOn, watcher), database)
    }

    /// Reads the files, then opens the database (so that a directory of another network is refused
    /// before anything is made or removed), settles the two, and makes sure that genesis is
    /// connected.
    fn start(
        home: Home,
        network: &Network,
        (purpose, watcher): (Purpose, &OpeningWatcher),
        open_database: impl FnOnce() -> Result<StateDatabase, StoreError>,
    ) -> Result<Self, StoreError> {
        let reading =
            Reading { medium: &*home.medium, dir: &home.dir, genesis: &network.genesis, purpose };
        let mut found = reading.read_all(watcher)?;
        let mut database = open_database()?;
        let cut = reading.settle(&mut found, &database)?;
        let earlier = database.flushed()?;
        let (hash, bytes_max) = (network.genesis_hash(), home.file_bytes_max);
        let found = (found.blocks, found.end);
        let files = BlockFiles::new(home.medium, &home.dir, hash, bytes_max, found);
        let flushed = earlier.unwrap_or(FlushRecord::nothing());
        let heights = heights(&files, &flushed, earlier.is_some())?;
        if database.is_of_an_earlier_schema() {
            bring_up_to_date(&mut database, &files, &heights, watcher)?;
        }
        let live = Moment {
            standing: flushed.standing,
            heights,
            layers: Layers::default(),
            snapshot: database.snapshot().cloned(),
        };
        let view = View::new(live.clone(), files.reader().clone(), files.len());
        let mut store = Self {
            files,
            database,
            durable: live.clone(),
            live,
            staged: VecDeque::new(),
            flushed,
            reader: Reader::new(view),
            cut,
            stopped: false,
            _lock: home.lock,
        };
        if earlier.is_none() {
            let genesis = &network.genesis;
            store.append_block(genesis)?;
            store.sync()?;
            store.apply(genesis, 0, Arc::new(Undo::NOTHING), Direction::Connect, genesis.hash)?;
            store.flush()?;
            store.publish(store.live.clone());
        }
        Ok(store)
    }
}

/// Numbers of the blocks of the chain that the last flush stands at.
fn heights(
    files: &BlockFiles,
    flushed: &FlushRecord,
    was_flushed: bool,
) -> Result<Heights, StoreError> {
    let mut numbers = Vec::new();
    let mut at = flushed.standing.position;
    while was_flushed && at != BlockHash::ZERO {
        let block = files.reader().number(&at);
        let Some((number, block)) = block.zip(block.and_then(|it| files.reader().block(it))) else {
            let what = format!("block {at} of the flushed chain is missing");
            return Err(StoreError::Damaged { what });
        };
        numbers.push(number);
        at = block.header.previous;
    }
    Ok(numbers.into_iter().rev().collect())
}

/// Makes the tables that a database of an earlier schema lacks, from the blocks of its chain.
fn bring_up_to_date(
    database: &mut StateDatabase,
    files: &BlockFiles,
    heights: &Heights,
    watcher: &OpeningWatcher,
) -> Result<(), StoreError> {
    let blocks = (0..).take_while(|height| heights.get(*height).is_some()).count();
    let progress = StepProgress::new(watcher, OpeningStep::UpdateTables, blocks as u64);
    let change = |height: u32| {
        let number = heights.get(height)?;
        let read = || {
            let bytes = files.reader().read(number)?.unwrap_or_default();
            let block = decode_block(&bytes).map_err(|reason| StoreError::Damaged {
                what: format!("block {number} was stored with another body: {reason}"),
            })?;
            Ok(Change::of(&block, height, Arc::new(Undo::NOTHING)))
        };
        Some(read())
    };
    let changes = (0..).map_while(change).inspect(|_| progress.add(1));
    database.bring_up_to_date(changes)?;
    progress.finish();
    Ok(())
}
