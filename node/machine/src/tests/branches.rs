//! Branches: the node ends on the valid chain with most work, and on the first seen of equals.

use std::time::Duration;

use chain::amount::Amount;
use chain::hash::BlockHash;
use chain::transaction::{Output, Transaction};
use wire::ByteString;
use wire::peer::PeerMessage;

use super::forge::{Forge, committed};
use super::rig::{Rig, closed, compact, reports, said};
use crate::{Effect, Report};

fn refused(effects: &[Effect]) -> Vec<BlockHash> {
    let refused = reports(effects).into_iter().filter_map(|report| match report {
        Report::BlockRefused { hash, .. } => Some(hash),
        _ => None,
    });
    refused.collect()
}

fn is_news(report: &Report) -> bool {
    matches!(report, Report::BlockConnected { .. } | Report::Reorganized { .. })
}

#[test]
fn a_coinbase_of_one_unit_too_much_is_refused_on_the_tip_and_its_sender_banned() {
    let mut forge = Forge::new();
    let tip = forge.chain(forge.genesis(), 2)[1];
    let greedy = forge.mine_greedy(tip);
    let mut rig = Rig::new(&forge);
    let (honest, liar) = (rig.peer(), rig.peer());
    rig.sync(honest, &forge, tip);
    let effects = rig.sync(liar, &forge, greedy);
    assert_eq!(refused(&effects), [greedy]);
    assert_eq!(rig.tip(), tip);
    assert_eq!(rig.machine.totals(), forge.replay(tip));
    assert!(!rig.is_open(liar) && rig.is_open(honest));
    assert!(!reports(&effects).iter().any(is_news), "{effects:?}");
}

#[test]
fn a_longer_branch_with_a_bad_block_in_the_middle_is_left_without_a_trace() {
    for bad_at in 0..4 {
        let mut forge = Forge::new();
        let base = forge.chain(forge.genesis(), 3);
        let stay = forge.chain(base[2], 2)[1];
        // The branch up to the bad block never has more work than the tip.
        let mut at = base[0];
        for height in 0..6 {
            at = if height == bad_at { forge.mine_greedy(at) } else { forge.mine(at, &[]) };
        }
        let mut rig = Rig::new(&forge);
        let (honest, liar) = (rig.peer(), rig.peer());
        rig.sync(honest, &forge, stay);
        let effects = rig.sync(liar, &forge, at);
        assert_eq!(refused(&effects).len(), 1);
        assert_eq!(rig.tip(), stay);
        assert_eq!(rig.machine.totals(), forge.replay(stay));
        assert!(!reports(&effects).iter().any(is_news), "news of a walk that failed");
        assert!(!rig.is_open(liar) && rig.is_open(honest));
        // The chain goes on as if nothing had been.
        let next = forge.mine(stay, &[]);
        let effects = rig.sync(honest, &forge, next);
        let news: Vec<Report> = reports(&effects).into_iter().filter(is_news).collect();
        assert!(matches!(news[..], [Report::BlockConnected { hash, .. }] if hash == next));
    }
}

#[test]
fn a_valid_beginning_of_a_bad_branch_is_used_when_it_has_more_work() {
    let mut forge = Forge::new();
    let base = forge.chain(forge.genesis(), 2);
    let old = forge.chain(base[1], 1)[0];
    let good = forge.chain(base[1], 3)[2];
    let bad = forge.mine_greedy(good);
    let end = forge.chain(bad, 3)[2];
    let mut rig = Rig::new(&forge);
    let (honest, liar) = (rig.peer(), rig.peer());
    rig.sync(honest, &forge, old);
    rig.sync(liar, &forge, end);
    assert_eq!(rig.tip(), good);
    assert_eq!(rig.machine.totals(), forge.replay(good));
}

#[test]
fn a_double_spend_on_a_longer_branch_leaves_the_node_where_it_is() {
    let mut forge = Forge::new();
    let payment = forge.payment(0);
    let again = forge.world.payment(&[forge.world.funds(0)], 1, 500);
    let a = forge.mine(forge.genesis(), std::slice::from_ref(&payment));
    let stay = forge.mine(a, &[]);
    let b = forge.mine(forge.genesis(), &[payment]);
    let double = forge.mine(b, &[again]);
    let end = forge.chain(double, 2)[1];
    let mut rig = Rig::new(&forge);
    let (honest, liar) = (rig.peer(), rig.peer());
    rig.sync(honest, &forge, stay);
    rig.sync(liar, &forge, end);
    assert_eq!(rig.tip(), stay);
    assert_eq!(rig.machine.totals(), forge.replay(stay));
    // The prefix is still good for something better.
    let better = forge.chain(b, 3)[2];
    rig.sync(honest, &forge, better);
    assert_eq!(rig.tip(), better);
    assert_eq!(rig.machine.totals(), forge.replay(better));
}

#[test]
fn equal_work_stays_one_more_reorganizes_and_back() {
    let mut forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (one, two) = (rig.peer(), rig.peer());
    let a = forge.chain(forge.genesis(), 3);
    let b = forge.chain(forge.genesis(), 3);
    rig.sync(one, &forge, a[2]);
    rig.sync(two, &forge, b[2]);
    assert_eq!(rig.tip(), a[2], "equal work");
    let b4 = forge.mine(b[2], &[]);
    let effects = rig.sync(two, &forge, b4);
    assert_eq!(rig.tip(), b4);
    let expected =
        Report::Reorganized { from: a[2], to: b4, height: 4, disconnected: 3, connected: 4 };
    assert!(reports(&effects).contains(&expected), "{:?}", reports(&effects));
    let a5 = forge.chain(a[2], 2)[1];
    rig.sync(one, &forge, a5);
    assert_eq!(rig.tip(), a5);
    assert_eq!(rig.machine.totals(), forge.replay(a5));
    assert!(rig.is_open(one) && rig.is_open(two));
}

#[test]
fn three_blocks_at_high_difficulty_beat_five_at_low() {
    let mut forge = Forge::with_spec(|spec| {
        spec.retarget = chain::spec::Retarget::Asert;
        spec.spacing_s = 5;
        spec.half_life_s = 120;
        spec.starting_bits = 4;
        spec.easiest_bits = 1;
    });
    // Late blocks are easy, early ones hard.
    let mut slow = forge.genesis();
    for late in 1..=5 {
        slow = forge.mine_with(slow, &[], |block| block.header.time += 400 * late);
    }
    let mut fast = forge.genesis();
    for _ in 0..3 {
        fast = forge.mine(fast, &[]);
    }
    let mut rig = Rig::new(&forge);
    let (one, two) = (rig.peer(), rig.peer());
    rig.sync(one, &forge, slow);
    assert_eq!(rig.tip(), slow);
    rig.sync(two, &forge, fast);
    assert_eq!(rig.tip(), fast);
}

#[test]
fn a_branch_of_1100_blocks_there_and_back_gives_the_coins_of_a_replay() {
    let mut forge = Forge::new();
    let payment = forge.payment(0);
    let mut a = forge.mine(forge.genesis(), &[payment]);
    a = *forge.chain(a, 1100).last().unwrap();
    let b = *forge.chain(forge.genesis(), 1102).last().unwrap();
    let back = *forge.chain(a, 3).last().unwrap();
    let mut rig = Rig::new(&forge);
    let (one, two) = (rig.peer(), rig.peer());
    rig.sync(one, &forge, a);
    assert_eq!(rig.tip(), a);
    rig.sync(two, &forge, b);
    assert_eq!(rig.tip(), b);
    assert_eq!(rig.machine.totals(), forge.replay(b));
    rig.sync(one, &forge, back);
    assert_eq!(rig.tip(), back);
    assert_eq!(rig.machine.totals(), forge.replay(back));
}

#[test]
fn the_right_body_is_welcome_after_a_wrong_one_from_anybody() {
    let mut forge = Forge::new();
    let payment = forge.payment(0);
    let hash = forge.mine(forge.genesis(), &[payment]);
    let right = forge.bytes(hash);
    let other = forge.mine(forge.genesis(), &[]);
    let with_body = |body: &[u8]| [&right[..80], body].concat();
    let siblings = &committed(forge.block(hash)).wtxids;
    let children = [&[1][..], &siblings[0].0, &siblings[1].0].concat();
    let mut signature = right.clone();
    *signature.last_mut().unwrap() ^= 1;
    let wrong = [
        with_body(&forge.bytes(other)[80..]),
        with_body(&children),
        with_body(&[0xff; 9]),
        with_body(&[]),
        with_body(&[0]),
        [&right[..], &[0]].concat(),
        signature,
    ];
    for from_another in [true, false] {
        let mut rig = Rig::new(&forge);
        let (first, second) = (rig.peer(), rig.peer());
        for body in &wrong {
            rig.give(first, body.clone());
            assert_eq!(rig.tip(), forge.genesis());
            assert!(rig.machine.tree().find(&hash).is_some());
        }
        rig.give(if from_another { second } else { first }, right.clone());
        assert_eq!(rig.tip(), hash);
        assert!(rig.is_open(first) && rig.is_open(second));
    }
}

#[test]
fn a_block_ahead_of_the_clock_waits_for_its_second_and_nobody_is_blamed() {
    let mut forge = Forge::new();
    let limit = forge.network.spec.future_limit_s();
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let ahead = u32::try_from(rig.now.wall_s).unwrap() + limit + 3;
    let early = forge.mine_with(forge.genesis(), &[], |block| block.header.time = ahead);
    rig.give(peer, forge.bytes(early));
    // A wrong body behind it does not take its place.
    rig.give(peer, [&forge.bytes(early)[..80], &[0xff; 5]].concat());
    assert_eq!(rig.tip(), forge.genesis());
    assert_eq!(rig.machine.tree().len(), 1);
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.tip(), forge.genesis());
    rig.pass(Duration::from_millis(1999));
    assert_eq!(rig.tip(), early, "in its second");
    assert!(rig.is_open(peer));
}

#[test]
fn blocks_far_ahead_of_the_clock_do_not_shut_out_the_near_ones() {
    let mut forge = Forge::new();
    let limit = forge.network.spec.future_limit_s();
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let wall = u32::try_from(rig.now.wall_s).unwrap();
    for late in 0..40 {
        let hash = forge.mine_with(forge.genesis(), &[], |block| {
            block.header.time = wall + limit + 1000 + late;
        });
        rig.give(peer, forge.bytes(hash));
    }
    let near = forge.mine_with(forge.genesis(), &[], |block| block.header.time = wall + limit + 1);
    let announced = compact(&forge, near, 1);
    rig.say(peer, PeerMessage::CompactBlock(announced));
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.tip(), near);
    assert!(rig.is_open(peer));
}

#[test]
fn the_transactions_of_a_lost_branch_pend_again_or_give_way() {
    let mut forge = Forge::new();
    let (kept, lost) = (forge.payment(0), forge.payment(1));
    let child = forge.world.payment(&crate::mempool::fixture::made(&kept)[..1], 1, 10_000);
    let rival = forge.world.payment(&[forge.world.funds(1)], 1, 700);
    let a = forge.mine(forge.genesis(), &[kept.clone(), lost.clone()]);
    let a = forge.mine(a, std::slice::from_ref(&child));
    let b = forge.mine(forge.genesis(), &[rival]);
    let b2 = forge.chain(b, 2)[1];
    let mut rig = Rig::new(&forge);
    let (one, two) = (rig.peer(), rig.peer());
    rig.sync(one, &forge, a);
    let effects = rig.sync(two, &forge, b2);
    assert_eq!(rig.tip(), b2);
    let pool = rig.machine.mempool();
    assert!(pool.contains_txid(&kept.txid()) && pool.contains_txid(&child.txid()));
    assert!(!pool.contains_txid(&lost.txid()));
    // Both come in one message.
    let told = said(&effects, one).into_iter().filter_map(|message| match message {
        PeerMessage::AnnounceTransactions(wtxids) => Some(wtxids),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [vec![kept.wtxid(), child.wtxid()]]);
    // And back: they are confirmed once more.
    let a3 = forge.chain(a, 2)[1];
    rig.sync(one, &forge, a3);
    assert!(rig.machine.mempool().is_empty());
    assert_eq!(rig.machine.totals(), forge.replay(a3));
}

#[test]
fn a_block_of_unknown_parents_is_dropped_and_its_sender_asked_for_headers() {
    let mut forge = Forge::new();
    let tip = forge.chain(forge.genesis(), 5)[4];
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let effects = rig.give(peer, forge.bytes(tip));
    assert_eq!(rig.machine.tree().len(), 1);
    assert!(matches!(said(&effects, peer)[..], [PeerMessage::GetHeaders(_)]));
    assert!(closed(&effects).is_empty());
    rig.answer(peer, &forge, tip, &effects);
    assert_eq!(rig.tip(), tip);
}

#[test]
fn a_block_exactly_at_the_limit_is_taken_served_and_reorganized_and_one_byte_more_is_not() {
    // Header, count, coinbase of 244 outputs, one payment.
    let bytes = 80 + 1 + 38 + 244 * 40 + 187;
    for too_large in [false, true] {
        let max = bytes - u32::from(too_large);
        let mut forge = Forge::with_spec(|spec| spec.block_bytes_max = max);
        let payment = forge.payment(0);
        let largest = forge.mine_with(forge.genesis(), &[payment], |block| {
            let Some(Transaction::Coinbase(coinbase)) = block.transactions.first_mut() else {
                panic!("a block begins with its coinbase");
            };
            let one = Output { amount: Amount(1), ..coinbase.outputs[0] };
            coinbase.outputs = vec![one; 244];
        });
        assert_eq!(forge.bytes(largest).len(), bytes as usize);
        let mut rig = Rig::new(&forge);
        let peer = rig.peer();
        rig.sync(peer, &forge, largest);
        assert_eq!(rig.is_open(peer), !too_large);
        if too_large {
            assert_eq!(rig.tip(), forge.genesis());
            continue;
        }
        assert_eq!(rig.tip(), largest);
        let effects = rig.say(peer, PeerMessage::GetBlocks(vec![largest]));
        let block = PeerMessage::Block(ByteString(forge.bytes(largest)));
        assert_eq!(said(&effects, peer), [block]);
        let away = forge.chain(forge.genesis(), 2)[1];
        rig.sync(peer, &forge, away);
        assert_eq!(rig.tip(), away);
        let back = forge.chain(largest, 2)[1];
        rig.sync(peer, &forge, back);
        assert_eq!(rig.machine.totals(), forge.replay(back));
    }
}
