//! However often a chain was left for another one, the tables are those of its last blocks alone.

use std::collections::BTreeMap;
use std::fmt::Debug;

use rand::rngs::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use redb::{Database, Key, ReadableDatabase, TableDefinition, Value};

use super::append;
use super::chains::{Chain, Mined, Recipe};
use super::disk::Disk;
use crate::store::Store;
use crate::store::tables::{COINS, HISTORY, OWNED, SPENDERS, TRANSACTIONS, UNDO};

const REORGANIZATIONS: u32 = 1000;
const DEPTH_MAX: usize = 8;

/// Long enough for every depth, short enough for a model that recomputes everything.
const HEIGHT_MAX: usize = 30;

/// Small, so that there are many.
const FILE_BYTES_MAX: u64 = 10_000;

/// A table as text: every key with its value.
type Table = BTreeMap<String, String>;

fn table<K: Key + 'static, V: Value + 'static>(
    database: &Database,
    definition: TableDefinition<'_, K, V>,
) -> Table
where
    for<'a> K::SelfType<'a>: Debug,
    for<'a> V::SelfType<'a>: Debug,
{
    let table = database.begin_read().unwrap().open_table(definition).unwrap();
    let text = |entry: (redb::AccessGuard<'_, K>, redb::AccessGuard<'_, V>)| {
        (format!("{:?}", entry.0.value()), format!("{:?}", entry.1.value()))
    };
    table.range::<K::SelfType<'_>>(..).unwrap().map(|entry| text(entry.unwrap())).collect()
}

/// The tables that follow from the chain alone, and the undo data, as the last flush left them.
fn tables(disk: &Disk) -> ([Table; 5], Table) {
    let database = Database::builder().create_with_backend(disk.after_a_crash()).unwrap();
    let of_the_chain = [
        table(&database, COINS),
        table(&database, HISTORY),
        table(&database, TRANSACTIONS),
        table(&database, SPENDERS),
        table(&database, OWNED),
    ];
    (of_the_chain, table(&database, UNDO))
}

/// What a store holds that never saw another block.
fn compare_with_a_rebuild(store: &mut Store, disk: &Disk, chain: &Chain) {
    store.flush().unwrap();
    let rebuilt_disk = Disk::default();
    let mut rebuilt = rebuilt_disk.open(chain.network(), FILE_BYTES_MAX).unwrap();
    for mined in &chain.mined {
        append(&mut rebuilt, &mined.block).unwrap();
        rebuilt.connect(&mined.block, mined.height, &mined.connection).unwrap();
    }
    rebuilt.flush().unwrap();
    assert_eq!((store.position(), store.totals()), (rebuilt.position(), rebuilt.totals()));
    let (found, undo) = tables(disk);
    let (expected, undo_of_the_chain) = tables(&rebuilt_disk);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(!expected.is_empty());
        assert_eq!(found, expected);
    }
    for (block, data) in &undo_of_the_chain {
        assert_eq!(undo.get(block), Some(data));
    }
}

fn recipe(rng: &mut ChaCha12Rng) -> Recipe {
    let transfer = |rng: &mut ChaCha12Rng| {
        let inputs = (0..rng.random_range(1..4)).map(|_| rng.random()).collect();
        let outputs = (0..rng.random_range(1..4)).map(|_| rng.random()).collect();
        (inputs, outputs)
    };
    let transfers = (0..rng.random_range(0..4)).map(|_| transfer(rng)).collect();
    Recipe { transfers, burned: rng.random(), payout: rng.random(), nonce: rng.random() }
}

fn connect(store: &mut Store, mined: &Mined) {
    append(store, &mined.block).unwrap();
    store.connect(&mined.block, mined.height, &mined.connection).unwrap();
}

#[test]
fn after_a_thousand_reorganizations_the_tables_are_those_of_a_rebuild() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let disk = Disk::default();
    let mut chain = Chain::new(1);
    let mut store = disk.open(&chain.network().clone(), FILE_BYTES_MAX).unwrap();
    for _ in 0..DEPTH_MAX {
        connect(&mut store, &chain.mine(&recipe(&mut rng)));
    }
    for number in 1..=REORGANIZATIONS {
        let depth = rng.random_range(1..=DEPTH_MAX.min(chain.mined.len()));
        let left = chain.mined.split_off(chain.mined.len() - depth);
        for mined in left.iter().rev() {
            store.disconnect(&mined.block, mined.height).unwrap();
        }
        if rng.random_ratio(1, 4) {
            left.iter().for_each(|mined| connect(&mut store, mined));
            chain.mined.extend(left);
        } else {
            let room = HEIGHT_MAX - chain.mined.len();
            for _ in 0..rng.random_range(1..=DEPTH_MAX.min(room)) {
                connect(&mut store, &chain.mine(&recipe(&mut rng)));
            }
        }
        if rng.random_ratio(1, 3) {
            store.flush().unwrap();
        }
        if number % (REORGANIZATIONS / 4) == 0 {
            compare_with_a_rebuild(&mut store, &disk, &chain);
        }
    }
}
