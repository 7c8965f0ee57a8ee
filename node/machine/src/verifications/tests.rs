//! Signatures are verified elsewhere, ahead of the cursor; the order of answers changes nothing.

mod payments;

use std::sync::Arc;
use std::time::Duration;

use chain::hash::BlockHash;
use chain::transaction::Transfer;
use proptest::prelude::*;
use proptest::sample::Index;
use wire::Message;
use wire::hello::Role;
use wire::wallet::{RefusalKind, Submit, SubmitOutcome, WalletMessage};

use crate::mempool::fixture::{Spendable, made};
use crate::mining::MiningState;
use crate::store::Store;
use crate::tests::forge::{Forge, committed};
use crate::tests::rig::{AGE_S, Rig, config, mine, payment_bytes, policy, reports, sent};
use crate::{Effect, Event, Machine, Now, Report, Surroundings, first_invalid};

/// A chain of so many blocks with one payment each, which spends what the one before it paid.
fn payments_in_a_row(forge: &mut Forge, count: usize) -> Vec<BlockHash> {
    let mut payment = forge.payment(0);
    let mut at = forge.genesis();
    let next = |_| {
        at = forge.mine(at, std::slice::from_ref(&payment));
        payment = forge.world.payment(&made(&payment)[..1], 1, 10_000);
        at
    };
    (0..count).map(next).collect()
}

/// Changes a signature, which leaves the txid as it is.
fn with_bad_signature(mut transfer: Transfer) -> Transfer {
    transfer.inputs[0].signature.0[40] ^= 1;
    transfer
}

fn slow(forge: &Forge) -> Rig {
    let mut rig = Rig::new(forge);
    rig.verifier_is_slow = true;
    rig
}

#[test]
fn blocks_are_judged_on_the_coins_of_those_whose_signatures_are_open() {
    let mut forge = Forge::new();
    let chain = payments_in_a_row(&mut forge, 5);
    let mut rig = slow(&forge);
    let peer = rig.peer();
    rig.sync(peer, &forge, chain[4]);
    assert_eq!(rig.checks.len(), 5);
    for _ in 0..4 {
        rig.finish_verifying(1);
        assert_eq!(rig.tip(), forge.genesis(), "the first block is still open");
    }
    rig.finish_verifying(0);
    assert_eq!(rig.tip(), chain[4]);
    assert_eq!(rig.machine.totals(), forge.replay(chain[4]));
}

#[test]
fn so_many_blocks_are_judged_ahead_and_no_more() {
    let mut forge = Forge::new();
    let chain = payments_in_a_row(&mut forge, 40);
    let mut rig = slow(&forge);
    let peer = rig.peer();
    rig.sync(peer, &forge, chain[39]);
    for left in (0..40).rev() {
        assert_eq!(rig.checks.len(), 16.min(left + 1));
        assert_eq!(rig.machine.next_wakeup().filter(|at| *at <= rig.now.monotonic), None);
        rig.finish_verifying(0);
    }
    assert_eq!(rig.tip(), chain[39]);
    assert_eq!(rig.machine.totals(), forge.replay(chain[39]));
}

#[test]
fn a_miner_that_waits_for_signatures_waits_for_nothing_else() {
    let mut forge = Forge::new();
    let chain = payments_in_a_row(&mut forge, 2);
    let mut config = config();
    config.mining = Some(policy(&forge));
    let mut rig = Rig::with(&forge, config);
    rig.verifier_is_slow = true;
    let peer = rig.peer();
    rig.sync(peer, &forge, chain[1]);
    let calls = rig.calls;
    rig.pass(Duration::from_secs(30));
    assert!(rig.calls - calls < 40, "{} calls in half a minute", rig.calls - calls);
    let effects = rig.finish_verifying(0);
    assert!(mine(&effects).is_none(), "on the way: {effects:?}");
    // When the coins are written the tip follows, and what was searched below it is dropped.
    let effects = rig.pass(Duration::from_secs(301));
    assert_eq!(rig.tip(), chain[0]);
    assert!(matches!(mine(&effects), Some(None)), "{effects:?}");
    let effects = rig.finish_verifying(0);
    assert_eq!(mine(&effects).flatten().unwrap().header.previous, chain[1]);
}

#[test]
fn what_stands_on_a_block_whose_signature_fails_is_forgotten() {
    let mut forge = Forge::new();
    let stay = forge.chain(forge.genesis(), 1)[0];
    let first = forge.payment(0);
    let bad = with_bad_signature(forge.world.payment(&made(&first)[..1], 1, 500));
    let last = forge.world.payment(&made(&bad)[..1], 1, 500);
    let a = forge.mine(forge.genesis(), &[first]);
    let b = forge.mine(a, &[bad]);
    let end = forge.mine(b, &[last]);
    let mut rig = slow(&forge);
    let (honest, liar) = (rig.peer(), rig.peer());
    rig.sync(honest, &forge, stay);
    rig.sync(liar, &forge, end);
    assert_eq!(rig.checks.len(), 3);
    rig.finish_verifying(2);
    let effects = rig.finish_verifying(1);
    assert!(reports(&effects).is_empty(), "the block below is still open: {effects:?}");
    let effects = rig.finish_verifying(0);
    let refused = reports(&effects).into_iter().filter_map(|report| match report {
        Report::BlockRefused { hash, .. } => Some(hash),
        _ => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), [b]);
    assert_eq!(rig.tip(), stay);
    assert!(!rig.is_open(liar) && rig.is_open(honest));
}

#[test]
fn an_answer_to_a_question_that_was_forgotten_does_not_count() {
    let mut forge = Forge::new();
    let bad = with_bad_signature(forge.payment(0));
    let a = forge.mine(forge.genesis(), &[bad]);
    let b = forge.chain(forge.genesis(), 2);
    let a3 = forge.chain(a, 2)[1];
    let mut rig = slow(&forge);
    let (one, two) = (rig.peer(), rig.peer());
    rig.sync(one, &forge, a);
    let (forgotten, _) = rig.checks.remove(0);
    // A better chain does not wait for what it has no use for.
    rig.sync(two, &forge, b[1]);
    assert_eq!(rig.tip(), b[1]);
    rig.sync(one, &forge, a3);
    assert_eq!(rig.checks.len(), 1);
    rig.settle(Event::Verified { id: forgotten, first_invalid: None });
    assert_eq!(rig.tip(), b[1]);
    rig.finish_verifying(0);
    assert_eq!(rig.tip(), b[1]);
    assert!(!rig.is_open(one));
}

/// What is wrong with a block, if anything.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Sound,
    Greedy,
    BadSignature,
    /// Spends what its parent has spent.
    DoubleSpend,
}

#[derive(Debug, Clone)]
struct Plan {
    /// Parents by number, zero is genesis; whether it spends what its parent paid.
    blocks: Vec<(usize, Kind, bool)>,
    /// Which block comes next, and which answers come behind it.
    order: Vec<(Index, Vec<Index>)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let kind = prop_oneof![
        9 => Just(Kind::Sound),
        1 => Just(Kind::Greedy),
        1 => Just(Kind::BadSignature),
        1 => Just(Kind::DoubleSpend),
    ];
    // Mostly on the latest block, so that there are branches of some length.
    let parent = prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let block = (parent, kind, any::<bool>());
    let blocks = prop::collection::vec(block, 1..14).prop_map(|blocks| {
        let numbered = blocks.into_iter().enumerate();
        let parent = |at: usize, parent: Option<Index>| parent.map_or(at, |of| of.index(at + 1));
        numbered.map(|(at, (of, kind, spends))| (parent(at, of), kind, spends)).collect::<Vec<_>>()
    });
    let answers = prop::collection::vec(any::<Index>(), 0..3);
    let order = prop::collection::vec((any::<Index>(), answers), 14);
    (blocks, order).prop_map(|(blocks, order)| Plan { blocks, order })
}

struct Made {
    hash: BlockHash,
    is_sound: bool,
    spent: Spendable,
    paid: Option<Spendable>,
}

/// The blocks of a plan, genesis first.
fn forge_all(forge: &mut Forge, plan: &Plan) -> Vec<Made> {
    let funds = |forge: &Forge, at: usize| forge.world.funds(u32::try_from(at).unwrap());
    let genesis = forge.genesis();
    let mut all =
        vec![Made { hash: genesis, is_sound: true, spent: funds(forge, 100), paid: None }];
    for (at, (parent, kind, spends_paid)) in plan.blocks.iter().enumerate() {
        let below = &all[*parent];
        let spent = match kind {
            Kind::DoubleSpend if *parent > 0 => below.spent,
            _ => below.paid.filter(|_| *spends_paid).unwrap_or(funds(forge, at)),
        };
        let mut transfer = forge.world.payment(&[spent], 1, 1_000 + at as u64);
        let is_sound = below.is_sound
            && match kind {
                Kind::Sound => true,
                Kind::DoubleSpend => *parent == 0,
                Kind::Greedy | Kind::BadSignature => false,
            };
        let (hash, paid) = match kind {
            Kind::Greedy => (forge.mine_greedy(below.hash), None),
            _ => {
                if matches!(kind, Kind::BadSignature) {
                    transfer = with_bad_signature(transfer);
                }
                let paid = made(&transfer).first().copied();
                (forge.mine(below.hash, &[transfer]), paid)
            }
        };
        all.push(Made { hash, is_sound, spent, paid });
    }
    all
}

proptest! {
    #[test]
    fn answers_in_any_order_lead_where_answers_at_once_lead(plan in plan()) {
        let mut forge = Forge::new();
        let all = forge_all(&mut forge, &plan);
        let mut left: Vec<BlockHash> = all.iter().skip(1).map(|made| made.hash).collect();
        let (mut slow, mut quick) = (slow(&forge), Rig::new(&forge));
        for (which, answers) in &plan.order {
            if !left.is_empty() {
                let hash = left.remove(which.index(left.len()));
                // Whoever sends an invalid block is not heard any more, so everybody sends one.
                for rig in [&mut slow, &mut quick] {
                    let peer = rig.peer();
                    rig.sync(peer, &forge, hash);
                }
            }
            for answer in answers {
                if !slow.checks.is_empty() {
                    slow.finish_verifying(answer.index(slow.checks.len()));
                    let tip = slow.tip();
                    prop_assert!(all.iter().any(|made| made.hash == tip && made.is_sound));
                    prop_assert_eq!(slow.machine.totals(), forge.replay(tip));
                }
            }
        }
        while !slow.checks.is_empty() {
            slow.finish_verifying(slow.checks.len() / 2);
        }
        let sound = all.iter().filter(|made| made.is_sound).map(|made| forge.height(made.hash));
        prop_assert_eq!(Some(forge.height(slow.tip())), sound.max());
        prop_assert_eq!(slow.tip(), quick.tip());
        prop_assert_eq!(slow.machine.totals(), forge.replay(slow.tip()));
        prop_assert!(slow.machine.is_settled());
    }
}

#[test]
fn nothing_is_mined_below_blocks_whose_signatures_are_open() {
    let mut forge = Forge::new();
    let chain = payments_in_a_row(&mut forge, 3);
    let mut store = Store::in_memory(&forge.network).unwrap();
    for hash in &chain {
        store.append_block(&committed(forge.block(*hash))).unwrap();
    }
    store.sync().unwrap();
    let mut config = config();
    config.mining = Some(policy(&forge));
    let wall_s = u64::from(forge.network.spec.genesis_time) + AGE_S;
    let now = Now { wall_s, monotonic: Duration::ZERO };
    let network = Arc::clone(&forge.network);
    let mut machine = Machine::new(config, Surroundings::default(), network, store, now).unwrap();
    let effects = machine.handle(now, Event::Wakeup).unwrap();
    assert!(mine(&effects).is_none(), "{effects:?}");
    assert_eq!(machine.mining_state(), MiningState::Walking);
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Verify { id, .. } => Some(*id),
        _ => None,
    });
    let mut mined = None;
    for id in asked {
        assert!(mined.is_none());
        let effects = machine.handle(now, Event::Verified { id, first_invalid: None }).unwrap();
        mined = mine(&effects).flatten();
    }
    assert_eq!(mined.unwrap().header.previous, chain[2]);
}

#[test]
fn a_wallets_child_of_a_payment_that_is_being_verified_is_asked_to_come_again() {
    let forge = Forge::new();
    let parent = forge.payment(0);
    let child = forge.world.payment(&made(&parent)[..1], 1, 10_000);
    let mut rig = slow(&forge);
    let wallet = rig.join("8.8.8.8:1", Role::Wallet);
    let submit = |transfer| {
        let transaction = payment_bytes(transfer);
        Message::Wallet(WalletMessage::Submit(Submit { request: 1, transaction }))
    };
    let outcome = |effects: &[Effect]| match sent(effects, wallet).pop() {
        Some(Message::Wallet(WalletMessage::Submitted(answer))) => Some(answer.outcome),
        _ => None,
    };
    assert!(outcome(&rig.tell(wallet, submit(&parent))).is_none());
    let refused = outcome(&rig.tell(wallet, submit(&child)));
    let busy = SubmitOutcome::Refused {
        kind: RefusalKind::Busy,
        reason: "a payment that it spends is being verified; try again".into(),
    };
    assert_eq!(refused, Some(busy));
    let accepted = outcome(&rig.finish_verifying(0));
    assert_eq!(accepted, Some(SubmitOutcome::Accepted(parent.txid())));
    assert!(outcome(&rig.tell(wallet, submit(&child))).is_none());
    assert_eq!(outcome(&rig.finish_verifying(0)), Some(SubmitOutcome::Accepted(child.txid())));
}
