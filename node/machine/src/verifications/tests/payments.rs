//! Payments from many at once, most of them worth nothing: who is judged when, and who is banned.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chain::encoding::Encode;
use chain::hash::Wtxid;
use chain::key::Signature;
use chain::transaction::{Input, OutPoint, Transaction};
use wire::ByteString;
use wire::peer::{PeerMessage, RELAYED_BYTES_MAX};

use super::super::super::PeerId;
use super::*;
use crate::tests::rig::said;

/// Inputs of a large payment here.
const INPUTS: u32 = 150;

/// A payment of many coins, the last signature of which is wrong.
fn worthless(forge: &Forge) -> Transfer {
    let coins: Vec<Spendable> = (0..INPUTS).map(|at| forge.world.funds(at)).collect();
    let mut transfer = forge.world.payment(&coins, 1, 1_000_000);
    transfer.inputs[INPUTS as usize - 1].signature.0[40] ^= 1;
    transfer
}

fn submit(transfer: &Transfer) -> Message {
    let transaction = payment_bytes(transfer);
    Message::Wallet(WalletMessage::Submit(Submit { request: 1, transaction }))
}

fn outcome(effects: &[Effect], wallet: PeerId) -> Option<SubmitOutcome> {
    match sent(effects, wallet).pop() {
        Some(Message::Wallet(WalletMessage::Submitted(answer))) => Some(answer.outcome),
        _ => None,
    }
}

/// How often a connection was to pause, less how often it was to read on.
fn pauses(effects: &[Effect], of: PeerId) -> i32 {
    let each = effects.iter().map(|effect| match effect {
        Effect::Pause { peer } if *peer == of => 1,
        Effect::Resume { peer } if *peer == of => -1,
        _ => 0,
    });
    each.sum()
}

fn signatures(rig: &Rig) -> usize {
    rig.checks.iter().map(|(_, checks)| checks.len()).sum()
}

/// As with connections of one computer, where nobody is banned.
#[test]
fn a_small_payment_is_next_though_many_large_ones_wait() {
    let forge = Forge::new();
    let bad = worthless(&forge);
    let mut rig = slow(&forge);
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let wallet = rig.join("127.0.0.1:1", Role::Wallet);
        let effects = rig.tell(wallet, submit(&bad));
        assert_eq!(pauses(&effects, wallet), 1, "nothing is read from it meanwhile");
        waiting.push(wallet);
    }
    assert!(signatures(&rig) <= 1_000, "{} at a time", signatures(&rig));
    let honest = rig.join("127.0.0.1:2", Role::Wallet);
    let small = forge.world.payment(&[forge.world.funds(INPUTS + 1)], 2, 10_000);
    let mut effects = rig.tell(honest, submit(&small));
    let mut answers = 0;
    while outcome(&effects, honest).is_none() {
        effects = rig.finish_verifying(0);
        waiting.retain(|wallet| outcome(&effects, *wallet).is_none());
        answers += 1;
        assert!(answers <= 1_000 / INPUTS + 1, "it waits for those behind it");
    }
    assert_eq!(outcome(&effects, honest), Some(SubmitOutcome::Accepted(small.txid())));
    assert_eq!(pauses(&effects, honest), -1, "it is read on");
    while !rig.checks.is_empty() {
        let effects = rig.finish_verifying(0);
        waiting.retain(|wallet| outcome(&effects, *wallet).is_none());
        assert!(waiting.iter().all(|wallet| pauses(&effects, *wallet) == 0));
    }
    assert!(waiting.is_empty(), "all of them are answered");
}

#[test]
fn a_call_judges_no_more_than_it_has_time_for() {
    let forge = Forge::new();
    let bad = worthless(&forge);
    let mut rig = slow(&forge);
    for _ in 0..40 {
        let wallet = rig.join("127.0.0.1:1", Role::Wallet);
        rig.tell(wallet, submit(&bad));
    }
    let most = 1_000 + INPUTS as usize;
    let mut calls = 0;
    while let Some((id, checks)) = rig.checks.pop() {
        // The answers come in the wrong order: the last one lets all be finished.
        let mut event = Event::Verified { id, first_invalid: first_invalid(&checks) };
        loop {
            rig.handle(event);
            assert!(rig.machine.verifications.transactions.judged() <= most);
            calls += 1;
            if rig.machine.next_wakeup().is_none_or(|at| at > rig.now.monotonic) {
                break;
            }
            event = Event::Wakeup;
        }
    }
    assert!(calls >= 40, "{calls}");
}

#[test]
fn whoever_causes_work_for_nothing_is_banned_and_coming_again_does_not_help() {
    let bad = |forge: &Forge| submit(&worthless(forge));
    for (address, neighbor, stranger) in [
        ("9.9.9.9:1", "9.9.9.9:2", "9.9.9.8:1"),
        ("[2600:1:2:3::5]:1", "[2600:1:2:3:ffff::1]:1", "[2600:1:2:4::5]:1"),
    ] {
        let forge = Forge::new();
        let mut rig = Rig::new(&forge);
        let bystander = rig.join(neighbor, Role::Wallet);
        let elsewhere = rig.join(stranger, Role::Wallet);
        let mut payments: u32 = 0;
        loop {
            let (wallet, _) = rig.connect(address, crate::Direction::Inbound);
            if !rig.is_open(wallet) {
                break;
            }
            let hello = rig.hello(Role::Wallet);
            rig.tell(wallet, Message::Hello(Box::new(hello)));
            rig.tell(wallet, bad(&forge));
            rig.settle(Event::Disconnected { peer: wallet });
            payments += 1;
            assert!(payments < 30, "for ever");
        }
        assert!(payments * INPUTS > 2_000, "an accident is forgiven: {payments}");
        assert!(!rig.is_open(bystander), "the same owner");
        assert!(rig.is_open(elsewhere));
        let (again, _) = rig.connect(neighbor, crate::Direction::Inbound);
        assert!(!rig.is_open(again));
    }
}

#[test]
fn nobody_is_banned_on_the_computer_itself_nor_who_makes_a_mistake_now_and_then() {
    let forge = Forge::new();
    let bad = worthless(&forge);
    for (address, pause_s) in [("127.0.0.1:1", 0), ("9.9.9.9:1", 60)] {
        let mut rig = Rig::new(&forge);
        for _ in 0..30 {
            let wallet = rig.join(address, Role::Wallet);
            rig.tell(wallet, submit(&bad));
            assert!(rig.is_open(wallet));
            rig.settle(Event::Disconnected { peer: wallet });
            rig.pass(Duration::from_secs(pause_s));
        }
    }
}

#[test]
fn what_is_too_long_to_be_relayed_is_nobodys_fault_and_asked_for_once() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let input = |index| Input {
        outpoint: OutPoint { txid: forge.payment(0).txid(), index },
        signature: Signature([7; 64]),
    };
    let outputs = forge.payment(0).outputs;
    let inputs = (0..1_000).map(input).collect();
    let long = Transfer { inputs, outputs, lock_height: 0 };
    let bytes = Transaction::Transfer(long.clone()).encode();
    assert!(bytes.len() > RELAYED_BYTES_MAX);
    let wallet = rig.join("9.9.9.9:1", Role::Wallet);
    for _ in 0..30 {
        let answer = outcome(&rig.tell(wallet, submit(&long)), wallet);
        let told = matches!(&answer, Some(SubmitOutcome::Refused { reason, .. })
            if reason.contains("100000") && reason.contains("smaller parts"));
        assert!(told, "{answer:?}");
    }
    let (node, other) = (rig.peer(), rig.peer());
    rig.say(node, PeerMessage::Transaction(ByteString(bytes)));
    let effects = rig.say(other, PeerMessage::AnnounceTransactions(vec![long.wtxid()]));
    assert!(said(&effects, other).is_empty(), "{effects:?}");
    assert!(rig.is_open(wallet) && rig.is_open(node));
}

/// Fills all lanes with payments of this node, and one more that waits.
fn fill_lanes(rig: &mut Rig, forge: &Forge, node: PeerId) {
    for number in 0..=1_000 / INPUTS {
        let mut bad = worthless(forge);
        bad.inputs[0].signature.0[0] ^= u8::try_from(number).unwrap();
        rig.say(node, PeerMessage::Transaction(payment_bytes(&bad)));
    }
}

#[test]
fn a_payment_is_not_lost_when_whoever_brought_it_goes_before_its_turn() {
    let forge = Forge::new();
    let good = forge.world.payment(&[forge.world.funds(INPUTS + 1)], 2, 10_000);
    let news = || PeerMessage::AnnounceTransactions(vec![good.wtxid()]);
    let given = || PeerMessage::Transaction(payment_bytes(&good));
    for (announced_before, banned) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut rig = slow(&forge);
        let (bringer, other) = (rig.peer(), rig.peer());
        if announced_before {
            rig.say(bringer, news());
            rig.say(other, news());
        }
        fill_lanes(&mut rig, &forge, bringer);
        rig.say(bringer, given());
        if !announced_before {
            assert_eq!(said(&rig.say(other, news()), other), [], "it is here");
        }
        let effects = match banned {
            true => rig.finish_verifying(0),
            false => rig.settle(Event::Disconnected { peer: bringer }),
        };
        assert!(!rig.is_open(bringer));
        let asked = PeerMessage::GetTransactions(vec![good.wtxid()]);
        assert_eq!(said(&effects, other), [asked], "{announced_before} {banned}");
        rig.say(other, given());
        while !rig.checks.is_empty() {
            rig.finish_verifying(0);
        }
        assert_eq!(rig.machine.mempool().len(), 1);
        assert!(rig.machine.relay.others.is_empty());
    }
}

#[test]
fn an_orphan_stays_when_whoever_brought_it_goes_before_its_turn() {
    let forge = Forge::new();
    let parent = forge.world.payment(&[forge.world.funds(INPUTS + 1)], 2, 10_000);
    let child = forge.world.payment(&made(&parent)[..1], 1, 10_000);
    let mut rig = slow(&forge);
    let (bringer, other) = (rig.peer(), rig.peer());
    rig.say(bringer, PeerMessage::Transaction(payment_bytes(&child)));
    rig.say(other, PeerMessage::Transaction(payment_bytes(&parent)));
    // Its turn comes behind whatever its bringer brought before.
    fill_lanes(&mut rig, &forge, bringer);
    let parent_at = rig.checks.iter().position(|(_, checks)| checks.len() == 1).unwrap();
    rig.finish_verifying(parent_at);
    assert_eq!(rig.machine.mempool().len(), 1);
    rig.settle(Event::Disconnected { peer: bringer });
    while !rig.checks.is_empty() {
        rig.finish_verifying(0);
    }
    assert_eq!(rig.machine.mempool().len(), 2);
}

#[test]
fn who_else_has_a_payment_that_is_refused_is_forgotten() {
    let forge = Forge::new();
    let bad = worthless(&forge);
    let mut rig = slow(&forge);
    let (bringer, other) = (rig.peer(), rig.peer());
    rig.say(bringer, PeerMessage::Transaction(payment_bytes(&bad)));
    rig.say(other, PeerMessage::AnnounceTransactions(vec![bad.wtxid()]));
    let effects = rig.finish_verifying(0);
    assert_eq!(said(&effects, other), []);
    assert!(rig.machine.relay.others.is_empty());
}

#[test]
fn who_spends_the_same_coins_many_times_at_once_pays_for_each_signature() {
    for address in ["9.9.9.9:1", "127.0.0.1:1"] {
        let forge = Forge::new();
        let mut rig = slow(&forge);
        let bystander = rig.join(address, Role::Wallet);
        // One of 33 is accepted each time, and the signatures of 32 were verified for nothing.
        for round in 0..3 {
            let coins: Vec<Spendable> =
                (0..30).map(|at| forge.world.funds(round * 30 + at)).collect();
            for outputs in 1..=33 {
                let (wallet, _) = rig.connect(address, crate::Direction::Inbound);
                let hello = rig.hello(Role::Wallet);
                rig.tell(wallet, Message::Hello(Box::new(hello)));
                rig.tell(wallet, submit(&forge.world.payment(&coins, outputs, 1_000_000)));
                rig.settle(Event::Disconnected { peer: wallet });
            }
            while !rig.checks.is_empty() {
                rig.finish_verifying(0);
            }
        }
        assert_eq!(rig.is_open(bystander), address.starts_with("127"));
    }
}

/// A payment at the end of a chain that is as long as one may be costs as much as any other; one
/// whose parent is being verified costs nothing, and whoever brings it is asked to come again.
#[test]
fn only_who_is_asked_to_come_again_at_once_pays_nothing() {
    for is_verified in [true, false] {
        let forge = Forge::new();
        let mut rig = slow(&forge);
        let giver = rig.join("127.0.0.1:1", Role::Wallet);
        let mut last = forge.world.payment(&[forge.world.funds(0)], 1, 10_000);
        for _ in 1..25 {
            rig.tell(giver, submit(&last));
            rig.finish_verifying(0);
            last = forge.world.payment(&made(&last), 1, 10_000);
        }
        rig.tell(giver, submit(&last));
        if is_verified {
            rig.finish_verifying(0);
            assert_eq!(rig.machine.mempool().len(), 25);
        }
        let mut coins: Vec<Spendable> = (1..=INPUTS).map(|at| forge.world.funds(at)).collect();
        coins.extend(made(&last));
        let late = submit(&forge.world.payment(&coins, 1, 1_000_000));
        let wallet = rig.join("9.9.9.9:1", Role::Wallet);
        for _ in 0..150 {
            rig.tell(wallet, late.clone());
        }
        assert_eq!(rig.is_open(wallet), !is_verified);
    }
}

#[test]
fn a_node_is_not_asked_for_more_before_what_it_brought_is_judged() {
    let forge = Forge::new();
    let mut rig = slow(&forge);
    let (filler, node) = (rig.peer(), rig.peer());
    for count in [INPUTS, INPUTS, INPUTS, INPUTS, INPUTS, INPUTS, 100] {
        let coins: Vec<Spendable> = (0..count).map(|at| forge.world.funds(at)).collect();
        let fee = 1_000_000 + u64::try_from(rig.checks.len()).unwrap();
        let large = forge.world.payment(&coins, 1, fee);
        rig.say(filler, PeerMessage::Transaction(payment_bytes(&large)));
    }
    assert_eq!(signatures(&rig), 1_000);
    let long: Vec<Transfer> =
        (0..5).map(|at| forge.world.payment(&[forge.world.funds(at)], 2_400, 1_000)).collect();
    let wtxids: Vec<Wtxid> = long.iter().map(Transfer::wtxid).collect();
    rig.say(node, PeerMessage::AnnounceTransactions(wtxids.clone()));
    for transfer in &long {
        let effects = rig.say(node, PeerMessage::Transaction(payment_bytes(transfer)));
        assert_eq!(said(&effects, node), []);
    }
    while !rig.checks.is_empty() {
        let effects = rig.finish_verifying(0);
        if said(&effects, node).contains(&PeerMessage::GetTransactions(vec![wtxids[4]])) {
            return;
        }
    }
    panic!("the last one is never asked for again");
}

#[test]
fn what_a_chain_is_too_long_for_is_kept_until_a_block_and_not_asked_for_again() {
    let mut forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let node = rig.peer();
    let mut chain = vec![forge.world.payment(&[forge.world.funds(0)], 1, 10_000)];
    for at in 0..25 {
        chain.push(forge.world.payment(&made(&chain[at]), 1, 10_000));
    }
    for payment in &chain {
        let effects = rig.say(node, PeerMessage::Transaction(payment_bytes(payment)));
        assert_eq!(said(&effects, node), []);
    }
    assert_eq!(rig.machine.mempool().len(), 25);
    let tip = forge.mine(forge.genesis(), &chain[..1]);
    rig.sync(node, &forge, tip);
    assert!(rig.machine.mempool().contains_txid(&chain[25].txid()));
}

/// A few payments, some of the same coins, some worth nothing.
static PAYMENTS: LazyLock<(Forge, Vec<Transfer>)> = LazyLock::new(|| {
    let forge = Forge::new();
    let payments =
        [(0, 1), (0, 9), (1, 2), (3, 1), (4, 5), (8, 3), (12, 1)].map(|(from, count)| {
            let coins: Vec<Spendable> =
                (from..from + count).map(|at| forge.world.funds(at)).collect();
            let good = forge.world.payment(&coins, 1, 1_000_000);
            [with_bad_signature(good.clone()), good]
        });
    (forge, payments.concat())
});

proptest! {
    /// Whatever is said and in whatever order signatures are verified: each wallet that pauses is
    /// read on once it is answered, and nothing is left behind.
    #[test]
    fn everybody_is_answered_once_and_read_on(
        steps in prop::collection::vec((0usize..6, any::<Index>(), 0usize..3), 1..40),
    ) {
        let (forge, payments) = &*PAYMENTS;
        let mut rig = slow(forge);
        let wallets: Vec<PeerId> =
            (0..6).map(|_| rig.join("127.0.0.1:1", Role::Wallet)).collect();
        let mut open: BTreeMap<PeerId, i32> = BTreeMap::new();
        let mut all = Vec::new();
        for (who, which, answers) in steps {
            let wallet = wallets[who];
            if open.get(&wallet).copied().unwrap_or(0) == 0 {
                let payment = &payments[which.index(payments.len())];
                all.extend(rig.tell(wallet, submit(payment)));
            }
            for at in 0..answers {
                if !rig.checks.is_empty() {
                    all.extend(rig.finish_verifying(at % rig.checks.len()));
                }
            }
            open = wallets.iter().map(|wallet| (*wallet, pauses(&all, *wallet))).collect();
            prop_assert!(open.values().all(|open| (0..=1).contains(open)), "{open:?}");
        }
        while !rig.checks.is_empty() {
            all.extend(rig.finish_verifying(rig.checks.len() / 2));
        }
        prop_assert!(wallets.iter().all(|wallet| pauses(&all, *wallet) == 0));
        prop_assert!(rig.machine.verifications.transactions.is_empty());
    }
}
