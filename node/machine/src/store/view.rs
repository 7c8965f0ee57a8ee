//! `Reader`: what everybody outside sees of the store, without asking the machine.

use std::sync::{Arc, PoisonError, RwLock};

use chain::block::{BodyMismatch, CommittedBlock};
use chain::hash::{BlockHash, Txid};
use chain::header::{HEADER_BYTES, Header};
use chain::key::OutputKey;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use super::block_files::BlockReader;
use super::change::{ShownTxid, Spender, Totals, shown};
use super::error::StoreError;
use super::moment::Moment;

/// Fewest digits by which transactions are looked for: as many as make the answer short in a chain
/// of a million.
pub const PREFIX_DIGITS_MIN: usize = 4;

/// Most transactions of one answer.
pub const TRANSACTIONS_MAX: usize = 100;

/// Gives the view that was published last. Clones give the same; none of them ever waits for the
/// machine, and the machine waits for none of them.
#[derive(Clone)]
pub struct Reader {
    published: Arc<RwLock<Arc<View>>>,
}

/// The store at the tip that was published last, and never at another moment.
///
/// It keeps the pages of its flush in the database file, so nobody should hold one for longer than
/// a few seconds: take a new one for the next question.
pub struct View {
    pub(super) moment: Moment,
    files: BlockReader,
    /// Blocks that were durable then; later ones are not seen.
    blocks: u32,
}

impl Reader {
    pub(super) fn new(view: View) -> Self {
        Self { published: Arc::new(RwLock::new(Arc::new(view))) }
    }

    /// The view of now.
    pub fn view(&self) -> Arc<View> {
        // A pointer is whole at any time, so a panic elsewhere has not harmed it.
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn publish(&self, view: View) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *published, Arc::new(view));
        drop(published);
        // Its last owner closes a transaction: nobody waits for that.
        drop(old);
    }
}

impl View {
    pub(super) fn new(moment: Moment, files: BlockReader, blocks: u32) -> Self {
        Self { moment, files, blocks }
    }

    /// Hash of the last block of the chain.
    pub fn tip(&self) -> BlockHash {
        self.moment.standing.position
    }

    /// Its height.
    pub fn height(&self) -> u32 {
        self.moment.standing.height
    }

    /// Sums over the coins.
    pub fn totals(&self) -> Totals {
        self.moment.standing.totals
    }

    /// Hash and header of the chain's block at `height`; `None` above the tip.
    pub fn header_at(&self, height: u32) -> Option<(BlockHash, Header)> {
        let block = self.files.block(self.moment.heights.get(height)?)?;
        Some((block.hash, block.header))
    }

    /// Header of a stored block, whichever branch it is on.
    pub fn header(&self, hash: &BlockHash) -> Option<Header> {
        self.files.block(self.number(hash)?).map(|block| block.header)
    }

    /// Whether the chain has this block at this height.
    pub fn is_on_chain(&self, hash: &BlockHash, height: u32) -> bool {
        self.header_at(height).is_some_and(|(there, _)| there == *hash)
    }

    /// Consensus bytes of a stored block, whichever branch it is on.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they are not as they were written, or trouble with the disk.
    pub fn block_bytes(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.number(hash).map_or(Ok(None), |number| self.files.read(number))
    }

    /// A stored block, whichever branch it is on.
    ///
    /// # Errors
    /// As [`View::block_bytes`].
    pub fn block(&self, hash: &BlockHash) -> Result<Option<CommittedBlock>, StoreError> {
        let Some(bytes) = self.block_bytes(hash)? else {
            return Ok(None);
        };
        decode_block(&bytes).map(Some).map_err(|reason| StoreError::Damaged {
            what: format!("block {hash} was stored with another body: {reason}"),
        })
    }

    /// An unspent coin.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.moment.coin(outpoint)
    }

    /// Unspent coins of a key, at most `max` of them, in no particular order of time.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn coins_of(
        &self,
        key: &OutputKey,
        max: usize,
    ) -> Result<Vec<(OutPoint, Coin)>, StoreError> {
        self.moment.coins_of(key, max)
    }

    /// Where the chain pays to or spends from `key`, rising, `from` included, at most `max`.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn history(
        &self,
        key: &OutputKey,
        from: TxPosition,
        max: usize,
    ) -> Result<Vec<TxPosition>, StoreError> {
        self.moment.history(key, from, max)
    }

    /// Where a transaction of the chain is.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn transaction(&self, txid: &Txid) -> Result<Option<TxPosition>, StoreError> {
        self.moment.transaction(&shown(txid))
    }

    /// Transactions of the chain whose txid, as it is shown, begins with these hexadecimal digits,
    /// rising, at most `max` and at most [`TRANSACTIONS_MAX`]: none for fewer than
    /// [`PREFIX_DIGITS_MIN`] digits, or for a text that is no such beginning.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn transactions_with_prefix(
        &self,
        digits: &str,
        max: usize,
    ) -> Result<Vec<(Txid, TxPosition)>, StoreError> {
        let (Some(first), Some(last)) = (filled(digits, '0'), filled(digits, 'f')) else {
            return Ok(Vec::new());
        };
        let found = self.moment.transactions(&(first..=last), max.min(TRANSACTIONS_MAX))?;
        let txid = |mut shown: ShownTxid| {
            shown.reverse();
            Txid(shown)
        };
        Ok(found.into_iter().map(|(shown, place)| (txid(shown), place)).collect())
    }

    /// The input of the chain that spends an output.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn spender(&self, outpoint: &OutPoint) -> Result<Option<Spender>, StoreError> {
        self.moment.spender(outpoint)
    }

    fn number(&self, hash: &BlockHash) -> Option<u32> {
        self.files.number(hash).filter(|number| *number < self.blocks)
    }
}

/// The digits, and as many of `digit` as are missing; `None` for too few digits or too many.
fn filled(digits: &str, digit: char) -> Option<ShownTxid> {
    if digits.len() < PREFIX_DIGITS_MIN {
        return None;
    }
    let missing = 64usize.checked_sub(digits.len())?;
    let whole = digits.chars().chain(std::iter::repeat_n(digit, missing)).collect::<String>();
    chain::hash::from_hex(&whole)?.try_into().ok()
}

/// The block in the bytes of a record.
pub(crate) fn decode_block(bytes: &[u8]) -> Result<CommittedBlock, BodyMismatch> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(BodyMismatch::Empty)?;
    CommittedBlock::decode(Header::from_bytes(header), &bytes[HEADER_BYTES..])
}
