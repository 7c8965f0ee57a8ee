//! The ledger: walks the coins along the best chain, block by block; the only writer of the store.
//!
//! The *cursor* is the block whose coins the store holds. The *tip* is what everybody sees. A step
//! moves the cursor by at most one block toward the best chain whose bodies are here; when it
//! arrives, the tip follows in one move. A block that breaks a rule is condemned on the way, and
//! the cursor turns to the best chain that is left.

use std::collections::HashMap;
use std::sync::Arc;

use chain::amount::Amount;
use chain::block::{BodyMismatch, CommittedBlock};
use chain::genesis::Network;
use chain::hash::{BlockHash, Wtxid};
use chain::header::{HEADER_BYTES, Header};
use chain::key::SignatureCheck;
use chain::rules::block::{ConnectError, connect};
use chain::rules::{InvalidBlock, RuleError};
use chain::target::Work;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use super::header_tree::{HeaderId, HeaderRefusal, HeaderTree};
use super::verifier::Verifier;
use crate::store::{Store, StoreError, Totals};

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
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The old tip.
    pub from: HeaderId,
    /// Blocks that left the best chain, the old tip first.
    pub disconnected: Vec<HeaderId>,
    /// Blocks that joined it, in rising order.
    pub connected: Vec<ConnectedBlock>,
}

/// What one step did.
#[derive(Debug)]
pub enum Step {
    /// The tip is the best chain; there is nothing to do.
    Idle,
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
#[derive(Debug)]
pub struct Ledger {
    network: Arc<Network>,
    store: Store,
    /// The chain from genesis to the cursor, one entry a height.
    chain: Vec<HeaderId>,
    tip: HeaderId,
    tip_view: Tip,
    /// On the way: what the next arrival will report.
    disconnected: Vec<HeaderId>,
    connected: Vec<ConnectedBlock>,
    /// The body connected or stored last: the next step most likely wants it.
    recent: Option<CommittedBlock>,
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
            disconnected: Vec::new(),
            connected: Vec::new(),
            recent: None,
        };
        Ok((ledger, tree))
    }

    /// The end of the best chain.
    pub fn tip(&self) -> Tip {
        self.tip_view
    }

    /// The tip's place in the tree.
    pub fn tip_id(&self) -> HeaderId {
        self.tip
    }

    /// The block whose coins the store holds.
    pub fn cursor(&self) -> HeaderId {
        self.chain.last().copied().unwrap_or(HeaderId::GENESIS)
    }

    /// Whether tip and coins belong together (else the cursor is on its way).
    pub fn is_settled(&self) -> bool {
        self.cursor() == self.tip
    }

    /// The block at `height` of the chain that ends in the cursor.
    pub fn at_height(&self, height: u32) -> Option<HeaderId> {
        self.chain.get(height as usize).copied()
    }

    /// Supply, number and hash of the coins.
    pub fn totals(&self) -> Totals {
        self.store.totals()
    }

    /// A coin of the cursor's chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.store.coin(outpoint)
    }

    /// Places where `key` is paid or spends, rising from `from`, at most `max`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(
        &self,
        key: &chain::key::OutputKey,
        from: TxPosition,
        max: usize,
    ) -> Result<Vec<TxPosition>, StoreError> {
        self.store.history(key, from, max)
    }

    /// Whether a block's body is stored.
    pub fn has_block(&self, hash: &BlockHash) -> bool {
        self.store.contains(hash)
    }

    /// A stored block in consensus form.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_bytes(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read_block(hash)
    }

    /// A stored block.
    ///
    /// # Errors
    /// [`StoreError`], also when it is missing or no longer fits its header.
    pub fn block(&self, hash: &BlockHash) -> Result<CommittedBlock, StoreError> {
        let missing = || damaged(format!("block {hash} is missing"));
        let bytes = self.store.read_block(hash)?.ok_or_else(missing)?;
        decode_block(&bytes).map_err(|reason| {
            damaged(format!("block {hash} was stored with another body: {reason}"))
        })
    }

    /// Stores the body of an entry; it is durable when this returns.
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
        self.recent = Some(block);
        Ok(())
    }

    /// Moves the cursor by at most one block. `is_verified` names transactions whose signatures
    /// the memory pool has verified already.
    ///
    /// # Errors
    /// [`StoreError`]: our own trouble; it condemns no block.
    pub fn step(
        &mut self,
        tree: &mut HeaderTree,
        verifier: &dyn Verifier,
        is_verified: impl Fn(&Wtxid) -> bool,
    ) -> Result<Step, StoreError> {
        let (cursor, goal) = (self.cursor(), tree.best_complete());
        if cursor == goal {
            return Ok(if self.is_settled() {
                Step::Idle
            } else {
                Step::Arrived(self.arrive(tree))
            });
        }
        let next_height = tree.entry(cursor).height + 1;
        match tree.ancestor(goal, next_height) {
            Some(next) if tree.entry(next).parent == Some(cursor) => {
                self.connect_next(tree, next, verifier, is_verified)
            }
            _ => self.disconnect_last(tree, cursor),
        }
    }

    /// Writes everything that is only in memory.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// Coins that the next flush will write.
    pub fn dirty_coins(&self) -> usize {
        self.store.dirty_coins()
    }

    fn arrive(&mut self, tree: &HeaderTree) -> Arrival {
        let from = self.tip;
        self.tip = self.cursor();
        let entry = tree.entry(self.tip);
        self.tip_view = Tip { hash: entry.hash, height: entry.height };
        Arrival {
            from,
            disconnected: std::mem::take(&mut self.disconnected),
            connected: std::mem::take(&mut self.connected),
        }
    }

    fn connect_next(
        &mut self,
        tree: &mut HeaderTree,
        id: HeaderId,
        verifier: &dyn Verifier,
        is_verified: impl Fn(&Wtxid) -> bool,
    ) -> Result<Step, StoreError> {
        let hash = tree.entry(id).hash;
        let height = tree.entry(id).height;
        let block = match self.recent.take() {
            Some(recent) if recent.hash == hash => recent,
            _ => self.block(&hash)?,
        };
        let connection =
            match connect(&block, height, &self.network, |point| self.store.coin(point)) {
                Ok(connection) => connection,
                Err(ConnectError::Lookup(error)) => return Err(error),
                Err(ConnectError::Invalid(invalid)) => return Ok(condemn(tree, id, invalid)),
            };
        let open: Vec<SignatureCheck> = connection
            .checks
            .iter()
            .filter(|check| {
                let wtxid = block.wtxids.get(check.transaction as usize);
                !wtxid.is_some_and(&is_verified)
            })
            .cloned()
            .collect();
        if let Some(failed) = verifier.first_invalid(&open).and_then(|at| open.get(at)) {
            let rule = RuleError::Signature { input: failed.input };
            return Ok(condemn(tree, id, InvalidBlock::of_transaction(rule, failed.transaction)));
        }
        self.store.connect(&block, height, &connection)?;
        self.chain.push(id);
        let transactions = block.block.transactions.len();
        // Back on the tip's own chain after a branch that failed: nothing has changed there.
        if self.disconnected.pop_if(|last| *last == id).is_none() {
            self.connected.push(ConnectedBlock {
                id,
                transactions: u32::try_from(transactions).unwrap_or(u32::MAX),
                fees: connection.fees,
            });
        }
        self.recent = Some(block);
        Ok(Step::Moved(1 + transactions + 20 * open.len()))
    }

    fn disconnect_last(&mut self, tree: &HeaderTree, id: HeaderId) -> Result<Step, StoreError> {
        let entry = tree.entry(id);
        let block = self.block(&entry.hash)?;
        self.store.disconnect(&block, entry.height)?;
        self.chain.pop();
        // A block connected since the last arrival was never part of the tip's chain.
        if self.connected.pop().is_none() {
            self.disconnected.push(id);
        }
        Ok(Step::Moved(1 + block.block.transactions.len()))
    }
}

/// The tree of the headers whose bodies are stored. A child may be stored before its parent; one
/// whose parent never came stays outside until its chain is shown again.
fn plant(network: Arc<Network>, store: &Store) -> Result<HeaderTree, StoreError> {
    let mut tree = HeaderTree::new(network);
    let mut waiting: HashMap<BlockHash, Vec<Header>> = HashMap::new();
    for stored in store.blocks().skip(1) {
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
    for stored in store.blocks().skip(1) {
        if let Some(id) = tree.find(&stored.hash) {
            tree.set_body(id);
        }
    }
    Ok(tree)
}

fn damaged(what: String) -> StoreError {
    StoreError::Damaged { what }
}

fn condemn(tree: &mut HeaderTree, id: HeaderId, invalid: InvalidBlock) -> Step {
    tree.set_invalid(id, invalid.rule.clone());
    Step::Condemned { id, invalid }
}

fn decode_block(bytes: &[u8]) -> Result<CommittedBlock, BodyMismatch> {
    let header_bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(BodyMismatch::Empty)?;
    CommittedBlock::decode(Header::from_bytes(header_bytes), &bytes[HEADER_BYTES..])
}
