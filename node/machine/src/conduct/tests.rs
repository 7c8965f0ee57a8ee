//! The table, row by row, through the door where that can be: who is followed, and who is not.

use chain::header::Header;
use wire::hello::Role;
use wire::peer::{PeerMessage, REQUESTED_MAX};
use wire::wallet::{Submit, WalletMessage};
use wire::{ByteString, Message};

use super::*;
use crate::mempool::fixture::made;
use crate::tests::forge::{Forge, spoil};
use crate::tests::rig::{Rig, config, payment_bytes, sent};
use crate::{Direction, Event, MachineConfig};

const PUBLIC: &str = "9.9.9.9";

/// What became of a connection from this address after it did something.
fn outcome(rig: &mut Rig, act: impl FnOnce(&mut Rig, PeerId)) -> Consequence {
    let bystander = rig.join("8.8.8.8:1", Role::Peer);
    let peer = rig.join(&format!("{PUBLIC}:1"), Role::Peer);
    act(rig, peer);
    assert!(rig.is_open(bystander), "nobody else is followed");
    let (again, _) = rig.connect(&format!("{PUBLIC}:2"), Direction::Inbound);
    match (rig.is_open(peer), rig.is_open(again)) {
        (true, true) => Consequence::Score,
        (false, true) => Consequence::Disconnect,
        (false, false) => Consequence::Ban,
        (true, false) => panic!("banned and still connected"),
    }
}

fn headers(rig: &mut Rig, peer: PeerId, headers: &[Header]) {
    let bytes = headers.iter().flat_map(Header::to_bytes).collect();
    rig.say(peer, PeerMessage::Headers(ByteString(bytes)));
}

#[test]
fn bytes_that_are_no_message_ban() {
    let mut rig = Rig::new(&Forge::new());
    let followed = outcome(&mut rig, |rig, peer| {
        rig.settle(Event::Malformed { peer, reason: "noise".to_owned() });
    });
    assert_eq!(followed, Consequence::Ban);
    for message in [
        PeerMessage::Block(ByteString(vec![0; 79])),
        PeerMessage::Transaction(ByteString(vec![0; 79])),
    ] {
        let mut rig = Rig::new(&Forge::new());
        let followed = outcome(&mut rig, |rig, peer| _ = rig.say(peer, message));
        assert_eq!(followed, Consequence::Ban);
    }
}

#[test]
fn a_header_without_its_work_bans_known_parent_or_not() {
    let mut forge = Forge::new();
    let hash = forge.mine(forge.genesis(), &[]);
    let mut header = forge.header(hash);
    spoil(&mut header);
    let mut orphan = header;
    orphan.previous.0 = [5; 32];
    spoil(&mut orphan);
    for header in [header, orphan] {
        let body = &forge.bytes(hash)[80..];
        let bytes = [&header.to_bytes()[..], body].concat();
        let mut rig = Rig::new(&forge);
        let followed = outcome(&mut rig, |rig, peer| _ = rig.give(peer, bytes));
        assert_eq!(followed, Consequence::Ban);
        assert_eq!(rig.machine.tree().len(), 1);
    }
    let mut rig = Rig::new(&forge);
    let followed = outcome(&mut rig, |rig, peer| self::headers(rig, peer, &[header]));
    assert_eq!(followed, Consequence::Ban);
}

#[test]
fn headers_that_do_not_follow_each_other_ban() {
    let mut forge = Forge::new();
    let chain = forge.chain(forge.genesis(), 3);
    let (first, third) = (forge.header(chain[0]), forge.header(chain[2]));
    let mut rig = Rig::new(&forge);
    let followed = outcome(&mut rig, |rig, peer| headers(rig, peer, &[first, third]));
    assert_eq!(followed, Consequence::Ban);
    let mut rig = Rig::new(&forge);
    let followed = outcome(&mut rig, |rig, peer| {
        rig.say(peer, PeerMessage::Headers(ByteString(vec![0; 81])));
    });
    assert_eq!(followed, Consequence::Ban);
}

#[test]
fn an_invalid_block_bans_its_sender_and_its_header_is_tolerated_from_others() {
    let mut forge = Forge::new();
    let greedy = forge.mine_greedy(forge.genesis());
    let behind = forge.mine(greedy, &[]);
    let mut rig = Rig::new(&forge);
    let late = rig.join("8.8.8.9:1", Role::Peer);
    let followed = outcome(&mut rig, |rig, peer| _ = rig.sync(peer, &forge, greedy));
    assert_eq!(followed, Consequence::Ban);
    for _ in 0..MISBEHAVIOR_SCORE_MAX / 2 {
        rig.give(late, forge.bytes(greedy));
        rig.give(late, forge.bytes(behind));
    }
    assert!(rig.is_open(late));
    rig.give(late, forge.bytes(behind));
    assert!(!rig.is_open(late), "the score is too high");
    rig.join("8.8.8.9:2", Role::Peer);
}

#[test]
fn wrong_bodies_are_tolerated_for_a_while_and_never_ban() {
    let mut forge = Forge::new();
    let hash = forge.mine(forge.genesis(), &[]);
    let wrong = [&forge.bytes(hash)[..80], &[0]].concat();
    let mut rig = Rig::new(&forge);
    let followed = outcome(&mut rig, |rig, peer| {
        for _ in 0..MISBEHAVIOR_SCORE_MAX {
            rig.give(peer, wrong.clone());
        }
        assert!(rig.is_open(peer));
        rig.give(peer, wrong);
    });
    assert_eq!(followed, Consequence::Disconnect);
}

#[test]
fn an_invalid_transaction_bans_a_node_and_only_scores_for_a_wallet() {
    let forge = Forge::new();
    let mut payment = forge.payment(0);
    payment.inputs[0].signature.0[7] ^= 1;
    let mut rig = Rig::new(&forge);
    let message = PeerMessage::Transaction(payment_bytes(&payment));
    let followed = outcome(&mut rig, |rig, peer| _ = rig.say(peer, message));
    assert_eq!(followed, Consequence::Ban);
    let wallet = rig.join("8.8.8.9:1", Role::Wallet);
    for request in 0..MISBEHAVIOR_SCORE_MAX {
        let submit = Submit { request, transaction: payment_bytes(&payment) };
        rig.ask(wallet, WalletMessage::Submit(submit));
    }
    assert!(rig.is_open(wallet));
    let submit = Submit { request: 0, transaction: payment_bytes(&payment) };
    rig.tell(wallet, Message::Wallet(WalletMessage::Submit(submit)));
    assert!(!rig.is_open(wallet));
    assert!(rig.machine.mempool().is_empty());
}

#[test]
fn a_transaction_that_is_only_early_poor_or_unknown_is_nobodys_fault() {
    let forge = Forge::new();
    let cheap = forge.world.payment(&[forge.world.funds(0)], 1, 1);
    let parent = forge.payment(1);
    let orphan = forge.world.payment(&made(&parent), 1, 10_000);
    let outputs = parent.outputs.clone();
    let locked = forge.world.transfer(&[forge.world.funds(1)], outputs, 1000);
    for transfer in [cheap, orphan, locked] {
        let mut rig = Rig::new(&forge);
        let message = PeerMessage::Transaction(payment_bytes(&transfer));
        let followed = outcome(&mut rig, |rig, peer| _ = rig.say(peer, message));
        assert_eq!(followed, Consequence::Score);
        assert!(rig.machine.mempool().is_empty());
    }
}

#[test]
fn too_much_in_one_list_disconnects() {
    let hash = |at: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(at as u64).to_le_bytes());
        bytes
    };
    let blocks = |count| (0..count).map(|at| chain::hash::BlockHash(hash(at))).collect();
    let wtxids = |count| (0..count).map(|at| chain::hash::Wtxid(hash(at))).collect();
    let addresses = (0..257).map(|at| format!("8.8.8.8:{}", at + 1).parse().unwrap()).collect();
    for message in [
        PeerMessage::GetHeaders(blocks(65)),
        PeerMessage::GetBlocks(blocks(REQUESTED_MAX + 1)),
        PeerMessage::GetTransactions(wtxids(REQUESTED_MAX + 1)),
        PeerMessage::AnnounceTransactions(wtxids(5001)),
        PeerMessage::Addresses(addresses),
    ] {
        let mut rig = Rig::new(&Forge::new());
        let followed = outcome(&mut rig, |rig, peer| _ = rig.say(peer, message));
        assert_eq!(followed, Consequence::Disconnect);
    }
}

#[test]
fn a_message_out_of_role_disconnects() {
    let mut rig = Rig::new(&Forge::new());
    let followed = outcome(&mut rig, |rig, peer| {
        rig.tell(peer, Message::Wallet(WalletMessage::GetTip(1)));
    });
    assert_eq!(followed, Consequence::Disconnect);
    let wallet = rig.join("8.8.8.9:1", Role::Wallet);
    rig.say(wallet, PeerMessage::AnnounceTransactions(Vec::new()));
    assert!(!rig.is_open(wallet));
}

#[test]
fn loopback_is_never_banned_in_whatever_form() {
    let mut rig = Rig::new(&Forge::new());
    for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "127.8.8.8:1"] {
        for _ in 0..3 {
            let peer = rig.join(address, Role::Wallet);
            rig.settle(Event::Malformed { peer, reason: "noise".to_owned() });
            assert!(!rig.is_open(peer));
        }
    }
}

#[test]
fn a_ban_covers_all_addresses_of_an_owner_and_ends_after_its_time() {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (address, mapped, time) in [
        ("9.9.9.9", "[::ffff:9.9.9.9]", hours(24)),
        ("192.168.1.7", "[::ffff:192.168.1.7]", Duration::from_secs(600)),
        ("fd00::7", "fd00::8:7", Duration::from_secs(600)),
        ("2001:db8:1:1::7", "2001:db8:1:1:8::", hours(24)),
    ] {
        let mut conduct = Conduct::default();
        let ip: IpAddr = address.parse().unwrap();
        let other: IpAddr = mapped.trim_matches(['[', ']']).parse().unwrap();
        let (ip, other) = (Owner::of(ip), Owner::of(other));
        conduct.ban(ip, Duration::ZERO);
        let just_before = time - Duration::from_secs(1);
        assert!(conduct.is_banned(other, just_before) && conduct.is_banned(ip, just_before));
        assert!(!conduct.is_banned(other, time) && !conduct.is_banned(ip, time));
    }
}

#[test]
fn the_list_of_banned_addresses_is_bounded() {
    let mut conduct = Conduct::default();
    for number in 0..10_000u32 {
        let ip = IpAddr::from((0x0800_0000 + number).to_be_bytes());
        conduct.ban(Owner::of(ip), Duration::ZERO);
    }
    assert_eq!(conduct.banned_until.len(), BANNED_MAX);
}

#[test]
fn what_an_honest_node_can_bring_about_never_bans() {
    for misbehavior in [
        Misbehavior::MalformedHello,
        Misbehavior::SecondHello,
        Misbehavior::OutOfRole,
        Misbehavior::CondemnedHeader,
        Misbehavior::BodyMismatch,
        Misbehavior::NotFound,
        Misbehavior::Stalling,
        Misbehavior::InvalidPayment,
        Misbehavior::TooMany,
        Misbehavior::UnknownCommands,
    ] {
        assert_ne!(consequence(misbehavior), Consequence::Ban, "{misbehavior:?}");
    }
}

/// Everything that honest machines send each other while they sync, fork, pay and reorganize.
#[test]
fn honest_machines_never_blame_each_other() {
    let mut forge = Forge::new();
    let payments: Vec<_> = (0..6).map(|at| forge.payment(at)).collect();
    let a = forge.mine(forge.genesis(), &payments[..2]);
    let a = forge.chain(a, 40)[39];
    let b = forge.mine(forge.genesis(), &payments[1..3]);
    let b = forge.chain(b, 42)[41];
    let other = MachineConfig { seed: [8; 32], ..config() };
    let (mut left, mut right) = (Rig::new(&forge), Rig::with(&forge, other));
    let (one, two) = (left.peer(), right.peer());
    left.sync(one, &forge, a);
    right.sync(two, &forge, b);
    left.say(one, PeerMessage::Transaction(payment_bytes(&payments[4])));
    right.say(two, PeerMessage::Transaction(payment_bytes(&payments[5])));
    let (to_right, mut for_right) = left.connect("9.9.9.1:9000", Direction::Outbound);
    let (to_left, mut for_left) = right.connect("9.9.9.2:50000", Direction::Inbound);
    for _ in 0..200 {
        let said = sent(&for_right, to_right);
        for_right = Vec::new();
        for message in said {
            for_left.extend(right.tell(to_left, message));
        }
        let said = sent(&for_left, to_left);
        for_left = Vec::new();
        for message in said {
            for_right.extend(left.tell(to_right, message));
        }
        if right.machine.serving.peers.get(&to_left).is_some_and(|peer| peer.draining) {
            for_left.extend(right.settle(Event::Drained { peer: to_left }));
        }
    }
    assert_eq!(left.tip(), b);
    assert!(left.is_open(to_right) && right.is_open(to_left));
    for rig in [&left, &right] {
        for payment in &payments[4..] {
            assert!(rig.machine.mempool().contains_txid(&payment.txid()));
        }
    }
}

#[test]
fn what_a_silent_peer_is_told_is_what_the_protocol_promises() {
    let handshake = DisconnectReason::SilentHandshake.to_string();
    assert_eq!(handshake, "no hello within 5 s", "docs/protocol.md says so, too");
    assert_eq!(DisconnectReason::Dead.to_string(), "no sign of life for 180 s");
}
