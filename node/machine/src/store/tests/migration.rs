//! A directory that an earlier program left, `tests/schema_1`, is brought up to date.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use chain::spec::ChainSpec;
use chain::transaction::Transaction;

use super::*;
use crate::store::medium::file_name;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schema_1").join(name)
}

fn old_network() -> chain::genesis::Network {
    let spec = fs::read_to_string(fixture("spec.toml")).unwrap();
    chain::genesis::Network::new(ChainSpec::from_toml(&spec).unwrap()).unwrap()
}

fn old_directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["blocks-00000.dat", "state.redb"] {
        fs::copy(fixture(name), dir.path().join(name)).unwrap();
    }
    dir
}

/// Every transaction, spender and coin of the chain is found, by a walk over its blocks.
fn check(store: &Store) {
    let view = store.reader().view();
    assert_eq!(view.height(), 8);
    let mut owned = 0;
    let mut keys = std::collections::BTreeSet::new();
    for height in 0..=view.height() {
        let (hash, _) = view.header_at(height).unwrap();
        let block = view.block(&hash).unwrap().unwrap();
        for (at, transaction) in (0..).zip(&block.block.transactions) {
            let place = TxPosition { height, transaction: at };
            let txid = block.txids[at as usize];
            assert_eq!(view.transaction(&txid).unwrap(), Some(place));
            keys.extend(transaction.outputs().iter().map(|output| output.key));
            if let Transaction::Transfer(transfer) = transaction {
                for (input, spent) in (0..).zip(&transfer.inputs) {
                    let by = Spender { place, input };
                    assert_eq!(view.spender(&spent.outpoint).unwrap(), Some(by));
                }
            }
        }
    }
    for key in keys {
        for (outpoint, coin) in view.coins_of(&key, usize::MAX).unwrap() {
            assert_eq!((coin.output.key, view.coin(&outpoint).unwrap()), (key, Some(coin)));
            owned += 1;
        }
    }
    assert_eq!(owned, view.totals().coins);
}

#[test]
fn an_old_directory_gets_the_tables_that_it_lacks_and_keeps_all_else() {
    let dir = old_directory();
    let network = old_network();
    for _ in 0..2 {
        check(&Store::open(dir.path(), &network).unwrap());
    }
    let blocks = fs::read(fixture("blocks-00000.dat")).unwrap();
    assert_eq!(fs::read(dir.path().join("blocks-00000.dat")).unwrap(), blocks);
}

/// What is told while a directory is opened, checked for what always holds: steps in order, each
/// rising to all of it.
fn told(open: impl FnOnce(&OpeningWatcher) -> Store) -> Vec<OpeningProgress> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let watcher: OpeningWatcher = Arc::new(move |progress| heard.lock().unwrap().push(progress));
    // What is read of the store later is none of the opening.
    let store = open(&watcher);
    check(&store);
    let told = told.lock().unwrap().clone();
    for pair in told.windows(2) {
        assert!(pair[0].step <= pair[1].step, "{pair:?}");
        let ends = pair[0].step != pair[1].step && pair[0].done == pair[0].total;
        let goes_on = pair[0].step == pair[1].step && pair[0].done <= pair[1].done;
        assert!(ends || goes_on, "{pair:?}");
    }
    assert!(told.last().is_some_and(|last| last.done == last.total));
    told
}

#[test]
fn whoever_waits_hears_of_every_step_how_far_it_is() {
    let dir = old_directory();
    let network = old_network();
    let open = |watcher: &OpeningWatcher| Store::open_watched(dir.path(), &network, watcher);
    let old = told(|watcher| open(watcher).unwrap());
    let updated = old.iter().filter(|it| it.step == OpeningStep::UpdateTables);
    assert_eq!(updated.map(|it| (it.done, it.total)).next_back(), Some((9, 9)));
    let again = told(|watcher| open(watcher).unwrap());
    let steps: Vec<OpeningStep> = again.iter().map(|it| it.step).collect();
    assert!(
        steps.contains(&OpeningStep::ReadBlocks) && steps.contains(&OpeningStep::CheckDatabase)
    );
    assert!(!steps.contains(&OpeningStep::UpdateTables));
    let blocks = fs::metadata(fixture("blocks-00000.dat")).unwrap().len();
    assert_eq!(again[0].total, blocks);
}

#[test]
fn one_that_is_interrupted_is_as_it_was_and_goes_through_the_next_time() {
    let network = old_network();
    for writes in 0..60 {
        let disk = Disk::default();
        disk.fill(file_name(0), &fs::read(fixture("blocks-00000.dat")).unwrap());
        disk.fill("state.redb".to_owned(), &fs::read(fixture("state.redb")).unwrap());
        disk.fail_after(writes);
        let opened = disk.open(&network, BLOCK_FILE_BYTES_MAX).is_ok();
        // After `kill -9` and after a power cut.
        for image in [disk.after_a_crash(), disk.after_a_power_cut()] {
            check(&image.open(&network, BLOCK_FILE_BYTES_MAX).unwrap());
        }
        if opened {
            assert!(writes > 3, "it was never interrupted");
            return;
        }
    }
    panic!("the migration never goes through");
}
