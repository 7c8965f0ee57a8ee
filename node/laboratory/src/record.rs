//! `Record`: the file in which finished trials stand, so that a run that was killed goes on.
//!
//! It holds the lines of the output, one for each seed, and is written a whole line at a time. What
//! a kill left of a line is cut off, and that trial is made again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::trial::Trial;

/// Longest record: a million trials, or more.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// How every line begins, and what a kill left of one, unless it is shorter.
const LINE_BEGINNING: &[u8] = br#"{"v":1,"event":"seed","#;

/// A line of the record, and of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Version of the objects.
    pub v: u32,
    /// `seed`.
    pub event: String,
    /// The scenario.
    pub scenario: String,
    /// Tells experiments apart.
    pub experiment: String,
    /// What was set on the command line.
    pub set: Vec<(String, String)>,
    /// What came of the seed.
    #[serde(flatten)]
    pub trial: Trial,
}

/// Why a run cannot go on from a record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The operating system's.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What it says.
        source: io::Error,
    },
    /// It is no record.
    #[error("line {line} of {path} is no trial; name another file, it is left as it is")]
    Foreign {
        /// The file.
        path: String,
        /// Which line, counted from 1.
        line: usize,
    },
}

/// The file.
#[derive(Debug)]
pub(crate) struct Record {
    file: File,
    bytes: u64,
    path: String,
}

impl Record {
    /// Opens or makes the file, and reads the trials in it.
    ///
    /// # Errors
    /// [`RecordError`]; a file that holds anything else is left as it is.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Line>), RecordError> {
        let name = path.display().to_string();
        let failed = |source| RecordError::Io { path: name.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(failed)?;
        // Two processes on one record would make trials twice.
        file.try_lock().map_err(|_| {
            let reason = "another process writes to it";
            failed(io::Error::new(io::ErrorKind::ResourceBusy, reason))
        })?;
        let mut bytes = Vec::new();
        (&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(failed(io::Error::other("it is longer than any record")));
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut lines = Vec::new();
        for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line = serde_json::from_slice(line)
                .map_err(|_| RecordError::Foreign { path: name.clone(), line: number + 1 })?;
            lines.push(line);
        }
        let torn = &bytes[whole..];
        if !torn.starts_with(LINE_BEGINNING) && !LINE_BEGINNING.starts_with(torn) {
            return Err(RecordError::Foreign { path: name, line: lines.len() + 1 });
        }
        let bytes = whole as u64;
        file.set_len(bytes).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((Self { file, bytes, path: name }, lines))
    }

    /// Adds a trial.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn add(&mut self, line: &str) -> Result<(), RecordError> {
        let line = format!("{line}\n");
        self.bytes += line.len() as u64;
        let written = if self.bytes > FILE_BYTES_MAX {
            Err(io::Error::other("a record holds no more than a gibibyte; take another file"))
        } else {
            self.file.write_all(line.as_bytes())
        };
        written.map_err(|source| RecordError::Io { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests;
