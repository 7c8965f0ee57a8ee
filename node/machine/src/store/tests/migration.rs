//! A directory that an earlier program left, `tests/schema_1`, is brought up to date.

use std::fs;
use std::path::PathBuf;

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
    let dir = tempfile::tempdir().unwrap();
    for name in ["blocks-00000.dat", "state.redb"] {
        fs::copy(fixture(name), dir.path().join(name)).unwrap();
    }
    let network = old_network();
    for _ in 0..2 {
        check(&Store::open(dir.path(), &network).unwrap());
    }
    let blocks = fs::read(fixture("blocks-00000.dat")).unwrap();
    assert_eq!(fs::read(dir.path().join("blocks-00000.dat")).unwrap(), blocks);
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
