//! What is searched when, seen through the machine's door.

use chain::transaction::{OutPoint, Transaction};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use wire::peer::PeerMessage;

use super::*;
use crate::mempool::{Mempool, MempoolLimits};
use crate::template::Lease;
use crate::tests::forge::{Forge, grind};
use crate::tests::rig::{Rig, config, mine, payment_bytes, policy, reports};
use crate::{Event, Report, Tally};

fn miner(forge: &Forge, min_txs: usize, max_wait_s: Option<u64>) -> Rig {
    let mut config = config();
    let max_wait = max_wait_s.map(Duration::from_secs);
    config.mining = Some(MiningPolicy { min_txs, max_wait, ..policy(forge) });
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
fn a_template_that_the_tip_has_left_behind_is_solved_in_vain() {
    for min_txs in [0, 1] {
        let mut forge = Forge::new();
        let mut rig = miner(&forge, min_txs, None);
        pay(&mut rig, &forge, 0);
        let stale = current(&rig).unwrap();
        let tip = forge.mine(forge.genesis(), &[forge.payment(0)]);
        let peer = rig.peer();
        let effects = rig.sync(peer, &forge, tip);
        let next = mine(&effects).unwrap();
        // With nothing left to mine, no other template says that the tip has changed.
        assert_eq!(next.map(|next| next.header.previous), (min_txs == 0).then_some(tip));
        let stored = rig.machine.tree().len();
        let effects = rig.solve(&stale);
        assert_eq!(rig.tip(), tip);
        assert_eq!(rig.machine.tree().len(), stored);
        assert!(!reports(&effects).iter().any(|at| matches!(at, Report::BlockFound { .. })));
        assert_eq!(rig.machine.tally().solutions_stale, 1);
    }
}

#[test]
fn a_template_that_was_replaced_up_to_64_times_on_its_tip_still_makes_the_next_tip() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    for round in 0..1000 {
        let solved = current(&rig).unwrap();
        let mut newest = solved.id;
        for _ in 0..rng.random_range(1..=64) {
            rig.machine.mining.transaction_came();
            rig.pass(REFRESH_MIN);
            let replaced = std::mem::replace(&mut newest, current(&rig).unwrap().id);
            assert!(newest > replaced);
        }
        if round % 10 == 0 {
            // The newest template has a payment that the solved one has not.
            pay(&mut rig, &forge, round / 10);
            rig.pass(REFRESH_MIN);
            assert_eq!(current(&rig).unwrap().transfers.len(), solved.transfers.len() + 1);
        }
        rig.solve(&solved);
        assert_eq!(rig.machine.tip().height, round + 1);
        assert_eq!(current(&rig).unwrap().header.previous, rig.tip());
    }
    assert_eq!(rig.machine.tally(), Tally::default());
}

#[test]
fn a_template_is_solved_while_the_node_rests_and_then_pays_whom_its_solver_likes() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 1, None);
    pay(&mut rig, &forge, 0);
    let template = current(&rig).unwrap();
    rig.machine.mempool = Mempool::new(MempoolLimits::default());
    rig.settle(Event::Wakeup);
    assert!(current(&rig).is_none(), "nothing is pending");
    let mut coinbase = template.coinbase_with_extra_nonce(Lease(7).extra_nonce(9));
    coinbase.outputs[0].key = forge.world.key(2);
    let mut header = template.header_with(&coinbase);
    grind(&mut header);
    let outpoint = OutPoint { txid: Transaction::Coinbase(coinbase.clone()).txid(), index: 0 };
    rig.settle(Event::Mined { template, header, coinbase });
    assert_eq!(rig.tip(), header.hash());
    let coin = rig.machine.ledger().coin(&outpoint).unwrap().unwrap();
    assert_eq!(coin.output.key, forge.world.key(2));
}

#[test]
fn a_copy_of_a_template_is_not_one_of_ours_and_a_wrong_solution_is_no_block() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    let template = current(&rig).unwrap();
    let mut greedy = (*template).clone();
    greedy.coinbase.outputs[0].amount.0 += 1;
    rig.solve(&Arc::new(greedy));
    rig.solve(&Arc::new((*template).clone()));
    let coinbase = template.coinbase_with_extra_nonce(1);
    let mut header = template.header_with_extra_nonce(2);
    grind(&mut header);
    rig.settle(Event::Mined { template, header, coinbase });
    assert_eq!((rig.machine.tip().height, rig.machine.tree().len()), (0, 1));
    let Tally { solutions_stale, solutions_invalid, .. } = rig.machine.tally();
    assert_eq!((solutions_stale, solutions_invalid), (2, 1));
}

#[test]
fn templates_are_remembered_while_somebody_holds_them_and_never_too_many() {
    let forge = Forge::new();
    let mut rig = miner(&forge, 0, None);
    let mut held = vec![current(&rig).unwrap()];
    for _ in 0..1100 {
        rig.machine.mining.transaction_came();
        rig.pass(REFRESH_MIN);
        held.push(current(&rig).unwrap());
    }
    assert_eq!(rig.machine.mining.issued.len(), 1024);
    assert!(!rig.machine.may_be_solved(&held[0]));
    let first = held.len() - 1024;
    assert!(held[first..].iter().all(|template| rig.machine.may_be_solved(template)));
    held.clear();
    rig.pass(REFRESH_MAX);
    // The newest, and the one before it, which was held when its successor was made.
    assert!(rig.machine.mining.issued.len() <= 2);
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
    pay(&mut rig, &forge, 1);
    let state = rig.machine.mining_state();
    assert_eq!(state, MiningState::Mining { height: 1, transactions: 2 });
}
