//! Turns: who is next when many wait for the same work. Connections get equal shares of it, however
//! much each of them asks for, and little work is soon done.
//!
//! Fair queueing: in a time that runs as the work of one connection does, a piece of work begins
//! where the last one of its connection ends, or now; the one that ends first is next. Now is where
//! the piece began that was taken last: who comes with little is ahead of all who began with it.

use std::collections::BTreeMap;

use crate::event::PeerId;

/// Things that wait for work, and who is next.
#[derive(Debug)]
pub(super) struct Turns<Thing> {
    /// By the time at which they end, and then by their arrival.
    waiting: BTreeMap<(u64, u64), Piece<Thing>>,
    /// When the last piece of a connection ends, taken or not: later than now.
    ends: BTreeMap<Option<PeerId>, u64>,
    now: u64,
    arrivals: u64,
}

#[derive(Debug)]
struct Piece<Thing> {
    of: Option<PeerId>,
    begins: u64,
    thing: Thing,
}

impl<Thing> Default for Turns<Thing> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), ends: BTreeMap::new(), now: 0, arrivals: 0 }
    }
}

impl<Thing> Turns<Thing> {
    /// Something of this connection waits for so much work (none counts as some).
    pub(super) fn push(&mut self, of: Option<PeerId>, work: usize, thing: Thing) {
        let begins = self.ends.get(&of).copied().unwrap_or(self.now);
        let ends = begins.saturating_add(work.max(1) as u64);
        self.ends.insert(of, ends);
        self.waiting.insert((ends, self.arrivals), Piece { of, begins, thing });
        self.arrivals += 1;
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<Thing> {
        let (_, piece) = self.waiting.pop_first()?;
        if piece.begins > self.now {
            self.now = piece.begins;
            self.ends.retain(|_, ends| *ends > piece.begins);
        }
        Some(piece.thing)
    }

    /// What is next, if anything waits.
    pub(super) fn first(&self) -> Option<&Thing> {
        self.waiting.first_key_value().map(|(_, piece)| &piece.thing)
    }

    /// Nothing of this connection waits any more; tells what did, the next one first.
    pub(super) fn forget_peer(&mut self, id: PeerId) -> Vec<Thing> {
        if self.ends.remove(&Some(id)).is_none() {
            return Vec::new();
        }
        let theirs = self.waiting.extract_if(.., |_, piece| piece.of == Some(id));
        theirs.map(|(_, piece)| piece.thing).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Most work of one piece.
    const LONGEST: usize = 1_000;

    #[derive(Debug, Clone)]
    enum Step {
        Push { of: u64, work: usize },
        Pop,
        Forget { of: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u64..6, 1..=LONGEST).prop_map(|(of, work)| Step::Push { of, work }),
            5 => Just(Step::Pop),
            1 => (0u64..6).prop_map(|of| Step::Forget { of }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_invented_and_each_connection_keeps_its_order(
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let mut turns = Turns::default();
            let mut waiting: Vec<(u64, usize)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push { of, work } => {
                        turns.push(Some(PeerId(of)), work, (of, number));
                        waiting.push((of, number));
                    }
                    Step::Pop => {
                        prop_assert_eq!(turns.first().is_some(), !waiting.is_empty());
                        if let Some((of, number)) = turns.pop() {
                            let first = waiting.iter().position(|(other, _)| *other == of);
                            prop_assert_eq!(waiting.remove(first.unwrap()), (of, number));
                        }
                    }
                    Step::Forget { of } => {
                        let theirs: Vec<_> =
                            waiting.extract_if(.., |(other, _)| *other == of).collect();
                        prop_assert_eq!(turns.forget_peer(PeerId(of)), theirs);
                    }
                }
                prop_assert!(turns.ends.values().all(|ends| *ends > turns.now), "for nothing");
            }
        }

        #[test]
        fn those_who_always_want_more_get_as_much_as_each_other(
            works in prop::collection::vec(prop::collection::vec(1..=LONGEST, 60), 2..6),
        ) {
            let mut turns = Turns::default();
            let of = |at: usize| Some(PeerId(at as u64));
            for (at, works) in works.iter().enumerate() {
                works.iter().for_each(|work| turns.push(of(at), *work, (at, *work)));
            }
            let mut had = vec![0; works.len()];
            let mut left: Vec<usize> = works.iter().map(Vec::len).collect();
            while left.iter().all(|left| *left > 0) {
                let (at, work) = turns.pop().unwrap();
                had[at] += work;
                left[at] -= 1;
                let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
                prop_assert!(most - least <= 2 * LONGEST, "{had:?}");
            }
        }

        /// However many connections ask for much, each again as soon as it has had its turn.
        #[test]
        fn who_asks_for_little_is_next(
            others in 1u64..128,
            little in 1usize..20,
            rounds in 0usize..300,
        ) {
            let mut turns = Turns::default();
            for of in 0..others {
                turns.push(Some(PeerId(of)), LONGEST, of);
            }
            for _ in 0..rounds {
                let of = turns.pop().unwrap();
                turns.push(Some(PeerId(of)), LONGEST, of);
            }
            turns.push(Some(PeerId(1_000)), little, 1_000);
            prop_assert_eq!(turns.pop(), Some(1_000));
        }
    }
}
