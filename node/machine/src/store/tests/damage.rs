//! Torn, flipped, missing and failing: noticed, cut, or refused, and never used.

use std::ffi::OsString;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chain::encoding::Encode;
use chain::genesis::Network;
use chain::hash::BlockHash;
use proptest::prelude::*;

use super::append;
use super::chains::{Chain, network};
use super::disk::Disk;
use crate::store::block_files::Place;
use crate::store::medium::file_name;
use crate::store::{Store, StoreError, Totals, unwatched};

/// A data directory with three flushed blocks and four in the tail, spread over several files.
struct Directory {
    dir: tempfile::TempDir,
    made: &'static Made,
}

/// What every such directory is a copy of: waiting for the disk once is enough.
struct Made {
    /// Names and contents.
    files: Vec<(OsString, Vec<u8>)>,
    network: Network,
    chain: Chain,
    /// All of them in file order.
    blocks: Vec<BlockHash>,
    places: Vec<Place>,
    /// State at the flush.
    position: BlockHash,
    totals: Totals,
}

const FLUSHED: usize = 4;
const FILE_BYTES_MAX: u64 = 900;

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = Chain::new(1);
        let network = chain.network().clone();
        let mut store = Store::open_with(dir.path(), &network, FILE_BYTES_MAX).unwrap();
        for height in 1..=7 {
            let mined = chain.mine_plain();
            append(&mut store, &mined.block).unwrap();
            if height < FLUSHED as u32 {
                store.connect(&mined.block, height, &mined.connection).unwrap();
                store.flush().unwrap();
            }
        }
        let blocks = store.blocks().map(|block| block.hash).collect();
        let places = store.files.places_from(0).into_iter().map(|(_, place)| place).collect();
        let (position, totals) = (store.position(), store.totals());
        drop(store);
        let files = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
            .collect();
        Made { files, network, chain, blocks, places, position, totals }
    })
}

impl Deref for Directory {
    type Target = Made;

    fn deref(&self) -> &Made {
        self.made
    }
}

impl Directory {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in &made().files {
            fs::write(dir.path().join(name), contents).unwrap();
        }
        Self { dir, made: made() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open_with(self.path(), &self.network, FILE_BYTES_MAX)
    }

    /// Files and the places of all records, `(file, offset, end)`, in order.
    fn records(&self) -> Vec<(PathBuf, u64, u64)> {
        self.places
            .iter()
            .map(|place| (self.path().join(file_name(place.file)), place.offset, place.end()))
            .collect()
    }

    /// The store stands at one of the flushes, with the coins of that time.
    fn check_some_flush(&self, store: &Store) {
        let kept = store.blocks().map(|block| block.hash);
        assert!(kept.eq(self.blocks.iter().copied()));
        let at = self.blocks[..FLUSHED].iter().position(|hash| *hash == store.position());
        let mut chain = self.chain.clone();
        let all = chain.coins();
        chain.mined.truncate(at.expect("it is the position of a flush"));
        let coins = chain.coins();
        assert_eq!(store.totals().coins, coins.len() as u64);
        for outpoint in all.keys() {
            assert_eq!(store.coin(outpoint).unwrap(), coins.get(outpoint).copied());
        }
    }

    fn check_state(&self, store: &Store, blocks: usize) {
        assert_eq!(store.position(), self.position);
        assert_eq!(store.totals(), self.totals);
        let kept = store.blocks().map(|block| block.hash);
        assert!(kept.eq(self.blocks[..blocks].iter().copied()));
    }
}

fn is_damage<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Damaged { .. }))
}

fn flip(path: &Path, offset: u64, mask: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= mask;
    fs::write(path, bytes).unwrap();
}

fn truncate(path: &Path, bytes: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

proptest! {
    #[test]
    fn a_flipped_tail_is_cut_at_the_record_and_grows_again(
        record in FLUSHED..8,
        byte: prop::sample::Index,
        mask in 1..=255u8,
    ) {
        let directory = Directory::new();
        let (path, start, end) = directory.records().swap_remove(record);
        flip(&path, start + byte.index((end - start) as usize) as u64, mask);
        let store = directory.open().unwrap();
        prop_assert!(store.cut().is_some_and(|cut| cut.file == path && cut.offset == start));
        directory.check_state(&store, record);
        drop(store);
        appends_again(&directory, record);
    }

    #[test]
    fn a_torn_tail_is_cut_at_the_record_and_grows_again(
        record in FLUSHED..8,
        byte: prop::sample::Index,
    ) {
        let directory = Directory::new();
        let records = directory.records();
        let (path, start, end) = &records[record];
        // Nothing behind a torn write was ever written.
        for (later, ..) in &records[record..] {
            if later != path && later.exists() {
                fs::remove_file(later).unwrap();
            }
        }
        truncate(path, start + 1 + byte.index((end - start - 1) as usize) as u64);
        let store = directory.open().unwrap();
        // What was never whole needs no copy.
        prop_assert!(store.cut().is_some_and(|cut| cut.copies.is_empty()));
        directory.check_state(&store, record);
        drop(store);
        appends_again(&directory, record);
    }

    #[test]
    fn every_flipped_byte_below_the_synced_length_is_noticed(
        record in 0..FLUSHED,
        byte: prop::sample::Index,
        mask in 1..=255u8,
    ) {
        let directory = Directory::new();
        let (path, _, end) = directory.records().swap_remove(record);
        let offset = byte.index(end as usize) as u64;
        flip(&path, offset, mask);
        prop_assert!(is_damage(&directory.open()));
        flip(&path, offset, mask);
        directory.check_state(&directory.open().unwrap(), 8);
    }

    #[test]
    fn files_shorter_than_the_synced_length_are_noticed(
        record in 0..FLUSHED,
        byte: prop::sample::Index,
    ) {
        let directory = Directory::new();
        let (path, _, end) = directory.records().swap_remove(record);
        truncate(&path, byte.index(end as usize) as u64);
        prop_assert!(is_damage(&directory.open()));
    }

    #[test]
    fn a_flipped_record_is_never_read(
        record in 0..8usize,
        byte: prop::sample::Index,
        mask in 1..=255u8,
    ) {
        let directory = Directory::new();
        let (path, start, end) = directory.records().swap_remove(record);
        let store = directory.open().unwrap();
        flip(&path, start + byte.index((end - start) as usize) as u64, mask);
        let read = store.read_block(&directory.blocks[record]);
        prop_assert!(is_damage(&read));
    }

    #[test]
    fn a_flipped_byte_of_the_database_is_noticed_or_touches_nothing_that_counts(
        byte: prop::sample::Index,
        mask in 1..=255u8,
    ) {
        let directory = Directory::new();
        let path = directory.path().join("state.redb");
        // Most of a young database is zeros that nothing refers to.
        let bytes = fs::read(&path).unwrap();
        let used: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        flip(&path, *byte.get(&used) as u64, mask);
        match directory.open() {
            // A flush that does not check gives way to the one before it; what it knew of the
            // blocks is still in the files.
            Ok(store) => directory.check_some_flush(&store),
            Err(StoreError::Damaged { .. }) => {
                prop_assert_eq!(Store::rebuild(directory.path(), &directory.network).unwrap(), 8);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn a_coin_altered_in_the_database_is_never_used() {
    let coins = made().chain.coins();
    for (at, coin) in coins.values().enumerate() {
        let directory = Directory::new();
        let path = directory.path().join("state.redb");
        let mut bytes = fs::read(&path).unwrap();
        let value = coin.encode();
        let found = bytes.windows(value.len()).enumerate().filter(|(_, part)| *part == value);
        let places: Vec<_> = found.map(|(place, _)| place).collect();
        for place in &places {
            bytes[place + at % value.len()] ^= 1;
        }
        fs::write(&path, bytes).unwrap();
        match directory.open() {
            Ok(store) => directory.check_some_flush(&store),
            refused => assert!(is_damage(&refused) && !places.is_empty()),
        }
    }
}

/// The records that were cut can be written again, and are there at the next start.
fn appends_again(directory: &Directory, kept: usize) {
    let mut chain = Chain::new(1);
    let blocks: Vec<_> = (0..7).map(|_| chain.mine_plain().block).collect();
    let mut store = directory.open().unwrap();
    for block in &blocks[kept - 1..] {
        append(&mut store, block).unwrap();
    }
    drop(store);
    let store = directory.open().unwrap();
    assert_eq!(store.cut(), None);
    directory.check_state(&store, 8);
}

#[test]
fn damage_names_the_place_and_the_command_that_repairs_it() {
    let directory = Directory::new();
    let (path, start, _) = directory.records().swap_remove(1);
    flip(&path, start + 20, 1);
    let message = directory.open().unwrap_err().to_string();
    let place = format!("{} is damaged: no whole record at byte {start};", path.display());
    assert!(message.starts_with(&place), "{message}");
    assert!(message.contains("lode verify --reindex"), "{message}");
}

#[test]
fn blocks_without_a_database_are_not_taken_for_a_new_directory() {
    let directory = Directory::new();
    fs::remove_file(directory.path().join("state.redb")).unwrap();
    for _ in 0..2 {
        assert!(is_damage(&directory.open()));
    }
    assert_eq!(Store::rebuild(directory.path(), &directory.network).unwrap(), 8);
    assert_eq!(directory.open().unwrap().blocks().count(), 8);
}

#[test]
fn a_database_without_its_blocks_is_refused() {
    let directory = Directory::new();
    for file in 0..8 {
        let _ = fs::remove_file(directory.path().join(file_name(file)));
    }
    assert!(is_damage(&directory.open()));
}

#[test]
fn whole_records_in_another_order_than_the_index_are_refused() {
    let directory = Directory::new();
    let records = directory.records();
    // Two blocks of one length, each record whole, have changed places.
    let (first, second) = (&records[1], &records[2]);
    assert_eq!(first.2 - first.1, second.2 - second.1);
    let part = |record: &(PathBuf, u64, u64)| {
        fs::read(&record.0).unwrap()[record.1 as usize..record.2 as usize].to_vec()
    };
    let (one, two) = (part(first), part(second));
    for (record, bytes) in [(first, two), (second, one)] {
        let mut file = fs::read(&record.0).unwrap();
        file[record.1 as usize..record.2 as usize].copy_from_slice(&bytes);
        fs::write(&record.0, file).unwrap();
    }
    assert!(is_damage(&directory.open()));
}

#[test]
fn a_creation_cut_short_anywhere_is_taken_up_again() {
    let network = network(1);
    let whole = tempfile::tempdir().unwrap();
    drop(Store::open(whole.path(), &network).unwrap());
    let bytes = fs::read(whole.path().join(file_name(0))).unwrap();
    for written in [0, 1, 56, 57, bytes.len() - 1, bytes.len()] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(file_name(0)), &bytes[..written]).unwrap();
        let store = Store::open(dir.path(), &network).unwrap();
        assert_eq!(store.position(), network.genesis_hash());
        assert_eq!(store.blocks().count(), 1);
        drop(store);
        assert_eq!(fs::read(dir.path().join(file_name(0))).unwrap(), bytes);
    }
}

#[test]
fn a_rebuild_gives_the_same_blocks_at_genesis() {
    let directory = Directory::new();
    let before: Vec<_> = directory.records().iter().map(|r| fs::read(&r.0).unwrap()).collect();
    let rebuilt =
        Store::rebuild_and_report(directory.path(), &directory.network, &unwatched()).unwrap();
    assert_eq!((rebuilt.blocks, rebuilt.cut), (8, None));
    let after: Vec<_> = directory.records().iter().map(|r| fs::read(&r.0).unwrap()).collect();
    assert_eq!(after, before);
    let store = directory.open().unwrap();
    assert!(store.blocks().map(|block| block.hash).eq(directory.blocks.iter().copied()));
    assert_eq!(store.position(), directory.network.genesis_hash());
}

#[test]
fn a_rebuild_reports_where_it_cut() {
    let directory = Directory::new();
    let (path, start, _) = directory.records().swap_remove(2);
    flip(&path, start + 50, 4);
    let rebuilt =
        Store::rebuild_and_report(directory.path(), &directory.network, &unwatched()).unwrap();
    assert_eq!(rebuilt.blocks, 2);
    assert!(rebuilt.cut.is_some_and(|cut| cut.file == path && cut.offset == start));
    let store = directory.open().unwrap();
    assert!(store.blocks().map(|block| block.hash).eq(directory.blocks[..2].iter().copied()));
}

#[test]
fn a_rebuild_keeps_a_copy_of_all_that_it_cuts() {
    let directory = Directory::new();
    let (path, start, _) = directory.records().swap_remove(2);
    let mut chain = Chain::new(1);
    let blocks: Vec<_> = (0..7).map(|_| chain.mine_plain().block).collect();
    // The same place is damaged twice: a second copy does not replace the first.
    for turn in [1, 2] {
        flip(&path, start + 50, 4);
        let files = || (0..8).map(|file| directory.path().join(file_name(file)));
        let contents = || -> Vec<u8> {
            files().filter(|file| file.exists()).flat_map(|file| fs::read(file).unwrap()).collect()
        };
        let before = contents();
        let rebuilt =
            Store::rebuild_and_report(directory.path(), &directory.network, &unwatched()).unwrap();
        let cut = rebuilt.cut.unwrap();
        let mut after = contents();
        assert_eq!(after.len() as u64 + cut.bytes, before.len() as u64);
        let copies = cut.copies.iter().rev();
        after.extend(copies.flat_map(|copy| fs::read(copy).unwrap()));
        assert_eq!(after, before, "turn {turn}");
        let name = cut.copies.last().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let suffix = if turn == 1 { "" } else { ".2" };
        let file = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("{file}.cut-at-{start}{suffix}"));
        let mut store = directory.open().unwrap();
        for block in &blocks[1..] {
            append(&mut store, block).unwrap();
        }
    }
}

#[test]
fn a_rebuild_repairs_the_header_of_a_file_whose_records_are_whole() {
    let directory = Directory::new();
    flip(&directory.path().join(file_name(0)), 20, 1);
    assert!(is_damage(&directory.open()));
    assert_eq!(Store::rebuild(directory.path(), &directory.network).unwrap(), 8);
    assert_eq!(directory.open().unwrap().blocks().count(), 8);
}

#[test]
fn a_rebuild_of_no_directory_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    assert!(matches!(Store::rebuild(&missing, &network(1)), Err(StoreError::Io { .. })));
    assert!(!missing.exists());
}

#[test]
fn after_a_failed_write_nothing_is_written_and_the_last_flush_is_there_at_the_next_start() {
    let mut chain = Chain::new(1);
    let network = chain.network().clone();
    let (first, second) = (chain.mine_plain(), chain.mine_plain());
    for fails_in_flush in [false, true] {
        let disk = Disk::default();
        let mut store = disk.open(&network, FILE_BYTES_MAX).unwrap();
        append(&mut store, &first.block).unwrap();
        store.connect(&first.block, 1, &first.connection).unwrap();
        disk.fail(true, true);
        let failed = if fails_in_flush { store.flush() } else { append(&mut store, &second.block) };
        assert!(matches!(failed, Err(StoreError::DiskFull { .. })), "{failed:?}");
        let image = disk.after_a_crash();
        disk.fail(false, false);
        assert!(!store.is_durable(&second.block.hash));
        assert!(matches!(append(&mut store, &second.block), Err(StoreError::Stopped)));
        assert!(matches!(store.flush(), Err(StoreError::Stopped)));
        let mut store = image.open(&network, FILE_BYTES_MAX).unwrap();
        assert_eq!(store.position(), network.genesis_hash());
        assert!(store.contains(&first.block.hash));
        store.connect(&first.block, 1, &first.connection).unwrap();
        store.flush().unwrap();
    }
}

#[test]
fn what_a_failed_sync_left_behind_is_made_durable_before_a_flush_names_it() {
    let mut chain = Chain::new(1);
    let network = chain.network().clone();
    let disk = Disk::default();
    let mut store = disk.open(&network, FILE_BYTES_MAX).unwrap();
    let mined = [chain.mine_plain(), chain.mine_plain(), chain.mine_plain()];
    append(&mut store, &mined[0].block).unwrap();
    disk.fail(false, true);
    assert!(append(&mut store, &mined[1].block).is_err());
    // Written, never synced: the next start finds it whole.
    let disk = disk.after_a_crash();
    let mut store = disk.open(&network, FILE_BYTES_MAX).unwrap();
    assert!(store.contains(&mined[1].block.hash));
    for mined in &mined[..2] {
        store.connect(&mined.block, mined.height, &mined.connection).unwrap();
    }
    store.flush().unwrap();
    let disk = disk.after_a_power_cut();
    let store = disk.open(&network, FILE_BYTES_MAX).unwrap();
    assert_eq!(store.position(), mined[1].block.hash);
}
