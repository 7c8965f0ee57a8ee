//! What connected and disconnected blocks changed since the last flush: immutable layers.
//!
//! Each block adds a layer. A layer that is not much larger than the one above it becomes one with
//! it, so that there are few, and each coin is moved a logarithmic number of times. Whoever keeps a
//! list of layers keeps one moment: layers are shared and never change.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chain::hash::BlockHash;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use super::change::{Change, Direction, ShownTxid, Spender, Undo};
use super::history_key::HistoryKey;
use super::sorted::Sorted;

/// Changes of one or several blocks in a row.
#[derive(Debug, Default)]
pub(super) struct Layer {
    coins: Sorted<OutPoint, CachedCoin>,
    undo: Sorted<BlockHash, Arc<Undo>>,
    /// Whether the place is in the history now.
    history: Sorted<HistoryKey, bool>,
    /// Where the transaction is now, if it is.
    transactions: Sorted<ShownTxid, Option<TxPosition>>,
    /// What spends the output now, if anything.
    spenders: Sorted<OutPoint, Option<Spender>>,
}

#[derive(Debug, Clone, Copy)]
struct CachedCoin {
    /// The coin, or that there is none any more.
    coin: Option<Coin>,
    /// A lower layer or the database may hold a coin of this name. Where none does, a coin that
    /// goes leaves nothing behind: most coins of a long download come and go between two flushes.
    is_below: bool,
}

impl CachedCoin {
    /// A name that is new to the layers is new to the database: no coin is made twice while it is
    /// unspent, as each txid holds its height or an output that only it spends.
    fn new(coin: Coin) -> Self {
        Self { coin: Some(coin), is_below: false }
    }

    const GONE: Self = Self { coin: None, is_below: true };

    /// What is known after `above` changed it.
    fn changed(self, above: Self) -> Option<Self> {
        match above.coin {
            None => self.is_below.then_some(Self::GONE),
            Some(_) => Some(Self { coin: above.coin, is_below: self.is_below }),
        }
    }
}

impl Layer {
    /// What `change`, made by `block`, does. Undo data stays when the block is disconnected: it may
    /// be connected again.
    pub(super) fn of(block: BlockHash, change: &Change, direction: Direction) -> Self {
        let present = direction == Direction::Connect;
        let spent = change.undo.spent.iter();
        let (gone, made, undo) = if present {
            let spent = spent.map(|spent| (spent.outpoint, CachedCoin::GONE)).collect();
            let undo = Sorted::of(vec![(block, Arc::clone(&change.undo))]);
            (Sorted::of(spent), change.created.map(CachedCoin::new), undo)
        } else {
            let spent = spent.map(|spent| (spent.outpoint, CachedCoin::new(spent.coin))).collect();
            (change.created.map(|_| CachedCoin::GONE), Sorted::of(spent), Sorted::default())
        };
        Self {
            // First out, then in: no name is in both.
            coins: gone.merged(&made, CachedCoin::changed),
            undo,
            history: change.touched.map(|()| present),
            transactions: change.transactions.map(|at| present.then_some(at)),
            spenders: change.spenders.map(|by| present.then_some(by)),
        }
    }

    /// This layer and the one above it as one.
    fn merged(&self, above: &Self) -> Self {
        Self {
            coins: self.coins.merged(&above.coins, CachedCoin::changed),
            undo: self.undo.merged(&above.undo, |_, now| Some(now)),
            history: self.history.merged(&above.history, |_, now| Some(now)),
            transactions: self.transactions.merged(&above.transactions, |_, now| Some(now)),
            spenders: self.spenders.merged(&above.spenders, |_, now| Some(now)),
        }
    }

    /// A measure of the work to move it.
    fn len(&self) -> usize {
        self.coins.len() + self.history.len() + self.transactions.len() + self.spenders.len()
    }

    /// Every coin that changed, with what it is now, rising.
    pub(super) fn coins(&self) -> impl Iterator<Item = (&OutPoint, Option<&Coin>)> {
        self.coins.iter().map(|(outpoint, cached)| (outpoint, cached.coin.as_ref()))
    }

    /// Undo data of every block connected.
    pub(super) fn undos(&self) -> impl ExactSizeIterator<Item = (&BlockHash, &Undo)> {
        self.undo.iter().map(|(block, undo)| (block, &**undo))
    }

    /// Every place that changed, rising.
    pub(super) fn places(&self) -> impl ExactSizeIterator<Item = (&HistoryKey, bool)> {
        self.history.iter().map(|(place, present)| (place, *present))
    }

    /// Every transaction that came or went, rising.
    pub(super) fn transactions(
        &self,
    ) -> impl ExactSizeIterator<Item = (&ShownTxid, Option<TxPosition>)> {
        self.transactions.iter().map(|(txid, place)| (txid, *place))
    }

    /// Every output that came to be spent or unspent, rising.
    pub(super) fn spenders(&self) -> impl ExactSizeIterator<Item = (&OutPoint, Option<Spender>)> {
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
            top = below.merged(&top);
        }
        self.0.push(Arc::new(top));
    }

    /// All of them in one.
    pub(super) fn merged(&self) -> Arc<Layer> {
        // The newest are the smallest: from there on each entry is moved a few times at most.
        let layers = self.0.iter().rev().cloned();
        layers.reduce(|above, below| Arc::new(below.merged(&above))).unwrap_or_default()
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
        self.newest(|layer| layer.undo.get(block))
    }

    /// What is known of a transaction's place.
    pub(super) fn transaction(&self, txid: &ShownTxid) -> Option<Option<TxPosition>> {
        self.newest(|layer| layer.transactions.get(txid))
    }

    /// What is known of an output's spender.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Option<Option<Spender>> {
        self.newest(|layer| layer.spenders.get(outpoint))
    }

    /// Places that came (`true`) or went, rising.
    pub(super) fn history(&self, range: &RangeInclusive<HistoryKey>) -> BTreeMap<HistoryKey, bool> {
        let ranges = self.0.iter().flat_map(|layer| layer.history.range(range));
        ranges.copied().collect()
    }

    /// Transactions that came or went, rising.
    pub(super) fn transactions(
        &self,
        range: &RangeInclusive<ShownTxid>,
    ) -> BTreeMap<ShownTxid, Option<TxPosition>> {
        let ranges = self.0.iter().flat_map(|layer| layer.transactions.range(range));
        ranges.copied().collect()
    }

    /// Coins that came and are for whom `is_for` says.
    pub(super) fn coins_where(&self, is_for: impl Fn(&Coin) -> bool) -> BTreeMap<OutPoint, Coin> {
        let mut found = BTreeMap::new();
        for layer in &self.0 {
            for (outpoint, cached) in layer.coins.iter() {
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
