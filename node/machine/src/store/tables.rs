//! The database: five tables, written by nothing but a flush, each flush one transaction.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use chain::amount::Amount;
use chain::encoding::{Decode, DecodeError, Encode, Reader};
use chain::hash::{BlockHash, UtxoHash};
use chain::transaction::{OUTPOINT_BYTES, OutPoint};
use chain::utxo::Coin;
use redb::{
    Database, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};

use super::SCHEMA_VERSION;
use super::block_files::{Place, StoredBlock};
use super::cache::Cache;
use super::change::{COIN_BYTES, Totals, Undo};
use super::error::StoreError;
use super::history::{HISTORY_KEY_BYTES, HistoryKey};

type OutPointBytes = &'static [u8; OUTPOINT_BYTES];
type CoinBytes = &'static [u8; COIN_BYTES];
type HashBytes = &'static [u8; 32];
type HistoryBytes = &'static [u8; HISTORY_KEY_BYTES];

/// Schema, genesis and the flushed state, by name.
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// Unspent coins by outpoint, both in consensus form.
const COINS: TableDefinition<'_, OutPointBytes, CoinBytes> = TableDefinition::new("coins");
/// Undo data by block hash, of every block that was ever connected.
const UNDO: TableDefinition<'_, HashBytes, &[u8]> = TableDefinition::new("undo");
/// Hash and place of every block, by its number in file order.
const INDEX: TableDefinition<'_, u64, &[u8; INDEX_BYTES]> = TableDefinition::new("index");
/// Places in the histories of keys.
const HISTORY: TableDefinition<'_, HistoryBytes, ()> = TableDefinition::new("history");

const INDEX_BYTES: usize = 32 + 4 + 8 + 4;

const SCHEMA_KEY: &str = "schema";
const GENESIS_KEY: &str = "genesis";
const FLUSHED_KEY: &str = "flushed";

/// Which block the coins belong to, and their sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The block.
    pub position: BlockHash,
    /// Its height.
    pub height: u32,
    /// Sums over the coins.
    pub totals: Totals,
}

/// What a flush says about itself. It names nothing that was not synced before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flushed {
    /// Which block the coins in the database belong to.
    pub standing: Standing,
    /// The last block file that the flush knows.
    pub synced_file: u32,
    /// Its synced bytes.
    pub synced_bytes: u64,
    /// Blocks in the files up to there.
    pub blocks: u64,
}

impl Flushed {
    /// Before the first flush.
    pub(super) fn nothing() -> Self {
        Self {
            standing: Standing { position: BlockHash::ZERO, height: 0, totals: Totals::NONE },
            synced_file: 0,
            synced_bytes: 0,
            blocks: 0,
        }
    }
}

/// What a flush moves.
pub(super) struct Batch<'a> {
    /// Changes since the last flush.
    pub cache: &'a Cache,
    /// Blocks appended since then.
    pub blocks: &'a [StoredBlock],
    /// Their places.
    pub places: &'a [Place],
    /// The state afterwards; its `blocks` counts the ones above.
    pub flushed: &'a Flushed,
}

/// The tables as the last flush left them, opened once for the many lookups between two flushes.
struct Snapshot {
    coins: ReadOnlyTable<OutPointBytes, CoinBytes>,
    undo: ReadOnlyTable<HashBytes, &'static [u8]>,
    history: ReadOnlyTable<HistoryBytes, ()>,
}

/// The database.
pub(super) struct Tables {
    database: Database,
    /// Names the database in messages.
    path: PathBuf,
    genesis: BlockHash,
    /// None until the first flush.
    snapshot: Option<Snapshot>,
}

impl Tables {
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
        let mut tables = Self { database, path, genesis, snapshot: None };
        if tables.check_owner()? {
            tables.snapshot = Some(tables.take_snapshot()?);
        }
        Ok(tables)
    }

    /// Whether the database was ever flushed to; refuses another network's and a newer program's.
    fn check_owner(&self) -> Result<bool, StoreError> {
        let Some(schema) = self.state(SCHEMA_KEY)? else {
            return Ok(false);
        };
        let got = self.decoded(Reader::new(&schema).u32())?;
        if got > SCHEMA_VERSION {
            return Err(StoreError::NewerSchema { got, supported: SCHEMA_VERSION });
        }
        let genesis = self.state(GENESIS_KEY)?.unwrap_or_default();
        let got = BlockHash(self.decoded(Reader::new(&genesis).array())?);
        if got != self.genesis {
            return Err(StoreError::ForeignNetwork { got, expected: self.genesis });
        }
        Ok(true)
    }

    /// What the last flush said about itself; `None` when there was none.
    pub(super) fn flushed(&self) -> Result<Option<Flushed>, StoreError> {
        self.state(FLUSHED_KEY)?.map(|bytes| self.decoded(Flushed::decode(&bytes))).transpose()
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

    /// A coin as of the last flush.
    pub(super) fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        let Some(snapshot) = &self.snapshot else {
            return Ok(None);
        };
        let mut key = [0; OUTPOINT_BYTES];
        key[..32].copy_from_slice(&outpoint.txid.0);
        key[32..].copy_from_slice(&outpoint.index.to_le_bytes());
        let found = snapshot.coins.get(&key);
        found
            .map_err(|error| self.trouble("read", error))?
            .map(|bytes| self.decoded(Coin::decode(bytes.value())))
            .transpose()
    }

    /// Undo data as of the last flush.
    pub(super) fn undo(&self, block: &BlockHash) -> Result<Option<Undo>, StoreError> {
        let Some(snapshot) = &self.snapshot else {
            return Ok(None);
        };
        let found = snapshot.undo.get(&block.0);
        found
            .map_err(|error| self.trouble("read", error))?
            .map(|bytes| self.decoded(Undo::decode(bytes.value())))
            .transpose()
    }

    /// Places as of the last flush, rising.
    pub(super) fn history(
        &self,
        range: RangeInclusive<HistoryKey>,
    ) -> Result<impl Iterator<Item = Result<HistoryKey, StoreError>>, StoreError> {
        let found = self
            .snapshot
            .as_ref()
            .map(|snapshot| snapshot.history.range::<&HistoryKey>(range.start()..=range.end()))
            .transpose()
            .map_err(|error| self.trouble("read", error))?;
        Ok(found.into_iter().flatten().map(|entry| match entry {
            Ok((place, _)) => Ok(*place.value()),
            Err(error) => Err(self.trouble("read", error)),
        }))
    }

    /// Moves a batch into the tables, all of it or nothing, durable when it returns.
    pub(super) fn commit(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        // An open snapshot would keep the pages that the commit frees.
        self.snapshot = None;
        self.try_commit(batch).map_err(|error| self.trouble("write", error))?;
        self.snapshot = Some(self.take_snapshot()?);
        Ok(())
    }

    fn try_commit(&self, batch: &Batch<'_>) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // Two-phase commit, and a start that need not walk the tables after a crash.
        transaction.set_quick_repair(true);
        write_state(&transaction, &self.genesis, batch.flushed)?;
        write_coins(&transaction, batch.cache)?;
        write_index(&transaction, batch)?;
        transaction.commit()?;
        Ok(())
    }

    fn take_snapshot(&self) -> Result<Snapshot, StoreError> {
        let open = || -> Result<Snapshot, redb::Error> {
            let transaction = self.database.begin_read()?;
            Ok(Snapshot {
                coins: transaction.open_table(COINS)?,
                undo: transaction.open_table(UNDO)?,
                history: transaction.open_table(HISTORY)?,
            })
        };
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

fn write_state(
    transaction: &WriteTransaction,
    genesis: &BlockHash,
    flushed: &Flushed,
) -> Result<(), redb::Error> {
    let mut state = transaction.open_table(STATE)?;
    state.insert(SCHEMA_KEY, SCHEMA_VERSION.to_le_bytes().as_slice())?;
    state.insert(GENESIS_KEY, genesis.0.as_slice())?;
    state.insert(FLUSHED_KEY, flushed.encode().as_slice())?;
    Ok(())
}

fn write_coins(transaction: &WriteTransaction, cache: &Cache) -> Result<(), redb::Error> {
    let mut coins = transaction.open_table(COINS)?;
    for (outpoint, coin) in cache.coins() {
        let key = fixed(&outpoint.encode());
        match coin {
            Some(coin) => coins.insert(&key, &fixed(&coin.encode()))?,
            None => coins.remove(&key)?,
        };
    }
    let mut undo = transaction.open_table(UNDO)?;
    for (block, data) in cache.undos() {
        undo.insert(&block.0, data.encode().as_slice())?;
    }
    let mut history = transaction.open_table(HISTORY)?;
    for (place, present) in cache.places() {
        if present {
            history.insert(place, ())?;
        } else {
            history.remove(place)?;
        }
    }
    Ok(())
}

fn write_index(transaction: &WriteTransaction, batch: &Batch<'_>) -> Result<(), redb::Error> {
    let mut index = transaction.open_table(INDEX)?;
    let first = batch.flushed.blocks.saturating_sub(batch.blocks.len() as u64);
    for (number, (block, place)) in (first..).zip(batch.blocks.iter().zip(batch.places)) {
        let mut bytes = block.hash.0.to_vec();
        bytes.extend_from_slice(&place.file.to_le_bytes());
        bytes.extend_from_slice(&place.offset.to_le_bytes());
        bytes.extend_from_slice(&place.length.to_le_bytes());
        index.insert(number, &fixed(&bytes))?;
    }
    Ok(())
}

fn index_entry(bytes: &[u8; INDEX_BYTES]) -> (BlockHash, Place) {
    let mut reader = Reader::new(bytes);
    let mut parts = || {
        let hash = BlockHash(reader.array()?);
        let place = Place { file: reader.u32()?, offset: reader.u64()?, length: reader.u32()? };
        Ok::<_, DecodeError>((hash, place))
    };
    parts().expect("the parts add up to an entry")
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the encoding of this value has one length")
}

impl Encode for Flushed {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        let totals = &self.standing.totals;
        bytes.extend_from_slice(&self.standing.position.0);
        bytes.extend_from_slice(&self.standing.height.to_le_bytes());
        bytes.extend_from_slice(&totals.supply.0.to_le_bytes());
        bytes.extend_from_slice(&totals.burned.0.to_le_bytes());
        bytes.extend_from_slice(&totals.coins.to_le_bytes());
        bytes.extend_from_slice(&totals.utxo_hash.0);
        bytes.extend_from_slice(&self.synced_file.to_le_bytes());
        bytes.extend_from_slice(&self.synced_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.blocks.to_le_bytes());
    }
}

impl Decode for Flushed {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            standing: Standing {
                position: BlockHash(reader.array()?),
                height: reader.u32()?,
                totals: Totals {
                    supply: Amount(reader.u64()?),
                    burned: Amount(reader.u64()?),
                    coins: reader.u64()?,
                    utxo_hash: UtxoHash(reader.array()?),
                },
            },
            synced_file: reader.u32()?,
            synced_bytes: reader.u64()?,
            blocks: reader.u64()?,
        })
    }
}
