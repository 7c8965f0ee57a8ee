//! Headers and bodies: what is kept, who is asked, who is dropped, what is served.

mod withheld;

use std::time::Duration;

use chain::hash::BlockHash;
use proptest::prelude::*;
use wire::ByteString;
use wire::hello::Role;

use super::*;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, blocks_asked, closed, compact, said};
use crate::{Direction, Event};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A rig at the end of a chain long enough that branches off genesis have little work.
fn grown(forge: &mut Forge, length: usize) -> (Rig, PeerId, Vec<BlockHash>) {
    let chain = forge.chain(forge.genesis(), length);
    let mut rig = Rig::new(forge);
    let honest = rig.peer();
    rig.sync(honest, forge, chain[length - 1]);
    assert_eq!(rig.tip(), chain[length - 1]);
    (rig, honest, chain)
}

fn presync_length(rig: &Rig, peer: PeerId) -> usize {
    let presync = rig.machine.sync.peers.get(&peer).and_then(|peer| peer.presync.as_ref());
    presync.map_or(0, |presync| presync.headers.len())
}

#[test]
fn headers_of_little_work_are_not_stored_whatever_message_brings_them() {
    let mut forge = Forge::new();
    let (mut rig, _, _) = grown(&mut forge, 300);
    let spam = forge.chain(forge.genesis(), 155);
    let before = rig.machine.tree().len();
    let peer = rig.peer();
    rig.show_headers(peer, &forge, &spam);
    assert_eq!(presync_length(&rig, peer), 155, "it is held outside");
    for hash in &spam[..20] {
        rig.give(peer, forge.bytes(*hash));
        rig.say(peer, PeerMessage::CompactBlock(compact(&forge, *hash, 1)));
    }
    assert_eq!(rig.machine.tree().len(), before);
    assert!(rig.is_open(peer), "low work is nobody's fault");
}

#[test]
fn a_header_ahead_of_the_clock_does_not_move_its_chain_into_the_tree() {
    let mut forge = Forge::new();
    let (mut rig, _, chain) = grown(&mut forge, 300);
    let spam = forge.chain(forge.genesis(), 150);
    let before = rig.machine.tree().len();
    let peer = rig.peer();
    rig.show_headers(peer, &forge, &spam);
    let ahead = u32::try_from(rig.now.wall_s).unwrap() + 1_000_000;
    let mut early = forge.header(chain[299]);
    (early.previous, early.time) = (chain[299], ahead);
    rig.say(peer, PeerMessage::Headers(ByteString(early.to_bytes().to_vec())));
    assert_eq!(rig.machine.tree().len(), before);
    assert_eq!(presync_length(&rig, peer), 150);
}

#[test]
fn a_long_chain_of_little_work_that_finally_has_enough_is_taken() {
    let mut forge = Forge::new();
    let (mut rig, _, _) = grown(&mut forge, 300);
    let branch = forge.chain(forge.genesis(), 301);
    let before = rig.machine.tree().len();
    let peer = rig.peer();
    for part in branch[..155].chunks(50) {
        rig.show_headers(peer, &forge, part);
        assert_eq!(rig.machine.tree().len(), before);
    }
    let effects = rig.show_headers(peer, &forge, &branch[155..]);
    assert_eq!(rig.machine.tree().len(), before + 301);
    assert_eq!(presync_length(&rig, peer), 0);
    rig.answer(peer, &forge, branch[300], &effects);
    assert_eq!(rig.tip(), branch[300]);
}

#[test]
fn two_chains_of_little_work_are_held_and_one_without_progress_makes_room_for_another() {
    let mut forge = Forge::new();
    let (mut rig, _, _) = grown(&mut forge, 300);
    let spam = forge.chain(forge.genesis(), 20);
    let peers = [rig.peer(), rig.peer(), rig.peer()];
    for peer in peers {
        rig.show_headers(peer, &forge, &spam[..10]);
    }
    assert_eq!(peers.map(|peer| presync_length(&rig, peer)), [10, 10, 0]);
    rig.pass(seconds(60));
    rig.show_headers(peers[0], &forge, &spam[10..]);
    rig.pass(seconds(61));
    assert_eq!(peers.map(|peer| presync_length(&rig, peer)), [20, 0, 0]);
    rig.show_headers(peers[2], &forge, &spam[..10]);
    assert_eq!(presync_length(&rig, peers[2]), 10);
    rig.settle(Event::Disconnected { peer: peers[0] });
    rig.show_headers(peers[1], &forge, &spam[..10]);
    assert_eq!(peers.map(|peer| presync_length(&rig, peer)), [0, 10, 10]);
}

#[test]
fn full_messages_of_headers_are_followed_by_a_question_and_2000_are_served_at_a_time() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 2100);
    let mut rig = Rig::new(&forge);
    let honest = rig.peer();
    let effects = rig.show_headers(honest, &forge, &chain[..2000]);
    let asked = said(&effects, honest).into_iter().find_map(|message| match message {
        PeerMessage::GetHeaders(locator) => Some(locator),
        _ => None,
    });
    assert_eq!(asked.unwrap()[0], chain[1999]);
    rig.answer(honest, &forge, chain[2099], &effects);
    assert_eq!(rig.tip(), chain[2099]);
    for role in [Role::Peer, Role::Wallet] {
        let other = rig.join("8.8.8.8:1", role);
        let mut served = |locator: Vec<BlockHash>| {
            let effects = rig.say(other, PeerMessage::GetHeaders(locator));
            match said(&effects, other).pop() {
                Some(PeerMessage::Headers(bytes)) => bytes.0,
                answer => panic!("{answer:?}"),
            }
        };
        assert_eq!(served(vec![forge.genesis()]).len(), 2000 * HEADER_BYTES);
        let unknown = BlockHash([1; 32]);
        let rest = served(vec![unknown, chain[2097], chain[5]]);
        let last_two = [chain[2098], chain[2099]].map(|hash| forge.header(hash).to_bytes());
        assert_eq!(rest, last_two.concat());
        assert_eq!(served(vec![chain[2099]]).len(), 0);
        assert_eq!(served(vec![unknown]).len(), 2000 * HEADER_BYTES, "from genesis on");
    }
}

#[test]
fn headers_that_lead_nowhere_do_not_make_an_endless_conversation() {
    let mut forge = Forge::new();
    let tail = forge.chain(forge.genesis(), 10);
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let mut questions = 0;
    for _ in 0..20 {
        let effects = rig.show_headers(peer, &forge, &tail[5..]);
        questions += said(&effects, peer).len();
    }
    assert_eq!(questions, 1);
    assert!(rig.is_open(peer));
}

proptest! {
    #[test]
    fn bodies_come_from_any_node_that_has_them_though_it_has_no_header_to_tell_of(
        length in 2usize..40, delivered in 0usize..40, has in 1usize..=40,
    ) {
        let mut forge = Forge::new();
        let chain = forge.chain(forge.genesis(), length);
        let mut rig = Rig::new(&forge);
        let first = rig.peer();
        rig.show_headers(first, &forge, &chain);
        let delivered = delivered.min(length - 1);
        for hash in &chain[..delivered] {
            rig.give(first, forge.bytes(*hash));
        }
        rig.settle(Event::Disconnected { peer: first });
        // The same node after a crash that took its last blocks, or another one.
        let has = has.min(length);
        let (second, _) = rig.connect("9.9.9.9:9000", Direction::Inbound);
        let hello = rig.hello(Role::Peer);
        let effects = rig.tell(second, wire::Message::Hello(Box::new(hello)));
        rig.answer(second, &forge, chain[has - 1], &effects);
        prop_assert_eq!(rig.tip(), chain[has.max(delivered) - 1]);
    }
}

#[test]
fn bodies_are_asked_of_many_at_once_and_none_twice() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 100);
    let mut rig = Rig::new(&forge);
    let peers: Vec<PeerId> = (0..4).map(|_| rig.peer()).collect();
    let mut asked = Vec::new();
    for peer in &peers {
        let effects = rig.show_headers(*peer, &forge, &chain);
        let hashes = blocks_asked(&effects, *peer);
        assert_eq!(hashes.len(), 16);
        asked.extend(hashes);
    }
    assert_eq!(asked, chain[..64]);
}

#[test]
fn a_peer_that_stalls_is_dropped_though_it_talks_and_others_finish() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 20);
    let mut rig = Rig::new(&forge);
    let (stalling, honest) = (rig.peer(), rig.peer());
    let effects = rig.show_headers(stalling, &forge, &chain);
    assert_eq!(blocks_asked(&effects, stalling).len(), 16);
    rig.sync(honest, &forge, chain[19]);
    let mut all = Vec::new();
    for number in 0..5 {
        rig.tell(stalling, Message::Ping(number));
        rig.give(stalling, forge.bytes(chain[18]));
        all.extend(rig.pass(seconds(1)));
    }
    let reasons = closed(&all);
    assert!(matches!(&reasons[..], [(peer, _)] if *peer == stalling), "{reasons:?}");
    rig.answer(honest, &forge, chain[19], &all);
    assert_eq!(rig.tip(), chain[19]);
    assert!(rig.is_open(honest));
}

#[test]
fn who_is_asked_for_what_another_held_up_has_time_of_its_own() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 20);
    let mut rig = Rig::new(&forge);
    let [first, second, third] = [rig.peer(), rig.peer(), rig.peer()];
    rig.show_headers(first, &forge, &chain);
    let effects = rig.show_headers(second, &forge, &chain);
    assert_eq!(blocks_asked(&effects, second), chain[16..]);
    rig.show_headers(third, &forge, &chain);
    let effects = rig.pass(seconds(2));
    assert!(!rig.is_open(first), "two seconds with the first block, which others have");
    assert_eq!(blocks_asked(&effects, second)[0], chain[0]);
    // Four for whoever comes next, from the time at which it was asked for that block.
    rig.pass(seconds(3));
    assert!(rig.is_open(second));
    rig.pass(seconds(1));
    assert!(!rig.is_open(second) && rig.is_open(third));
}

#[test]
fn a_slow_peer_is_given_time_when_nobody_else_has_the_blocks() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 3);
    let mut rig = Rig::new(&forge);
    let (slow, _behind) = (rig.peer(), rig.peer());
    let effects = rig.show_headers(slow, &forge, &chain);
    rig.pass(seconds(50));
    assert!(rig.is_open(slow));
    rig.answer(slow, &forge, chain[2], &effects);
    assert_eq!(rig.tip(), chain[2]);
    let mute = rig.peer();
    let more = forge.chain(chain[2], 1);
    rig.show_headers(mute, &forge, &more);
    rig.pass(seconds(61));
    assert!(!rig.is_open(mute), "announced and never delivered");
}

#[test]
fn a_peer_that_has_not_what_it_promised_is_asked_elsewhere_and_dropped_in_the_end() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 3);
    let mut rig = Rig::new(&forge);
    let (empty, honest) = (rig.peer(), rig.peer());
    let mut rounds = 0;
    while rig.is_open(empty) {
        let effects = rig.show_headers(empty, &forge, &chain);
        let asked = blocks_asked(&effects, empty);
        assert_eq!(asked, chain);
        rig.say(empty, PeerMessage::BlocksNotFound(asked));
        rounds += 1;
        assert!(rounds < 20, "for ever");
    }
    rig.sync(honest, &forge, chain[2]);
    assert_eq!(rig.tip(), chain[2]);
}

#[test]
fn unrelated_blocks_are_no_progress() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 4);
    let stale = forge.chain(forge.genesis(), 1)[0];
    let mut rig = Rig::new(&forge);
    let (liar, honest) = (rig.peer(), rig.peer());
    rig.show_headers(liar, &forge, &chain);
    rig.show_headers(honest, &forge, &chain);
    for _ in 0..3 {
        rig.give(liar, forge.bytes(stale));
        rig.pass(seconds(1));
    }
    assert!(!rig.is_open(liar));
    assert!(rig.is_open(honest));
}

#[test]
fn a_connection_that_ends_frees_what_was_asked_of_it() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 4);
    let mut rig = Rig::new(&forge);
    let (gone, honest) = (rig.peer(), rig.peer());
    rig.show_headers(gone, &forge, &chain);
    let effects = rig.show_headers(honest, &forge, &chain);
    assert!(blocks_asked(&effects, honest).is_empty());
    let effects = rig.settle(Event::Disconnected { peer: gone });
    assert_eq!(blocks_asked(&effects, honest), chain);
}
