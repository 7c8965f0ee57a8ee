//! `Database`: what the directory must not forget, in a redb file of its own. What was written is
//! durable before anybody is told.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use chain::encoding::Decode;
use chain::hash::BlockHash;
use chain::key::OutputKey;
use chain::transaction::Transaction;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use wire::directory::{DirectoryMessage, NameRecord, PutName};

use super::faucet::Payout;
use super::names::folded;

/// Name of the file in the bootstrap node's data directory.
pub const FILE: &str = "directory.redb";

/// Memory for pages: names are kept in memory anyway and only written here.
const PAGE_CACHE_BYTES: usize = 4 << 20;

/// Rises with every change of the tables.
const SCHEMA_VERSION: u8 = 1;

/// Schema and genesis, by name.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// Records by the name in small letters, as they are handed in over the wire.
const NAMES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("names");
/// Payouts by the key that is paid: index, time, asker, transaction.
const PAYOUTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("payouts");

const SCHEMA_KEY: &str = "schema";
const GENESIS_KEY: &str = "genesis";

/// Bytes of a payout before its transaction: index, time, mark and address of the asker.
const PAYOUT_FIXED_BYTES: usize = 4 + 8 + 1 + 16;

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The disk or the file fails.
    #[error(
        "cannot {action} {}: {source}; if it is damaged, move it away: names are lost then, \
         payments are not", path.display()
    )]
    Failed {
        /// `open`, `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What redb says.
        source: Box<redb::Error>,
    },
    /// It belongs to another network or another version of the program.
    #[error("{} is {what}: choose another directory", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        what: &'static str,
    },
    /// An entry makes no sense.
    #[error(
        "{} is damaged: {what}; move it away: names are lost then, payments are not",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The table, or the entry in it, that is damaged.
        what: &'static str,
    },
}

/// The values of [`NAMES`].
type NameBytes = Vec<Vec<u8>>;
/// The keys and values of [`PAYOUTS`].
type PayoutBytes = Vec<([u8; 32], Vec<u8>)>;

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A name has this record.
    Name(NameRecord),
    /// The faucet pays.
    Payout(Payout),
}

/// The file.
#[derive(Debug)]
pub struct Database {
    redb: redb::Database,
    path: PathBuf,
}

/// Everything that was remembered.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The records of all names.
    pub names: Vec<NameRecord>,
    /// What the faucet paid.
    pub payouts: Vec<Payout>,
}

impl Database {
    /// Opens the file for the network of `genesis`, or makes it. Every page is checked.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn open(path: &Path, genesis: BlockHash) -> Result<(Self, Remembered), DatabaseError> {
        let redb = redb::Database::builder()
            .set_cache_size(PAGE_CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)
            .map_err(|source| failed("open", path, source.into()))?;
        let database = Self { redb, path: path.to_owned() };
        database.write(&[]).and_then(|()| database.own(genesis))?;
        let remembered = database.read()?;
        Ok((database, remembered))
    }

    /// Writes all changes or none. They are on disk when this returns.
    ///
    /// # Errors
    /// [`DatabaseError::Failed`].
    pub fn write(&self, changes: &[Change]) -> Result<(), DatabaseError> {
        let try_write = || -> Result<(), redb::Error> {
            let mut transaction = self.redb.begin_write()?;
            // In two phases: what was told is in the last commit, so that a start which finds it
            // damaged must say so and not fall back to the one before.
            transaction.set_two_phase_commit(true);
            write_changes(&transaction, changes)?;
            transaction.commit()?;
            Ok(())
        };
        try_write().map_err(|source| failed("write", &self.path, source))
    }

    /// Marks a new file as the network's, and refuses that of another one.
    fn own(&self, genesis: BlockHash) -> Result<(), DatabaseError> {
        let mark = || -> Result<Option<&'static str>, redb::Error> {
            let mut transaction = self.redb.begin_write()?;
            transaction.set_two_phase_commit(true);
            let mut about = transaction.open_table(ABOUT)?;
            let schema = about.get(SCHEMA_KEY)?.map(|value| value.value().to_vec());
            let owner = about.get(GENESIS_KEY)?.map(|value| value.value().to_vec());
            match (schema.as_deref(), owner.as_deref()) {
                (None, None) => {
                    about.insert(SCHEMA_KEY, [SCHEMA_VERSION].as_slice())?;
                    about.insert(GENESIS_KEY, genesis.as_bytes().as_slice())?;
                }
                (Some([SCHEMA_VERSION]), Some(owner)) if owner == genesis.as_bytes() => {}
                (Some([SCHEMA_VERSION]), _) => return Ok(Some("another network's")),
                _ => return Ok(Some("another version's")),
            }
            drop(about);
            transaction.commit()?;
            Ok(None)
        };
        match mark().map_err(|source| failed("open", &self.path, source))? {
            Some(what) => Err(DatabaseError::Foreign { path: self.path.clone(), what }),
            None => Ok(()),
        }
    }

    fn read(&self) -> Result<Remembered, DatabaseError> {
        let (names, payouts) =
            self.read_bytes().map_err(|source| failed("read", &self.path, source))?;
        let damaged = |what| DatabaseError::Damaged { path: self.path.clone(), what };
        let names: Option<Vec<NameRecord>> = names.iter().map(|bytes| name(bytes)).collect();
        let payouts: Option<Vec<Payout>> =
            payouts.iter().map(|(key, bytes)| payout(OutputKey(*key), bytes)).collect();
        Ok(Remembered {
            names: names.ok_or_else(|| damaged("a name"))?,
            payouts: payouts.ok_or_else(|| damaged("a payout"))?,
        })
    }

    fn read_bytes(&self) -> Result<(NameBytes, PayoutBytes), redb::Error> {
        let transaction = self.redb.begin_read()?;
        let mut names = Vec::new();
        for entry in transaction.open_table(NAMES)?.iter()? {
            names.push(entry?.1.value().to_vec());
        }
        let mut payouts = Vec::new();
        for entry in transaction.open_table(PAYOUTS)?.iter()? {
            let (key, value) = entry?;
            payouts.push((*key.value(), value.value().to_vec()));
        }
        Ok((names, payouts))
    }
}

fn write_changes(transaction: &WriteTransaction, changes: &[Change]) -> Result<(), redb::Error> {
    let mut names = transaction.open_table(NAMES)?;
    let mut payouts = transaction.open_table(PAYOUTS)?;
    for change in changes {
        match change {
            Change::Name(record) => {
                let put = PutName { request: 0, record: record.clone() };
                let frame = DirectoryMessage::PutName(put).to_frame();
                names.insert(folded(&record.name).as_str(), frame.payload.as_slice())?;
            }
            Change::Payout(payout) => {
                payouts.insert(&payout.key.0, payout_bytes(payout).as_slice())?;
            }
        }
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path, source: redb::Error) -> DatabaseError {
    DatabaseError::Failed { action, path: path.to_owned(), source: Box::new(source) }
}

fn name(bytes: &[u8]) -> Option<NameRecord> {
    /// [`DirectoryMessage::PutName`].
    const PUT_NAME: u16 = 136;
    match DirectoryMessage::from_payload(PUT_NAME, bytes) {
        Ok(Some(DirectoryMessage::PutName(put))) => Some(put.record),
        _ => None,
    }
}

fn payout_bytes(payout: &Payout) -> Vec<u8> {
    let asker = payout.asker.map(|asker| match asker {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    });
    let mut bytes = Vec::with_capacity(PAYOUT_FIXED_BYTES + payout.transaction.len());
    bytes.extend_from_slice(&payout.index.to_le_bytes());
    bytes.extend_from_slice(&payout.wall_s.to_le_bytes());
    bytes.push(u8::from(asker.is_some()));
    bytes.extend_from_slice(&asker.unwrap_or(Ipv6Addr::UNSPECIFIED).octets());
    bytes.extend_from_slice(&payout.transaction);
    bytes
}

fn payout(key: OutputKey, bytes: &[u8]) -> Option<Payout> {
    let (index, rest) = bytes.split_first_chunk::<4>()?;
    let (wall_s, rest) = rest.split_first_chunk::<8>()?;
    let (mark, rest) = rest.split_first()?;
    let (asker, transaction) = rest.split_first_chunk::<16>()?;
    let asker = (*mark == 1).then(|| IpAddr::from(*asker).to_canonical());
    let txid = Transaction::decode(transaction).ok()?.txid();
    Some(Payout {
        key,
        index: u32::from_le_bytes(*index),
        txid,
        transaction: transaction.to_vec(),
        wall_s: u64::from_le_bytes(*wall_s),
        asker,
    })
}

#[cfg(test)]
mod tests;
