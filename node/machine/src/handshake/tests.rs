//! Who may talk to us, in which order, and how many.

use std::time::Duration;

use chain::genesis::Network;
use chain::spec::ChainSpec;
use proptest::prelude::*;
use wire::ByteString;
use wire::directory::DirectoryMessage;
use wire::peer::PeerMessage;
use wire::wallet::WalletMessage;

use super::*;
use crate::conduct::UNKNOWN_COMMANDS_MAX;
use crate::peers::PING_INTERVAL;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, closed, config, reports, sent};
use crate::{Effect, Event};

fn rig() -> Rig {
    Rig::new(&Forge::new())
}

/// Connects, says one thing, and returns why the connection was closed.
fn refusal(rig: &mut Rig, address: &str, message: Message) -> Option<String> {
    let (peer, _) = rig.connect(address, Direction::Inbound);
    let effects = rig.tell(peer, message);
    assert_eq!(closed(&effects).is_empty(), rig.is_open(peer));
    closed(&effects).pop().map(|(_, reason)| reason)
}

fn hello_with(rig: &Rig, edit: impl FnOnce(&mut Hello)) -> Message {
    let mut hello = rig.hello(Role::Peer);
    edit(&mut hello);
    Message::Hello(Box::new(hello))
}

#[test]
fn anything_before_the_hello_ends_the_connection() {
    let mut rig = rig();
    let early = [
        Message::Ping(1),
        Message::Pong(1),
        Message::Peer(PeerMessage::GetAddresses(())),
        Message::Wallet(WalletMessage::GetTip(1)),
        Message::Directory(DirectoryMessage::GetSpec(())),
    ];
    for (at, message) in early.into_iter().enumerate() {
        let address = format!("9.9.9.{at}:1");
        assert!(refusal(&mut rig, &address, message).is_some());
    }
    let (peer, _) = rig.connect("9.9.8.1:1", Direction::Inbound);
    rig.settle(Event::UnknownCommand { peer, command: 999 });
    assert!(!rig.is_open(peer));
}

#[test]
fn a_hello_of_another_network_is_refused_and_the_field_that_differs_is_named() {
    type Edit = fn(&mut ChainSpec);
    let edits: [(&str, Edit); 11] = [
        ("starting_bits", |spec| spec.starting_bits += 1),
        ("easiest_bits", |spec| (spec.starting_bits, spec.easiest_bits) = (3, 2)),
        ("spacing_s", |spec| spec.spacing_s += 1),
        ("retarget", |spec| spec.retarget = chain::spec::Retarget::Asert),
        ("half_life_s", |spec| spec.half_life_s += 1),
        ("subsidy", |spec| spec.subsidy.0 -= 1),
        ("halving_interval", |spec| spec.halving_interval -= 1),
        ("maturity", |spec| spec.maturity += 1),
        ("block_bytes_max", |spec| spec.block_bytes_max += 1),
        ("genesis_time", |spec| spec.genesis_time += 1),
        ("allocations", |spec| spec.allocations[0].amount.0 -= 1),
    ];
    let mut rig = rig();
    let own = rig.machine.network().spec.clone();
    for (at, (field, edit)) in edits.into_iter().enumerate() {
        let mut spec = own.clone();
        edit(&mut spec);
        let other = NetworkIdentity::of(&Network::new(spec).unwrap());
        let hello = hello_with(&rig, |hello| hello.network = Some(other));
        let reason = refusal(&mut rig, &format!("9.9.9.{at}:1"), hello).unwrap();
        let named = if field == "easiest_bits" { "bits" } else { field };
        assert!(reason.contains(named), "{field}: {reason}");
    }
    let nameless = hello_with(&rig, |hello| hello.network = None);
    assert!(refusal(&mut rig, "9.9.8.1:1", nameless).is_some());
    // Only the directory may be asked without naming a network.
    let caller = hello_with(&rig, |hello| (hello.network, hello.role) = (None, Role::Directory));
    assert_eq!(refusal(&mut rig, "9.9.8.1:2", caller), None);
}

#[test]
fn the_refused_side_hears_our_hello_before_it_is_closed() {
    let mut rig = rig();
    let (peer, effects) = rig.connect("9.9.9.9:1", Direction::Inbound);
    assert!(effects.is_empty(), "the caller speaks first");
    let hello = hello_with(&rig, |hello| hello.network = None);
    let effects = rig.tell(peer, hello);
    assert!(matches!(sent(&effects, peer)[..], [Message::Hello(_)]));
    let position = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    let said = position(|effect| matches!(effect, Effect::Send { .. }));
    assert!(said < position(|effect| matches!(effect, Effect::Disconnect { .. })));
}

#[test]
fn another_version_noise_and_a_second_hello_are_refused_but_never_banned() {
    let mut rig = rig();
    let other = hello_with(&rig, |hello| hello.protocol += 1);
    let reason = refusal(&mut rig, "9.9.9.9:1", other).unwrap();
    assert!(reason.contains("protocol 2"), "{reason}");
    let (peer, _) = rig.connect("9.9.9.9:2", Direction::Inbound);
    rig.settle(Event::Malformed { peer, reason: "protocol version 2".to_owned() });
    assert!(!rig.is_open(peer));
    let peer = rig.join("9.9.9.9:3", Role::Peer);
    let again = hello_with(&rig, |_| ());
    rig.tell(peer, again);
    assert!(!rig.is_open(peer));
    rig.join("9.9.9.9:4", Role::Peer);
}

#[test]
fn we_do_not_talk_to_ourselves_nor_dial_ourselves_again() {
    let forge = Forge::new();
    let mut config = config();
    let own: SocketAddr = "9.9.9.9:9000".parse().unwrap();
    config.peers = vec![own];
    let mut rig = Rig::with(&forge, config);
    let (peer, effects) = rig.connect("9.9.9.9:9000", Direction::Outbound);
    let Some(Message::Hello(hello)) = sent(&effects, peer).pop() else {
        panic!("the caller speaks first");
    };
    // The other end of the same connection hears it too, from an address that means nothing.
    assert!(refusal(&mut rig, "9.9.9.9:55555", Message::Hello(hello.clone())).is_some());
    rig.tell(peer, Message::Hello(hello));
    assert!(!rig.is_open(peer));
    rig.settle(Event::Disconnected { peer });
    let effects = rig.pass(Duration::from_secs(300));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dial { .. })));
}

#[test]
fn silence_is_closed_within_five_seconds_and_the_place_is_free_again() {
    let mut rig = rig();
    let (peer, _) = rig.connect("9.9.9.9:1", Direction::Inbound);
    rig.pass(Duration::from_secs(4));
    assert!(rig.is_open(peer));
    rig.pass(Duration::from_secs(1));
    assert!(!rig.is_open(peer));
    rig.settle(Event::Disconnected { peer });
    assert_eq!(rig.machine.peers().count(), 0);
    rig.join("9.9.9.9:2", Role::Peer);
}

#[test]
fn a_quiet_connection_is_pinged_and_a_dead_one_closed() {
    let mut rig = rig();
    let (quiet, dead) = (rig.peer(), rig.peer());
    for _ in 0..6 {
        let effects = rig.pass(Duration::from_secs(60));
        for message in sent(&effects, quiet) {
            if let Message::Ping(number) = message {
                rig.tell(quiet, Message::Pong(number));
            }
        }
    }
    assert!(rig.is_open(quiet));
    assert!(!rig.is_open(dead));
}

proptest! {
    #[test]
    fn however_much_a_node_says_it_is_pinged_and_asked_for_headers_once_a_minute(
        pauses_ms in prop::collection::vec(1u64..60_000, 1..40),
    ) {
        let mut rig = rig();
        let talking = rig.peer();
        rig.say(talking, PeerMessage::Headers(ByteString(Vec::new())));
        let start = rig.now.monotonic;
        let (mut pings, mut questions) = (0, 0);
        for pause in pauses_ms {
            for message in sent(&rig.pass(Duration::from_millis(pause)), talking) {
                if let Message::Ping(number) = message {
                    pings += 1;
                    rig.tell(talking, Message::Pong(number));
                } else if let Message::Peer(PeerMessage::GetHeaders(_)) = message {
                    questions += 1;
                    rig.say(talking, PeerMessage::Headers(ByteString(Vec::new())));
                }
            }
            let due = (rig.now.monotonic - start).as_secs() / PING_INTERVAL.as_secs();
            prop_assert_eq!((pings, questions), (due, due));
            rig.tell(talking, Message::Ping(1));
        }
        let lowest_ping = rig.machine.peers.get(talking).and_then(|peer| peer.lowest_ping);
        prop_assert_eq!(lowest_ping.is_some(), pings > 0);
    }
}

#[test]
fn ten_unknown_commands_a_minute_are_room_to_grow_and_eleven_are_too_many() {
    let mut rig = rig();
    let peer = rig.peer();
    for _ in 0..3 {
        for _ in 0..UNKNOWN_COMMANDS_MAX {
            rig.settle(Event::UnknownCommand { peer, command: 4000 });
        }
        assert!(rig.is_open(peer));
        rig.pass(Duration::from_secs(60));
    }
    for _ in 0..=UNKNOWN_COMMANDS_MAX {
        rig.settle(Event::UnknownCommand { peer, command: 4000 });
    }
    assert!(!rig.is_open(peer));
}

#[test]
fn a_hello_of_another_version_is_answered_before_the_connection_ends() {
    let mut rig = rig();
    let (peer, _) = rig.connect("9.9.9.9:9", Direction::Inbound);
    let effects = rig.settle(Event::Malformed { peer, reason: "protocol version 2".to_owned() });
    let said = effects.iter().position(|effect| matches!(effect, Effect::Send { .. }));
    let closed = effects.iter().position(|effect| matches!(effect, Effect::Disconnect { .. }));
    assert!(said.is_some() && said < closed, "{effects:?}");
}

#[test]
fn nodes_and_wallets_are_reported_coming_and_going_and_callers_are_not() {
    for (role, count) in
        [(Role::Peer, 2), (Role::Wallet, 2), (Role::Directory, 0), (Role::Operator, 0)]
    {
        let mut rig = rig();
        let (peer, mut effects) = rig.connect("127.0.0.1:5", Direction::Inbound);
        let hello = hello_with(&rig, |hello| hello.role = role);
        effects.extend(rig.tell(peer, hello));
        effects.extend(rig.settle(Event::Disconnected { peer }));
        assert_eq!(reports(&effects).len(), count, "{role:?}");
        // The same when we end it.
        let (peer, mut effects) = rig.connect("127.0.0.1:5", Direction::Inbound);
        for _ in 0..2 {
            let hello = hello_with(&rig, |hello| hello.role = role);
            effects.extend(rig.tell(peer, hello));
        }
        assert!(!rig.is_open(peer));
        assert_eq!(reports(&effects).len(), count, "{role:?}");
    }
}

#[test]
fn operators_call_from_the_nodes_own_computer_only() {
    let forge = Forge::new();
    let listening = Some("9.9.9.9:9000".parse().unwrap());
    let mut rig = Rig::among(&forge, config(), |around| around.listening = listening);
    for (from, is_here) in [("127.0.0.1:5", true), ("9.9.9.9:5", true), ("9.9.9.8:5", false)] {
        let (peer, _) = rig.connect(from, Direction::Inbound);
        let hello = hello_with(&rig, |hello| hello.role = Role::Operator);
        rig.tell(peer, hello);
        assert_eq!(rig.is_open(peer), is_here, "{from}");
    }
}

#[test]
fn two_nodes_that_dialed_each_other_at_once_are_two_connections_and_one_node() {
    let mut rig = rig();
    let (ours, _) = rig.connect("9.9.9.9:9003", Direction::Outbound);
    let (theirs, _) = rig.connect("9.9.9.9:51000", Direction::Inbound);
    let (other, _) = rig.connect("9.9.9.9:51001", Direction::Inbound);
    for (peer, listen_port) in [(ours, 9003), (theirs, 9003), (other, 9004)] {
        let hello = hello_with(&rig, |hello| hello.listen_port = listen_port);
        rig.tell(peer, hello);
        assert!(rig.is_open(peer));
    }
    let nodes: Vec<_> = rig.machine.nodes().iter().map(|peer| peer.id).collect();
    assert_eq!(nodes, [ours, other]);
    let silent = rig.join("9.9.9.8:1", Role::Peer);
    assert_eq!(rig.machine.nodes().len(), 3, "{silent:?} does not listen, and is a node");
}
