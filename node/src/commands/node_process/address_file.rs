//! `AddressFile`: the nodes that were met, kept for the next start.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::durable_file;
use serde::{Deserialize, Serialize};

use super::note;
use machine::Machine;
use server::runtime::Handle;

/// Name of the file in a node's data directory.
const FILE: &str = "addresses.json";

/// Longest file that is read: the few hundred addresses that are worth remembering, and room.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The file is written at most this often.
const LOOK_MIN: Duration = Duration::from_secs(2);

/// How often one looks at least; where nothing is new, each look comes after twice the time.
const LOOK_MAX: Duration = Duration::from_secs(32);

/// The file of one node.
pub(super) struct AddressFile {
    path: PathBuf,
    /// What stands in it.
    written: BTreeSet<SocketAddr>,
    next_look: Instant,
    look_interval: Duration,
    /// A failure to write was told; once is enough.
    complained: bool,
}

#[derive(Serialize, Deserialize)]
struct Content {
    v: u32,
    addresses: Vec<SocketAddr>,
}

impl AddressFile {
    /// Reads what the node knew when it last ran. A damaged file costs a warning.
    pub fn open(directory: &Path) -> (Self, Vec<SocketAddr>) {
        let path = directory.join(FILE);
        let known = read(&path).unwrap_or_else(|reason| {
            note(&format!(
                "{} is damaged ({reason}): starting without the addresses of earlier peers",
                path.display()
            ));
            Vec::new()
        });
        let written = known.iter().copied().collect();
        let next_look = Instant::now();
        (Self { path, written, next_look, look_interval: LOOK_MIN, complained: false }, known)
    }

    /// When [`AddressFile::look`] does something again.
    pub fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Writes the file when there is something new, not too often.
    pub fn look(&mut self, handle: &Handle) {
        if Instant::now() >= self.next_look {
            let is_new = self.write_last(handle);
            self.look_interval = interval_after(self.look_interval, is_new);
            self.next_look = Instant::now() + self.look_interval;
        }
    }

    /// Writes the file when there is something new, and says whether there is.
    pub fn write_last(&mut self, handle: &Handle) -> bool {
        // A node that has no time or has ended keeps the file as it was.
        handle.ask_blocking(Machine::met_addresses).is_ok_and(|met| self.keep(&met))
    }

    fn keep(&mut self, met: &[SocketAddr]) -> bool {
        let wanted: BTreeSet<SocketAddr> = met.iter().copied().collect();
        if wanted == self.written {
            return false;
        }
        match write(&self.path, met) {
            Ok(()) => self.written = wanted,
            Err(error) if !self.complained => {
                self.complained = true;
                let path = self.path.display();
                note(&format!("cannot write {path}: {error}; earlier peers will be forgotten"));
            }
            Err(_) => {}
        }
        true
    }
}

/// The time to the next look.
fn interval_after(interval: Duration, is_new: bool) -> Duration {
    if is_new { LOOK_MIN } else { (2 * interval).min(LOOK_MAX) }
}

/// No file is no address; anything else that is no list of addresses is damage.
fn read(path: &Path) -> Result<Vec<SocketAddr>, String> {
    let bytes = match durable_file::read_limited(path, FILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| error.to_string())?,
    };
    let content: Content = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    Ok(content.addresses)
}

/// The node's lock makes this process the only writer.
fn write(path: &Path, addresses: &[SocketAddr]) -> io::Result<()> {
    let content = Content { v: 1, addresses: addresses.to_vec() };
    let bytes = serde_json::to_vec(&content).expect("numbers and addresses always serialize");
    durable_file::replace(path, &bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_kept_is_known_at_the_next_start(
            addresses in prop::collection::vec(any::<(std::net::IpAddr, u16)>(), 0..50),
        ) {
            let addresses: Vec<SocketAddr> = addresses.into_iter().map(SocketAddr::from).collect();
            let directory = tempfile::tempdir().unwrap();
            let (mut file, known) = AddressFile::open(directory.path());
            prop_assert_eq!(known, vec![]);
            file.keep(&addresses);
            prop_assert_eq!(AddressFile::open(directory.path()).1, addresses);
        }

        #[test]
        fn a_damaged_file_is_noticed(text in ".{1,80}") {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(FILE);
            fs::write(&path, text).unwrap();
            prop_assert!(read(&path).is_err());
        }
    }

    #[test]
    fn looks_become_rare_while_nothing_is_new_and_frequent_again_when_something_is() {
        let mut interval = LOOK_MIN;
        for seconds in [4, 8, 16, 32, 32] {
            interval = interval_after(interval, false);
            assert_eq!(interval, Duration::from_secs(seconds));
        }
        assert_eq!(interval_after(interval, true), LOOK_MIN);
    }

    #[test]
    fn the_file_is_left_alone_when_nothing_is_new_and_a_long_one_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let (mut file, _) = AddressFile::open(directory.path());
        let met: Vec<SocketAddr> = vec!["9.9.9.9:1".parse().unwrap(), "8.8.8.8:2".parse().unwrap()];
        file.keep(&met);
        fs::remove_file(&file.path).unwrap();
        file.keep(&[met[1], met[0]]);
        assert!(!file.path.exists());
        let long = fs::File::create(&file.path).unwrap();
        long.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(AddressFile::open(directory.path()).1, []);
    }
}
