//! Block files: every block ever stored, in order of arrival. The source of truth.
//!
//! A block that is appended has its number and place at once; its bytes wait in memory until
//! [`BlockWrites`] has made them durable, on whatever thread that is run.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chain::block::CommittedBlock;
use chain::encoding::Encode;
use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};

use super::error::StoreError;
use super::medium::{BlockMedium, file_name};
use super::record::{self, FILE_HEADER_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};

/// A block in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its header.
    pub header: Header,
}

/// Where a block's record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the file.
    pub file: u32,
    /// First byte of the record in it.
    pub offset: u64,
    /// Bytes of the block, without the record's own.
    pub length: u32,
}

impl Place {
    /// First byte behind the record.
    pub(super) fn end(&self) -> u64 {
        self.offset + RECORD_HEADER_BYTES as u64 + u64::from(self.length)
    }
}

/// A byte between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// Number of the file.
    pub file: u32,
    /// Bytes of it up to there.
    pub bytes: u64,
}

/// Blocks and places by number, which is their order in the files. It only grows.
#[derive(Debug, Default)]
struct Index {
    blocks: Vec<StoredBlock>,
    /// Of the block with the same number.
    places: Vec<Place>,
    /// For lookups only: its order is random.
    numbers: HashMap<BlockHash, u32>,
}

impl Index {
    fn remember(&mut self, block: StoredBlock, place: Place) {
        let number = u32::try_from(self.blocks.len()).expect("disks end before 2^32 blocks");
        // The first of two records of one block counts; `append` is never asked for a second.
        self.numbers.entry(block.hash).or_insert(number);
        self.blocks.push(block);
        self.places.push(place);
    }
}

/// What can be read of the files beside the one who appends. Clones share everything.
#[derive(Clone)]
pub(super) struct BlockReader {
    medium: Arc<dyn BlockMedium>,
    /// Names the files in messages.
    dir: Arc<Path>,
    index: Arc<RwLock<Index>>,
}

impl BlockReader {
    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // It only grows, by whole entries, so a panic elsewhere has not harmed it.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of a block; also of one that is not durable yet.
    pub(super) fn number(&self, hash: &BlockHash) -> Option<u32> {
        self.index().numbers.get(hash).copied()
    }

    /// The block with this number.
    pub(super) fn block(&self, number: u32) -> Option<StoredBlock> {
        self.index().blocks.get(number as usize).copied()
    }

    /// Consensus bytes of the block with this number, which must be durable, checked as they come.
    pub(super) fn read(&self, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let (block, place) = {
            let index = self.index();
            let at = number as usize;
            match (index.blocks.get(at), index.places.get(at)) {
                (Some(block), Some(place)) => (*block, *place),
                _ => return Ok(None),
            }
        };
        let path = self.dir.join(file_name(place.file));
        let mut record = vec![0; RECORD_HEADER_BYTES + place.length as usize];
        self.medium
            .read(place.file, place.offset, &mut record)
            .map_err(|error| StoreError::io("read", &path, error))?;
        let bytes = record.split_off(RECORD_HEADER_BYTES);
        let header: &[u8; RECORD_HEADER_BYTES] = record.first_chunk().expect("it was split there");
        let is_it = record::is_whole(header, &bytes)
            && block_header(&bytes).is_some_and(|header| header.hash() == block.hash);
        if !is_it {
            let what = format!("the record of block {} at byte {}", block.hash, place.offset);
            return Err(StoreError::damaged(&path, what));
        }
        Ok(Some(bytes))
    }
}

/// A record that is not durable yet.
#[derive(Debug, Clone)]
struct Waiting {
    place: Place,
    record: Arc<Vec<u8>>,
}

/// Writes that make everything durable that waited when they were taken. They may run on another
/// thread than the store's.
#[derive(Clone)]
pub struct BlockWrites {
    medium: Arc<dyn BlockMedium>,
    dir: Arc<Path>,
    genesis: BlockHash,
    records: Vec<Waiting>,
}

impl fmt::Debug for BlockWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockWrites({} blocks)", self.records.len())
    }
}

impl BlockWrites {
    /// Writes the records, then syncs each file, then, when a file is new, the directory.
    ///
    /// # Errors
    /// Trouble with the disk: nothing is known about what it holds.
    pub fn run(self) -> Result<(), StoreError> {
        let mut files = self.records.chunk_by(|one, next| one.place.file == next.place.file);
        let is_new = files.try_fold(false, |is_new, records| {
            let file = records[0].place.file;
            let path = self.dir.join(file_name(file));
            let written = self.write_file(file, records);
            let new = written.map_err(|error| StoreError::io("write", &path, error))?;
            Ok::<bool, StoreError>(is_new | new)
        })?;
        if is_new {
            let synced = self.medium.sync_directory();
            synced.map_err(|error| StoreError::io("sync", &self.dir, error))?;
        }
        Ok(())
    }

    /// Blocks that are durable afterwards.
    pub fn blocks(&self) -> usize {
        self.records.len()
    }

    /// One write and one sync; whether the file is new.
    fn write_file(&self, file: u32, records: &[Waiting]) -> io::Result<bool> {
        let start = records[0].place.offset;
        let is_new = start == FILE_HEADER_BYTES as u64;
        let mut bytes = Vec::new();
        if is_new {
            self.medium.create(file)?;
            bytes.extend_from_slice(&record::file_header(&self.genesis, file));
        }
        records.iter().for_each(|waiting| bytes.extend_from_slice(&waiting.record));
        self.medium.write(file, if is_new { 0 } else { start }, &bytes)?;
        self.medium.sync(file)?;
        Ok(is_new)
    }
}

/// The files, and an index over them in memory.
pub(super) struct BlockFiles {
    shared: BlockReader,
    genesis: BlockHash,
    /// A file that would grow beyond this is followed by the next one.
    file_bytes_max: u64,
    /// Where the next record goes; none before genesis.
    end: Option<End>,
    /// Behind the last record that is durable.
    synced_end: Option<End>,
    /// Blocks that are durable: the first so many.
    synced_blocks: u32,
    /// The others, in order.
    waiting: VecDeque<Waiting>,
    /// Of those: how many are being written.
    being_written: usize,
}

impl BlockFiles {
    /// Files with the blocks that were found in them at start, all of which are durable.
    pub(super) fn new(
        medium: Arc<dyn BlockMedium>,
        dir: &Path,
        genesis: BlockHash,
        file_bytes_max: u64,
        (blocks, end): (Vec<(StoredBlock, Place)>, Option<End>),
    ) -> Self {
        let mut index = Index::default();
        for (block, place) in blocks {
            index.remember(block, place);
        }
        let synced_blocks = u32::try_from(index.blocks.len()).expect("as for each of them");
        Self {
            shared: BlockReader { medium, dir: dir.into(), index: Arc::new(RwLock::new(index)) },
            genesis,
            file_bytes_max,
            end,
            synced_end: end,
            synced_blocks,
            waiting: VecDeque::new(),
            being_written: 0,
        }
    }

    /// For readers beside the store.
    pub(super) fn reader(&self) -> &BlockReader {
        &self.shared
    }

    /// Every block in file order.
    pub(super) fn blocks(&self) -> Vec<StoredBlock> {
        self.shared.index().blocks.clone()
    }

    /// Hash and place of the durable blocks from number `first` on.
    pub(super) fn places_from(&self, first: usize) -> Vec<(BlockHash, Place)> {
        let index = self.shared.index();
        let entries = index.blocks.iter().zip(&index.places);
        let durable = entries.take(self.synced_blocks as usize).skip(first);
        durable.map(|(block, place)| (block.hash, *place)).collect()
    }

    pub(super) fn contains(&self, hash: &BlockHash) -> bool {
        self.shared.number(hash).is_some()
    }

    /// Whether a block is stored and durable.
    pub(super) fn is_durable(&self, hash: &BlockHash) -> bool {
        self.shared.number(hash).is_some_and(|number| number < self.synced_blocks)
    }

    /// Behind the last record that is durable.
    pub(super) fn synced(&self) -> (u32, u64) {
        self.synced_end.map_or((0, 0), |end| (end.file, end.bytes))
    }

    /// Blocks that are durable.
    pub(super) fn synced_blocks(&self) -> u32 {
        self.synced_blocks
    }

    /// Blocks, durable or not.
    pub(super) fn len(&self) -> u32 {
        self.synced_blocks + u32::try_from(self.waiting.len()).expect("bounded by the blocks")
    }

    /// Blocks that are not durable yet, and their bytes.
    pub(super) fn unsynced(&self) -> (usize, u64) {
        let bytes = self.waiting.iter().map(|waiting| waiting.record.len() as u64).sum();
        (self.waiting.len(), bytes)
    }

    /// A block's consensus bytes.
    pub(super) fn read(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(number) = self.shared.number(hash) else {
            return Ok(None);
        };
        if let Some(behind) = number.checked_sub(self.synced_blocks) {
            let waiting = self.waiting.get(behind as usize);
            return Ok(waiting.map(|it| it.record[RECORD_HEADER_BYTES..].to_vec()));
        }
        self.shared.read(number)
    }

    /// Adds a block behind the others; it waits for [`BlockFiles::take_writes`].
    pub(super) fn append(&mut self, block: &CommittedBlock) -> Result<(), StoreError> {
        let encoded = block.block.encode();
        let record = record::record(&encoded)
            .ok_or(StoreError::BlockTooLarge { got: encoded.len(), max: RECORD_BYTES_MAX })?;
        let first = |file| End { file, bytes: FILE_HEADER_BYTES as u64 };
        let at = match self.end {
            None => first(0),
            // A file has at least one record, however large.
            Some(end)
                if end.bytes.saturating_add(record.len() as u64) > self.file_bytes_max
                    && end.bytes > FILE_HEADER_BYTES as u64 =>
            {
                first(end.file.saturating_add(1))
            }
            Some(end) => end,
        };
        let place = Place {
            file: at.file,
            offset: at.bytes,
            length: u32::try_from(encoded.len()).expect("a record holds at most 4 MB"),
        };
        self.end = Some(End { file: at.file, bytes: place.end() });
        let stored = StoredBlock { hash: block.hash, header: block.block.header };
        self.shared.index_mut().remember(stored, place);
        self.waiting.push_back(Waiting { place, record: Arc::new(record) });
        Ok(())
    }

    /// Takes everything that waits; `None` when there is nothing, or while earlier writes are out.
    pub(super) fn take_writes(&mut self) -> Option<BlockWrites> {
        if self.waiting.is_empty() || self.being_written > 0 {
            return None;
        }
        self.being_written = self.waiting.len();
        Some(BlockWrites {
            medium: Arc::clone(&self.shared.medium),
            dir: Arc::clone(&self.shared.dir),
            genesis: self.genesis,
            records: self.waiting.iter().cloned().collect(),
        })
    }

    /// The writes that were taken are done: their blocks are durable.
    pub(super) fn written(&mut self) {
        for written in self.waiting.drain(..self.being_written) {
            let (file, bytes) = (written.place.file, written.place.end());
            self.synced_end = Some(End { file, bytes });
            self.synced_blocks += 1;
        }
        self.being_written = 0;
    }
}

/// The header in front of a block's bytes; `None` when they are too short.
pub(super) fn block_header(block: &[u8]) -> Option<Header> {
    block.first_chunk::<HEADER_BYTES>().map(Header::from_bytes)
}
