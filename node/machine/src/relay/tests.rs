//! New blocks and pending transactions between nodes.

use std::time::Duration;

use chain::hash::BlockHash;
use chain::transaction::Transfer;
use wire::ByteString;
use wire::hello::Role;
use wire::peer::{BlockTransactions, CompactBlock, PeerMessage};
use wire::wallet::{Submit, WalletMessage};

use super::*;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, blocks_asked, compact, payment_bytes, said};
use crate::{Effect, Event};

fn announced(effects: &[Effect], peer: PeerId) -> Vec<Wtxid> {
    let messages = said(effects, peer).into_iter();
    messages
        .filter_map(|message| match message {
            PeerMessage::AnnounceTransactions(wtxids) => Some(wtxids),
            _ => None,
        })
        .flatten()
        .collect()
}

fn asked(effects: &[Effect], peer: PeerId) -> Vec<Wtxid> {
    let messages = said(effects, peer).into_iter();
    messages
        .filter_map(|message| match message {
            PeerMessage::GetTransactions(wtxids) => Some(wtxids),
            _ => None,
        })
        .flatten()
        .collect()
}

fn positions_asked(effects: &[Effect], peer: PeerId) -> Option<Vec<u32>> {
    said(effects, peer).into_iter().find_map(|message| match message {
        PeerMessage::GetBlockTransactions(request) => Some(request.positions),
        _ => None,
    })
}

fn pay(rig: &mut Rig, peer: PeerId, transfer: &Transfer) -> Vec<Effect> {
    rig.say(peer, PeerMessage::Transaction(payment_bytes(transfer)))
}

fn announce(rig: &mut Rig, peer: PeerId, wtxids: &[Wtxid]) -> Vec<Effect> {
    rig.say(peer, PeerMessage::AnnounceTransactions(wtxids.to_vec()))
}

fn junk(number: u32) -> Wtxid {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Wtxid(bytes)
}

/// A block of four payments, those of them in `pending` being in the pool.
fn with_pending(pending: &[usize]) -> (Forge, Rig, PeerId, BlockHash) {
    let mut forge = Forge::new();
    let payments: Vec<Transfer> = (0..4).map(|at| forge.payment(at)).collect();
    let hash = forge.mine(forge.genesis(), &payments);
    let mut rig = Rig::new(&forge);
    let (wallet, peer) = (rig.peer(), rig.peer());
    for at in pending {
        pay(&mut rig, wallet, &payments[*at]);
    }
    assert_eq!(rig.machine.mempool().len(), pending.len());
    (forge, rig, peer, hash)
}

#[test]
fn a_compact_block_asks_for_what_is_not_pending_and_for_nothing_else() {
    for (pending, missing) in
        [(vec![0, 1, 2, 3], None), (vec![0, 2], Some(vec![2, 4])), (vec![], Some(vec![1, 2, 3, 4]))]
    {
        let (forge, mut rig, peer, hash) = with_pending(&pending);
        let effects = rig.say(peer, PeerMessage::CompactBlock(compact(&forge, hash, 77)));
        assert_eq!(positions_asked(&effects, peer), missing);
        assert!(blocks_asked(&effects, peer).is_empty(), "never the whole block as well");
        rig.answer(peer, &forge, hash, &effects);
        assert_eq!(rig.tip(), hash);
        assert!(rig.machine.mempool().is_empty());
        assert!(rig.is_open(peer));
        assert!(rig.machine.relay.partial.is_empty());
    }
}

#[test]
fn a_short_id_of_another_transaction_is_settled_by_the_whole_block() {
    let (forge, mut rig, peer, hash) = with_pending(&[0, 1, 2, 3]);
    let mut collides = compact(&forge, hash, 77);
    // The second payment's place holds the first one's id.
    collides.short_ids.0.copy_within(0..6, 6);
    let effects = rig.say(peer, PeerMessage::CompactBlock(collides));
    assert_eq!(blocks_asked(&effects, peer), [hash]);
    rig.answer(peer, &forge, hash, &effects);
    assert_eq!(rig.tip(), hash);
    assert!(rig.is_open(peer));
}

#[test]
fn missing_transactions_that_never_come_are_replaced_by_the_block_of_another() {
    let (forge, mut rig, mute, hash) = with_pending(&[]);
    let honest = rig.peer();
    rig.say(mute, PeerMessage::CompactBlock(compact(&forge, hash, 1)));
    let effects = rig.say(honest, PeerMessage::CompactBlock(compact(&forge, hash, 2)));
    assert!(positions_asked(&effects, honest).is_none(), "one is asked at a time");
    let effects = rig.pass(Duration::from_secs(3));
    assert!(!rig.is_open(mute));
    assert_eq!(blocks_asked(&effects, honest), [hash]);
    rig.answer(honest, &forge, hash, &effects);
    assert_eq!(rig.tip(), hash);
}

#[test]
fn an_answer_for_another_block_does_not_disturb_the_one_that_is_awaited() {
    let (forge, mut rig, peer, hash) = with_pending(&[]);
    let effects = rig.say(peer, PeerMessage::CompactBlock(compact(&forge, hash, 1)));
    let other = BlockTransactions { block: BlockHash([3; 32]), transactions: ByteString(vec![]) };
    rig.say(peer, PeerMessage::BlockTransactions(other));
    rig.answer(peer, &forge, hash, &effects);
    assert_eq!(rig.tip(), hash);
}

#[test]
fn a_compact_block_without_work_costs_no_effort_and_bans() {
    let (forge, mut rig, peer, hash) = with_pending(&[]);
    for ahead in [0, 1_000_000] {
        let mut header = forge.header(hash);
        header.time += ahead + u32::try_from(crate::tests::rig::AGE_S).unwrap();
        crate::tests::forge::spoil(&mut header);
        let header = ByteString(header.to_bytes().to_vec());
        let spam = CompactBlock { header, ..compact(&forge, hash, 1) };
        let liar = if ahead == 0 { peer } else { rig.peer() };
        let effects = rig.say(liar, PeerMessage::CompactBlock(spam));
        assert!(said(&effects, liar).is_empty());
        assert!(!rig.is_open(liar));
        assert!(rig.machine.relay.partial.is_empty());
    }
}

#[test]
fn broken_compact_blocks_and_answers_are_malformed() {
    let (forge, _, _, hash) = with_pending(&[]);
    let good = compact(&forge, hash, 1);
    let bytes = |bytes: &[u8]| ByteString(bytes.to_vec());
    for broken in [
        CompactBlock { header: bytes(&good.header.0[..79]), ..good.clone() },
        CompactBlock { coinbase: bytes(&good.coinbase.0[1..]), ..good.clone() },
        CompactBlock { short_ids: bytes(&good.short_ids.0[1..]), ..good.clone() },
    ] {
        let (_, mut rig, peer, _) = with_pending(&[]);
        rig.say(peer, PeerMessage::CompactBlock(broken));
        assert!(!rig.is_open(peer));
    }
    for answer in [bytes(&[9]), bytes(&[])] {
        let (forge, mut rig, peer, hash) = with_pending(&[]);
        rig.say(peer, PeerMessage::CompactBlock(compact(&forge, hash, 1)));
        let answer = BlockTransactions { block: hash, transactions: answer };
        rig.say(peer, PeerMessage::BlockTransactions(answer));
        assert!(!rig.is_open(peer));
    }
}

#[test]
fn who_has_not_the_block_after_all_keeps_no_place_among_those_who_complete_one() {
    let (forge, mut rig, peer, hash) = with_pending(&[]);
    rig.say(peer, PeerMessage::CompactBlock(compact(&forge, hash, 1)));
    assert_eq!(rig.machine.relay.partial.len(), 1);
    rig.say(peer, PeerMessage::BlocksNotFound(vec![BlockHash([3; 32])]));
    assert_eq!(rig.machine.relay.partial.len(), 1, "it spoke of another");
    rig.say(peer, PeerMessage::BlocksNotFound(vec![hash]));
    assert!(rig.machine.relay.partial.is_empty());
}

#[test]
fn a_new_tip_is_told_once_to_those_who_lack_it_and_its_transactions_on_request() {
    let (forge, mut rig, peer, hash) = with_pending(&[]);
    let (other, third) = (rig.peer(), rig.peer());
    rig.show_headers(third, &forge, &[hash]);
    let effects = rig.give(peer, forge.bytes(hash));
    let told = |peer| {
        let messages = said(&effects, peer);
        messages.iter().filter(|at| matches!(at, PeerMessage::CompactBlock(_))).count()
    };
    assert_eq!([told(other), told(third)], [1, 0]);
    let request = wire::peer::GetBlockTransactions { block: hash, positions: vec![1, 3] };
    let effects = rig.say(other, PeerMessage::GetBlockTransactions(request.clone()));
    let payments = [forge.payment(0), forge.payment(2)].map(|payment| payment_bytes(&payment).0);
    let transactions = ByteString(payments.concat());
    let answer = BlockTransactions { block: hash, transactions };
    assert_eq!(said(&effects, other), [PeerMessage::BlockTransactions(answer)]);
    for positions in [vec![3, 1], vec![1, 1], vec![5]] {
        let asker = rig.peer();
        let request = wire::peer::GetBlockTransactions { positions, ..request.clone() };
        rig.say(asker, PeerMessage::GetBlockTransactions(request));
        assert!(!rig.is_open(asker));
    }
}

#[test]
fn a_transaction_is_announced_once_to_each_who_does_not_have_it() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (giver, aware, unaware) = (rig.peer(), rig.peer(), rig.peer());
    let payment = forge.payment(0);
    let effects = announce(&mut rig, aware, &[payment.wtxid()]);
    assert_eq!(asked(&effects, aware), [payment.wtxid()]);
    let effects = pay(&mut rig, giver, &payment);
    assert_eq!(announced(&effects, giver), []);
    assert_eq!(announced(&effects, aware), []);
    assert_eq!(announced(&effects, unaware), [payment.wtxid()]);
    let effects = pay(&mut rig, aware, &payment);
    assert_eq!(announced(&effects, unaware), []);
    assert_eq!(rig.machine.relay.requests.len(), 0, "nothing is awaited any more");
}

#[test]
fn nothing_is_awaited_any_more_once_a_transaction_came_from_elsewhere() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (mute, giver) = (rig.peer(), rig.peer());
    let wallet = rig.join("9.9.9.9:1", Role::Wallet);
    let payments = [forge.payment(0), forge.payment(1)];
    announce(&mut rig, mute, &payments.each_ref().map(Transfer::wtxid));
    assert_eq!(rig.machine.relay.requests.count_from(mute), 2);
    pay(&mut rig, giver, &payments[0]);
    let submit = Submit { request: 1, transaction: payment_bytes(&payments[1]) };
    rig.ask(wallet, WalletMessage::Submit(submit));
    assert_eq!(rig.machine.relay.requests.len(), 0);
}

#[test]
fn a_new_connection_hears_of_everything_pending() {
    let (_, mut rig, _, _) = with_pending(&[0, 1, 2]);
    let (peer, _) = rig.connect("9.9.9.9:1", crate::Direction::Inbound);
    let hello = rig.hello(Role::Peer);
    let effects = rig.tell(peer, wire::Message::Hello(Box::new(hello)));
    assert_eq!(announced(&effects, peer).len(), 3);
}

#[test]
fn a_transaction_that_does_not_come_is_asked_of_another() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (mute, empty, gone, honest) = (rig.peer(), rig.peer(), rig.peer(), rig.peer());
    let wtxid = forge.payment(0).wtxid();
    assert_eq!(asked(&announce(&mut rig, mute, &[wtxid]), mute), [wtxid]);
    for other in [empty, gone, honest] {
        assert_eq!(asked(&announce(&mut rig, other, &[wtxid]), other), []);
    }
    assert_eq!(asked(&rig.pass(Duration::from_secs(9)), empty), []);
    assert_eq!(asked(&rig.pass(Duration::from_secs(2)), empty), [wtxid]);
    let effects = rig.say(empty, PeerMessage::TransactionsNotFound(vec![wtxid]));
    assert_eq!(asked(&effects, gone), [wtxid]);
    let effects = rig.settle(Event::Disconnected { peer: gone });
    assert_eq!(asked(&effects, honest), [wtxid]);
    pay(&mut rig, honest, &forge.payment(0));
    assert_eq!(rig.machine.mempool().len(), 1);
    assert_eq!(rig.machine.relay.requests.len(), 0);
}

#[test]
fn a_refused_transaction_is_not_asked_for_again_until_the_tip_changes() {
    let mut forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (one, two, three) = (rig.peer(), rig.peer(), rig.peer());
    let cheap = forge.world.payment(&[forge.world.funds(0)], 1, 1);
    pay(&mut rig, one, &cheap);
    assert_eq!(asked(&announce(&mut rig, two, &[cheap.wtxid()]), two), []);
    let tip = forge.mine(forge.genesis(), &[]);
    rig.sync(one, &forge, tip);
    assert_eq!(asked(&announce(&mut rig, three, &[cheap.wtxid()]), three), [cheap.wtxid()]);
}

#[test]
fn a_flood_of_announcements_is_bounded_and_takes_nothing_from_others() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (flood, honest) = (rig.peer(), rig.peer());
    for round in 0..10 {
        let wtxids: Vec<Wtxid> = (0..5000).map(|at| junk(round * 5000 + at)).collect();
        announce(&mut rig, flood, &wtxids);
    }
    assert_eq!(rig.machine.relay.requests.count_from(flood), 100);
    assert_eq!(rig.machine.relay.peers[&flood].announced.len(), 1000);
    assert_eq!(rig.machine.relay.requests.len(), 100);
    let payment = forge.payment(0);
    let effects = announce(&mut rig, honest, &[payment.wtxid()]);
    assert_eq!(asked(&effects, honest), [payment.wtxid()]);
    pay(&mut rig, honest, &payment);
    assert_eq!(rig.machine.mempool().len(), 1);
}

#[test]
fn what_waits_for_room_is_asked_for_when_nothing_came_of_the_rest() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let wtxids: Vec<Wtxid> = (0..150).map(junk).collect();
    assert_eq!(asked(&announce(&mut rig, peer, &wtxids), peer), wtxids[..100]);
    assert_eq!(asked(&rig.pass(Duration::from_secs(11)), peer), wtxids[100..]);
}
