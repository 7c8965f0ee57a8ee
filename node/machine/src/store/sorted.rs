//! Lists sorted by their keys: made at once, searched by halving, merged in one pass.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// Pairs with distinct keys, rising. As it never changes once it is made, a vector serves it better
/// than a tree: a block's thousands of entries are one allocation, and two lists become one by
/// copying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V: Clone> Sorted<K, V> {
    /// Of pairs in any order; of several with one key any stays.
    pub(super) fn of(mut pairs: Vec<(K, V)>) -> Self {
        pairs.sort_unstable_by_key(|(key, _)| *key);
        pairs.dedup_by(|(one, _), (other, _)| one == other);
        Self(pairs)
    }

    /// Entries, rising.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, (K, V)> {
        self.0.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What stands at a key.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let at = self.place(key)?;
        Some(self.0[at].1.clone())
    }

    /// Where a key stands.
    pub(super) fn place(&self, key: &K) -> Option<usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key)).ok()
    }

    /// The entries with keys in `range`.
    pub(super) fn range(&self, range: &RangeInclusive<K>) -> &[(K, V)] {
        let first = self.0.partition_point(|(key, _)| key < range.start());
        let rest = self.0.get(first..).unwrap_or_default();
        let count = rest.partition_point(|(key, _)| key <= range.end());
        rest.get(..count).unwrap_or_default()
    }

    /// The same keys with other values.
    pub(super) fn map<W>(&self, value: impl Fn(V) -> W) -> Sorted<K, W> {
        Sorted(self.0.iter().map(|(key, old)| (*key, value(old.clone()))).collect())
    }

    /// The entries at the places for which `keeps` says so.
    pub(super) fn filtered(mut self, keeps: impl Fn(usize) -> bool) -> Self {
        let mut places = 0..;
        self.0.retain(|_| places.next().is_some_and(&keeps));
        self
    }

    /// Both lists as one; `decide` says what stands where both have an entry: of this list first,
    /// then of the other one.
    pub(super) fn merged(&self, above: &Self, decide: impl Fn(V, V) -> Option<V>) -> Self {
        let (mut below, mut above) = (&self.0[..], &above.0[..]);
        let mut merged = Vec::with_capacity(below.len() + above.len());
        while let (Some((low, low_rest)), Some((high, high_rest))) =
            (below.split_first(), above.split_first())
        {
            match low.0.cmp(&high.0) {
                Ordering::Less => {
                    merged.push(low.clone());
                    below = low_rest;
                }
                Ordering::Greater => {
                    merged.push(high.clone());
                    above = high_rest;
                }
                Ordering::Equal => {
                    merged
                        .extend(decide(low.1.clone(), high.1.clone()).map(|value| (high.0, value)));
                    (below, above) = (low_rest, high_rest);
                }
            }
        }
        merged.extend_from_slice(below);
        merged.extend_from_slice(above);
        Self(merged)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_as_a_map_does(
            below: BTreeMap<u8, u16>,
            above: BTreeMap<u8, u16>,
            key: u8,
            ends: (u8, u8),
        ) {
            let list = |map: &BTreeMap<u8, u16>| {
                Sorted::of(map.iter().rev().map(|(key, value)| (*key, *value)).collect())
            };
            // Even sums stay, odd ones go.
            let decide = |low: u16, high: u16| {
                let sum = u32::from(low) + u32::from(high);
                (sum % 2 == 0).then_some(high)
            };
            let mut expected = below.clone();
            for (key, high) in &above {
                match below.get(key).map_or(Some(*high), |low| decide(*low, *high)) {
                    Some(value) => expected.insert(*key, value),
                    None => expected.remove(key),
                };
            }
            let merged = list(&below).merged(&list(&above), decide);
            prop_assert!(merged.iter().map(|(key, value)| (key, value)).eq(&expected));
            prop_assert_eq!(merged.len(), expected.len());
            prop_assert_eq!(merged.get(&key), expected.get(&key).copied());
            let (first, last) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let range = merged.range(&(first..=last)).iter().map(|(key, value)| (key, value));
            prop_assert!(range.eq(expected.range(first..=last)));
            let odd = merged.clone().filtered(|place| place % 2 == 1);
            prop_assert!(odd.iter().eq(merged.iter().skip(1).step_by(2)));

        }
    }
}
