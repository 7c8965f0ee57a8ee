//! Places in the histories of keys, as the tables sort them.

use std::ops::RangeInclusive;

use chain::key::OutputKey;
use chain::transaction::TxPosition;

/// Bytes of a place in a key's history: the key, then the position in an order that sorts as it
/// rises.
pub(super) const HISTORY_KEY_BYTES: usize = 32 + 4 + 4;

/// A place in a key's history as its table sorts it.
pub(super) type HistoryKey = [u8; HISTORY_KEY_BYTES];

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
pub(super) fn history_position(bytes: &HistoryKey) -> TxPosition {
    let number =
        |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    TxPosition { height: number(32), transaction: number(36) }
}
