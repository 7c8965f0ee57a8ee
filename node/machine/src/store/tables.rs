//! The tables of the database and their bytes; what they hold as of one flush.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use chain::encoding::{Decode, DecodeError, Encode, Reader};
use chain::hash::BlockHash;
use chain::key::OutputKey;
use chain::transaction::{OUTPOINT_BYTES, OutPoint, TxPosition};
use chain::utxo::Coin;
use redb::{ReadOnlyTable, ReadTransaction, TableDefinition};

use super::block_files::Place;
use super::change::{COIN_BYTES, ShownTxid, Spender, Undo};
use super::error::StoreError;
use super::history_key::{HISTORY_KEY_BYTES, HistoryKey};

pub(super) type OutPointBytes = &'static [u8; OUTPOINT_BYTES];
type CoinBytes = &'static [u8; COIN_BYTES];
type HashBytes = &'static [u8; 32];
type HistoryBytes = &'static [u8; HISTORY_KEY_BYTES];

/// Schema, genesis and the flushed state, by name.
pub(super) const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// Unspent coins by outpoint, both in consensus form.
pub(super) const COINS: TableDefinition<'_, OutPointBytes, CoinBytes> =
    TableDefinition::new("coins");
/// Undo data by block hash, of every block that was ever connected.
pub(super) const UNDO: TableDefinition<'_, HashBytes, &[u8]> = TableDefinition::new("undo");
/// Hash and place of every block, by its number in file order.
pub(super) const INDEX: TableDefinition<'_, u64, &[u8; INDEX_BYTES]> =
    TableDefinition::new("index");
/// Places in the histories of keys.
pub(super) const HISTORY: TableDefinition<'_, HistoryBytes, ()> = TableDefinition::new("history");
/// Places of transactions, by txid as it is shown, so that a prefix is a range.
pub(super) const TRANSACTIONS: TableDefinition<'_, HashBytes, &[u8; POSITION_BYTES]> =
    TableDefinition::new("transactions");
/// The input that spends an output.
pub(super) const SPENDERS: TableDefinition<'_, OutPointBytes, &[u8; SPENDER_BYTES]> =
    TableDefinition::new("spenders");
/// Unspent coins by key and outpoint.
pub(super) const OWNED: TableDefinition<'_, &[u8; OWNED_BYTES], ()> = TableDefinition::new("owned");

pub(super) const INDEX_BYTES: usize = 32 + 4 + 8 + 4;
const POSITION_BYTES: usize = 4 + 4;
const SPENDER_BYTES: usize = POSITION_BYTES + 4;
const OWNED_BYTES: usize = 32 + OUTPOINT_BYTES;

/// The tables as one flush left them, opened once for the many lookups between two flushes. Any
/// thread may read them; their pages stay in the file as long as this lives.
pub(super) struct Snapshot {
    coins: ReadOnlyTable<OutPointBytes, CoinBytes>,
    undo: ReadOnlyTable<HashBytes, &'static [u8]>,
    history: ReadOnlyTable<HistoryBytes, ()>,
    transactions: ReadOnlyTable<HashBytes, &'static [u8; POSITION_BYTES]>,
    spenders: ReadOnlyTable<OutPointBytes, &'static [u8; SPENDER_BYTES]>,
    owned: ReadOnlyTable<&'static [u8; OWNED_BYTES], ()>,
    /// Names the database in messages.
    path: Arc<Path>,
}

impl Snapshot {
    /// What `transaction` sees.
    pub(super) fn of(transaction: &ReadTransaction, path: Arc<Path>) -> Result<Self, redb::Error> {
        Ok(Self {
            coins: transaction.open_table(COINS)?,
            undo: transaction.open_table(UNDO)?,
            history: transaction.open_table(HISTORY)?,
            transactions: transaction.open_table(TRANSACTIONS)?,
            spenders: transaction.open_table(SPENDERS)?,
            owned: transaction.open_table(OWNED)?,
            path,
        })
    }

    /// A coin.
    pub(super) fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        let found = self.coins.get(&outpoint_key(outpoint)).map_err(|error| self.trouble(error))?;
        found.map(|bytes| self.decoded(Coin::decode(bytes.value()))).transpose()
    }

    /// Undo data.
    pub(super) fn undo(&self, block: &BlockHash) -> Result<Option<Undo>, StoreError> {
        let found = self.undo.get(&block.0).map_err(|error| self.trouble(error))?;
        found.map(|bytes| self.decoded(Undo::decode(bytes.value()))).transpose()
    }

    /// The places in `range`, in rising order.
    pub(super) fn history(
        &self,
        range: &RangeInclusive<HistoryKey>,
    ) -> Result<impl Iterator<Item = Result<HistoryKey, StoreError>>, StoreError> {
        let found = self.history.range::<&HistoryKey>(range.start()..=range.end());
        let found = found.map_err(|error| self.trouble(error))?;
        Ok(found.map(|entry| match entry {
            Ok((place, _)) => Ok(*place.value()),
            Err(error) => Err(self.trouble(error)),
        }))
    }

    /// Where a transaction is.
    pub(super) fn transaction(&self, txid: &ShownTxid) -> Result<Option<TxPosition>, StoreError> {
        let found = self.transactions.get(txid).map_err(|error| self.trouble(error))?;
        Ok(found.map(|bytes| position(bytes.value())))
    }

    /// Transactions whose txids lie in `range`, rising.
    pub(super) fn transactions(
        &self,
        range: &RangeInclusive<ShownTxid>,
    ) -> Result<impl Iterator<Item = Result<(ShownTxid, TxPosition), StoreError>>, StoreError> {
        let found = self.transactions.range::<&ShownTxid>(range.start()..=range.end());
        let found = found.map_err(|error| self.trouble(error))?;
        Ok(found.map(|entry| match entry {
            Ok((txid, place)) => Ok((*txid.value(), position(place.value()))),
            Err(error) => Err(self.trouble(error)),
        }))
    }

    /// What spends an output.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Result<Option<Spender>, StoreError> {
        let found = self.spenders.get(&outpoint_key(outpoint));
        let found = found.map_err(|error| self.trouble(error))?;
        Ok(found.map(|bytes| {
            let (place, input) = bytes.value().split_at(POSITION_BYTES);
            Spender { place: position(&fixed(place)), input: u32::from_be_bytes(fixed(input)) }
        }))
    }

    /// Unspent coins of a key, rising.
    pub(super) fn owned(
        &self,
        key: &OutputKey,
    ) -> Result<impl Iterator<Item = Result<OutPoint, StoreError>>, StoreError> {
        let (mut first, mut last) = ([0; OWNED_BYTES], [0xff; OWNED_BYTES]);
        first[..32].copy_from_slice(&key.0);
        last[..32].copy_from_slice(&key.0);
        let found = self.owned.range::<&[u8; OWNED_BYTES]>(&first..=&last);
        let found = found.map_err(|error| self.trouble(error))?;
        Ok(found.map(|entry| match entry {
            Ok((owned, _)) => self.decoded(OutPoint::decode(&owned.value()[32..])),
            Err(error) => Err(self.trouble(error)),
        }))
    }

    fn trouble(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database("read", &self.path, error)
    }

    fn decoded<T>(&self, value: Result<T, DecodeError>) -> Result<T, StoreError> {
        value.map_err(|error| StoreError::damaged(&self.path, error))
    }
}

/// The key of an outpoint: its consensus form.
pub(super) fn outpoint_key(outpoint: &OutPoint) -> [u8; OUTPOINT_BYTES] {
    let mut bytes = [0; OUTPOINT_BYTES];
    bytes[..32].copy_from_slice(&outpoint.txid.0);
    bytes[32..].copy_from_slice(&outpoint.index.to_le_bytes());
    bytes
}

/// A coin, as [`Snapshot::coin`] reads it: its consensus form.
pub(super) fn coin_bytes(coin: &Coin) -> [u8; COIN_BYTES] {
    let mut bytes = Vec::with_capacity(COIN_BYTES);
    coin.encode_to(&mut bytes);
    fixed(&bytes)
}

/// The key of a coin among those of its owner.
pub(super) fn owned_key(owner: &OutputKey, outpoint: &OutPoint) -> [u8; OWNED_BYTES] {
    let mut bytes = [0; OWNED_BYTES];
    bytes[..32].copy_from_slice(&owner.0);
    bytes[32..].copy_from_slice(&outpoint_key(outpoint));
    bytes
}

/// A transaction's place, as [`Snapshot::transaction`] reads it.
pub(super) fn position_bytes(place: TxPosition) -> [u8; POSITION_BYTES] {
    let mut bytes = [0; POSITION_BYTES];
    bytes[..4].copy_from_slice(&place.height.to_be_bytes());
    bytes[4..].copy_from_slice(&place.transaction.to_be_bytes());
    bytes
}

/// A spender, as [`Snapshot::spender`] reads it.
pub(super) fn spender_bytes(spender: &Spender) -> [u8; SPENDER_BYTES] {
    let mut bytes = [0; SPENDER_BYTES];
    bytes[..POSITION_BYTES].copy_from_slice(&position_bytes(spender.place));
    bytes[POSITION_BYTES..].copy_from_slice(&spender.input.to_be_bytes());
    bytes
}

fn position(bytes: &[u8; POSITION_BYTES]) -> TxPosition {
    let (height, transaction) = bytes.split_at(4);
    let number = |bytes: &[u8]| u32::from_be_bytes(fixed(bytes));
    TxPosition { height: number(height), transaction: number(transaction) }
}

/// Hash and place of a block, as [`index_entry`] reads them.
pub(super) fn index_bytes(hash: &BlockHash, place: &Place) -> [u8; INDEX_BYTES] {
    let mut bytes = hash.0.to_vec();
    bytes.extend_from_slice(&place.file.to_le_bytes());
    bytes.extend_from_slice(&place.offset.to_le_bytes());
    bytes.extend_from_slice(&place.length.to_le_bytes());
    fixed(&bytes)
}

/// What [`index_bytes`] made.
pub(super) fn index_entry(bytes: &[u8; INDEX_BYTES]) -> (BlockHash, Place) {
    let mut reader = Reader::new(bytes);
    let mut parts = || {
        let hash = BlockHash(reader.array()?);
        let place = Place { file: reader.u32()?, offset: reader.u64()?, length: reader.u32()? };
        Ok::<_, DecodeError>((hash, place))
    };
    parts().expect("the parts add up to an entry")
}

/// Bytes whose number is known where they come from.
pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the encoding of this value has one length")
}
