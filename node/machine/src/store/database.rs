//! The database: written by nothing but a flush, each flush one transaction.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::encoding::{Decode, DecodeError, Encode, Reader};
use chain::hash::BlockHash;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;
use redb::{
    Database, ReadableDatabase, ReadableTable, StorageBackend, TableError, WriteTransaction,
};

use super::SCHEMA_VERSION;
use super::block_files::Place;
use super::change::{Change, ShownTxid, Spender};
use super::error::StoreError;
use super::flush_record::FlushRecord;
use super::layers::Layer;
use super::rising::write_rising;
use super::tables::{
    COINS, HISTORY, INDEX, OWNED, SPENDERS, STATE, Snapshot, TRANSACTIONS, UNDO, coin_bytes,
    index_bytes, index_entry, outpoint_key, owned_key, position_bytes, spender_bytes,
};

const SCHEMA_KEY: &str = "schema";
const GENESIS_KEY: &str = "genesis";
const FLUSHED_KEY: &str = "flushed";

/// The first schema: without the tables of transactions, spenders and owned coins.
const FIRST_SCHEMA: u32 = 1;

/// What a flush moves.
pub(super) struct Batch<'a> {
    /// Changes since the last flush.
    pub changes: &'a Layer,
    /// Hashes and places of the blocks that have become durable since then.
    pub blocks: &'a [(BlockHash, Place)],
    /// The state afterwards; its `blocks` counts the ones above.
    pub flushed: &'a FlushRecord,
}

/// The database.
pub(super) struct StateDatabase {
    database: Database,
    /// Names the database in messages.
    path: Arc<Path>,
    genesis: BlockHash,
    /// None until the first flush, and until a database of an earlier schema is brought up to date.
    snapshot: Option<Arc<Snapshot>>,
    /// The schema it was left with; none before the first flush.
    schema: Option<u32>,
}

impl StateDatabase {
    /// Opens the database on `backend`, or starts one there. Every page is checked, so that a file
    /// that was altered is noticed here and never used.
    pub(super) fn open(
        backend: impl StorageBackend,
        cache_bytes: usize,
        path: PathBuf,
        genesis: BlockHash,
    ) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .set_check_integrity_on_open(true)
            .create_with_backend(backend)
            .map_err(|error| StoreError::database("open", &path, error))?;
        let path: Arc<Path> = path.into();
        let mut opened = Self { database, path, genesis, snapshot: None, schema: None };
        opened.schema = opened.check_owner()?;
        if opened.schema == Some(SCHEMA_VERSION) {
            opened.snapshot = Some(Arc::new(opened.take_snapshot()?));
        }
        Ok(opened)
    }

    /// The schema of a database that was ever flushed to; refuses another network's and a newer
    /// program's.
    fn check_owner(&self) -> Result<Option<u32>, StoreError> {
        let Some(schema) = self.state(SCHEMA_KEY)? else {
            return Ok(None);
        };
        let schema = self.decoded(Reader::new(&schema).u32())?;
        if schema < FIRST_SCHEMA {
            let what = format!("it has schema {schema}, which no program ever wrote");
            return Err(StoreError::damaged(&self.path, what));
        }
        if schema > SCHEMA_VERSION {
            return Err(StoreError::NewerSchema { got: schema, supported: SCHEMA_VERSION });
        }
        let genesis = self.state(GENESIS_KEY)?.unwrap_or_default();
        let got = BlockHash(self.decoded(Reader::new(&genesis).array())?);
        if got != self.genesis {
            return Err(StoreError::ForeignNetwork { got, expected: self.genesis });
        }
        Ok(Some(schema))
    }

    /// What the last flush said about itself; `None` when there was none.
    pub(super) fn flushed(&self) -> Result<Option<FlushRecord>, StoreError> {
        self.state(FLUSHED_KEY)?.map(|bytes| self.decoded(FlushRecord::decode(&bytes))).transpose()
    }

    /// Hash and place of each block in the index, in file order.
    pub(super) fn index(&self) -> Result<Vec<(BlockHash, Place)>, StoreError> {
        let read = || -> Result<Vec<(BlockHash, Place)>, redb::Error> {
            let index = self.database.begin_read()?.open_table(INDEX)?;
            let mut entries = Vec::new();
            for entry in index.range::<u64>(..)? {
                entries.push(index_entry(entry?.1.value()));
            }
            Ok(entries)
        };
        read().map_err(|error| self.trouble("read", error))
    }

    /// The tables as of the last flush; none before the first.
    pub(super) fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// Whether it lacks the tables that this schema added.
    pub(super) fn is_of_an_earlier_schema(&self) -> bool {
        self.schema == Some(FIRST_SCHEMA)
    }

    /// Makes the tables that this schema added, all of them or none: `changes` are those of every
    /// connected block, from genesis on.
    pub(super) fn bring_up_to_date(
        &mut self,
        changes: impl Iterator<Item = Result<Change, StoreError>>,
    ) -> Result<(), StoreError> {
        self.try_bring_up_to_date(changes)?;
        self.schema = Some(SCHEMA_VERSION);
        self.snapshot = Some(Arc::new(self.take_snapshot()?));
        Ok(())
    }

    fn try_bring_up_to_date(
        &self,
        changes: impl Iterator<Item = Result<Change, StoreError>>,
    ) -> Result<(), StoreError> {
        let begin = || {
            let mut transaction = self.database.begin_write()?;
            transaction.set_quick_repair(true);
            write_owned(&transaction)?;
            Ok::<_, redb::Error>(transaction)
        };
        let transaction = begin().map_err(|error| self.trouble("write", error))?;
        for change in changes {
            let change = change?;
            let write = || {
                let transactions = change.transactions.iter();
                write_places(&transaction, transactions.map(|(txid, at)| (txid, Some(*at))))?;
                let spenders = change.spenders.iter();
                write_spenders(&transaction, spenders.map(|(spent, by)| (spent, Some(*by))))
            };
            write().map_err(|error| self.trouble("write", error))?;
        }
        let finish = || {
            write_schema(&transaction)?;
            transaction.commit()?;
            Ok::<_, redb::Error>(())
        };
        finish().map_err(|error| self.trouble("write", error))
    }

    /// Moves a batch into the tables, all of it or nothing, durable when it returns.
    pub(super) fn commit(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        // An open snapshot keeps the pages that the commit frees. The published view may still
        // hold this one, until a later moment is published.
        self.snapshot = None;
        self.try_commit(batch).map_err(|error| self.trouble("write", error))?;
        self.schema = Some(SCHEMA_VERSION);
        self.snapshot = Some(Arc::new(self.take_snapshot()?));
        Ok(())
    }

    fn try_commit(&self, batch: &Batch<'_>) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // Two-phase commit, and a start that need not walk the tables after a crash.
        transaction.set_quick_repair(true);
        write_state(&transaction, &self.genesis, batch.flushed)?;
        write_coins(&transaction, batch.changes)?;
        write_history(&transaction, batch.changes)?;
        write_places(&transaction, batch.changes.transactions())?;
        write_spenders(&transaction, batch.changes.spenders())?;
        write_index(&transaction, batch)?;
        transaction.commit()?;
        Ok(())
    }

    fn take_snapshot(&self) -> Result<Snapshot, StoreError> {
        let open = || Snapshot::of(&self.database.begin_read()?, Arc::clone(&self.path));
        open().map_err(|error| self.trouble("read", error))
    }

    fn state(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let state = match self.database.begin_read()?.open_table(STATE) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                opened => opened?,
            };
            Ok(state.get(name)?.map(|bytes| bytes.value().to_vec()))
        };
        read().map_err(|error| self.trouble("read", error))
    }

    fn trouble(&self, action: &'static str, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(action, &self.path, error)
    }

    fn decoded<T>(&self, value: Result<T, DecodeError>) -> Result<T, StoreError> {
        value.map_err(|error| StoreError::damaged(&self.path, error))
    }
}

fn write_schema(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut state = transaction.open_table(STATE)?;
    state.insert(SCHEMA_KEY, SCHEMA_VERSION.to_le_bytes().as_slice())?;
    Ok(())
}

fn write_state(
    transaction: &WriteTransaction,
    genesis: &BlockHash,
    flushed: &FlushRecord,
) -> Result<(), redb::Error> {
    write_schema(transaction)?;
    let mut state = transaction.open_table(STATE)?;
    state.insert(GENESIS_KEY, genesis.0.as_slice())?;
    state.insert(FLUSHED_KEY, flushed.encode().as_slice())?;
    Ok(())
}

fn write_coins(transaction: &WriteTransaction, changes: &Layer) -> Result<(), redb::Error> {
    let mut coins = transaction.open_table(COINS)?;
    let mut owned = transaction.open_table(OWNED)?;
    let (mut made, mut made_owned) = (Vec::new(), Vec::new());
    for (outpoint, coin) in changes.coins() {
        let key = outpoint_key(outpoint);
        if let Some(coin) = coin {
            made.push((key, Some(coin_bytes(coin))));
            made_owned.push((owned_key(&coin.output.key, outpoint), Some(())));
        } else if let Some(gone) = coins.remove(&key)? {
            let coin = Coin::decode(gone.value()).map_err(damaged_coin)?;
            owned.remove(&owned_key(&coin.output.key, outpoint))?;
        }
    }
    made_owned.sort_unstable();
    write_rising(&mut coins, made.into_iter(), bytes)?;
    write_rising(&mut owned, made_owned.into_iter(), |()| ())
}

fn bytes<const N: usize>(value: &[u8; N]) -> &[u8; N] {
    value
}

/// The table of owned coins, from the table of coins.
fn write_owned(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let coins = transaction.open_table(COINS)?;
    let mut owned = transaction.open_table(OWNED)?;
    for entry in coins.range::<&[u8; 36]>(..)? {
        let (outpoint, coin) = entry?;
        let coin = Coin::decode(coin.value()).map_err(damaged_coin)?;
        let mut key = [0; 68];
        key[..32].copy_from_slice(&coin.output.key.0);
        key[32..].copy_from_slice(outpoint.value());
        owned.insert(&key, ())?;
    }
    Ok(())
}

fn damaged_coin(error: DecodeError) -> redb::Error {
    redb::Error::Corrupted(format!("a coin does not decode: {error}"))
}

fn write_history(transaction: &WriteTransaction, changes: &Layer) -> Result<(), redb::Error> {
    let undos = changes.undos().map(|(block, undo)| (block.0, Some(undo.encode())));
    write_rising(&mut transaction.open_table(UNDO)?, undos, Vec::as_slice)?;
    let places = changes.places().map(|(place, present)| (*place, present.then_some(())));
    write_rising(&mut transaction.open_table(HISTORY)?, places, |()| ())
}

fn write_places<'a>(
    transaction: &WriteTransaction,
    changes: impl ExactSizeIterator<Item = (&'a ShownTxid, Option<TxPosition>)>,
) -> Result<(), redb::Error> {
    let changes = changes.map(|(txid, place)| (*txid, place.map(position_bytes)));
    write_rising(&mut transaction.open_table(TRANSACTIONS)?, changes, bytes)
}

fn write_spenders<'a>(
    transaction: &WriteTransaction,
    changes: impl ExactSizeIterator<Item = (&'a OutPoint, Option<Spender>)>,
) -> Result<(), redb::Error> {
    let changes = changes.map(|(spent, by)| (outpoint_key(spent), by.as_ref().map(spender_bytes)));
    write_rising(&mut transaction.open_table(SPENDERS)?, changes, bytes)
}

fn write_index(transaction: &WriteTransaction, batch: &Batch<'_>) -> Result<(), redb::Error> {
    let mut index = transaction.open_table(INDEX)?;
    let first = batch.flushed.blocks.saturating_sub(batch.blocks.len() as u64);
    for (number, (hash, place)) in (first..).zip(batch.blocks) {
        index.insert(number, &index_bytes(hash, place))?;
    }
    Ok(())
}
