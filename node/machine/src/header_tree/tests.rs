//! The tree against a naive model: parents in a list, every question answered by a walk.

use std::cmp::Reverse;

use chain::hash::MerkleRoot;
use chain::header::VERSION_BASE;
use proptest::prelude::*;
use wire::peer::LOCATOR_MAX;

use super::*;
use crate::tests::forge::{grind, spoil};
use testkit::samples;

/// A header on `parent`, distinct for every `mark`.
fn child(tree: &HeaderTree, parent: HeaderId, mark: u32) -> Header {
    let end = tree.chain_end(parent);
    let demands = end.context(&tree.network);
    let mut root = [0; 32];
    root[..4].copy_from_slice(&mark.to_le_bytes());
    let mut header = Header {
        version: VERSION_BASE,
        previous: end.hash,
        merkle_root: MerkleRoot(root),
        time: tree.entry(parent).header.time.max(demands.median_time) + 1,
        bits: demands.expected_bits,
        nonce: 0,
    };
    grind(&mut header);
    header
}

fn new_tree() -> HeaderTree {
    HeaderTree::new(Arc::new(samples::network(1)))
}

fn grow(tree: &mut HeaderTree, parent: HeaderId, mark: u32) -> HeaderId {
    let header = child(tree, parent, mark);
    tree.insert(&header, Work::ZERO).unwrap()
}

/// A straight chain on genesis: its entries, genesis first.
fn straight(tree: &mut HeaderTree, length: u32) -> Vec<HeaderId> {
    let mut chain = vec![HeaderId::GENESIS];
    for mark in 0..length {
        let last = *chain.last().unwrap();
        chain.push(grow(tree, last, mark));
    }
    chain
}

#[derive(Debug, Default)]
struct Model {
    parents: Vec<Option<usize>>,
    heights: Vec<u32>,
    /// Order in which the body came.
    bodies: Vec<Option<u64>>,
    condemned: Vec<bool>,
    stored: u64,
}

impl Model {
    fn with_genesis() -> Self {
        Self {
            parents: vec![None],
            heights: vec![0],
            bodies: vec![Some(0)],
            condemned: vec![false],
            stored: 1,
        }
    }

    fn chain(&self, at: usize) -> Vec<usize> {
        std::iter::successors(Some(at), |at| self.parents[*at]).collect()
    }

    fn is_complete(&self, at: usize) -> bool {
        self.chain(at).iter().all(|at| self.bodies[*at].is_some())
    }

    fn is_valid(&self, at: usize) -> bool {
        !self.chain(at).iter().any(|at| self.condemned[*at])
    }

    /// Every block has the same work, so the highest has most.
    fn best_complete(&self) -> usize {
        (0..self.parents.len())
            .filter(|at| self.is_complete(*at) && self.is_valid(*at))
            .max_by_key(|at| (self.heights[*at], Reverse(self.bodies[*at])))
            .unwrap()
    }

    fn best_height(&self) -> u32 {
        (0..self.parents.len())
            .filter(|at| self.is_valid(*at))
            .map(|at| self.heights[at])
            .max()
            .unwrap()
    }

    fn last(&self, at: usize, holds: impl Fn(usize) -> bool) -> usize {
        self.chain(at).into_iter().find(|at| holds(*at)).unwrap()
    }
}

#[derive(Debug, Clone)]
enum Move {
    Grow(prop::sample::Index),
    Body(prop::sample::Index),
    Condemn(prop::sample::Index),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(Move::Grow),
        6 => any::<prop::sample::Index>().prop_map(Move::Body),
        1 => any::<prop::sample::Index>().prop_map(Move::Condemn),
    ];
    prop::collection::vec(one, 1..60)
}

fn id(at: usize) -> HeaderId {
    HeaderId(u32::try_from(at).unwrap())
}

proptest! {
    #[test]
    fn the_tree_answers_as_a_naive_one_whatever_comes_in_whatever_order(moves in moves()) {
        let (mut tree, mut model) = (new_tree(), Model::with_genesis());
        for (mark, made) in (0u32..).zip(moves) {
            let count = model.parents.len();
            match made {
                Move::Grow(parent) => {
                    let parent = parent.index(count);
                    let header = child(&tree, id(parent), mark);
                    let inserted = tree.insert(&header, Work::ZERO);
                    if model.is_valid(parent) {
                        prop_assert_eq!(inserted, Ok(id(count)));
                        model.parents.push(Some(parent));
                        model.heights.push(model.heights[parent] + 1);
                        model.bodies.push(None);
                        model.condemned.push(false);
                    } else {
                        prop_assert!(matches!(inserted, Err(HeaderRefusal::Condemned(_))));
                    }
                }
                Move::Body(at) => {
                    let at = at.index(count);
                    tree.set_body(id(at));
                    if model.bodies[at].is_none() {
                        model.bodies[at] = Some(model.stored);
                        model.stored += 1;
                    }
                }
                Move::Condemn(at) => {
                    let at = at.index(count).max(1);
                    if at < count {
                        tree.set_invalid(id(at), RuleError::CoinbaseMissing);
                        model.condemned[at] = true;
                    }
                }
            }
            prop_assert_eq!(tree.best_complete(), id(model.best_complete()));
            prop_assert_eq!(tree.entry(tree.best_header()).height, model.best_height());
            prop_assert!(tree.invalid(tree.best_header()).is_none());
        }
        for at in 0..model.parents.len() {
            prop_assert_eq!(tree.is_complete(id(at)), model.is_complete(at));
            prop_assert_eq!(tree.invalid(id(at)).is_none(), model.is_valid(at));
            let complete = model.last(at, |at| model.is_complete(at));
            prop_assert_eq!(tree.last_complete(id(at)), id(complete));
            let valid = model.last(at, |at| model.is_valid(at));
            prop_assert_eq!(tree.last_valid(id(at)), id(valid));
            for (height, ancestor) in (0u32..).zip(model.chain(at).into_iter().rev()) {
                prop_assert_eq!(tree.ancestor(id(at), height), Some(id(ancestor)));
                prop_assert!(tree.is_ancestor(id(ancestor), id(at)));
            }
            prop_assert_eq!(tree.ancestor(id(at), model.heights[at] + 1), None);
        }
    }

    #[test]
    fn bodies_of_one_chain_make_it_complete_in_any_order(
        order in Just((1..=30usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut tree = new_tree();
        let chain = straight(&mut tree, 30);
        let mut present = [false; 31];
        present[0] = true;
        for at in order {
            tree.set_body(chain[at]);
            present[at] = true;
            let end = present.iter().take_while(|present| **present).count() - 1;
            prop_assert_eq!(tree.best_complete(), chain[end]);
            prop_assert_eq!(tree.last_complete(chain[30]), chain[end]);
        }
    }

    #[test]
    fn a_locator_is_short_falls_from_the_end_to_genesis_and_is_dense_at_the_end(
        length in 0u32..3000,
    ) {
        // One tree for all cases: growing it is what takes time.
        thread_local! {
            static TREE: (HeaderTree, Vec<HeaderId>) = {
                let mut tree = new_tree();
                let chain = straight(&mut tree, 3000);
                (tree, chain)
            };
        }
        TREE.with(|(tree, chain)| {
            let locator = tree.locator(chain[length as usize]);
            prop_assert!(locator.len() <= LOCATOR_MAX);
            let heights: Vec<u32> =
                locator.iter().map(|hash| tree.entry(tree.find(hash).unwrap()).height).collect();
            prop_assert_eq!(heights[0], length);
            prop_assert_eq!(*heights.last().unwrap(), 0);
            prop_assert!(heights.windows(2).all(|pair| pair[0] > pair[1]), "{:?}", heights);
            let dense = heights.iter().take(10).zip(0..).all(|(at, back)| *at + back == length);
            prop_assert!(dense, "{:?}", heights);
            Ok(())
        })?;
    }
}

#[test]
fn a_skip_walk_takes_few_steps_on_a_long_chain() {
    let mut tree = new_tree();
    let chain = straight(&mut tree, 2000);
    for from in [2000, 1999, 1024, 1023] {
        for height in [0, 1, 511, 1000] {
            let (mut at, mut steps) = (chain[from], 0);
            while tree.entry(at).height > height {
                let skip = tree.entry(at).skip;
                let skips = tree.entry(skip).height >= height;
                at = if skips { skip } else { tree.entry(at).parent.unwrap() };
                steps += 1;
            }
            assert_eq!(at, chain[height as usize]);
            assert!(steps < 60, "{steps} steps from {from} to {height}");
        }
    }
}

#[test]
fn a_header_is_refused_for_what_is_wrong_with_it_and_the_tree_stays_as_it_was() {
    let mut tree = new_tree();
    let good = child(&tree, HeaderId::GENESIS, 1);
    let refused = |tree: &mut HeaderTree, edit: &dyn Fn(&mut Header)| {
        let mut header = good;
        edit(&mut header);
        tree.insert(&header, Work::ZERO).unwrap_err()
    };
    let work = refused(&mut tree, &|header| spoil(header));
    assert!(matches!(work, HeaderRefusal::Invalid(RuleError::Work { .. })), "{work:?}");
    let old = refused(&mut tree, &|header| {
        header.time = samples::network(1).spec.genesis_time;
        grind(header);
    });
    assert!(matches!(old, HeaderRefusal::Invalid(RuleError::TimeTooOld { .. })), "{old:?}");
    let orphan = refused(&mut tree, &|header| {
        header.previous = BlockHash([9; 32]);
        grind(header);
    });
    assert_eq!(orphan, HeaderRefusal::UnknownParent);
    let spam = refused(&mut tree, &|header| {
        header.previous = BlockHash([9; 32]);
        spoil(header);
    });
    assert!(matches!(spam, HeaderRefusal::Invalid(RuleError::Work { .. })), "work first: {spam:?}");
    assert_eq!(tree.len(), 1);
    let work_min = tree.entry(HeaderId::GENESIS).work.times(3);
    assert_eq!(tree.insert(&good, work_min), Err(HeaderRefusal::TooLittleWork));
    assert_eq!(tree.len(), 1);
    tree.insert(&good, tree.entry(HeaderId::GENESIS).work.times(2)).unwrap();
}

#[test]
fn the_threshold_lags_the_tip_by_144_blocks_of_its_work() {
    let mut tree = new_tree();
    let chain = straight(&mut tree, 200);
    let at = |height: usize| tree.entry(chain[height]).work;
    assert_eq!(tree.work_threshold(chain[200]), at(200 - 144));
    assert_eq!(tree.work_threshold(chain[100]), Work::ZERO);
}

#[test]
fn the_first_stored_of_equals_stays_the_best_until_it_is_condemned() {
    let mut tree = new_tree();
    let (first, second) =
        (grow(&mut tree, HeaderId::GENESIS, 1), grow(&mut tree, HeaderId::GENESIS, 2));
    tree.set_body(second);
    tree.set_body(first);
    assert_eq!(tree.best_complete(), second);
    tree.set_invalid(second, RuleError::CoinbaseMissing);
    assert_eq!(tree.best_complete(), first);
    let under = tree.insert(&child(&tree, second, 3), Work::ZERO);
    assert!(matches!(under, Err(HeaderRefusal::Condemned(RuleError::InvalidParent { .. }))));
}
