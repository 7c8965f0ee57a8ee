//! Restarts: a machine that was dropped in the middle of anything goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use chain::hash::BlockHash;
use proptest::prelude::*;

use super::forge::Forge;
use super::rig::{AGE_S, Rig, config, mine, policy};
use crate::mining::MiningState;
use crate::store::{Disk, Store};
use crate::{Event, Machine, Now, Surroundings};

fn start(forge: &Forge, directory: &tempfile::TempDir) -> Rig {
    let store = Store::open(directory.path(), &forge.network).unwrap();
    Rig::on(forge, config(), store)
}

proptest! {
    #[test]
    fn a_machine_dropped_without_a_flush_stands_at_the_same_tip_again(
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..12),
    ) {
        let mut disk = Disk::default();
        let mut forge = Forge::new();
        let mut known = vec![forge.genesis()];
        let start = |forge: &Forge, disk: &Disk| {
            Rig::on(forge, config(), disk.open(&forge.network, 4_000).unwrap())
        };
        let mut rig = start(&forge, &disk);
        for (at, (parent, flush)) in (0u32..).zip(steps) {
            let parent = known[parent.index(known.len())];
            let payment = forge.payment(at);
            let hash = forge.mine(parent, &[payment]);
            known.push(hash);
            let peer = rig.peer();
            rig.sync(peer, &forge, hash);
            if flush {
                rig.machine.shutdown().unwrap();
            }
            let before = (rig.machine.tip(), rig.machine.totals());
            disk = disk.after_a_crash();
            rig = start(&forge, &disk);
            prop_assert_eq!((rig.machine.tip(), rig.machine.totals()), before);
        }
    }
}

#[test]
fn bodies_stored_before_their_parents_are_no_damage_and_are_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 6);
    let mut rig = start(&forge, &directory);
    let peer = rig.peer();
    rig.show_headers(peer, &forge, &chain);
    // The third comes last; the first never came before the restart.
    for at in [5, 4, 1, 3, 2] {
        rig.give(peer, forge.bytes(chain[at]));
    }
    drop(rig);
    let mut rig = start(&forge, &directory);
    assert_eq!(rig.tip(), forge.genesis());
    let peer = rig.peer();
    rig.sync(peer, &forge, chain[5]);
    assert_eq!(rig.tip(), chain[5]);
    drop(rig);
    let rig = start(&forge, &directory);
    assert_eq!(rig.tip(), chain[5]);
    assert_eq!(rig.machine.totals(), forge.replay(chain[5]));
}

#[test]
fn a_condemned_branch_is_condemned_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut forge = Forge::new();
    let good = forge.chain(forge.genesis(), 2)[1];
    let bad = forge.mine_greedy(forge.genesis());
    let end = forge.chain(bad, 3)[2];
    let mut rig = start(&forge, &directory);
    let (honest, liar) = (rig.peer(), rig.peer());
    rig.sync(honest, &forge, good);
    rig.sync(liar, &forge, end);
    assert_eq!(rig.tip(), good);
    drop(rig);
    let rig = start(&forge, &directory);
    assert_eq!(rig.tip(), good);
    assert_eq!(rig.machine.totals(), forge.replay(good));
}

#[test]
fn a_machine_dropped_in_the_middle_of_a_long_walk_finishes_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut forge = Forge::new();
    let a = forge.chain(forge.genesis(), 60);
    let b: Vec<BlockHash> = forge.chain(forge.genesis(), 61);
    let mut rig = start(&forge, &directory);
    let (one, two) = (rig.peer(), rig.peer());
    rig.sync(one, &forge, a[59]);
    rig.machine.shutdown().unwrap();
    rig.show_headers(two, &forge, &b);
    for hash in &b[..60] {
        rig.give(two, forge.bytes(*hash));
    }
    assert_eq!(rig.tip(), a[59]);
    // One step of the walk, then the end of the process.
    let machine = &mut rig.machine;
    let last = super::forge::committed(forge.block(b[60]));
    let id = machine.tree.find(&b[60]).unwrap();
    machine.ledger.store_body(&mut machine.tree, id, last).unwrap();
    for _ in 0..30 {
        machine.ledger.step(&mut machine.tree, |_| false).unwrap();
    }
    assert!(!machine.ledger.is_settled());
    machine.ledger.close().unwrap();
    drop(rig);
    let rig = start(&forge, &directory);
    assert_eq!(rig.tip(), b[60]);
    assert_eq!(rig.machine.totals(), forge.replay(b[60]));
}

#[test]
fn a_long_walk_is_published_and_flushed_on_its_way_and_not_mined_on() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 9_000);
    let mut store = Store::in_memory(&forge.network).unwrap();
    for hash in &chain {
        store.append_block(&super::forge::committed(forge.block(*hash))).unwrap();
    }
    store.sync().unwrap();
    let mut config = config();
    config.mining = Some(policy(&forge));
    let surroundings = Surroundings::default();
    let wall_s = u64::from(forge.network.spec.genesis_time) + AGE_S;
    let mut now = Now { wall_s, monotonic: Duration::ZERO };
    let network = Arc::clone(&forge.network);
    let mut machine = Machine::new(config, surroundings, network, store, now).unwrap();
    let mut tips = Vec::new();
    while machine.tip().hash != chain[8_999] {
        let effects = machine.handle(now, Event::Wakeup).unwrap();
        let tip = machine.tip();
        if machine.is_walking() {
            assert!(mine(&effects).is_none(), "at height {}", tip.height);
            assert_eq!(machine.mining_state(), MiningState::Walking);
        }
        let dirty = machine.ledger.dirty_coins();
        if tips.last().is_some_and(|last| *last != tip.height) {
            assert!(dirty < tip.height as usize, "{dirty} since the flush at {}", tip.height);
        }
        assert_eq!(machine.totals(), forge.replay(tip.hash));
        tips.push(tip.height);
        now.monotonic += Duration::from_secs(200);
        now.wall_s += 200;
    }
    tips.dedup();
    assert!(tips.len() > 2, "published once in the middle at least: {tips:?}");
}
