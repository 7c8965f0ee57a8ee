//! One moment of the store: a block, the chain to it, and everything that follows from that chain.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chain::hash::BlockHash;
use chain::key::OutputKey;
use chain::transaction::{OutPoint, TxPosition};
use chain::utxo::Coin;

use super::change::{Change, Direction, ShownTxid, Spender, Undo};
use super::error::StoreError;
use super::flush_record::Standing;
use super::history_key::{history_position, places_from};
use super::layers::{Layer, Layers};
use super::tables::Snapshot;

/// What the tables of a flush and the changes since then say together. A clone is cheap and stays
/// as it is, whatever the store does.
#[derive(Clone)]
pub struct Moment {
    /// The block whose coins these are.
    pub(super) standing: Standing,
    /// Numbers of the chain's blocks by height.
    pub(super) heights: Heights,
    /// Changes since the flush.
    pub(super) layers: Layers,
    /// The flush; none before the first.
    pub(super) snapshot: Option<Arc<Snapshot>>,
}

impl Moment {
    /// Puts what a block changed on top; `standing` is where that leads.
    pub(super) fn change(
        &mut self,
        (block, number): (BlockHash, u32),
        change: &Change,
        direction: Direction,
        standing: Standing,
    ) {
        self.layers.push(Layer::of(block, change, direction));
        match direction {
            Direction::Connect => self.heights.push(number),
            Direction::Disconnect => self.heights.pop(),
        }
        self.standing = standing;
    }

    /// An unspent coin.
    pub(super) fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        match self.layers.coin(outpoint) {
            Some(known) => Ok(known),
            None => self.flushed(|tables| tables.coin(outpoint)),
        }
    }

    /// Undo data of a block that was connected once.
    pub(super) fn undo(&self, block: &BlockHash) -> Result<Option<Arc<Undo>>, StoreError> {
        match self.layers.undo(block) {
            Some(known) => Ok(Some(known)),
            None => Ok(self.flushed(|tables| tables.undo(block))?.map(Arc::new)),
        }
    }

    /// Where the chain pays to or spends from `key`, rising, `from` included, at most `max`.
    pub(super) fn history(
        &self,
        key: &OutputKey,
        from: TxPosition,
        max: usize,
    ) -> Result<Vec<TxPosition>, StoreError> {
        let range = places_from(key, from);
        let changed = self.layers.history(&range).into_iter();
        let changed = changed.map(|(place, present)| (place, present.then_some(())));
        let flushed = self.snapshot.as_ref().map(|tables| tables.history(&range)).transpose()?;
        let flushed = flushed.into_iter().flatten().map(|place| place.map(|place| (place, ())));
        let places = merge(changed, flushed, max)?;
        Ok(places.iter().map(|(place, ())| history_position(place)).collect())
    }

    /// Where a transaction of the chain is.
    pub(super) fn transaction(&self, txid: &ShownTxid) -> Result<Option<TxPosition>, StoreError> {
        match self.layers.transaction(txid) {
            Some(known) => Ok(known),
            None => self.flushed(|tables| tables.transaction(txid)),
        }
    }

    /// Transactions of the chain whose txids lie in `range`, rising, at most `max`.
    pub(super) fn transactions(
        &self,
        range: &RangeInclusive<ShownTxid>,
        max: usize,
    ) -> Result<Vec<(ShownTxid, TxPosition)>, StoreError> {
        let changed = self.layers.transactions(range).into_iter();
        let tables = self.snapshot.as_ref();
        let flushed = tables.map(|tables| tables.transactions(range)).transpose()?;
        merge(changed, flushed.into_iter().flatten(), max)
    }

    /// The input of the chain that spends an output.
    pub(super) fn spender(&self, outpoint: &OutPoint) -> Result<Option<Spender>, StoreError> {
        match self.layers.spender(outpoint) {
            Some(known) => Ok(known),
            None => self.flushed(|tables| tables.spender(outpoint)),
        }
    }

    /// Unspent coins of `key`, at most `max` of them.
    pub(super) fn coins_of(
        &self,
        key: &OutputKey,
        max: usize,
    ) -> Result<Vec<(OutPoint, Coin)>, StoreError> {
        let mut found = self.layers.coins_where(|coin| coin.output.key == *key);
        if let Some(tables) = &self.snapshot {
            for outpoint in tables.owned(key)? {
                if found.len() >= max {
                    break;
                }
                let outpoint = outpoint?;
                if let Some(coin) = self.coin(&outpoint)? {
                    found.insert(outpoint, coin);
                }
            }
        }
        Ok(found.into_iter().take(max).collect())
    }

    fn flushed<T>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.snapshot.as_ref().map_or(Ok(None), |tables| read(tables))
    }
}

/// Two rising lists as one, at most `max` entries of it: where both know a key, the change is
/// right, and `None` means that the key is gone.
fn merge<K: Ord + Copy, V: Copy>(
    changed: impl Iterator<Item = (K, Option<V>)>,
    mut flushed: impl Iterator<Item = Result<(K, V), StoreError>>,
    max: usize,
) -> Result<Vec<(K, V)>, StoreError> {
    let mut changed = changed.peekable();
    let mut known = flushed.next().transpose()?;
    let mut merged = Vec::new();
    while merged.len() < max {
        match (changed.peek().copied(), known) {
            (None, None) => break,
            (Some((key, value)), below) if below.is_none_or(|(other, _)| key <= other) => {
                changed.next();
                if below.is_some_and(|(other, _)| other == key) {
                    known = flushed.next().transpose()?;
                }
                merged.extend(value.map(|value| (key, value)));
            }
            (_, below) => {
                known = flushed.next().transpose()?;
                merged.extend(below);
            }
        }
    }
    Ok(merged)
}

/// Numbers of blocks by height. A clone shares all but the last part, so that it costs the same
/// after a million blocks as after ten thousand, or nearly.
#[derive(Debug, Clone, Default)]
pub(super) struct Heights {
    parts: Vec<Arc<Vec<u32>>>,
}

/// Heights of one part.
const PART: usize = 1024;

impl Heights {
    /// The number of the block at `height`.
    pub(super) fn get(&self, height: u32) -> Option<u32> {
        let height = height as usize;
        self.parts.get(height / PART)?.get(height % PART).copied()
    }

    fn push(&mut self, number: u32) {
        match self.parts.last_mut() {
            Some(part) if part.len() < PART => Arc::make_mut(part).push(number),
            _ => self.parts.push(Arc::new(vec![number])),
        }
    }

    fn pop(&mut self) {
        if let Some(part) = self.parts.last_mut() {
            Arc::make_mut(part).pop();
            if part.is_empty() {
                self.parts.pop();
            }
        }
    }
}

impl FromIterator<u32> for Heights {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        let mut heights = Self::default();
        numbers.into_iter().for_each(|number| heights.push(number));
        heights
    }
}
