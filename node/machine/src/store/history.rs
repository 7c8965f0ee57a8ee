//! Histories of keys: where connected transactions pay to a key or spend from it.

use std::ops::RangeInclusive;

use chain::key::OutputKey;
use chain::transaction::TxPosition;

use super::cache::Cache;
use super::error::StoreError;
use super::tables::Tables;

/// Bytes of a place in a key's history: the key, then the position in an order that sorts as it
/// rises.
pub(super) const HISTORY_KEY_BYTES: usize = 32 + 4 + 4;

/// A place in a key's history as its table sorts it.
pub(super) type HistoryKey = [u8; HISTORY_KEY_BYTES];

/// Places of `key` from `from` on, rising, at most `max`: those of the tables as the cache changed
/// them.
pub(super) fn places(
    tables: &Tables,
    cache: &Cache,
    range: RangeInclusive<HistoryKey>,
    max: usize,
) -> Result<Vec<TxPosition>, StoreError> {
    let mut changed = cache.history(range.clone()).peekable();
    let mut flushed = tables.history(range)?;
    let mut next_flushed = flushed.next().transpose()?;
    let mut positions = Vec::new();
    while positions.len() < max {
        // The lower of the two; where both know a place, the cache is right.
        let place = match (changed.peek().copied(), next_flushed) {
            (None, None) => break,
            (Some((place, present)), known) if known.is_none_or(|known| place <= known) => {
                changed.next();
                if known == Some(place) {
                    next_flushed = flushed.next().transpose()?;
                }
                present.then_some(place)
            }
            (_, known) => {
                next_flushed = flushed.next().transpose()?;
                known
            }
        };
        positions.extend(place.map(|place| history_position(&place)));
    }
    Ok(positions)
}

/// Every place that `key` can have from `from` on.
pub(super) fn places_from(key: &OutputKey, from: TxPosition) -> RangeInclusive<HistoryKey> {
    let last = TxPosition { height: u32::MAX, transaction: u32::MAX };
    history_key(key, from)..=history_key(key, last)
}

/// A place in a key's history as its table sorts it: big-endian, so that bytes sort as numbers do.
pub(super) fn history_key(key: &OutputKey, place: TxPosition) -> HistoryKey {
    let mut bytes = [0; HISTORY_KEY_BYTES];
    bytes[..32].copy_from_slice(&key.0);
    bytes[32..36].copy_from_slice(&place.height.to_be_bytes());
    bytes[36..].copy_from_slice(&place.transaction.to_be_bytes());
    bytes
}

/// The position in what [`history_key`] made.
fn history_position(bytes: &HistoryKey) -> TxPosition {
    let number =
        |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    TxPosition { height: number(32), transaction: number(36) }
}
