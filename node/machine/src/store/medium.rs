//! Where block files live: in a directory, or in memory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Files known by number. A write is durable once its file is synced, a new or removed file once
/// the directory is synced too.
///
/// Every access says its place, so that any number of readers and one writer share a medium.
pub trait BlockMedium: Send + Sync {
    /// Numbers of the files there are, rising.
    fn files(&self) -> Vec<u32>;

    /// Bytes in a file.
    ///
    /// # Errors
    /// Whatever the system says, also that there is no such file.
    fn bytes(&self, file: u32) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// Whatever the system says, also that the file ends before.
    fn read(&self, file: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Makes an empty file.
    ///
    /// # Errors
    /// Whatever the system says, also that the file is there already.
    fn create(&self, file: u32) -> io::Result<()>;

    /// Writes all of `bytes` from `offset` on.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write(&self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Copies everything from `offset` on, durably, to a place that no node reads, and names it;
    /// `None` where nothing outlives the process.
    ///
    /// # Errors
    /// Whatever the system says; the file is as it was.
    fn set_aside(&self, file: u32, offset: u64) -> io::Result<Option<PathBuf>>;

    /// Drops everything from `bytes` on.
    ///
    /// # Errors
    /// Whatever the system says.
    fn truncate(&self, file: u32, bytes: u64) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove(&self, file: u32) -> io::Result<()>;

    /// Makes the contents of a file durable.
    ///
    /// # Errors
    /// Whatever the system says; what is on the disk is then unknown.
    fn sync(&self, file: u32) -> io::Result<()>;

    /// Makes the list of files durable.
    ///
    /// # Errors
    /// Whatever the system says; what is on the disk is then unknown.
    fn sync_directory(&self) -> io::Result<()>;
}

/// Name of the block file with this number.
pub fn file_name(file: u32) -> String {
    format!("blocks-{file:05}.dat")
}

/// Makes the entries of a directory durable, where the system has that notion.
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Copies of what was cut at one place, each after another damage there: more than anybody repairs.
const COPIES_MAX: u32 = 100;

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Block files in a directory, all of them held open.
#[derive(Debug)]
pub struct DirectoryMedium {
    dir: PathBuf,
    open: RwLock<BTreeMap<u32, Arc<File>>>,
}

impl DirectoryMedium {
    /// Opens every block file of `dir`; other files are left alone.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut open = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            if let Some(file) = name.to_str().and_then(file_number) {
                let handle = OpenOptions::new().read(true).write(true).open(dir.join(&name))?;
                open.insert(file, Arc::new(handle));
            }
        }
        Ok(Self { dir: dir.to_owned(), open: RwLock::new(open) })
    }

    fn file(&self, file: u32) -> io::Result<Arc<File>> {
        reading(&self.open).get(&file).cloned().ok_or_else(|| missing(file))
    }

    /// A new file for what a block file holds from `offset` on. An earlier copy from the same place
    /// stays; its name is taken.
    fn create_copy(&self, file: u32, offset: u64) -> io::Result<(PathBuf, File)> {
        let name = format!("{}.cut-at-{offset}", file_name(file));
        for number in 1..=COPIES_MAX {
            let suffix = if number == 1 { String::new() } else { format!(".{number}") };
            let path = self.dir.join(format!("{name}{suffix}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|copy| (path, copy)),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("too many copies {name}")))
    }

    /// Copies everything from `offset` on.
    fn copy_from(&self, file: u32, mut offset: u64, copy: &mut File) -> io::Result<()> {
        let end = self.bytes(file)?;
        let mut part = vec![0; COPY_BYTES];
        while offset < end {
            let length = usize::try_from(end - offset).map_or(COPY_BYTES, |it| it.min(COPY_BYTES));
            self.read(file, offset, &mut part[..length])?;
            copy.write_all(&part[..length])?;
            offset += length as u64;
        }
        Ok(())
    }
}

/// The number in a name that [`file_name`] made; `None` for every other name.
fn file_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("blocks-")?.strip_suffix(".dat")?;
    let number = digits.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

fn missing(file: u32) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {}", file_name(file)))
}

impl BlockMedium for DirectoryMedium {
    fn files(&self) -> Vec<u32> {
        reading(&self.open).keys().copied().collect()
    }

    fn bytes(&self, file: u32) -> io::Result<u64> {
        Ok(self.file(file)?.metadata()?.len())
    }

    fn read(&self, file: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        read_at(&*self.file(file)?, offset, bytes)
    }

    fn create(&self, file: u32) -> io::Result<()> {
        let handle = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.dir.join(file_name(file)))?;
        writing(&self.open).insert(file, Arc::new(handle));
        Ok(())
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_at(&*self.file(file)?, offset, bytes)
    }

    fn set_aside(&self, file: u32, offset: u64) -> io::Result<Option<PathBuf>> {
        let (path, mut copy) = self.create_copy(file, offset)?;
        let copied = self.copy_from(file, offset, &mut copy).and_then(|()| copy.sync_all());
        if let Err(error) = copied.and_then(|()| sync_directory(&self.dir)) {
            // Half a copy helps nobody; on a full disk it is in the way.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Some(path))
    }

    fn truncate(&self, file: u32, bytes: u64) -> io::Result<()> {
        self.file(file)?.set_len(bytes)
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        writing(&self.open).remove(&file);
        fs::remove_file(self.dir.join(file_name(file)))
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.file(file)?.sync_data()
    }

    fn sync_directory(&self) -> io::Result<()> {
        sync_directory(&self.dir)
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut offset: u64, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                bytes = &mut bytes[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// A map of files is whole between any two statements, so a panic elsewhere has not harmed it.
fn reading<T>(files: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    files.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing<T>(files: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    files.write().unwrap_or_else(PoisonError::into_inner)
}

/// Block files that end with the process.
#[derive(Debug, Default)]
pub struct MemoryMedium {
    files: RwLock<BTreeMap<u32, Vec<u8>>>,
}

impl Clone for MemoryMedium {
    fn clone(&self) -> Self {
        Self { files: RwLock::new(reading(&self.files).clone()) }
    }
}

impl BlockMedium for MemoryMedium {
    fn files(&self) -> Vec<u32> {
        reading(&self.files).keys().copied().collect()
    }

    fn bytes(&self, file: u32) -> io::Result<u64> {
        let files = reading(&self.files);
        let contents = files.get(&file).ok_or_else(|| missing(file))?;
        Ok(contents.len() as u64)
    }

    fn read(&self, file: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let files = reading(&self.files);
        let contents = files.get(&file).ok_or_else(|| missing(file))?;
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| contents.get(start..start.checked_add(bytes.len())?));
        bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn create(&self, file: u32) -> io::Result<()> {
        let mut files = writing(&self.files);
        if files.contains_key(&file) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files.insert(file, Vec::new());
        Ok(())
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut files = writing(&self.files);
        let contents = files.get_mut(&file).ok_or_else(|| missing(file))?;
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        contents.resize(contents.len().max(end), 0);
        contents[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_aside(&self, _file: u32, _offset: u64) -> io::Result<Option<PathBuf>> {
        Ok(None)
    }

    fn truncate(&self, file: u32, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut files = writing(&self.files);
        files.get_mut(&file).ok_or_else(|| missing(file))?.truncate(length);
        Ok(())
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        writing(&self.files).remove(&file).map(drop).ok_or_else(|| missing(file))
    }

    fn sync(&self, _file: u32) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}
