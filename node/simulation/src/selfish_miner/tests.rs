//! Tests of `selfish_miner`.

use std::sync::Arc;

use chain::genesis::Network;
use proptest::prelude::*;

use super::*;
use crate::scenario::small_spec;

fn miner() -> SelfishMiner {
    let network = Arc::new(Network::new(small_spec(8, 2, 60, Vec::new())).unwrap());
    SelfishMiner {
        workshop: Workshop::new(&network, SelfishMiner::payout()),
        hash_rate: 1,
        connections: Vec::new(),
        own: HeaderId::GENESIS,
        published: HeaderId::GENESIS,
        public: HeaderId::GENESIS,
        search: 0,
    }
}

/// It finds a block; heights of those that it publishes.
fn finds(miner: &mut SelfishMiner, time: u32) -> Vec<u32> {
    let block = miner.workshop.block(miner.own, time, &[]).unwrap();
    let news = miner.found(block);
    news.into_iter().map(|id| miner.height(id)).collect()
}

/// The others find a block behind the best one they know, which may be one of its own.
fn others_find(miner: &mut SelfishMiner, behind: HeaderId, time: u32) -> Vec<u32> {
    let block = miner.workshop.block(behind, time, &[]).unwrap();
    let news = miner.public_grew(block);
    news.into_iter().map(|id| miner.height(id)).collect()
}

#[test]
fn it_publishes_as_the_algorithm_says() {
    let start = 1_700_000_000;
    let mut miner = miner();
    let times = &mut (start + 1..);
    let mut time = || times.next().unwrap();
    // Lead 1, and the others find one: a race, which its next block wins.
    assert_eq!(finds(&mut miner, time()), [0; 0]);
    let public = miner.public;
    assert_eq!(others_find(&mut miner, public, time()), [1]);
    assert_eq!(finds(&mut miner, time()), [2]);
    // Lead 2, and the others find one behind what it published: both come out at once.
    assert_eq!(finds(&mut miner, time()), [0; 0]);
    assert_eq!(finds(&mut miner, time()), [0; 0]);
    let published = miner.published;
    assert_eq!(others_find(&mut miner, published, time()), [3, 4]);
    // Lead 4: one is shown for each that the others find, and all when the lead falls to one.
    for _ in 0..4 {
        assert_eq!(finds(&mut miner, time()), [0; 0]);
    }
    let published = miner.published;
    assert_eq!(others_find(&mut miner, published, time()), [5]);
    let public = miner.public;
    assert_eq!(others_find(&mut miner, public, time()), [6]);
    let public = miner.public;
    assert_eq!(others_find(&mut miner, public, time()), [7, 8]);
    // No lead: it takes the chain of the others.
    let published = miner.published;
    assert_eq!(others_find(&mut miner, published, time()), [0; 0]);
    assert_eq!((miner.own, miner.published), (miner.public, miner.public));
}

proptest! {
    #[test]
    fn nothing_is_published_twice_or_before_its_parent_and_it_never_falls_behind(
        found_by_it in prop::collection::vec(any::<bool>(), 1..60), behind_own: bool,
    ) {
        let mut miner = miner();
        let mut told = std::collections::BTreeSet::from([HeaderId::GENESIS]);
        for (by_it, time) in found_by_it.into_iter().zip(1_700_000_001..) {
            let news = if by_it {
                let block = miner.workshop.block(miner.own, time, &[]).unwrap();
                miner.found(block)
            } else {
                let is_race = miner.height(miner.published) == miner.height(miner.public);
                let wins = miner.height(miner.published) > miner.height(miner.public);
                let behind = if wins || (is_race && behind_own) {
                    miner.published
                } else {
                    miner.public
                };
                let block = miner.workshop.block(behind, time, &[]).unwrap();
                told.insert(block);
                miner.public_grew(block)
            };
            for id in news {
                let parent = miner.workshop.tree().entry(id).parent.unwrap();
                prop_assert!(told.contains(&parent) && told.insert(id));
            }
            prop_assert!(miner.height(miner.own) >= miner.height(miner.public));
            prop_assert!(told.contains(&miner.published));
        }
    }
}
