//! The write-back cache: what connected and disconnected blocks changed since the last flush.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chain::hash::BlockHash;
use chain::transaction::OutPoint;
use chain::utxo::Coin;

use super::change::{Change, Direction, Undo};
use super::history::HistoryKey;

/// Changes that the database does not have yet.
#[derive(Debug, Default)]
pub(super) struct Cache {
    coins: BTreeMap<OutPoint, CachedCoin>,
    undo: BTreeMap<BlockHash, Undo>,
    /// Whether the place is in the history now.
    history: BTreeMap<HistoryKey, bool>,
}

#[derive(Debug, Clone, Copy)]
struct CachedCoin {
    /// The coin, or that there is none any more.
    coin: Option<Coin>,
    /// The database may hold a coin of this name. Where it does not, a coin that goes leaves
    /// nothing behind: most coins of a long download come and go between two flushes.
    in_database: bool,
}

impl Cache {
    /// Applies a change. Undo data stays when the block is disconnected: it may be connected again.
    pub(super) fn apply(&mut self, block: BlockHash, change: Change, direction: Direction) {
        let spent = change.undo.spent.iter();
        let created = change.created.iter();
        match direction {
            Direction::Connect => {
                // First out, then in: no name is in both, and the cache stays small.
                spent.for_each(|spent| self.remove(&spent.outpoint));
                created.for_each(|(outpoint, coin)| self.add(*outpoint, *coin));
            }
            Direction::Disconnect => {
                created.for_each(|(outpoint, _)| self.remove(outpoint));
                spent.for_each(|spent| self.add(spent.outpoint, spent.coin));
            }
        }
        let present = direction == Direction::Connect;
        for place in change.touched {
            self.history.insert(place, present);
        }
        if present {
            self.undo.insert(block, change.undo);
        }
    }

    fn add(&mut self, outpoint: OutPoint, coin: Coin) {
        // A name that is new to the cache is new to the database: no coin is made twice while it
        // is unspent, as each txid holds its height or an output that only it spends.
        let in_database = self.coins.get(&outpoint).is_some_and(|old| old.in_database);
        let coin = Some(coin);
        self.coins.insert(outpoint, CachedCoin { coin, in_database });
    }

    fn remove(&mut self, outpoint: &OutPoint) {
        match self.coins.get(outpoint) {
            Some(old) if !old.in_database => {
                self.coins.remove(outpoint);
            }
            _ => {
                let gone = CachedCoin { coin: None, in_database: true };
                self.coins.insert(*outpoint, gone);
            }
        }
    }

    /// What the cache knows of a coin: `None` nothing, `Some(None)` that it is gone.
    pub(super) fn coin(&self, outpoint: &OutPoint) -> Option<Option<Coin>> {
        self.coins.get(outpoint).map(|cached| cached.coin)
    }

    /// Undo data that is not flushed yet.
    pub(super) fn undo(&self, block: &BlockHash) -> Option<&Undo> {
        self.undo.get(block)
    }

    /// Places that came (`true`) or went since the last flush, rising.
    pub(super) fn history(
        &self,
        range: RangeInclusive<HistoryKey>,
    ) -> impl Iterator<Item = (HistoryKey, bool)> {
        self.history.range(range).map(|(place, present)| (*place, *present))
    }

    /// Every coin that changed, with what it is now.
    pub(super) fn coins(&self) -> impl Iterator<Item = (&OutPoint, Option<&Coin>)> {
        self.coins.iter().map(|(outpoint, cached)| (outpoint, cached.coin.as_ref()))
    }

    /// Undo data of every block connected since the last flush.
    pub(super) fn undos(&self) -> impl Iterator<Item = (&BlockHash, &Undo)> {
        self.undo.iter()
    }

    /// Every place that changed.
    pub(super) fn places(&self) -> impl Iterator<Item = (&HistoryKey, bool)> {
        self.history.iter().map(|(place, present)| (place, *present))
    }

    /// Coins that the next flush writes or deletes.
    pub(super) fn dirty_coins(&self) -> usize {
        self.coins.len()
    }

    /// Nothing has changed since the last flush.
    pub(super) fn is_empty(&self) -> bool {
        self.coins.is_empty() && self.undo.is_empty() && self.history.is_empty()
    }

    /// Forgets everything: the database has it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
