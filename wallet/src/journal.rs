//! `Journal`: every payment that was signed, on disk before anybody sees it.
//!
//! Records are appended and synced, never changed. Only the last one can be torn by a crash: it is
//! cut off then, as nobody was told of it. Anything else that does not read is damage.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chain::encoding::{Decode, Encode};
use chain::hash::{BlockHash, Txid, tagged_hash};
use chain::spec::BLOCK_BYTES_MAX;
use client::durable_file;

use crate::payment::SignedPayment;

const MAGIC: &[u8; 8] = b"LODE PAY";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 32;
const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 8;

/// Most bytes of one record: a payment fits a block, and what it spends is told beside it.
const RECORD_BYTES_MAX: u32 = 2 * BLOCK_BYTES_MAX;

/// Most bytes that are read back: millions of payments.
const JOURNAL_BYTES_MAX: u64 = 1024 * 1024 * 1024;

const SIGNED: u8 = 1;
const HANDED_OVER: u8 = 2;

/// The open journal of one wallet.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are whole and synced.
    end: u64,
}

/// A payment that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPayment {
    /// The payment, in the bytes it was signed in.
    pub payment: SignedPayment,
    /// Whether a node is known to have taken it.
    pub handed_over: bool,
}

/// Why the journal cannot be used. No payment may be made without it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system failed us.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is not as it was written.
    #[error(
        "{} is damaged at byte {at}: no payment can be made safely; restore the wallet from its \
         words in another directory",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the first bad record begins.
        at: u64,
    },
    /// It belongs to another network or a later version.
    #[error("{} holds the payments of another network or of a later version", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

impl Journal {
    /// Opens the journal at `path`, or begins it, and reads back what it holds, in the order in
    /// which it was signed.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(
        path: &Path,
        genesis: BlockHash,
    ) -> Result<(Self, Vec<RecordedPayment>), JournalError> {
        let io = |action| {
            let path = path.to_owned();
            move |source| JournalError::Io { action, path, source }
        };
        let header = header(genesis);
        let bytes = match durable_file::read_limited(path, JOURNAL_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                durable_file::replace(path, &header).map_err(io("write"))?;
                header.clone()
            }
            read => read.map_err(io("read"))?,
        };
        if !bytes.starts_with(&header) {
            return Err(JournalError::Foreign { path: path.to_owned() });
        }
        let (payments, end) =
            read_records(&bytes).map_err(|at| JournalError::Damaged { path: path.into(), at })?;
        let mut file = durable_file::private().write(true).open(path).map_err(io("write"))?;
        let cut = file.set_len(end).and_then(|()| file.sync_all());
        cut.and_then(|()| file.seek(SeekFrom::Start(end))).map_err(io("write"))?;
        Ok((Self { path: path.to_owned(), file, end }, payments))
    }

    /// Writes a payment down. When this returns, no crash can lose it: only now may it be sent.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the payment is not written down then.
    pub fn append(&mut self, payment: &SignedPayment) -> Result<(), JournalError> {
        let mut record = vec![SIGNED];
        payment.encode_to(&mut record);
        self.write(&record)
    }

    /// Writes down that a node has taken a payment, so that nobody takes it for one that was only
    /// signed.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn mark_handed_over(&mut self, txid: Txid) -> Result<(), JournalError> {
        let mut record = vec![HANDED_OVER];
        record.extend_from_slice(txid.as_bytes());
        self.write(&record)
    }

    fn write(&mut self, record: &[u8]) -> Result<(), JournalError> {
        let framed = framed(record, self.end);
        let end = self.end;
        let written = self.file.write_all(&framed).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What did not become whole must not stand in the way of the next record.
            let _ = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
            return Err(JournalError::Io { action: "write", path: self.path.clone(), source });
        }
        self.end += framed.len() as u64;
        Ok(())
    }
}

fn header(genesis: BlockHash) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(genesis.as_bytes());
    header
}

/// Length, record, checksum over both and the place, so that no record is taken for another.
fn framed(record: &[u8], at: u64) -> Vec<u8> {
    let length = u32::try_from(record.len()).expect("a payment fits a block").to_le_bytes();
    let mut framed = Vec::with_capacity(LENGTH_BYTES + record.len() + CHECKSUM_BYTES);
    framed.extend_from_slice(&length);
    framed.extend_from_slice(record);
    framed.extend_from_slice(&checksum(record, at));
    framed
}

fn checksum(record: &[u8], at: u64) -> [u8; CHECKSUM_BYTES] {
    let hash = tagged_hash("lode/journal", &[&at.to_le_bytes(), record]);
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// The payments, and where the last whole record ends; or where the damage begins.
fn read_records(bytes: &[u8]) -> Result<(Vec<RecordedPayment>, u64), u64> {
    let mut payments: Vec<RecordedPayment> = Vec::new();
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        let (rest, place) = (&bytes[at..], at as u64);
        let Some(record) = whole_record(rest, place) else {
            if is_torn(rest, place) {
                break;
            }
            return Err(place);
        };
        take(record, &mut payments).ok_or(place)?;
        at += LENGTH_BYTES + record.len() + CHECKSUM_BYTES;
    }
    Ok((payments, at as u64))
}

/// The record at the beginning of `rest`, if it is whole.
fn whole_record(rest: &[u8], at: u64) -> Option<&[u8]> {
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let length = u32::from_le_bytes(*length);
    if length > RECORD_BYTES_MAX {
        return None;
    }
    let (record, rest) = rest.split_at_checked(length as usize)?;
    let sum = rest.first_chunk::<CHECKSUM_BYTES>()?;
    (checksum(record, at) == *sum).then_some(record)
}

/// Whether a bad record can be one that was being written when the power went: then no whole one
/// follows it, as each was synced before the next was begun.
fn is_torn(rest: &[u8], at: u64) -> bool {
    (1..rest.len()).zip(at + 1..).all(|(skipped, at)| whole_record(&rest[skipped..], at).is_none())
}

fn take(record: &[u8], payments: &mut Vec<RecordedPayment>) -> Option<()> {
    match record.split_first()? {
        (&SIGNED, payment) => {
            let payment = SignedPayment::decode(payment).ok()?;
            payments.push(RecordedPayment { payment, handed_over: false });
        }
        (&HANDED_OVER, txid) => {
            let txid = Txid(txid.try_into().ok()?);
            let known = payments.iter_mut().rev().find(|known| known.payment.txid == txid);
            known?.handed_over = true;
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;
