//! `Journal`: every payment that was signed, on disk before anybody sees it.
//!
//! Records are appended and synced, never changed. Only the last one can be torn by a crash: it is
//! moved aside then, as nobody was told of it. Anything else that does not read is damage.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chain::encoding::{Decode, Encode};
use chain::hash::{BlockHash, Txid, tagged_hash};
use chain::spec::BLOCK_BYTES_MAX;
use client::durable_file;

use crate::payment::SignedPayment;
use crate::payment_id::PaymentId;

const MAGIC: &[u8; 8] = b"LODE PAY";
const VERSION: u16 = 2;
/// Knew neither ids nor what was told: whoever had handed a payment over counted as told.
const VERSION_WITHOUT_IDS: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 32;
const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 8;

/// Most bytes of one record: a payment fits a block, and what it spends is told beside it.
const RECORD_BYTES_MAX: u32 = 2 * BLOCK_BYTES_MAX;

/// Most bytes that are read back: millions of payments.
const JOURNAL_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Written by [`VERSION_WITHOUT_IDS`].
const SIGNED: u8 = 1;
const HANDED_OVER: u8 = 2;
/// Followed by the length of an id, 0 for none, and the id, before the payment.
const SIGNED_FOR: u8 = 3;
const TOLD: u8 = 4;

/// Files with what was cut off that may lie beside a journal; more than disks lose power.
const CUTS_MAX: u32 = 1000;

/// The open journal of one wallet.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are whole and synced.
    end: u64,
    /// What was found behind the last whole record.
    cut: Option<Cut>,
}

/// What stood behind the last whole record and was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// How much it was.
    pub bytes: u64,
    /// Where it lies now.
    pub kept: PathBuf,
}

/// A payment that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPayment {
    /// The payment, in the bytes it was signed in.
    pub payment: SignedPayment,
    /// What the payer calls it.
    pub id: Option<PaymentId>,
    /// Whether a node is known to have taken it.
    pub handed_over: bool,
    /// Whether whoever ordered it was told of it, so that the next such order is another one.
    pub told: bool,
    /// Written by [`VERSION_WITHOUT_IDS`], which wrote down nothing of what was told.
    is_of_older_version: bool,
}

impl RecordedPayment {
    fn new(payment: SignedPayment, id: Option<PaymentId>, is_of_older_version: bool) -> Self {
        Self { payment, id, handed_over: false, told: false, is_of_older_version }
    }
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
        let header = header(genesis, VERSION);
        let bytes = match durable_file::read_limited(path, JOURNAL_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                durable_file::replace(path, &header).map_err(io("write"))?;
                header.clone()
            }
            read => read.map_err(io("read"))?,
        };
        let is_older = bytes.starts_with(&self::header(genesis, VERSION_WITHOUT_IDS));
        if !bytes.starts_with(&header) && !is_older {
            return Err(JournalError::Foreign { path: path.to_owned() });
        }
        let (payments, end) =
            read_records(&bytes).map_err(|at| JournalError::Damaged { path: path.into(), at })?;
        let (whole, torn) = bytes.split_at(end);
        let cut = set_aside(path, torn).map_err(io("write"))?;
        if is_older {
            // Programs that know no ids must not go on with it.
            let newer = [header.as_slice(), &whole[HEADER_BYTES..]].concat();
            durable_file::replace(path, &newer).map_err(io("write"))?;
        }
        let end = end as u64;
        let mut file = durable_file::private().write(true).open(path).map_err(io("write"))?;
        let shortened = file.set_len(end).and_then(|()| file.sync_all());
        shortened.and_then(|()| file.seek(SeekFrom::Start(end))).map_err(io("write"))?;
        Ok((Self { path: path.to_owned(), file, end, cut }, payments))
    }

    /// What was found behind the last whole record when this was opened.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Writes a payment down, and what its payer calls it. When this returns, no crash can lose
    /// it: only now may it be sent.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the payment is not written down then.
    pub fn append(
        &mut self,
        payment: &SignedPayment,
        id: Option<&PaymentId>,
    ) -> Result<(), JournalError> {
        let id = id.map_or("", PaymentId::as_str);
        let length = u8::try_from(id.len()).expect("an id has 64 bytes at most");
        let mut record = vec![SIGNED_FOR, length];
        record.extend_from_slice(id.as_bytes());
        payment.encode_to(&mut record);
        self.write(&record)
    }

    /// Writes down that whoever ordered a payment was told that it is made.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn mark_told(&mut self, txid: Txid) -> Result<(), JournalError> {
        self.mark(TOLD, txid)
    }

    /// Writes down that a node has taken a payment, so that nobody takes it for one that was only
    /// signed.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn mark_handed_over(&mut self, txid: Txid) -> Result<(), JournalError> {
        self.mark(HANDED_OVER, txid)
    }

    fn mark(&mut self, kind: u8, txid: Txid) -> Result<(), JournalError> {
        let mut record = vec![kind];
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

/// Copies what is torn into a file of its own beside the journal; `None` when nothing is.
fn set_aside(path: &Path, torn: &[u8]) -> io::Result<Option<Cut>> {
    if torn.is_empty() {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let places = (1..=CUTS_MAX).map(|number| path.with_file_name(format!("{name}.cut{number}")));
    for kept in places {
        let mut file = match durable_file::private().write(true).create_new(true).open(&kept) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        file.write_all(torn).and_then(|()| file.sync_all())?;
        durable_file::sync_directory(path.parent().unwrap_or(Path::new(".")))?;
        return Ok(Some(Cut { bytes: torn.len() as u64, kept }));
    }
    Err(io::Error::other(format!("{CUTS_MAX} files {name}.cut lie there: move them away")))
}

fn header(genesis: BlockHash, version: u16) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&version.to_le_bytes());
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
fn read_records(bytes: &[u8]) -> Result<(Vec<RecordedPayment>, usize), u64> {
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
    Ok((payments, at))
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
    let (kind, rest) = record.split_first()?;
    match *kind {
        SIGNED => {
            let payment = SignedPayment::decode(rest).ok()?;
            payments.push(RecordedPayment::new(payment, None, true));
        }
        SIGNED_FOR => {
            let (length, rest) = rest.split_first()?;
            let (id, rest) = rest.split_at_checked(usize::from(*length))?;
            let id = match id {
                [] => None,
                id => Some(std::str::from_utf8(id).ok()?.parse().ok()?),
            };
            let payment = SignedPayment::decode(rest).ok()?;
            payments.push(RecordedPayment::new(payment, id, false));
        }
        HANDED_OVER => {
            let known = known(rest, payments)?;
            known.handed_over = true;
            known.told |= known.is_of_older_version;
        }
        TOLD => known(rest, payments)?.told = true,
        _ => return None,
    }
    Some(())
}

fn known<'a>(txid: &[u8], payments: &'a mut [RecordedPayment]) -> Option<&'a mut RecordedPayment> {
    let txid = Txid(txid.try_into().ok()?);
    payments.iter_mut().rev().find(|known| known.payment.txid == txid)
}

#[cfg(test)]
mod tests;
