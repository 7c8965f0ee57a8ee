//! Reading the block files at start: what must be whole, what may be cut, what is refused.

use std::path::{Path, PathBuf};

use chain::block::CommittedBlock;

use super::block_files::{End, Place, StoredBlock, block_header};
use super::database::StateDatabase;
use super::error::StoreError;
use super::flush_record::FlushRecord;
use super::medium::{BlockMedium, file_name};
use super::progress::{OpeningStep, OpeningWatcher, StepProgress};
use super::record::BLOCK_FILES_SCHEMA;
use super::record::{self, FILE_HEADER_BYTES, HeaderFault, RECORD_HEADER_BYTES};

/// Bytes that were removed from the end of the block files because no whole record began there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file with the first of them.
    pub file: PathBuf,
    /// Their place in it.
    pub offset: u64,
    /// How many, later files included.
    pub bytes: u64,
    /// Copies of them, the last file's first: a rebuild removes nothing for ever.
    pub copies: Vec<PathBuf>,
}

/// What [`super::Store::rebuild_and_report`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Blocks that the files hold.
    pub blocks: u64,
    /// What had to go, if anything.
    pub cut: Option<Cut>,
}

/// What the files hold up to the first bad record.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The blocks in file order, with their places.
    pub blocks: Vec<(StoredBlock, Place)>,
    /// Behind the last good record; none when not even the first file begins well.
    pub end: Option<End>,
    /// Where the first bad record begins.
    bad: Option<End>,
    /// Files whose header is not as it was written (met with [`Purpose::Rebuild`] only).
    bad_headers: Vec<u32>,
}

/// Why the files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on from the last flush, which vouches for everything up to it.
    GoOn,
    /// To make everything else anew from them.
    Rebuild,
}

/// The files as they are read.
pub(super) struct Reading<'a> {
    /// Where they are.
    pub medium: &'a dyn BlockMedium,
    /// Names them in messages.
    pub dir: &'a Path,
    /// Of the network that they must belong to.
    pub genesis: &'a CommittedBlock,
    /// What the blocks are read for.
    pub purpose: Purpose,
}

impl Reading<'_> {
    /// Reads every record up to the first bad one. Changes nothing.
    pub(super) fn read_all(&self, watcher: &OpeningWatcher) -> Result<Found, StoreError> {
        let mut found = Found::default();
        let bytes = self.medium.files().into_iter().map(|file| self.medium.bytes(file));
        let bytes = bytes.map(|bytes| bytes.unwrap_or(0)).sum();
        let progress = StepProgress::new(watcher, OpeningStep::ReadBlocks, bytes);
        for (expected, file) in (0u32..).zip(self.medium.files()) {
            if file != expected || !self.read_file(file, &mut found, &progress)? {
                found.bad.get_or_insert(End { file: expected, bytes: 0 });
                break;
            }
        }
        progress.finish();
        match found.blocks.first() {
            Some((first, _)) if first.hash != self.genesis.hash => {
                Err(StoreError::ForeignNetwork { got: first.hash, expected: self.genesis.hash })
            }
            _ => Ok(found),
        }
    }

    /// Reads one file; whether all of it is good.
    fn read_file(
        &self,
        file: u32,
        found: &mut Found,
        progress: &StepProgress,
    ) -> Result<bool, StoreError> {
        let length = self.try_io("read", file, self.medium.bytes(file))?;
        // Each file was begun for a record: one without any is what a crash left of it.
        if length <= FILE_HEADER_BYTES as u64 {
            return Ok(false);
        }
        let mut header = [0; FILE_HEADER_BYTES];
        self.try_io("read", file, self.medium.read(file, 0, &mut header))?;
        match record::check_file_header(&header, &self.genesis.hash, file) {
            Ok(()) => {}
            Err(HeaderFault::Damaged) if self.purpose == Purpose::Rebuild => {
                found.bad_headers.push(file);
            }
            Err(HeaderFault::Damaged) => return Ok(false),
            Err(HeaderFault::Foreign(got)) => {
                return Err(StoreError::ForeignNetwork { got, expected: self.genesis.hash });
            }
            Err(HeaderFault::Newer(got)) => {
                return Err(StoreError::NewerSchema { got, supported: BLOCK_FILES_SCHEMA });
            }
        }
        let mut end = End { file, bytes: FILE_HEADER_BYTES as u64 };
        found.end = Some(end);
        while end.bytes < length {
            let Some((block, place)) = self.read_record(end, length)? else {
                found.bad = Some(end);
                return Ok(false);
            };
            progress.add(place.end() - end.bytes);
            end.bytes = place.end();
            found.end = Some(end);
            found.blocks.push((block, place));
        }
        Ok(true)
    }

    /// The record that begins at `at` in a file of `length` bytes; `None` when it is bad.
    fn read_record(
        &self,
        at: End,
        length: u64,
    ) -> Result<Option<(StoredBlock, Place)>, StoreError> {
        let mut header = [0; RECORD_HEADER_BYTES];
        let start = at.bytes.saturating_add(RECORD_HEADER_BYTES as u64);
        if start > length {
            return Ok(None);
        }
        self.try_io("read", at.file, self.medium.read(at.file, at.bytes, &mut header))?;
        let Some(claimed) = record::claimed_length(&header) else {
            return Ok(None);
        };
        if u64::from(claimed) > length - start {
            return Ok(None);
        }
        let mut block = vec![0; claimed as usize];
        self.try_io("read", at.file, self.medium.read(at.file, start, &mut block))?;
        let place = Place { file: at.file, offset: at.bytes, length: claimed };
        Ok(block_header(&block).filter(|_| record::is_whole(&header, &block)).map(|header| {
            let hash = header.hash();
            (StoredBlock { hash, header }, place)
        }))
    }

    /// Compares what was found with what the last flush says, cuts what may be cut, and makes
    /// durable what is kept. With no flush there must be no more than an interrupted creation
    /// leaves behind.
    pub(super) fn settle(
        mut self,
        found: &mut Found,
        tables: &StateDatabase,
    ) -> Result<Option<Cut>, StoreError> {
        match tables.flushed()? {
            Some(flushed) => self.check_flushed(found, &flushed, tables)?,
            None if self.purpose == Purpose::GoOn => {
                self.check_interrupted_creation()?;
                // Nothing is in it that is not made anew at once.
                *found = Found { bad: Some(End { file: 0, bytes: 0 }), ..Found::default() };
            }
            None => {}
        }
        let cut = self.cut(found)?;
        if self.purpose == Purpose::Rebuild {
            self.harden_rebuilt(found)?;
        }
        Ok(cut)
    }

    /// Repairs the headers of files whose records are good, and makes durable what is kept.
    fn harden_rebuilt(&mut self, found: &Found) -> Result<(), StoreError> {
        for file in self.medium.files() {
            if found.bad_headers.contains(&file) {
                let header = record::file_header(&self.genesis.hash, file);
                let written = self.medium.write(file, 0, &header);
                self.try_io("write", file, written)?;
            }
            let synced = self.medium.sync(file);
            self.try_io("sync", file, synced)?;
        }
        self.sync_directory()
    }

    /// The flush vouches for every record up to its synced length, and names each of them.
    fn check_flushed(
        &mut self,
        found: &Found,
        flushed: &FlushRecord,
        tables: &StateDatabase,
    ) -> Result<(), StoreError> {
        let synced = End { file: flushed.synced_file, bytes: flushed.synced_bytes };
        // A bad record ends the reading, so one comparison finds it as well as a file cut short.
        if found.end.is_none_or(|end| end < synced) {
            let at = found.bad.or(found.end).unwrap_or(synced);
            let what = format!("no whole record at byte {}", at.bytes);
            return Err(StoreError::damaged(&self.path(at.file), what));
        }
        let index = tables.index()?;
        let is_named = index.len() as u64 == flushed.blocks
            && index.len() <= found.blocks.len()
            && index
                .iter()
                .zip(&found.blocks)
                .all(|((hash, place), (block, at))| *hash == block.hash && place == at);
        if !is_named {
            let what = format!("{} has other blocks than its index", self.dir.display());
            return Err(StoreError::Damaged { what });
        }
        self.harden_tail(&found.blocks[index.len()..], synced.file)
    }

    /// Makes the records behind the synced length durable before anything names them. They are
    /// written anew: a sync that failed in an earlier life may have left pages that no later sync
    /// writes.
    fn harden_tail(
        &mut self,
        tail: &[(StoredBlock, Place)],
        synced_file: u32,
    ) -> Result<(), StoreError> {
        for (_, place) in tail {
            let length = RECORD_HEADER_BYTES + place.length as usize;
            let mut record = vec![0; length];
            let read = self.medium.read(place.file, place.offset, &mut record);
            self.try_io("read", place.file, read)?;
            let written = self.medium.write(place.file, place.offset, &record);
            self.try_io("write", place.file, written)?;
        }
        let Some((_, last)) = tail.last() else {
            return Ok(());
        };
        for file in synced_file..=last.file {
            if file > synced_file {
                let header = record::file_header(&self.genesis.hash, file);
                let written = self.medium.write(file, 0, &header);
                self.try_io("write", file, written)?;
            }
            let synced = self.medium.sync(file);
            self.try_io("sync", file, synced)?;
        }
        self.sync_directory()
    }

    /// Before the first flush there is at most a part of genesis; more is a database that was lost.
    fn check_interrupted_creation(&self) -> Result<(), StoreError> {
        let mut bytes = 0u64;
        for file in self.medium.files() {
            let length = self.try_io("read", file, self.medium.bytes(file))?;
            bytes = bytes.saturating_add(length);
        }
        let most = FILE_HEADER_BYTES + RECORD_HEADER_BYTES + self.genesis.encoded_bytes;
        if bytes > most as u64 {
            let what = format!("{} has blocks but no state", self.dir.display());
            return Err(StoreError::Damaged { what });
        }
        Ok(())
    }

    /// Removes everything from the first bad record on, later files first, so that a crash in
    /// between leaves no gap. A file without a good record goes altogether. What a crash left at
    /// the end was never whole; a rebuild, which may cut whole records, keeps a copy.
    fn cut(&mut self, found: &mut Found) -> Result<Option<Cut>, StoreError> {
        let Some(bad) = found.bad.take() else {
            return Ok(None);
        };
        let (mut bytes, mut copies) = (0u64, Vec::new());
        let files = self.medium.files();
        for file in files.into_iter().rev().filter(|file| *file >= bad.file) {
            let length = self.try_io("read", file, self.medium.bytes(file))?;
            let keeps = file == bad.file && bad.bytes > FILE_HEADER_BYTES as u64;
            let kept = if keeps { bad.bytes } else { 0 };
            let cut = length.saturating_sub(kept);
            bytes = bytes.saturating_add(cut);
            if self.purpose == Purpose::Rebuild && cut > 0 {
                let copied = self.medium.set_aside(file, kept);
                copies.extend(self.try_io("copy", file, copied)?);
            }
            if keeps {
                let truncated = self.medium.truncate(file, bad.bytes);
                self.try_io("truncate", file, truncated)?;
                let synced = self.medium.sync(file);
                self.try_io("sync", file, synced)?;
            } else {
                let removed = self.medium.remove(file);
                self.try_io("remove", file, removed)?;
            }
        }
        self.sync_directory()?;
        found.end =
            found.blocks.last().map(|(_, place)| End { file: place.file, bytes: place.end() });
        Ok((bytes > 0).then(|| Cut { file: self.path(bad.file), offset: bad.bytes, bytes, copies }))
    }

    fn sync_directory(&mut self) -> Result<(), StoreError> {
        let synced = self.medium.sync_directory();
        synced.map_err(|error| StoreError::io("sync", self.dir, error))
    }

    fn path(&self, file: u32) -> PathBuf {
        self.dir.join(file_name(file))
    }

    fn try_io<T>(
        &self,
        action: &'static str,
        file: u32,
        result: std::io::Result<T>,
    ) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::io(action, &self.path(file), error))
    }
}
