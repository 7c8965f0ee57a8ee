//! The store against a model of plain maps, and against damage.

mod chains;
mod damage;
pub(crate) mod disk;
mod migration;
mod reference;
mod reorganizations;

use chain::transaction::TxPosition;
use chains::{Chain, network};
use disk::Disk;
use std::fs;

use super::*;

/// Takes a block in and makes it durable.
fn append(store: &mut Store, block: &CommittedBlock) -> Result<(), StoreError> {
    store.append_block(block)?;
    store.sync()
}

const FIRST: TxPosition = TxPosition { height: 0, transaction: 0 };

#[test]
fn a_new_store_holds_genesis_connected() {
    let network = network(1);
    let store = Store::in_memory(&network).unwrap();
    assert_eq!(store.position(), network.genesis_hash());
    assert_eq!(store.blocks().count(), 1);
    assert_eq!(store.totals().coins, network.spec.allocations.len() as u64);
    let txid = network.genesis.txids[0];
    let coin = store.coin(&OutPoint { txid, index: 0 }).unwrap().unwrap();
    assert!(!coin.coinbase && coin.height == 0);
    let key = network.spec.allocations[0].key;
    assert_eq!(store.history(&key, FIRST, 10).unwrap(), [FIRST]);
}

#[test]
fn a_second_store_on_one_directory_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let network = network(1);
    let first = Store::open(dir.path(), &network).unwrap();
    assert!(matches!(Store::open(dir.path(), &network), Err(StoreError::Locked { .. })));
    assert!(matches!(Store::rebuild(dir.path(), &network), Err(StoreError::Locked { .. })));
    drop(first);
    Store::open(dir.path(), &network).unwrap();
}

#[test]
fn another_networks_directory_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (network(1), network(2));
    drop(Store::open(dir.path(), &ours).unwrap());
    let before = fs::read(dir.path().join("state.redb")).unwrap();
    for refused in
        [Store::open(dir.path(), &theirs).map(drop), Store::rebuild(dir.path(), &theirs).map(drop)]
    {
        assert!(matches!(
            refused,
            Err(StoreError::ForeignNetwork { got, expected })
                if got == ours.genesis_hash() && expected == theirs.genesis_hash()
        ));
    }
    assert_eq!(fs::read(dir.path().join("state.redb")).unwrap(), before);
    // The database alone is enough to tell.
    fs::remove_file(dir.path().join("blocks-00000.dat")).unwrap();
    let refused = Store::open(dir.path(), &theirs);
    assert!(matches!(refused, Err(StoreError::ForeignNetwork { .. })));
}

/// Opens a directory whose database says that it has this schema.
fn open_with_schema(schema: u32) -> Result<Store, StoreError> {
    let dir = tempfile::tempdir().unwrap();
    let network = network(1);
    drop(Store::open(dir.path(), &network).unwrap());
    let database = redb::Database::open(dir.path().join("state.redb")).unwrap();
    let write = database.begin_write().unwrap();
    let bytes = schema.to_le_bytes();
    write.open_table(tables::STATE).unwrap().insert("schema", bytes.as_slice()).unwrap();
    write.commit().unwrap();
    drop(database);
    Store::open(dir.path(), &network)
}

#[test]
fn a_newer_programs_directory_is_refused() {
    open_with_schema(SCHEMA_VERSION).unwrap();
    let refused = open_with_schema(SCHEMA_VERSION + 1);
    assert!(matches!(refused, Err(StoreError::NewerSchema { got: 3, supported: 2 })));
}

#[test]
fn a_schema_that_no_program_ever_wrote_is_damage() {
    assert!(matches!(open_with_schema(0), Err(StoreError::Damaged { what }) if what.contains("0")));
}

#[test]
fn a_block_that_does_not_fit_is_refused_and_changes_nothing() {
    let mut chain = Chain::new(1);
    let mut store = Store::in_memory(chain.network()).unwrap();
    let first = chain.mine_plain();
    let second = chain.mine_plain();
    let before = store.totals();
    let refused = store.connect(&first.block, 1, &first.connection);
    assert!(matches!(refused, Err(StoreError::NotStored { .. })));
    append(&mut store, &first.block).unwrap();
    append(&mut store, &second.block).unwrap();
    for refused in [
        store.connect(&second.block, 2, &second.connection),
        store.connect(&first.block, 2, &first.connection),
        store.disconnect(&first.block, 1),
        store.disconnect(&chain.network().genesis.clone(), 0),
    ] {
        assert!(matches!(refused, Err(StoreError::WrongPosition { .. })));
    }
    assert_eq!(store.totals(), before);
    store.connect(&first.block, 1, &first.connection).unwrap();
    let refused = store.disconnect(&first.block, 2);
    assert!(matches!(refused, Err(StoreError::WrongPosition { .. })));
    store.disconnect(&first.block, 1).unwrap();
    assert_eq!(store.totals(), before);
}

#[test]
fn a_block_appended_twice_is_stored_once() {
    let mut chain = Chain::new(1);
    let mut store = Store::in_memory(chain.network()).unwrap();
    let block = chain.mine_plain().block;
    store.append_block(&block).unwrap();
    store.append_block(&block).unwrap();
    assert_eq!(store.blocks().count(), 2);
}

#[test]
fn coins_that_come_and_go_between_two_flushes_leave_the_cache_empty() {
    let mut chain = Chain::new(1);
    let mut store = Store::in_memory(chain.network()).unwrap();
    let mined = chain.mine_plain();
    append(&mut store, &mined.block).unwrap();
    assert_eq!(store.dirty_coins(), 0);
    store.connect(&mined.block, 1, &mined.connection).unwrap();
    assert_eq!(store.dirty_coins(), 1);
    store.disconnect(&mined.block, 1).unwrap();
    assert_eq!(store.dirty_coins(), 0);
}

#[test]
fn a_page_of_history_begins_where_the_one_before_ended() {
    let mut chain = Chain::new(1);
    let mut store = Store::in_memory(chain.network()).unwrap();
    let mut key = None;
    for height in 1..=9 {
        let mined = chain.mine_plain();
        key = Some(mined.block.block.transactions[0].outputs()[0].key);
        append(&mut store, &mined.block).unwrap();
        store.connect(&mined.block, height, &mined.connection).unwrap();
        if height % 4 == 0 {
            store.flush().unwrap();
        }
    }
    let key = key.unwrap();
    let all = store.history(&key, FIRST, usize::MAX).unwrap();
    assert!(all.len() >= 9 && all.is_sorted());
    let mut paged = Vec::new();
    let mut from = FIRST;
    loop {
        let page = store.history(&key, from, 2).unwrap();
        let Some(last) = page.last() else { break };
        from = TxPosition { transaction: last.transaction + 1, ..*last };
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert_eq!(store.history(&key, FIRST, 0).unwrap(), []);
}

#[test]
fn a_store_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Store>();
}
