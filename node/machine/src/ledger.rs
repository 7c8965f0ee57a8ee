//! The ledger: walks the coins along the best chain, block by block; the only writer of the store.
//!
//! The *cursor* is the block whose coins the store holds. A step moves it by at most one block
//! toward the best chain whose bodies are here; when it arrives, the *tip* follows in one move, and
//! the miner and the memory pool go on from there. What everybody else is told, the *published*
//! tip, follows once every block up to the tip is durable. A block that breaks a rule is condemned
//! on the way, and the cursor turns to the best chain that is left. A block whose signatures are
//! being verified elsewhere holds the cursor until the answer comes; the blocks above it are
//! judged meanwhile, so that their signatures follow without a pause.

mod ahead;
mod recent_blocks;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::genesis::Network;
use chain::hash::BlockHash;
use chain::header::Header;
use chain::key::{OutputKey, SignatureCheck};
use chain::rules::InvalidBlock;
use chain::target::Work;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use super::header_tree::{HeaderId, HeaderRefusal, HeaderTree};
use crate::store::{BlockWrites, Moment, Reader, Store, StoreError, StoredBlock, decode_block};
use ahead::Ahead;
use recent_blocks::RecentBlocks;

/// The end of the best chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Hash of the last block.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
}

/// A block that joined the best chain, as observers are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectedBlock {
    /// Where it is in the tree.
    pub id: HeaderId,
    /// Its transactions, the coinbase among them.
    pub transactions: u32,
    /// Sum of its fees.
    pub fees: Amount,
}

/// The cursor arrived at a better chain: what changed between the old tip and the new.
#[derive(Clone)]
pub struct Arrival {
    /// The new tip.
    pub tip: Tip,
    /// Its place in the tree.
    pub tip_id: HeaderId,
    /// The old tip.
    pub from: HeaderId,
    /// Blocks that left the best chain, the old tip first.
    pub disconnected: Vec<HeaderId>,
    /// Blocks that joined it, in rising order.
    pub connected: Vec<ConnectedBlock>,
    /// What readers see once it is published.
    moment: Moment,
}

/// What one step did.
pub enum Step {
    /// The tip is the best chain; there is nothing to do.
    Idle,
    /// A block breaks no rule if these signatures hold; [`Ledger::verified`] takes the answer.
    Verify {
        /// The block.
        block: HeaderId,
        /// What decides on it.
        checks: Arc<[SignatureCheck]>,
        /// A measure of the work it took to get so far.
        effort: usize,
    },
    /// A block further up was judged, and no signature of it is open; a measure of the work.
    Judged(usize),
    /// The next block waits for the answer to a [`Step::Verify`], and there is none to judge
    /// meanwhile.
    Waiting,
    /// The cursor moved; there is more to do. The number is a measure of the work it took.
    Moved(usize),
    /// The cursor arrived and the tip followed.
    Arrived(Arrival),
    /// The block next to the cursor breaks a rule; it and its descendants are condemned.
    Condemned {
        /// The block.
        id: HeaderId,
        /// What it breaks.
        invalid: InvalidBlock,
    },
}

/// The best chain and its coins.
pub struct Ledger {
    network: Arc<Network>,
    store: Store,
    /// The chain from genesis to the cursor, one entry a height.
    chain: Vec<HeaderId>,
    tip: HeaderId,
    tip_view: Tip,
    /// What everybody but the miner knows of; every block up to it is durable.
    published: (HeaderId, Tip),
    /// On the way: what the next arrival will report.
    disconnected: Vec<HeaderId>,
    connected: Vec<ConnectedBlock>,
    /// Blocks above the cursor, judged but for signatures that are still verified.
    ahead: Ahead,
    recent: RecentBlocks,
}

impl Ledger {
    /// The ledger of a store, and the tree of all headers whose bodies it holds.
    ///
    /// # Errors
    /// [`StoreError`] when the store's blocks do not form a tree around its position.
    pub fn open(network: Arc<Network>, store: Store) -> Result<(Self, HeaderTree), StoreError> {
        let tree = plant(Arc::clone(&network), &store)?;
        let position = tree.find(&store.position()).ok_or_else(|| {
            damaged(format!("the coins stand at {}, which is missing", store.position()))
        })?;
        let mut chain: Vec<HeaderId> = tree.ancestors(position).collect();
        chain.reverse();
        let entry = tree.entry(position);
        let tip_view = Tip { hash: entry.hash, height: entry.height };
        let ledger = Self {
            network,
            store,
            chain,
            tip: position,
            tip_view,
            published: (position, tip_view),
            disconnected: Vec::new(),
            connected: Vec::new(),
            ahead: Ahead::default(),
            recent: RecentBlocks::default(),
        };
        Ok((ledger, tree))
    }

    /// The end of the best chain, as the miner and the memory pool go by it.
    pub fn tip(&self) -> Tip {
        self.tip_view
    }

    /// The end of the best chain, as everybody else is told of it: the same as the tip, or the one
    /// before until the tip is durable.
    pub fn published(&self) -> Tip {
        self.published.1
    }

    /// The place of the published tip in the tree.
    pub fn published_id(&self) -> HeaderId {
        self.published.0
    }

    /// Where the published chain is read without asking the machine.
    pub fn reader(&self) -> &Reader {
        self.store.reader()
    }

    /// The tip's place in the tree.
    pub fn tip_id(&self) -> HeaderId {
        self.tip
    }

    /// The block whose coins the store holds.
    pub fn cursor(&self) -> HeaderId {
        self.chain.last().copied().unwrap_or(HeaderId::GENESIS)
    }

    /// Height of the block whose coins the store holds.
    pub fn height(&self) -> u32 {
        u32::try_from(self.chain.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// Whether tip and coins belong together (else the cursor is on its way).
    pub fn is_settled(&self) -> bool {
        self.cursor() == self.tip
    }

    /// The block at `height` of the chain that ends in the cursor.
    pub fn at_height(&self, height: u32) -> Option<HeaderId> {
        self.chain.get(height as usize).copied()
    }

    /// A coin of the cursor's chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.store.coin(outpoint)
    }

    /// Places where `key` is paid or spends on the cursor's chain, rising from `from`, at most
    /// `max`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(
        &self,
        key: &OutputKey,
        from: TxPosition,
        max: usize,
    ) -> Result<Vec<TxPosition>, StoreError> {
        self.store.history(key, from, max)
    }

    /// Whether a block's body is stored, and durable: others may be told of it.
    pub fn has_durable_block(&self, hash: &BlockHash) -> bool {
        self.store.is_durable(hash)
    }

    /// A stored block in consensus form.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_bytes(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read_block(hash)
    }

    /// A stored block, from memory if it was stored or connected lately.
    ///
    /// # Errors
    /// [`StoreError`], also when it is missing or no longer fits its header.
    pub fn block(&self, hash: &BlockHash) -> Result<Arc<CommittedBlock>, StoreError> {
        if let Some(recent) = self.recent.get(hash) {
            return Ok(recent);
        }
        let missing = || damaged(format!("block {hash} is missing"));
        let bytes = self.store.read_block(hash)?.ok_or_else(missing)?;
        let block = decode_block(&bytes).map_err(|reason| {
            damaged(format!("block {hash} was stored with another body: {reason}"))
        })?;
        Ok(Arc::new(block))
    }

    /// Takes in the body of an entry; [`Ledger::take_writes`] makes it durable.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store_body(
        &mut self,
        tree: &mut HeaderTree,
        id: HeaderId,
        block: CommittedBlock,
    ) -> Result<(), StoreError> {
        self.store.append_block(&block)?;
        tree.set_body(id);
        self.recent.insert(Arc::new(block));
        Ok(())
    }

    /// Blocks that are not durable yet, and their bytes.
    pub fn unsynced(&self) -> (usize, u64) {
        self.store.unsynced()
    }

    /// Blocks stored so far; as many must be durable before anybody is told what rests on them.
    pub fn stored_blocks(&self) -> u32 {
        self.store.len()
    }

    /// Blocks that are durable, in the order in which they were stored.
    pub fn durable_blocks(&self) -> u32 {
        self.store.durable_blocks()
    }

    /// The writes for every block that waits; `None` when there is nothing to write, or while
    /// earlier writes are out.
    pub fn take_writes(&mut self) -> Option<BlockWrites> {
        self.store.take_writes()
    }

    /// The writes that were taken are done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn written(&mut self) -> Result<(), StoreError> {
        self.store.written()
    }

    /// The writes that were taken have failed: nothing is written any more.
    pub fn stop_writing(&mut self) {
        self.store.stop();
    }

    /// Everybody may be told of an arrival, all of whose blocks are durable now.
    pub fn publish(&mut self, arrival: &Arrival) {
        self.published = (arrival.tip_id, arrival.tip);
        self.store.publish(arrival.moment.clone());
    }

    /// Writes everything that is only in memory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// Writes everything, blocks that wait among them. Nothing may be taken in afterwards.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn close(&mut self) -> Result<(), StoreError> {
        self.store.sync()?;
        self.store.flush()
    }

    /// Coins that the next flush will write.
    pub fn dirty_coins(&self) -> usize {
        self.store.dirty_coins()
    }
}

/// The tree of the headers whose bodies are stored. A child may be stored before its parent; one
/// whose parent never came stays outside until its chain is shown again.
fn plant(network: Arc<Network>, store: &Store) -> Result<HeaderTree, StoreError> {
    let mut tree = HeaderTree::new(network);
    let blocks: Vec<StoredBlock> = store.blocks().collect();
    let mut waiting: HashMap<BlockHash, Vec<Header>> = HashMap::new();
    for stored in blocks.iter().skip(1) {
        let mut open = vec![stored.header];
        while let Some(header) = open.pop() {
            match tree.insert(&header, Work::ZERO) {
                Ok(id) => open.extend(waiting.remove(&tree.entry(id).hash).unwrap_or_default()),
                Err(HeaderRefusal::UnknownParent) => {
                    waiting.entry(header.previous).or_default().push(header);
                }
                Err(refusal) => {
                    let hash = header.hash();
                    return Err(damaged(format!("block {hash} does not fit: {refusal:?}")));
                }
            }
        }
    }
    // In the order of the files, which decides between chains of equal work.
    for stored in blocks.iter().skip(1) {
        if let Some(id) = tree.find(&stored.hash) {
            tree.set_body(id);
        }
    }
    Ok(tree)
}

fn damaged(what: String) -> StoreError {
    StoreError::Damaged { what }
}
