//! Which miner a wallet talks to: any of those that are listed, each as likely; and those that
//! were listed once, remembered on disk for when the directory is gone.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use wire::directory::{MINERS_MAX, MinerEntry};

use client::durable_file;

/// Longest file that is read: 256 miners with their addresses and some room.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Miners that are tried in one search; each may take a second to not answer.
const TRIALS_MAX: usize = 8;

/// The miners in the order in which they are to be tried: those that are `listed`, then those of an
/// earlier list, as many as one search tries. Among either every order is as likely, so the first
/// one is any of those listed. An address counts once.
pub fn order_of_trial<R: Rng + ?Sized>(
    listed: &[MinerEntry],
    remembered: &[MinerEntry],
    rng: &mut R,
) -> Vec<MinerEntry> {
    let mut seen = BTreeSet::new();
    let mut shuffled = |miners: &[MinerEntry]| {
        let once = miners.iter().filter(|miner| seen.insert(miner.address));
        let mut order: Vec<MinerEntry> = once.cloned().collect();
        order.shuffle(rng);
        order
    };
    let mut order = shuffled(listed);
    order.extend(shuffled(remembered));
    order.truncate(TRIALS_MAX);
    order
}

/// The miners that a directory listed last, the newest list first. Only a hint: a file that
/// cannot be read is an empty one.
#[derive(Debug)]
pub struct RememberedMiners {
    path: PathBuf,
    miners: Vec<MinerEntry>,
}

#[derive(Serialize, Deserialize)]
struct File {
    v: u32,
    miners: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    address: SocketAddr,
}

impl RememberedMiners {
    /// What the file at `path` remembers.
    pub fn load(path: &Path) -> Self {
        let bytes = durable_file::read_limited(path, FILE_BYTES_MAX).ok();
        let file: Option<File> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let lines = file.map(|file| file.miners).unwrap_or_default();
        let miner = |line: Line| MinerEntry { name: line.name, address: line.address };
        let miners = lines.into_iter().take(MINERS_MAX).map(miner).collect();
        Self { path: path.to_owned(), miners }
    }

    /// The miners, those listed last first.
    pub fn miners(&self) -> &[MinerEntry] {
        &self.miners
    }

    /// Remembers a list, before those that only an earlier one had.
    ///
    /// # Errors
    /// What the operating system says; the list counts until the process ends then.
    pub fn remember(&mut self, listed: &[MinerEntry]) -> io::Result<()> {
        let mut seen = BTreeSet::new();
        let all = listed.iter().chain(&self.miners);
        let merged: Vec<MinerEntry> =
            all.filter(|miner| seen.insert(miner.address)).take(MINERS_MAX).cloned().collect();
        if merged == self.miners {
            return Ok(());
        }
        self.miners = merged;
        let line = |miner: &MinerEntry| Line { name: miner.name.clone(), address: miner.address };
        let file = File { v: 1, miners: self.miners.iter().map(line).collect() };
        let text = serde_json::to_vec(&file).expect("texts always serialize");
        durable_file::replace(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn miner(port: u16) -> MinerEntry {
        MinerEntry { name: format!("m{port}"), address: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn of_300_wallets_each_of_3_miners_gets_70_to_130() {
        let miners: Vec<MinerEntry> = (1..=3).map(miner).collect();
        for run in 0..20u64 {
            let mut chosen: BTreeMap<String, u32> = BTreeMap::new();
            for wallet in 0..300 {
                let mut rng = ChaCha8Rng::seed_from_u64(run * 1000 + wallet);
                let first = order_of_trial(&miners, &[], &mut rng).remove(0);
                *chosen.entry(first.name).or_default() += 1;
            }
            assert_eq!(chosen.len(), 3);
            assert!(chosen.values().all(|count| (70..=130).contains(count)), "{chosen:?}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_tried_once_the_listed_ones_first_and_no_more_than_one_search_tries(
            ports in prop::collection::vec(1u16..12, 0..10),
            earlier in prop::collection::vec(1u16..12, 0..10),
            seed: u64,
        ) {
            let miners = |ports: &[u16]| ports.iter().map(|port| miner(*port)).collect::<Vec<_>>();
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let tried: Vec<u16> = order_of_trial(&miners(&ports), &miners(&earlier), &mut rng)
                .iter().map(|miner| miner.address.port()).collect();
            let listed: BTreeSet<u16> = ports.into_iter().collect();
            let remembered: BTreeSet<u16> = earlier.into_iter().collect();
            let (first, later) = tried.split_at(listed.len().min(tried.len()));
            let once: BTreeSet<u16> = tried.iter().copied().collect();
            prop_assert_eq!(tried.len(), listed.union(&remembered).count().min(TRIALS_MAX));
            prop_assert_eq!(once.len(), tried.len());
            prop_assert!(first.iter().all(|port| listed.contains(port)));
            prop_assert!(later.iter().all(|port| remembered.contains(port)));
        }

        #[test]
        fn no_file_panics(bytes: Vec<u8>) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("miners.json");
            std::fs::write(&path, bytes).unwrap();
            let _ = RememberedMiners::load(&path);
        }
    }

    #[test]
    fn miners_are_remembered_the_newest_first_and_not_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("miners.json");
        let mut remembered = RememberedMiners::load(&path);
        remembered.remember(&[miner(1), miner(2)]).unwrap();
        remembered.remember(&[miner(3), miner(2)]).unwrap();
        let loaded = RememberedMiners::load(&path);
        assert_eq!(loaded.miners(), [miner(3), miner(2), miner(1)]);
        let many: Vec<MinerEntry> = (1000..2000).map(miner).collect();
        remembered.remember(&many).unwrap();
        assert_eq!(RememberedMiners::load(&path).miners(), &many[..MINERS_MAX]);
    }
}
