//! What is searched when, seen through the machine's door.

use wire::peer::PeerMessage;

use super::*;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, config, mine, payment_bytes, reports};
use crate::{Event, Report};

fn miner(forge: &Forge, min_txs: usize, max_wait_s: Option<u64>) -> Rig {
    let mut config = config(forge);
    config.mining.enabled = true;
    config.mining.min_txs = min_txs;
    config.mining.max_wait = max_wait_s.map(Duration::from_secs);
    Rig::with(forge, config)
}

/// The template that is searched now.
fn current(rig: &Rig) -> Option<Arc<Template>> {
    rig.machine.mining.current.as_ref().map(|current| Arc::clone(&current.template))
}

fn pay(rig: &mut Rig, forge: &Forge, index: u32) -> Vec<Effect> {
    let peer = rig.peer();
    rig.say(peer, PeerMessage::Transaction(payment_bytes(&forge.payment(index))))
}

#[test]
fn a_mined_block_becomes_the_tip_and_the_next_template_builds_on_it() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    for height in 1..=5 {
        let template = current(&rig).expect("it mines always");
        assert_eq!((template.height, template.header.previous), (height, rig.tip()));
        let effects = rig.solve(&template);
        assert_eq!(rig.machine.tip().height, height);
        let next = mine(&effects).flatten().expect("a new template");
        assert_eq!(next.header.previous, rig.tip());
        assert_ne!(next.id, template.id);
    }
}

#[test]
fn a_solution_of_a_template_that_was_replaced_is_dropped() {
    let mut forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    let stale = current(&rig).unwrap();
    let tip = forge.mine(forge.genesis(), &[]);
    let peer = rig.peer();
    let effects = rig.sync(peer, &forge, tip);
    assert_eq!(mine(&effects).flatten().unwrap().header.previous, tip);
    let stored = rig.machine.tree().len();
    let effects = rig.solve(&stale);
    assert_eq!(rig.tip(), tip);
    assert_eq!(rig.machine.tree().len(), stored);
    assert!(!reports(&effects).iter().any(|at| matches!(at, Report::BlockFound { .. })));
}

#[test]
fn a_solution_counts_for_the_template_it_names_and_for_no_later_one() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    let old = current(&rig).unwrap();
    rig.pass(REFRESH_MAX);
    let new = current(&rig).unwrap();
    assert!(new.id > old.id && new.header.merkle_root == old.header.merkle_root);
    rig.solve(&old);
    assert_eq!(rig.machine.tip().height, 0);
    rig.solve(&new);
    assert_eq!(rig.machine.tip().height, 1);
}

#[test]
fn four_payments_start_the_search_and_their_block_ends_it() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 4, None);
    for index in 0..3 {
        assert!(mine(&pay(&mut rig, &forge, index)).is_none());
    }
    rig.pass(Duration::from_secs(1000));
    assert!(current(&rig).is_none(), "three wait for ever");
    let template = mine(&pay(&mut rig, &forge, 3)).flatten().expect("four do not");
    assert_eq!(template.transfers.len(), 4);
    let effects = rig.solve(&template);
    assert_eq!(rig.machine.tip().height, 1);
    let rests = |effect: &Effect| matches!(effect, Effect::Rest { tip } if *tip == rig.tip());
    assert!(effects.iter().any(rests), "it rests again, behind the new block");
}

#[test]
fn the_oldest_payment_waits_no_longer_than_it_must_and_the_machine_asks_to_be_woken() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 4, Some(30));
    pay(&mut rig, &forge, 0);
    rig.pass(Duration::from_secs(20));
    pay(&mut rig, &forge, 1);
    rig.pass(Duration::from_millis(9_999));
    assert!(current(&rig).is_none());
    let effects = rig.pass(Duration::from_millis(1));
    assert_eq!(mine(&effects).flatten().unwrap().transfers.len(), 2);
}

#[test]
fn new_payments_join_the_template_within_a_second_and_a_burst_replaces_it_once() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    rig.pass(Duration::from_millis(200));
    for index in 0..50 {
        assert!(mine(&pay(&mut rig, &forge, index)).is_none());
    }
    let effects = rig.pass(Duration::from_millis(800));
    let told = effects.iter().filter(|effect| matches!(effect, Effect::Mine(_))).count();
    assert_eq!(told, 1);
    assert_eq!(current(&rig).unwrap().transfers.len(), 50);
}

#[test]
fn the_miner_never_builds_on_a_branch_that_turns_out_invalid() {
    let mut forge = Forge::new();
    let good = forge.chain(forge.genesis(), 2);
    let bad = forge.mine_greedy(forge.genesis());
    let end = forge.chain(bad, 5)[4];
    let mut rig = miner(&forge, 0, None);
    let (honest, liar) = (rig.peer(), rig.peer());
    rig.sync(honest, &forge, good[1]);
    let effects = rig.sync(liar, &forge, end);
    let bases = effects.iter().filter_map(|effect| match effect {
        Effect::Mine(template) => Some(template.header.previous),
        _ => None,
    });
    assert!(bases.clone().all(|base| base == good[1]), "{:?}", bases.collect::<Vec<_>>());
    assert_eq!(current(&rig).unwrap().header.previous, good[1]);
}

#[test]
fn who_does_not_mine_is_never_told_to() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let effects = pay(&mut rig, &forge, 0);
    assert!(mine(&effects).is_none());
    assert!(mine(&rig.pass(Duration::from_secs(100))).is_none());
}

#[test]
fn a_template_is_renewed_before_its_time_runs_out() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    for _ in 0..20 {
        let template = current(&rig).unwrap();
        rig.pass(Duration::from_secs(10));
        let renewed = current(&rig).unwrap();
        assert!(renewed.id > template.id);
        assert!(u64::from(template.time_max) >= rig.now.wall_s);
    }
    rig.settle(Event::Wakeup);
}

#[test]
fn what_the_miner_does_is_told_with_its_reason() {
    let forge = Forge::new();
    assert_eq!(Rig::new(&forge).machine.mining_state(), MiningState::Off);
    let mut rig = miner(&forge, 2, Some(30));
    let few = |pending, wait| MiningState::FewPending { pending, min_txs: 2, wait };
    assert_eq!(rig.machine.mining_state(), few(0, None));
    pay(&mut rig, &forge, 0);
    let state = rig.machine.mining_state();
    assert_eq!(state, few(1, Some(Duration::from_secs(30))));
    assert_eq!(state.to_string(), "1 of 2 payments are pending, mines in 30 s");
    assert_eq!(state.word(), "resting");
    pay(&mut rig, &forge, 1);
    let state = rig.machine.mining_state();
    assert_eq!(state, MiningState::Mining { height: 1, transactions: 2 });
    assert_eq!(state.word(), "mining");
}
