//! What connected and disconnected blocks changed since the last flush: immutable layers.
//!
//! Each block adds a layer. A layer that is not much larger than the one above it takes that one
//! in, so that there are few, and each coin is moved a logarithmic number of times. Whoever keeps a
//! list of layers keeps one moment: layers are shared and never change.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chain::hash::BlockHash;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use super::change::{Change, Direction, ShownTxid, Spender, Undo};
use super::history_key::HistoryKey;

/// Changes of one or several blocks in a row.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    coins: BTreeMap<OutPoint, CachedCoin>,
    undo: BTreeMap<BlockHash, Arc<Undo>>,
    /// Whether the place is in the history now.
    history: BTreeMap<HistoryKey, bool>,
    /// Where the transaction is now, if it is.
    transactions: BTreeMap<ShownTxid, Option<TxPosition>>,
    /// What spends the output now, if anything.
    spenders: BTreeMap<OutPoint, Option<Spender>>,
}

#[derive(Debug, Clone, Copy)]
struct CachedCoin {
    /// The coin, or that there is none any more.
    coin: Option<Coin>,
    /// A lower layer or the database may hold a coin of this name. Where none does, a coin that
    /// goes leaves nothing behind: most coins of a long download come and go between two flushes.
    is_below: bool,
}

impl Layer {
    /// What `change`, made by `block`, does. Undo data stays when the block is disconnected: it may
    /// be connected again.
    pub(super) fn of(block: BlockHash, change: &Change, direction: Direction) -> Self {
        let mut layer = Self::default();
        let spent = change.undo.spent.iter();
        let created = change.created.iter();
        match direction {
            Direction::Connect => {
                // First out, then in: no name is in both.
                spent.for_each(|spent| layer.remove(&spent.outpoint));
                created.for_each(|(outpoint, coin)| layer.add(*outpoint, *coin));
                layer.undo.insert(block, Arc::clone(&change.undo));
            }
            Direction::Disconnect => {
                created.for_each(|(outpoint, _)| layer.remove(outpoint));
                spent.for_each(|spent| layer.add(spent.outpoint, spent.coin));
            }
        }
        let present = direction == Direction::Connect;
        layer.history.extend(change.touched.iter().map(|place| (*place, present)));
        let transactions = change.transactions.iter();
        layer.transactions.extend(transactions.map(|(txid, at)| (*txid, present.then_some(*at))));
        let spenders = change.spenders.iter();
        layer.spenders.extend(spenders.map(|(spent, by)| (*spent, present.then_some(*by))));
        layer
    }

    fn add(&mut self, outpoint: OutPoint, coin: Coin) {
        // A name that is new to the layers is new to the database: no coin is made twice while it
        // is unspent, as each txid holds its height or an output that only it spends.
        let is_below = self.coins.get(&outpoint).is_some_and(|old| old.is_below);
        self.coins.insert(outpoint, CachedCoin { coin: Some(coin), is_below });
    }

    fn remove(&mut self, outpoint: &OutPoint) {
        match self.coins.get(outpoint) {
            Some(old) if !old.is_below => {
                self.coins.remove(outpoint);
            }
            _ => {
                self.coins.insert(*outpoint, CachedCoin { coin: None, is_below: true });
            }
        }
    }

    /// Takes in what the layer above changed.
    fn absorb(&mut self, above: &Self) {
        for (outpoint, changed) in &above.coins {
            match changed.coin {
                None => self.remove(outpoint),
                Some(coin) => {
                    let known = self.coins.get(outpoint).map(|old| old.is_below);
                    let is_below = known.unwrap_or(changed.is_below);
                    self.coins.insert(*outpoint, CachedCoin { coin: Some(coin), is_below });
                }
            }
        }
        self.undo.extend(above.undo.iter().map(|(block, undo)| (*block, Arc::clone(undo))));
        self.history.extend(&above.history);
        self.transactions.extend(&above.transactions);
        self.spenders.extend(&above.spenders);
    }

    /// A measure of the work to move it.
    fn len(&self) -> usize {
        self.coins.len() + self.history.len() + self.transactions.len() + self.spenders.len()
    }

    /// Every coin that changed, with what it is now.
    pub(super) fn coins(&self) -> impl Iterator<Item = (&OutPoint, Option<&Coin>)> {
        self.coins.iter().map(|(outpoint, cached)| (outpoint, cached.coin.as_ref()))
    }

    /// Undo data of every block connected.
    pub(super) fn undos(&self) -> impl Iterator<Item = (&BlockHash, &Undo)> {
        self.undo.iter().map(|(block, undo)| (block, &**undo))
    }

    /// Every place that changed.
    pub(super) fn places(&self) -> impl Iterator<Item = (&HistoryKey, bool)> {
        self.history.iter().map(|(place, present)| (place, *present))
    }

    /// Every transaction that came or went.
    pub(super) fn transactions(&self) -> impl Iterator<Item = (&ShownTxid, Option<TxPosition>)> {
        self.transactions.iter().map(|(txid, place)| (txid, *place))
    }

    /// Every output that came to be spent or unspent.
    pub(super) fn spenders(&self) -> impl Iterator<Item = (&OutPoint, Option<Spender>)> {
        self.spenders.iter().map(|(spent, by)| (spent, *by))
    }
}

/// All changes since a flush, oldest layer first.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers(Vec<Arc<Layer>>);

impl Layers {
    /// Puts a layer on top.
    pub(super) fn push(&mut self, mut top: Layer) {
        while let Some(below) = self.0.pop_if(|below| below.len() <= 2 * top.len()) {
            let mut merged = Arc::unwrap_or_clone(below);
            merged.absorb(&top);
            top = merged;
        }
        self.0.push(Arc::new(top));
    }

    /// All of them in one.
    pub(super) fn merged(&self) -> Layer {
        let mut all = Layer::default();
        self.0.iter().for_each(|layer| all.absorb(layer));
        all
    }

    /// What the layers know, the newest first.
    fn newest<T>(&self, known: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(|layer| known(layer))
    }

    /// What is known of a coin: `None` nothing, `Some(None)` that it is gone.
    pub(super) fn coin(&self, outpoint: &OutPoint) -> Option<Option<Coin>> {
        self.newest(|layer| layer.coins.get(outpoint).map(|cached| cached.coin))
    }

    /// Undo data that is not flushed yet.
    pub(super) fn undo(&self, block: &BlockHash) -> Option<Arc<Undo>> {
        self.newest(|layer| layer.undo.get(block).cloned())
    }

    /// What is known of a transaction's place.
    pub(super) fn transaction(&self, txid: &ShownTxid) -> Option<Option<TxPosition>> {
        self.newest(|layer| layer.transactions.get(txid).copied())
    }

    /// What is known of an output's spender.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Option<Option<Spender>> {
        self.newest(|layer| layer.spenders.get(outpoint).copied())
    }

    /// Places that came (`true`) or went, rising.
    pub(super) fn history(&self, range: &RangeInclusive<HistoryKey>) -> BTreeMap<HistoryKey, bool> {
        let ranges = self.0.iter().flat_map(|layer| layer.history.range(range.clone()));
        ranges.map(|(place, present)| (*place, *present)).collect()
    }

    /// Transactions that came or went, rising.
    pub(super) fn transactions(
        &self,
        range: &RangeInclusive<ShownTxid>,
    ) -> BTreeMap<ShownTxid, Option<TxPosition>> {
        let ranges = self.0.iter().flat_map(|layer| layer.transactions.range(range.clone()));
        ranges.map(|(txid, place)| (*txid, *place)).collect()
    }

    /// Coins that came and are for whom `is_for` says.
    pub(super) fn coins_where(&self, is_for: impl Fn(&Coin) -> bool) -> BTreeMap<OutPoint, Coin> {
        let mut found = BTreeMap::new();
        for layer in &self.0 {
            for (outpoint, cached) in &layer.coins {
                match cached.coin.filter(&is_for) {
                    Some(coin) => found.insert(*outpoint, coin),
                    None => found.remove(outpoint),
                };
            }
        }
        found
    }

    /// Coins that a flush writes or deletes, at most: one that several layers hold counts for each.
    pub(super) fn dirty_coins(&self) -> usize {
        self.0.iter().map(|layer| layer.coins.len()).sum()
    }

    /// Nothing has changed since the flush.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
