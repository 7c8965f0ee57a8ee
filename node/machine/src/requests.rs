//! Requests: what was asked of which connection, and is still awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::PeerId;

/// What was asked for, by name. Nothing is asked of two connections at once.
#[derive(Debug)]
pub(crate) struct Requests<Name> {
    by_name: BTreeMap<Name, Request>,
    /// The same by connection, the oldest first; only connections of which something is awaited.
    by_peer: BTreeMap<PeerId, BTreeSet<(Duration, Name)>>,
}

/// Of whom something was asked, and when by the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Request {
    from: PeerId,
    since: Duration,
}

impl<Name> Default for Requests<Name> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), by_peer: BTreeMap::new() }
    }
}

impl<Name: Copy + Ord> Requests<Name> {
    /// Notes a request. False, and nothing is noted, when it is awaited from somebody already.
    pub(crate) fn insert(&mut self, name: Name, from: PeerId, since: Duration) -> bool {
        if self.by_name.contains_key(&name) {
            return false;
        }
        self.by_name.insert(name, Request { from, since });
        self.by_peer.entry(from).or_default().insert((since, name));
        true
    }

    /// It is not awaited any more. False when it was not.
    pub(crate) fn remove(&mut self, name: &Name) -> bool {
        let Some(Request { from, since }) = self.by_name.remove(name) else {
            return false;
        };
        if let Some(theirs) = self.by_peer.get_mut(&from) {
            theirs.remove(&(since, *name));
            if theirs.is_empty() {
                self.by_peer.remove(&from);
            }
        }
        true
    }

    /// It is not awaited from this connection any more. False when it was not.
    pub(crate) fn remove_from(&mut self, name: &Name, from: PeerId) -> bool {
        self.is_from(name, from) && self.remove(name)
    }

    /// Nothing is awaited from this connection any more; tells what was, the oldest first.
    pub(crate) fn forget_peer(&mut self, from: PeerId) -> Vec<Name> {
        let theirs = self.by_peer.remove(&from).unwrap_or_default();
        for (_, name) in &theirs {
            self.by_name.remove(name);
        }
        theirs.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether it is awaited from anybody.
    pub(crate) fn contains(&self, name: &Name) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether it is awaited from this connection.
    pub(crate) fn is_from(&self, name: &Name, from: PeerId) -> bool {
        self.by_name.get(name).is_some_and(|request| request.from == from)
    }

    /// When it was asked of this connection; `None` when it is not awaited from there.
    pub(crate) fn since(&self, name: &Name, from: PeerId) -> Option<Duration> {
        self.by_name.get(name).filter(|request| request.from == from).map(|request| request.since)
    }

    /// How much is awaited, all together.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// How much is awaited from this connection.
    pub(crate) fn count_from(&self, from: PeerId) -> usize {
        self.by_peer.get(&from).map_or(0, BTreeSet::len)
    }

    /// The connections from which something is awaited, each with the time of its oldest request.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (PeerId, Duration)> {
        self.by_peer.iter().filter_map(|(id, theirs)| Some((*id, theirs.first()?.0)))
    }

    /// Every connection from which something is awaited, with the time of each request.
    pub(crate) fn times(&self) -> impl Iterator<Item = (PeerId, Duration)> {
        self.by_peer.iter().flat_map(|(id, theirs)| theirs.iter().map(|(since, _)| (*id, *since)))
    }

    /// When the oldest request was made.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.peers().map(|(_, since)| since).min()
    }

    /// What was asked for at this time or before.
    pub(crate) fn until(&self, time: Duration) -> Vec<Name> {
        let old = self.by_peer.values().flat_map(|theirs| {
            theirs.iter().take_while(|(since, _)| *since <= time).map(|(_, name)| *name)
        });
        old.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Ask { name: u8, of: u64 },
        Come { name: u8 },
        ComeFrom { name: u8, of: u64 },
        Forget { of: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..12, 0u64..4).prop_map(|(name, of)| Step::Ask { name, of }),
            2 => (0u8..12).prop_map(|name| Step::Come { name }),
            2 => (0u8..12, 0u64..4).prop_map(|(name, of)| Step::ComeFrom { name, of }),
            1 => (0u64..4).prop_map(|of| Step::Forget { of }),
        ]
    }

    proptest! {
        #[test]
        fn a_list_that_is_searched_from_end_to_end_says_the_same(
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let mut requests = Requests::default();
            let mut list: Vec<(u8, PeerId, Duration)> = Vec::new();
            for (second, step) in (0u64..).zip(steps) {
                let now = Duration::from_secs(second);
                let before = list.len();
                match step {
                    Step::Ask { name, of } => {
                        let is_new = list.iter().all(|(known, ..)| *known != name);
                        list.extend(is_new.then_some((name, PeerId(of), now)));
                        prop_assert_eq!(requests.insert(name, PeerId(of), now), is_new);
                    }
                    Step::Come { name } => {
                        list.retain(|(known, ..)| *known != name);
                        prop_assert_eq!(requests.remove(&name), list.len() < before);
                    }
                    Step::ComeFrom { name, of } => {
                        list.retain(|(known, from, _)| (*known, *from) != (name, PeerId(of)));
                        let removed = requests.remove_from(&name, PeerId(of));
                        prop_assert_eq!(removed, list.len() < before);
                    }
                    Step::Forget { of } => {
                        let theirs = list.extract_if(.., |(_, from, _)| *from == PeerId(of));
                        let theirs: Vec<u8> = theirs.map(|(name, ..)| name).collect();
                        prop_assert_eq!(requests.forget_peer(PeerId(of)), theirs);
                    }
                }
                prop_assert_eq!(requests.len(), list.len());
                prop_assert_eq!(requests.oldest(), list.iter().map(|(.., since)| *since).min());
                for of in (0..4).map(PeerId) {
                    let theirs = || list.iter().filter(|(_, from, _)| *from == of);
                    prop_assert_eq!(requests.count_from(of), theirs().count());
                    let oldest = requests.peers().find(|(id, _)| *id == of);
                    prop_assert_eq!(oldest, theirs().next().map(|(.., since)| (of, *since)));
                }
                let middle = Duration::from_secs(second / 2);
                let mut old = requests.until(middle);
                old.sort_unstable();
                let mut expected: Vec<u8> = list.iter().filter(|(.., since)| *since <= middle)
                    .map(|(name, ..)| *name).collect();
                expected.sort_unstable();
                prop_assert_eq!(old, expected);
            }
        }
    }
}
