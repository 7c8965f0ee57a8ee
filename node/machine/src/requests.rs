//! Requests: what was asked of which connection, and is still awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::PeerId;

/// What was asked for, by name.
#[derive(Debug)]
pub(crate) struct Requests<Name> {
    /// Of whom each is awaited; never of nobody.
    by_name: BTreeMap<Name, Vec<Request>>,
    /// The same by connection, the oldest first; only connections of which something is awaited.
    by_peer: BTreeMap<PeerId, BTreeSet<(Duration, Name)>>,
}

/// Of whom something was asked, and when by the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub from: PeerId,
    pub since: Duration,
}

impl<Name> Default for Requests<Name> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), by_peer: BTreeMap::new() }
    }
}

impl<Name: Copy + Ord> Requests<Name> {
    /// Notes a request. False, and nothing is noted, when it is awaited from somebody already.
    pub(crate) fn insert(&mut self, name: Name, from: PeerId, since: Duration) -> bool {
        !self.contains(&name) && self.insert_another(name, from, since)
    }

    /// Notes a request of what may be awaited from others already. False, and nothing is noted,
    /// when it is awaited from this very connection.
    pub(crate) fn insert_another(&mut self, name: Name, from: PeerId, since: Duration) -> bool {
        if self.is_from(&name, from) {
            return false;
        }
        self.by_name.entry(name).or_default().push(Request { from, since });
        self.by_peer.entry(from).or_default().insert((since, name));
        true
    }

    /// It is not awaited from anybody any more; tells from whom it was.
    pub(crate) fn remove(&mut self, name: &Name) -> Vec<Request> {
        let requests = self.by_name.remove(name).unwrap_or_default();
        for request in &requests {
            self.forget_of_peer(name, *request);
        }
        requests
    }

    /// It is not awaited from this connection any more. False when it was not.
    pub(crate) fn remove_from(&mut self, name: &Name, from: PeerId) -> bool {
        let Some(requests) = self.by_name.get_mut(name) else {
            return false;
        };
        let Some(at) = requests.iter().position(|request| request.from == from) else {
            return false;
        };
        let request = requests.remove(at);
        if requests.is_empty() {
            self.by_name.remove(name);
        }
        self.forget_of_peer(name, request);
        true
    }

    fn forget_of_peer(&mut self, name: &Name, Request { from, since }: Request) {
        if let Some(theirs) = self.by_peer.get_mut(&from) {
            theirs.remove(&(since, *name));
            if theirs.is_empty() {
                self.by_peer.remove(&from);
            }
        }
    }

    /// Nothing is awaited from this connection any more; tells what is now awaited from nobody, the
    /// oldest first.
    pub(crate) fn forget_peer(&mut self, from: PeerId) -> Vec<Name> {
        let theirs = self.by_peer.remove(&from).unwrap_or_default();
        let mut left = Vec::new();
        for (_, name) in theirs {
            if let Some(requests) = self.by_name.get_mut(&name) {
                requests.retain(|request| request.from != from);
                if requests.is_empty() {
                    self.by_name.remove(&name);
                    left.push(name);
                }
            }
        }
        left
    }

    /// Whether it is awaited from anybody.
    pub(crate) fn contains(&self, name: &Name) -> bool {
        self.by_name.contains_key(name)
    }

    /// From whom it is awaited, in the order in which they were asked.
    pub(crate) fn of(&self, name: &Name) -> &[Request] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether it is awaited from this connection.
    pub(crate) fn is_from(&self, name: &Name, from: PeerId) -> bool {
        self.since(name, from).is_some()
    }

    /// When it was asked of this connection; `None` when it is not awaited from there.
    pub(crate) fn since(&self, name: &Name, from: PeerId) -> Option<Duration> {
        let mut requests = self.of(name).iter();
        requests.find(|request| request.from == from).map(|request| request.since)
    }

    /// How many things are awaited, whether of one connection or of several.
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
        AskToo { name: u8, of: u64 },
        Come { name: u8 },
        ComeFrom { name: u8, of: u64 },
        Forget { of: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..12, 0u64..4).prop_map(|(name, of)| Step::Ask { name, of }),
            3 => (0u8..12, 0u64..4).prop_map(|(name, of)| Step::AskToo { name, of }),
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
                    Step::AskToo { name, of } => {
                        let is_new = !list.iter().any(|(known, from, _)| {
                            (*known, *from) == (name, PeerId(of))
                        });
                        list.extend(is_new.then_some((name, PeerId(of), now)));
                        prop_assert_eq!(requests.insert_another(name, PeerId(of), now), is_new);
                    }
                    Step::Come { name } => {
                        let gone = list.extract_if(.., |(known, ..)| *known == name);
                        let gone: Vec<(PeerId, Duration)> =
                            gone.map(|(_, from, since)| (from, since)).collect();
                        let told = requests.remove(&name).into_iter();
                        let told: Vec<_> = told.map(|at| (at.from, at.since)).collect();
                        prop_assert_eq!(told, gone);
                    }
                    Step::ComeFrom { name, of } => {
                        list.retain(|(known, from, _)| (*known, *from) != (name, PeerId(of)));
                        let removed = requests.remove_from(&name, PeerId(of));
                        prop_assert_eq!(removed, list.len() < before);
                    }
                    Step::Forget { of } => {
                        let theirs = list.extract_if(.., |(_, from, _)| *from == PeerId(of));
                        let mut theirs: Vec<u8> = theirs.map(|(name, ..)| name).collect();
                        theirs.retain(|name| list.iter().all(|(other, ..)| other != name));
                        prop_assert_eq!(requests.forget_peer(PeerId(of)), theirs);
                    }
                }
                let names: BTreeSet<u8> = list.iter().map(|(name, ..)| *name).collect();
                prop_assert_eq!(requests.len(), names.len());
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
