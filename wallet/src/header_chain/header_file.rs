//! `HeaderFile`: the chain of headers on disk, so that a later start reads new ones only.
//!
//! `"LODEHEAD" | genesis [32]`, then runs: `count u32 | headers | checksum [32]`, little-endian. A
//! checksum covers its run and the checksum before it. So what a crash tore, and what a disk
//! altered, ends what is believed, and what is behind it is read from a miner again: nothing here
//! is worth a sync. New headers are appended; those that lost their place are cut off.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use chain::genesis::Network;
use chain::hash::tagged_hash;
use chain::header::{HEADER_BYTES, Header};
use client::durable_file;

use super::{HEADERS_MAX, HeaderChain};

const MAGIC: &[u8; 8] = b"LODEHEAD";

/// Most headers of a run: what one answer of a miner holds.
const RUN_MAX: usize = 2000;

/// Runs beyond what the headers need, before the file is written anew: every block that a wallet
/// sees makes one, and each costs two hashes more at the next start.
const SPARE_RUNS_MAX: usize = 500;

/// Headers in a row, as they stand in the file.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Heights of the first and of the last one.
    first: u32,
    last: u32,
    /// Where the run begins.
    offset: u64,
    /// The checksum before it.
    before: [u8; 32],
}

/// The file, open. One process at a time has it, by the lock of the wallet's directory.
#[derive(Debug)]
pub struct HeaderFile {
    file: File,
    runs: Vec<Run>,
    /// Where the last run ends, and its checksum.
    end: u64,
    checksum: [u8; 32],
}

/// A file that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: HeaderFile,
    /// What it holds.
    pub chain: HeaderChain,
    /// Height of the last header that was believed, when more stood behind it.
    pub damaged_behind: Option<u32>,
}

impl HeaderFile {
    /// Opens the file at `path`, or begins it. What does not hold is cut off.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(path: &Path, network: &Arc<Network>) -> io::Result<Opened> {
        let mut options = durable_file::private();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        durable_file::make_private(&file)?;
        let length = file.metadata()?.len();
        let mut opened = Self { file, runs: Vec::new(), end: 0, checksum: first_checksum(network) };
        let mut headers = vec![network.genesis.block.header];
        opened.read(&mut headers, network)?;
        let is_cut = length > opened.end && length > 0;
        let mut chain = HeaderChain::restored(Arc::clone(network), headers);
        let damaged_behind = is_cut.then_some(chain.end.height);
        let needed = chain.headers.len() / RUN_MAX + SPARE_RUNS_MAX;
        if opened.runs.len() > needed || opened.end == 0 {
            opened.begin(network)?;
            chain.kept = 0;
            opened.keep(&mut chain)?;
        } else if is_cut {
            opened.file.set_len(opened.end)?;
        }
        Ok(Opened { file: opened, chain, damaged_behind })
    }

    /// Writes what is new in the chain.
    ///
    /// # Errors
    /// What the operating system says. What is whole stays; what could not be written is read from
    /// a miner again at the next start.
    pub fn keep(&mut self, chain: &mut HeaderChain) -> io::Result<()> {
        let mut from = chain.kept + 1;
        // A run is replaced as a whole.
        while let Some(run) = self.runs.pop_if(|run| run.last >= from) {
            from = from.min(run.first);
            (self.end, self.checksum) = (run.offset, run.before);
        }
        chain.kept = from - 1;
        let new = chain.headers.get(from as usize..).unwrap_or_default();
        if new.is_empty() {
            return Ok(());
        }
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        for headers in new.chunks(RUN_MAX) {
            let (bytes, checksum) = run_bytes(headers, &self.checksum);
            self.file.write_all(&bytes)?;
            let (first, last) = (chain.kept + 1, chain.kept + headers.len() as u32);
            self.runs.push(Run { first, last, offset: self.end, before: self.checksum });
            (self.end, self.checksum) = (self.end + bytes.len() as u64, checksum);
            chain.kept = last;
        }
        Ok(())
    }

    /// An empty file of this network.
    fn begin(&mut self, network: &Network) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(MAGIC)?;
        self.file.write_all(network.genesis_hash().as_bytes())?;
        self.runs.clear();
        self.end = (MAGIC.len() + 32) as u64;
        self.checksum = first_checksum(network);
        Ok(())
    }

    /// Reads run by run, as far as they hold. `end` stays 0 when it is another network's file.
    fn read(&mut self, headers: &mut Vec<Header>, network: &Network) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        let mut start = [0; MAGIC.len() + 32];
        if !filled(&mut reader, &mut start)?
            || start[..MAGIC.len()] != *MAGIC
            || start[MAGIC.len()..] != *network.genesis_hash().as_bytes()
        {
            return Ok(());
        }
        self.end = start.len() as u64;
        loop {
            let mut count = [0; 4];
            if !filled(&mut reader, &mut count)? {
                return Ok(());
            }
            let count = u32::from_le_bytes(count) as usize;
            if count == 0 || count > RUN_MAX || headers.len() + count > HEADERS_MAX {
                return Ok(());
            }
            let mut bytes = vec![0; count * HEADER_BYTES + 32];
            if !filled(&mut reader, &mut bytes)? {
                return Ok(());
            }
            let (body, told) = bytes.split_at(count * HEADER_BYTES);
            let checksum = checksum(&self.checksum, body);
            if checksum != *told {
                return Ok(());
            }
            let first = headers.len() as u32;
            let last = first + count as u32 - 1;
            self.runs.push(Run { first, last, offset: self.end, before: self.checksum });
            let (whole, _) = body.as_chunks::<HEADER_BYTES>();
            headers.extend(whole.iter().map(Header::from_bytes));
            (self.end, self.checksum) = (self.end + 4 + bytes.len() as u64, checksum);
        }
    }
}

fn first_checksum(network: &Network) -> [u8; 32] {
    network.genesis_hash().0
}

fn checksum(before: &[u8; 32], headers: &[u8]) -> [u8; 32] {
    tagged_hash("lode/headers", &[before, headers])
}

fn run_bytes(headers: &[Header], before: &[u8; 32]) -> (Vec<u8>, [u8; 32]) {
    let count = headers.len() as u32;
    let mut bytes = Vec::with_capacity(4 + headers.len() * HEADER_BYTES + 32);
    bytes.extend_from_slice(&count.to_le_bytes());
    headers.iter().for_each(|header| bytes.extend_from_slice(&header.to_bytes()));
    let checksum = checksum(before, &bytes[4..]);
    bytes.extend_from_slice(&checksum);
    (bytes, checksum)
}

/// Whether there was enough to fill the buffer.
fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
