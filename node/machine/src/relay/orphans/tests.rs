//! Children that come before their parents.

use chain::amount::Amount;
use chain::hash::Wtxid;
use chain::transaction::{OutPoint, Transfer};
use proptest::prelude::*;
use wire::peer::PeerMessage;

use super::*;
use crate::Event;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, payment_bytes, said};

/// A row of payments, each spending the first output of the one before.
fn family(forge: &Forge, funds: u32, length: usize) -> Vec<Transfer> {
    let mut spendable = forge.world.funds(funds);
    let mut row = Vec::new();
    for _ in 0..length {
        let payment = forge.world.payment(&[spendable], 2, 10_000);
        spendable = (OutPoint { txid: payment.txid(), index: 0 }, payment.outputs[0]);
        row.push(payment);
    }
    row
}

/// A payment of a coin that nobody will ever hear of; each `number` makes another.
fn lost_child(forge: &Forge, number: u32) -> Transfer {
    let nowhere = OutPoint { txid: Txid([9; 32]), index: number };
    forge.world.payment(&[(nowhere, forge.world.funds(0).1)], 1, 10_000)
}

fn give(rig: &mut Rig, peer: PeerId, transfer: &Transfer) -> Vec<crate::Effect> {
    rig.say(peer, PeerMessage::Transaction(payment_bytes(transfer)))
}

fn pending(rig: &Rig) -> usize {
    rig.machine.mempool().len()
}

proptest! {
    #[test]
    fn a_family_is_pending_in_whatever_order_it_came(
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        senders in proptest::collection::vec(0..3usize, 6),
    ) {
        let forge = Forge::new();
        let family = family(&forge, 0, 6);
        let mut rig = Rig::new(&forge);
        let peers: Vec<PeerId> = (0..3).map(|_| rig.peer()).collect();
        let witness = rig.peer();
        let mut announced = Vec::new();
        for (at, sender) in order.into_iter().zip(senders) {
            for message in said(&give(&mut rig, peers[sender], &family[at]), witness) {
                if let PeerMessage::AnnounceTransactions(wtxids) = message {
                    announced.extend(wtxids);
                }
            }
        }
        prop_assert_eq!(pending(&rig), 6);
        // Parents are told before their children, each once.
        let expected: Vec<Wtxid> = family.iter().map(Transfer::wtxid).collect();
        prop_assert_eq!(announced, expected);
    }
}

#[test]
fn an_orphan_whose_parent_comes_in_a_block_is_pending_then() {
    let mut forge = Forge::new();
    let family = family(&forge, 0, 2);
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    give(&mut rig, peer, &family[1]);
    assert_eq!(pending(&rig), 0);
    let tip = forge.mine(forge.genesis(), &family[..1]);
    rig.sync(peer, &forge, tip);
    assert_eq!(pending(&rig), 1);
}

#[test]
fn an_orphan_is_not_asked_for_again() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (peer, other) = (rig.peer(), rig.peer());
    let child = lost_child(&forge, 0);
    give(&mut rig, peer, &child);
    let announcement = PeerMessage::AnnounceTransactions(vec![child.wtxid()]);
    assert!(said(&rig.say(other, announcement), other).is_empty());
}

#[test]
fn a_flood_of_orphans_is_bounded_and_pushes_out_nobody_elses() {
    let forge = Forge::new();
    let family = family(&forge, 0, 2);
    let mut rig = Rig::new(&forge);
    let (honest, flood) = (rig.peer(), rig.peer());
    give(&mut rig, honest, &family[1]);
    for number in 0..200 {
        give(&mut rig, flood, &lost_child(&forge, number));
    }
    assert_eq!(rig.machine.relay.orphans.waiting.len(), ORPHANS_MAX);
    let last = lost_child(&forge, 199).wtxid();
    assert!(rig.machine.relay.orphans.contains(&last), "the oldest leaves first");
    give(&mut rig, honest, &family[0]);
    assert_eq!(pending(&rig), 2);
    assert!(rig.is_open(flood), "coins that nobody knows are no fault");
}

/// A block may make any of them no orphan any more: all of them are judged again.
#[test]
fn orphans_that_come_back_are_as_few_as_those_that_come() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (one, other) = (rig.peer(), rig.peer());
    for number in 0..100 {
        give(&mut rig, one, &lost_child(&forge, number));
    }
    let back = rig.machine.relay.orphans.take(None);
    assert_eq!(back.len(), ORPHANS_MAX);
    for number in 100..200 {
        give(&mut rig, other, &lost_child(&forge, number));
    }
    for orphan in back {
        let transaction = orphan.transaction.clone();
        let (kind, reason) = (RefusalKind::MissingCoins, String::new());
        let refused = TransactionOutcome::Refused { kind, reason };
        rig.machine.on_orphan_judged(orphan, transaction, refused);
    }
    assert_eq!(rig.machine.relay.orphans.waiting.len(), ORPHANS_MAX);
}

#[test]
fn an_orphan_waits_for_twenty_minutes_and_a_long_one_not_at_all() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let mut long = lost_child(&forge, 0);
    long.outputs = vec![long.outputs[0]; wire::peer::RELAYED_BYTES_MAX / 40 + 1];
    for output in &mut long.outputs {
        output.amount = Amount(1);
    }
    give(&mut rig, peer, &long);
    assert!(!rig.machine.relay.orphans.contains(&long.wtxid()));
    let (old, young) = (lost_child(&forge, 1), lost_child(&forge, 2));
    give(&mut rig, peer, &old);
    rig.now.monotonic += ORPHAN_PATIENCE;
    rig.settle(Event::Wakeup);
    let other = rig.peer();
    give(&mut rig, other, &young);
    assert!(!rig.machine.relay.orphans.contains(&old.wtxid()));
    assert!(rig.machine.relay.orphans.contains(&young.wtxid()));
}

#[test]
fn an_orphan_that_turns_out_forged_is_blamed_on_who_brought_it() {
    let forge = Forge::new();
    let mut family = family(&forge, 0, 2);
    family[1].inputs[0].signature.0[0] ^= 1;
    let mut rig = Rig::new(&forge);
    let (forger, honest) = (rig.peer(), rig.peer());
    give(&mut rig, forger, &family[1]);
    assert!(rig.is_open(forger));
    give(&mut rig, honest, &family[0]);
    assert!(!rig.is_open(forger) && rig.is_open(honest));
    assert_eq!(pending(&rig), 1);
}
