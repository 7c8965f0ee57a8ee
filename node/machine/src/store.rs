//! The store: blocks in flat files, everything derived from them in redb below changes in memory.
//!
//! The block files are the source of truth; the database can be rebuilt from them at any time. The
//! order of writes keeps it so: nobody but the miner hears of a block before [`BlockWrites`] has
//! made it durable, and a flush names only durable blocks. `docs/files.md` has the bytes.

mod block_files;
mod change;
mod database;
mod error;
mod flush_record;
mod history_key;
mod home;
mod layers;
mod medium;
mod moment;
mod opening;
mod progress;
mod record;
mod recovery;
mod rising;
mod sorted;
mod tables;
#[cfg(test)]
mod tests;
mod view;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::hash::BlockHash;
use chain::key::OutputKey;
use chain::rules::block::Connection;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use block_files::BlockFiles;
use change::{Change, Direction, Undo};
use database::{Batch, StateDatabase};
use flush_record::{FlushRecord, Standing};
use home::DirectoryLock;
use layers::Layers;

pub use block_files::{BlockWrites, StoredBlock};
pub use change::{Spender, Totals};
pub use error::StoreError;
pub use medium::{BlockMedium, DirectoryMedium, MemoryMedium};
pub use moment::Moment;
pub use progress::{OpeningProgress, OpeningStep, OpeningWatcher, unwatched};
pub use recovery::{Cut, Rebuilt};
pub use view::{PREFIX_DIGITS_MIN, Reader, TRANSACTIONS_MAX, View};

#[cfg(test)]
pub(crate) use tests::disk::Disk;
pub(crate) use view::decode_block;

/// Version of the database; a directory with a higher one is refused, one with a lower one is
/// brought up to date at its start.
pub const SCHEMA_VERSION: u32 = 2;

/// Dirty coins that make a flush due.
pub const DIRTY_COINS_MAX: usize = 16_384;

/// A block file that would grow beyond this many bytes is followed by the next one, as the file
/// systems and tools that people copy with handle files of this size well.
pub const BLOCK_FILE_BYTES_MAX: u64 = 128 << 20;

/// Memory for pages of a database that is memory itself: hundreds of nodes may share a process.
const PAGE_CACHE_BYTES_IN_MEMORY: usize = 1 << 20;

/// Blocks, and the coins, undo data, history and totals that follow from them.
pub struct Store {
    files: BlockFiles,
    database: StateDatabase,
    /// The block whose coins the store holds, and all that follows from its chain.
    live: Moment,
    /// Changes of `live` that rest on blocks which are not durable yet, oldest first.
    staged: VecDeque<Staged>,
    /// Before those: what a flush may write. The same as `live` when nothing is staged.
    durable: Moment,
    /// What the database knows.
    flushed: FlushRecord,
    reader: Reader,
    cut: Option<Cut>,
    /// A write failed: what the disk holds is unknown, so nothing is written any more.
    stopped: bool,
    /// Held as long as the files are open; none in memory.
    _lock: Option<DirectoryLock>,
}

/// One block's change that may not be flushed yet.
struct Staged {
    /// Blocks that must be durable first.
    blocks: u32,
    block: (BlockHash, u32),
    change: Arc<Change>,
    direction: Direction,
    /// Where it leads.
    after: Moment,
}

impl Store {
    /// What was cut off the block files when the store was opened.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Every stored block in file order, which is the order of arrival; genesis comes first.
    pub fn blocks(&self) -> impl Iterator<Item = StoredBlock> {
        self.files.blocks().into_iter()
    }

    /// Whether a block is stored, durable or not, connected or not.
    pub fn contains(&self, hash: &BlockHash) -> bool {
        self.files.contains(hash)
    }

    /// Whether a block is stored and durable.
    pub fn is_durable(&self, hash: &BlockHash) -> bool {
        self.files.is_durable(hash)
    }

    /// Takes a block in; it waits in memory until the writes that [`Store::take_writes`] gives out
    /// are done. A block that is there already is left alone.
    ///
    /// # Errors
    /// [`StoreError::BlockTooLarge`], and nothing has changed; `Stopped` after a failed write.
    pub fn append_block(&mut self, block: &CommittedBlock) -> Result<(), StoreError> {
        if self.files.contains(&block.hash) {
            return Ok(());
        }
        self.refuse_if_stopped()?;
        self.files.append(block)
    }

    /// Blocks that are not durable yet, and their bytes.
    pub fn unsynced(&self) -> (usize, u64) {
        self.files.unsynced()
    }

    /// Blocks stored, durable or not.
    pub fn len(&self) -> u32 {
        self.files.len()
    }

    /// Never: genesis is always there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Blocks that are durable: the first so many of [`Store::blocks`].
    pub fn durable_blocks(&self) -> u32 {
        self.files.synced_blocks()
    }

    /// The writes for all blocks that wait, to be run on any thread and answered with
    /// [`Store::written`]; `None` when no block waits, or while earlier writes are out.
    pub fn take_writes(&mut self) -> Option<BlockWrites> {
        self.files.take_writes().filter(|_| !self.stopped)
    }

    /// The writes that were taken are done: their blocks are durable.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] after a failed write.
    pub fn written(&mut self) -> Result<(), StoreError> {
        self.refuse_if_stopped()?;
        self.files.written();
        let durable = self.files.synced_blocks();
        while let Some(staged) = self.staged.pop_front_if(|staged| staged.blocks <= durable) {
            self.durable = staged.after;
        }
        Ok(())
    }

    /// The writes that were taken have failed: nothing is known about the disk, and nothing more is
    /// written.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Makes every block durable before it returns.
    ///
    /// # Errors
    /// Trouble with the disk, after which the store writes nothing more.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        while let Some(writes) = self.take_writes() {
            let outcome = writes.run();
            self.stopped |= outcome.is_err();
            outcome?;
            self.written()?;
        }
        // Writes that somebody else has taken and not answered: nothing is known about them.
        self.stopped |= self.unsynced().0 > 0;
        self.refuse_if_stopped()
    }

    /// A block's consensus bytes, header and body; `None` when it is not stored.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they are not as they were written, or trouble with the disk.
    pub fn read_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.files.read(hash)
    }

    /// The block whose coins the store holds.
    pub fn position(&self) -> BlockHash {
        self.live.standing.position
    }

    /// An unspent coin.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.live.coin(outpoint)
    }

    /// Moves the coins from a block's parent to the block. `connection` is what
    /// [`chain::rules::block::connect`] made of it at this position; its signatures must hold.
    ///
    /// # Errors
    /// [`StoreError::WrongPosition`] or `NotStored`, and nothing has changed; or trouble with the
    /// disk.
    pub fn connect(
        &mut self,
        block: &CommittedBlock,
        height: u32,
        connection: &Connection,
    ) -> Result<(), StoreError> {
        let standing = &self.live.standing;
        let follows = block.block.header.previous == standing.position
            && Some(height) == standing.height.checked_add(1);
        if !follows {
            return Err(self.wrong_position(block, height));
        }
        let undo = Arc::new(Undo::of(connection));
        self.apply(block, height, undo, Direction::Connect, block.hash)
    }

    /// Moves the coins from the block at [`Store::position`] back to its parent.
    ///
    /// # Errors
    /// [`StoreError::WrongPosition`], and nothing has changed; `Damaged` when there is no undo
    /// data; or trouble with the disk.
    pub fn disconnect(&mut self, block: &CommittedBlock, height: u32) -> Result<(), StoreError> {
        let standing = &self.live.standing;
        let is_last = block.hash == standing.position && height == standing.height;
        if !is_last || height == 0 {
            return Err(self.wrong_position(block, height));
        }
        let undo = self.live.undo(&block.hash)?.ok_or_else(|| StoreError::Damaged {
            what: format!("the undo data of block {} is missing", block.hash),
        })?;
        let parent = block.block.header.previous;
        self.apply(block, height, undo, Direction::Disconnect, parent)
    }

    /// Everything is computed before anything is changed.
    fn apply(
        &mut self,
        block: &CommittedBlock,
        height: u32,
        undo: Arc<Undo>,
        direction: Direction,
        position: BlockHash,
    ) -> Result<(), StoreError> {
        let not_stored = || StoreError::NotStored { hash: block.hash };
        let number = self.files.reader().number(&block.hash).ok_or_else(not_stored)?;
        let change = Arc::new(Change::of(block, height, undo));
        let totals = self.live.standing.totals.after(&change, direction).ok_or_else(|| {
            StoreError::Damaged { what: format!("the totals do not fit block {}", block.hash) }
        })?;
        let height = match direction {
            Direction::Connect => height,
            Direction::Disconnect => height.saturating_sub(1),
        };
        let block = (block.hash, number);
        self.live.change(block, &change, direction, Standing { position, height, totals });
        let after = self.live.clone();
        if self.staged.is_empty() && self.files.unsynced().0 == 0 {
            self.durable = after;
        } else {
            let blocks = self.files.len();
            self.staged.push_back(Staged { blocks, block, change, direction, after });
        }
        Ok(())
    }

    /// Sums over the coins.
    pub fn totals(&self) -> Totals {
        self.live.standing.totals
    }

    /// Where connected transactions pay to or spend from `key`, rising, `from` included, at most
    /// `max`.
    ///
    /// # Errors
    /// Trouble with the disk.
    pub fn history(
        &self,
        key: &OutputKey,
        from: TxPosition,
        max: usize,
    ) -> Result<Vec<TxPosition>, StoreError> {
        self.live.history(key, from, max)
    }

    /// Coins that the next flush moves, at most; those of blocks that are not durable yet wait.
    pub fn dirty_coins(&self) -> usize {
        self.durable.layers.dirty_coins()
    }

    /// Moves everything that changed, as far as it rests on durable blocks, into the database in
    /// one transaction, durable when it returns.
    ///
    /// # Errors
    /// Trouble with the disk, after which the store writes nothing more.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.refuse_if_stopped()?;
        let (synced_file, synced_bytes) = self.files.synced();
        let flushed = FlushRecord {
            standing: self.durable.standing,
            synced_file,
            synced_bytes,
            blocks: u64::from(self.files.synced_blocks()),
        };
        if flushed == self.flushed && self.durable.layers.is_empty() {
            return Ok(());
        }
        let known = usize::try_from(self.flushed.blocks).unwrap_or(usize::MAX);
        let is_published = self.reader.view().tip() == self.durable.standing.position;
        self.durable.snapshot = None;
        self.live.snapshot = None;
        let committed = self.database.commit(&Batch {
            changes: &self.durable.layers.merged(),
            blocks: &self.files.places_from(known),
            flushed: &flushed,
        });
        self.stopped = committed.is_err();
        committed?;
        self.flushed = flushed;
        self.durable.layers = Layers::default();
        self.durable.snapshot = self.database.snapshot().cloned();
        self.live = self.durable.clone();
        for staged in &mut self.staged {
            let Staged { block, change, direction, after, .. } = staged;
            self.live.change(*block, change, *direction, after.standing);
            *after = self.live.clone();
        }
        if is_published {
            self.publish(self.durable.clone());
        }
        Ok(())
    }

    /// The store as it is now, to be published once its blocks are durable.
    pub fn moment(&self) -> Moment {
        self.live.clone()
    }

    /// Shows readers this moment from now on.
    pub fn publish(&self, moment: Moment) {
        let files = self.files.reader().clone();
        self.reader.publish(View::new(moment, files, self.files.synced_blocks()));
    }

    /// Where the published moments are read.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    fn refuse_if_stopped(&self) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        Ok(())
    }

    fn wrong_position(&self, block: &CommittedBlock, height: u32) -> StoreError {
        let position = self.live.standing.position;
        StoreError::WrongPosition { block: block.hash, height, position }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("standing", &self.live.standing)
            .field("flushed", &self.flushed)
            .finish_non_exhaustive()
    }
}
