//! Replacing a small file so that after a crash the old one is there or the new one, whole.
//!
//! Everything of a wallet but its journal is written this way, and what a data directory is pinned
//! to: beside the file, synced, renamed over it, and the directory synced. Nobody but the owner may
//! read it, whatever the umask.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Behind the name of a file that is being written.
const NEW: &str = ".new";

/// What is done in order; a crash may come behind any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Created,
    HalfWritten,
    Written,
    Synced,
    Renamed,
    DirectorySynced,
}

/// Puts `bytes` where `path` is; the directory must be there. Writers in one directory wait for
/// each other, also those of other processes.
///
/// # Errors
/// What the operating system says; the old file is untouched then, or the new one is whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_stepwise(path, bytes, &mut |_| Ok(()))
}

/// Removes what processes that were killed left of the files called `names` in `directory`, and
/// returns the paths. Nobody was told that they are whole. Other files that end alike may be
/// anybody's, as a directory may be any. Writers that run are waited for.
///
/// # Errors
/// What the operating system says.
pub fn sweep(directory: &Path, names: &[&str]) -> io::Result<Vec<PathBuf>> {
    let _writing = lock(directory)?;
    let mut swept = Vec::new();
    for name in names {
        let left = beside(&directory.join(name));
        match fs::remove_file(&left) {
            Ok(()) => swept.push(left),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

/// Moves a file that is in the way to the first free name beside it, and returns that.
///
/// # Errors
/// What the operating system says.
pub fn move_aside(path: &Path) -> io::Result<PathBuf> {
    /// More than anybody needs.
    const OLD_MAX: u32 = 1000;
    let _writing = lock(parent(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut places = (1..=OLD_MAX).map(|number| path.with_file_name(format!("{name}.old{number}")));
    let Some(place) = places.find(|place| fs::symlink_metadata(place).is_err()) else {
        return Err(io::Error::other(format!("{OLD_MAX} files {name}.old lie there")));
    };
    fs::rename(path, &place)?;
    sync_directory(parent(path))?;
    Ok(place)
}

/// At most `bytes_max` bytes of a file.
///
/// # Errors
/// What the operating system says; [`io::ErrorKind::InvalidData`] for a longer file.
pub fn read_limited(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    let read = file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read > bytes_max) {
        let reason = format!("longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(bytes)
}

/// Options for a file that only its owner may read and write.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens the file to its owner and to nobody else; a umask may have taken more away than meant.
///
/// # Errors
/// What the operating system says.
pub fn make_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// What the operating system says.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    // Only Unix can open a directory; elsewhere a rename is as durable as it gets.
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// Keeps other writers out of a directory; the lock ends with the file, even by a crash.
#[cfg(unix)]
fn lock(directory: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    directory.lock()?;
    Ok(directory)
}

/// Only Unix can open a directory; elsewhere there must be one writer at a time.
#[cfg(not(unix))]
fn lock(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// The directory that `path` lies in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(NEW);
    path.with_file_name(name)
}

fn replace_stepwise(
    path: &Path,
    bytes: &[u8],
    reached: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<()> {
    // Held to the end: another writer would take the file beside for what a crash left behind.
    let _writing = lock(parent(path))?;
    let new = beside(path);
    // What a crash left behind; a link there must not be followed either.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(&new)?;
    make_private(&file)?;
    reached(Step::Created)?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    reached(Step::HalfWritten)?;
    file.write_all(second)?;
    reached(Step::Written)?;
    file.sync_all()?;
    reached(Step::Synced)?;
    drop(file);
    fs::rename(&new, path)?;
    reached(Step::Renamed)?;
    sync_directory(parent(path))?;
    reached(Step::DirectorySynced)
}

/// Like [`replace`], but dies behind the step of that number; for tests of what is left then.
#[cfg(any(test, feature = "dying-writer"))]
pub fn replace_and_die(path: &Path, bytes: &[u8], step: usize) {
    let mut reached = 0;
    let died = replace_stepwise(path, bytes, &mut |_| {
        reached += 1;
        if reached > step { Err(io::Error::other("killed")) } else { Ok(()) }
    });
    assert!(died.is_err() || step >= STEPS, "step {step} was not reached");
}

/// How many steps there are to die behind.
#[cfg(any(test, feature = "dying-writer"))]
pub const STEPS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_behind_any_step_the_old_or_the_new_file_is_there_and_can_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for step in 0..=STEPS {
            replace(&path, b"old").unwrap();
            replace_and_die(&path, b"newer", step);
            let renamed = step >= 4;
            let expected: &[u8] = if renamed { b"newer" } else { b"old" };
            assert_eq!(fs::read(&path).unwrap(), expected, "step {step}");
        }
        replace(&path, b"").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[cfg(unix)]
    #[test]
    fn of_many_writers_at_once_none_fails_and_each_leaves_a_whole_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::thread::scope(|scope| {
            for writer in 0..8u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..10 {
                        replace(path, &[writer; 1000]).unwrap();
                        let found = fs::read(path).unwrap();
                        assert!(found.len() == 1000 && found.iter().all(|byte| *byte == found[0]));
                    }
                });
            }
        });
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it_even_where_a_readable_file_or_a_link_lay() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        symlink(&elsewhere, beside(&path)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!elsewhere.exists());
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        for name in ["key", "key.new", "letter.new", "new", "key.newer"] {
            fs::write(place(name), name).unwrap();
        }
        let killed = replace_stepwise(&place("spec"), b"half", &mut |step| match step {
            Step::HalfWritten => Err(io::Error::other("killed")),
            _ => Ok(()),
        });
        assert!(killed.is_err());
        let names = ["key", "spec", "other"];
        let expected = [place("key.new"), place("spec.new")];
        assert_eq!(sweep(directory.path(), &names).unwrap(), expected);
        assert_eq!(sweep(directory.path(), &names).unwrap(), [] as [PathBuf; 0]);
        for name in ["key", "letter.new", "new", "key.newer"] {
            assert!(place(name).exists(), "{name}");
        }
    }

    #[test]
    fn what_is_moved_aside_lies_beside_what_was_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for number in 1..=3 {
            fs::write(&path, number.to_string()).unwrap();
            let place = move_aside(&path).unwrap();
            assert!(place.ends_with(format!("key.old{number}")) && !path.exists());
        }
        assert_eq!(fs::read(directory.path().join("key.old1")).unwrap(), b"1");
    }

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_limited(&path, 10).unwrap(), [7; 10]);
        assert_eq!(read_limited(&path, 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
