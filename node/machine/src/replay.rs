//! A chain replayed from genesis with every rule and signature, from the stored blocks alone.
//!
//! It shares the rules with the node, and nothing else: neither its coins nor its choice of a
//! chain.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;

use chain::amount::Amount;
use chain::block::{BodyMismatch, CommittedBlock};
use chain::chain_end::ChainEnd;
use chain::genesis::Network;
use chain::hash::{BlockHash, UtxoHash};
use chain::header::{HEADER_BYTES, Header};
use chain::rules::block::{ConnectError, Connection};
use chain::rules::{self, InvalidBlock, RuleError};
use chain::target::Work;
use chain::transaction::OutPoint;
use chain::utxo::{Coin, UtxoSum};

use crate::Verifier;
use crate::store::{Store, StoreError};

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The blocks cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block breaks a rule.
    #[error("block {hash} at height {height} is invalid: {reason}")]
    Invalid {
        /// Hash of the invalid block.
        hash: BlockHash,
        /// Its height.
        height: u32,
        /// The rule.
        reason: InvalidBlock,
    },
    /// The bytes stored under a header are not its body.
    #[error("the stored body of block {hash} at height {height} is not its own: {reason}")]
    Body {
        /// Hash of the block that was read.
        hash: BlockHash,
        /// Its height.
        height: u32,
        /// What is wrong.
        reason: BodyMismatch,
    },
}

/// Sums over the coins after one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// Sum of all coins.
    pub supply: Amount,
    /// Number of coins.
    pub coins: u64,
    /// Hash over all unspent coins.
    pub utxo_hash: UtxoHash,
}

/// All stored blocks that follow from genesis, by their headers alone.
#[derive(Debug)]
pub struct BlockIndex {
    entries: HashMap<BlockHash, Entry>,
    /// In file order.
    order: Vec<BlockHash>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    previous: BlockHash,
    work: Work,
}

impl BlockIndex {
    /// The blocks of `store`.
    pub fn new(store: &Store) -> Self {
        let mut children: HashMap<BlockHash, Vec<(BlockHash, Header)>> = HashMap::new();
        let mut order = Vec::new();
        for block in store.blocks() {
            order.push(block.hash);
            children.entry(block.header.previous).or_default().push((block.hash, block.header));
        }
        let mut entries = HashMap::new();
        let mut ends = vec![(BlockHash::ZERO, Work::ZERO)];
        while let Some((previous, work)) = ends.pop() {
            for (hash, header) in children.remove(&previous).unwrap_or_default() {
                let own = header.bits.expand().map_or(Work::ZERO, |target| target.work());
                let work = work + own;
                entries.insert(hash, Entry { previous, work });
                ends.push((hash, work));
            }
        }
        order.retain(|hash| entries.contains_key(hash));
        Self { entries, order }
    }

    /// The block with most work that has none of `invalid` before it; the first stored wins a tie.
    pub fn best(&self, invalid: &BTreeSet<BlockHash>) -> Option<BlockHash> {
        let mut best: Option<(Work, BlockHash)> = None;
        for hash in &self.order {
            let work = self.entries[hash].work;
            let better = best.is_none_or(|(most, _)| work > most);
            if better && (invalid.is_empty() || self.is_free_of(*hash, invalid)) {
                best = Some((work, *hash));
            }
        }
        best.map(|(_, hash)| hash)
    }

    /// The chain that ends with `tip`, genesis first; empty when `tip` is not stored.
    pub fn path_to(&self, tip: BlockHash) -> Vec<BlockHash> {
        let mut path = Vec::new();
        let mut at = tip;
        while let Some(entry) = self.entries.get(&at) {
            path.push(at);
            at = entry.previous;
        }
        path.reverse();
        path
    }

    fn is_free_of(&self, tip: BlockHash, invalid: &BTreeSet<BlockHash>) -> bool {
        !self.path_to(tip).iter().any(|hash| invalid.contains(hash))
    }
}

/// Replays `path` (genesis first) and hands the sums after each block to `after`.
///
/// # Errors
/// [`ReplayError`] at the first block that cannot be read or breaks a rule.
pub fn replay(
    store: &Store,
    network: &Network,
    verifier: &dyn Verifier,
    path: &[BlockHash],
    mut after: impl FnMut(BlockHash, Sums),
) -> Result<(), ReplayError> {
    let mut chain = ReplayedChain::new(network);
    for (height, hash) in (0u32..).zip(path) {
        let block = read(store, *hash, height)?;
        let connected = chain.connect(&block, height, verifier);
        connected.map_err(|reason| ReplayError::Invalid { hash: *hash, height, reason })?;
        after(*hash, chain.sums());
    }
    Ok(())
}

fn read(store: &Store, hash: BlockHash, height: u32) -> Result<CommittedBlock, ReplayError> {
    let gone = || StoreError::Damaged { what: format!("block {hash} is missing") };
    let bytes = store.read_block(&hash)?.ok_or_else(gone)?;
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(gone)?;
    let header = Header::from_bytes(header);
    if header.hash() != hash {
        return Err(gone().into());
    }
    CommittedBlock::decode(header, body).map_err(|reason| ReplayError::Body {
        hash,
        height,
        reason,
    })
}

/// The chain as far as it has been replayed.
struct ReplayedChain<'a> {
    network: &'a Network,
    coins: HashMap<OutPoint, Coin>,
    supply: u64,
    sum: UtxoSum,
    /// The last header; `None` before genesis.
    end: Option<ChainEnd>,
}

impl<'a> ReplayedChain<'a> {
    fn new(network: &'a Network) -> Self {
        Self { network, coins: HashMap::new(), supply: 0, sum: UtxoSum::default(), end: None }
    }

    fn connect(
        &mut self,
        block: &CommittedBlock,
        height: u32,
        verifier: &dyn Verifier,
    ) -> Result<(), InvalidBlock> {
        let end = match &self.end {
            None if block.hash == self.network.genesis_hash() => ChainEnd::genesis(self.network),
            None => return Err(RuleError::InvalidParent { parent: block.hash }.into()),
            Some(end) => {
                let end = end.extended(&block.block.header, self.network)?;
                rules::block::check_alone(block, height, self.network)?;
                end
            }
        };
        let lookup = |outpoint: &OutPoint| Ok(self.coins.get(outpoint).copied());
        let connected = rules::block::connect::<Infallible>(block, height, self.network, lookup);
        let connection = connected.map_err(|error| match error {
            ConnectError::Invalid(reason) => reason,
            ConnectError::Lookup(never) => match never {},
        })?;
        if let Some(bad) = verifier.first_invalid(&connection.checks) {
            let check = &connection.checks[bad];
            let rule = RuleError::Signature { input: check.input };
            return Err(InvalidBlock::of_transaction(rule, check.transaction));
        }
        self.apply(&connection);
        self.end = Some(end);
        Ok(())
    }

    fn apply(&mut self, connection: &Connection) {
        for (outpoint, coin) in &connection.spent {
            self.coins.remove(outpoint);
            self.sum.remove(outpoint, coin);
            self.supply = self.supply.saturating_sub(coin.output.amount.0);
        }
        for (outpoint, coin) in &connection.created {
            self.coins.insert(*outpoint, *coin);
            self.sum.add(outpoint, coin);
            self.supply = self.supply.saturating_add(coin.output.amount.0);
        }
    }

    fn sums(&self) -> Sums {
        Sums {
            supply: Amount(self.supply),
            coins: self.coins.len() as u64,
            utxo_hash: self.sum.hash(),
        }
    }
}

#[cfg(test)]
mod tests;
