//! Many entries into one table, in the order of their keys.

use std::ops::Bound;

use redb::{CursorError, ReadableTableMetadata, Table, Value};

/// Entries for each one that the table holds from which on they are written in runs. A run ends at
/// every key that is there already, and one of a few entries costs more than as many insertions.
const ENTRIES_IN_RUNS_MIN: u64 = 8;

/// Writes `entries`: bytes of the key, and the value or that there is none any more. Rising keys
/// are fast; others are right as well.
///
/// Runs make the first flush of a long download several times as fast as single insertions. In a
/// table that is large beside what comes, the one is as good as the other.
pub(super) fn write_rising<const N: usize, V: Value + 'static, W>(
    table: &mut Table<'_, &'static [u8; N], V>,
    entries: impl ExactSizeIterator<Item = ([u8; N], Option<W>)>,
    value: impl for<'w> Fn(&'w W) -> V::SelfType<'w>,
) -> Result<(), redb::Error> {
    let in_runs = entries.len() as u64 / ENTRIES_IN_RUNS_MIN > table.len()?;
    let mut entries = entries.peekable();
    while let Some((key, now)) = entries.next() {
        let Some(now) = now else {
            table.remove(&key)?;
            continue;
        };
        table.insert(&key, value(&now))?;
        if in_runs {
            let mut cursor = table.lower_bound_mut(Bound::Excluded(&key))?;
            while let Some((key, Some(now))) = entries.peek() {
                match cursor.insert_before(key, value(now)) {
                    Ok(()) => entries.next(),
                    // A key that is there comes first.
                    Err(CursorError::UnorderedKey) => break,
                    Err(error) => return Err(error.into()),
                };
            }
            cursor.close()?;
        }
    }
    Ok(())
}
