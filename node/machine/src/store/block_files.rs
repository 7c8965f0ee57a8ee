//! Block files: every block ever stored, in order of arrival. The source of truth.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chain::block::CommittedBlock;
use chain::encoding::Encode;
use chain::hash::BlockHash;
use chain::header::{HEADER_BYTES, Header};

use super::error::StoreError;
use super::medium::{BlockMedium, file_name};
use super::record::{self, FILE_HEADER_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};
use super::recovery::Found;

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

/// The files, and an index over them in memory.
pub(super) struct BlockFiles {
    medium: Box<dyn BlockMedium>,
    /// Names the files in messages.
    dir: PathBuf,
    genesis: BlockHash,
    /// A file that would grow beyond this is followed by the next one.
    file_bytes_max: u64,
    blocks: Vec<StoredBlock>,
    /// Of the block with the same number.
    places: Vec<Place>,
    /// For lookups only: its order is random.
    numbers: HashMap<BlockHash, usize>,
    /// The file that grows; none before genesis.
    last_file: Option<u32>,
    /// Its bytes, all of them synced.
    last_bytes: u64,
}

impl BlockFiles {
    /// Files with what was found in them at start.
    pub(super) fn new(
        medium: Box<dyn BlockMedium>,
        dir: &Path,
        genesis: BlockHash,
        file_bytes_max: u64,
        found: Found,
    ) -> Self {
        let mut files = Self {
            medium,
            dir: dir.to_owned(),
            genesis,
            file_bytes_max,
            last_file: found.end.map(|end| end.file),
            last_bytes: found.end.map_or(0, |end| end.bytes),
            blocks: Vec::with_capacity(found.blocks.len()),
            places: Vec::with_capacity(found.blocks.len()),
            numbers: HashMap::with_capacity(found.blocks.len()),
        };
        for (block, place) in found.blocks {
            files.remember(block, place);
        }
        files
    }

    /// Every block in file order.
    pub(super) fn blocks(&self) -> &[StoredBlock] {
        &self.blocks
    }

    /// The places of the blocks.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn contains(&self, hash: &BlockHash) -> bool {
        self.numbers.contains_key(hash)
    }

    /// The file that grows and its bytes.
    pub(super) fn synced(&self) -> (u32, u64) {
        (self.last_file.unwrap_or(0), self.last_bytes)
    }

    /// A block's consensus bytes, checked as they come.
    pub(super) fn read(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(number) = self.numbers.get(hash) else {
            return Ok(None);
        };
        let place = self.places[*number];
        let path = self.dir.join(file_name(place.file));
        let mut header = [0; RECORD_HEADER_BYTES];
        let mut block = vec![0; place.length as usize];
        self.medium
            .read(place.file, place.offset, &mut header)
            .and_then(|()| {
                let start = place.offset + RECORD_HEADER_BYTES as u64;
                self.medium.read(place.file, start, &mut block)
            })
            .map_err(|error| StoreError::io("read", &path, error))?;
        let is_it = record::is_whole(&header, &block)
            && block_header(&block).is_some_and(|header| header.hash() == *hash);
        if !is_it {
            let what = format!("the record of block {hash} at byte {}", place.offset);
            return Err(StoreError::damaged(&path, what));
        }
        Ok(Some(block))
    }

    /// Adds a block behind the others; durable when it returns. After an error nothing is known
    /// about what the disk holds, except for [`StoreError::BlockTooLarge`].
    pub(super) fn append(&mut self, block: &CommittedBlock) -> Result<(), StoreError> {
        let encoded = block.block.encode();
        let record = record::record(&encoded)
            .ok_or(StoreError::BlockTooLarge { got: encoded.len(), max: RECORD_BYTES_MAX })?;
        let grown = self.last_bytes.saturating_add(record.len() as u64);
        let (file, is_new) = match self.last_file {
            None => (0, true),
            // A file has at least one record, however large.
            Some(file)
                if grown > self.file_bytes_max && self.last_bytes > FILE_HEADER_BYTES as u64 =>
            {
                (file.saturating_add(1), true)
            }
            Some(file) => (file, false),
        };
        let offset = if is_new { FILE_HEADER_BYTES as u64 } else { self.last_bytes };
        let path = self.dir.join(file_name(file));
        self.write_durably(file, is_new, offset, &record)
            .map_err(|error| StoreError::io("write", &path, error))?;
        let place = Place {
            file,
            offset,
            length: u32::try_from(encoded.len()).expect("a record holds at most 4 MB"),
        };
        self.last_file = Some(file);
        self.last_bytes = place.end();
        let stored = StoredBlock { hash: block.hash, header: block.block.header };
        self.remember(stored, place);
        Ok(())
    }

    fn write_durably(
        &mut self,
        file: u32,
        is_new: bool,
        offset: u64,
        record: &[u8],
    ) -> std::io::Result<()> {
        if is_new {
            self.medium.create(file)?;
            let header = record::file_header(&self.genesis, file);
            self.medium.write(file, 0, &header)?;
        }
        self.medium.write(file, offset, record)?;
        self.medium.sync(file)?;
        if is_new {
            self.medium.sync_directory()?;
        }
        Ok(())
    }

    fn remember(&mut self, block: StoredBlock, place: Place) {
        // The first of two records of one block counts; `append` is never asked for a second.
        self.numbers.entry(block.hash).or_insert(self.blocks.len());
        self.blocks.push(block);
        self.places.push(place);
    }
}

/// The header in front of a block's bytes; `None` when they are too short.
pub(super) fn block_header(block: &[u8]) -> Option<Header> {
    block.first_chunk::<HEADER_BYTES>().map(Header::from_bytes)
}
