//! Who holds all places of every role, and who still finds one.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use wire::Message;
use wire::directory::{DirectoryMessage, GetName};
use wire::peer::PeerMessage;
use wire::wallet::WalletMessage;

use super::*;
use crate::Event;
use crate::peers::CALL_MAX;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, closed, config, sent};

/// The roles in which others call from elsewhere, with their places.
const ROLES: [(Role, usize, usize); 3] =
    [(Role::Peer, 64, 8), (Role::Wallet, 128, 16), (Role::Directory, 96, 16)];

fn rig() -> Rig {
    let mut config = config();
    config.directory = true;
    Rig::with(&Forge::new(), config)
}

/// Says hello; whether it is still connected then.
fn try_join(rig: &mut Rig, address: &str, role: Role) -> (PeerId, bool) {
    let (peer, _) = rig.connect(address, Direction::Inbound);
    let hello = Message::Hello(Box::new(rig.hello(role)));
    rig.tell(peer, hello);
    (peer, rig.is_open(peer))
}

fn open(rig: &Rig, role: Role) -> usize {
    rig.machine.peers().filter(|peer| peer.role() == Some(role)).count()
}

/// Whether the node answers a question that somebody in this role asks.
fn is_served(rig: &mut Rig, peer: PeerId, role: Role) -> bool {
    let question = match role {
        Role::Peer => Message::Peer(PeerMessage::GetHeaders(vec![])),
        Role::Wallet => Message::Wallet(WalletMessage::GetTip(1)),
        _ => Message::Directory(DirectoryMessage::GetSpec(())),
    };
    let effects = rig.tell(peer, question);
    !sent(&effects, peer).is_empty()
}

#[test]
fn each_role_has_its_own_places_in_all_and_of_one_owner() {
    for (role, all_max, same_owner_max) in ROLES {
        for forms in [["9.9.9.9", "[::ffff:9.9.9.9]"], ["[2001:db8:1:1::9]", "[2001:db8:1:1:7::]"]]
        {
            let mut rig = rig();
            for at in 0..same_owner_max {
                rig.join(&format!("{}:{at}", forms[at % 2]), role);
            }
            for form in forms {
                assert!(!try_join(&mut rig, &format!("{form}:99"), role).1, "{role:?} {form}");
            }
            for at in same_owner_max..all_max {
                rig.join(&format!("127.0.0.1:{}", 1000 + at), role);
            }
            // One of this computer, of which there are most, gives way to another one.
            let (newcomer, is_open) = try_join(&mut rig, "127.0.0.1:1", role);
            assert!(is_open && is_served(&mut rig, newcomer, role), "{role:?}");
            assert_eq!(open(&rig, role), all_max);
            // The other roles still find a place, and what we open ourselves is not counted.
            let other = if role == Role::Peer { Role::Wallet } else { Role::Peer };
            rig.join("127.0.0.1:2", other);
            let (outbound, _) = rig.connect("7.7.7.7:9000", Direction::Outbound);
            let hello = Message::Hello(Box::new(rig.hello(role)));
            rig.tell(outbound, hello);
            assert!(rig.is_open(outbound));
        }
    }
}

#[test]
fn ten_addresses_and_one_network_that_hold_every_place_shut_nobody_out() {
    let addresses = |at: usize| format!("9.{}.9.9:{at}", at % 10);
    let network = |at: usize| format!("[2001:db8:1:1:{at:x}::1]:{at}");
    let attacks: [&dyn Fn(usize) -> String; 2] = [&addresses, &network];
    for attack in attacks {
        let mut rig = rig();
        for (role, all_max, _) in ROLES {
            for at in 0..2 * all_max {
                try_join(&mut rig, &attack(at), role);
            }
        }
        for at in 0..2 * HANDSHAKES_MAX {
            rig.connect(&attack(at), Direction::Inbound);
        }
        for (number, (role, all_max, _)) in (1..).zip(ROLES) {
            for honest in 0..3 {
                let address = format!("7.{number}.{honest}.7:1");
                let (newcomer, is_open) = try_join(&mut rig, &address, role);
                assert!(is_open && is_served(&mut rig, newcomer, role), "{role:?}");
            }
            assert!(open(&rig, role) <= all_max);
        }
    }
}

#[test]
fn an_owner_of_most_clients_that_asks_all_the_time_shuts_nobody_out_who_has_fewer() {
    for role in [Role::Wallet, Role::Directory] {
        let mut rig = rig();
        let all_max = inbound_max(role).0;
        let attackers: Vec<PeerId> =
            (0..all_max).map(|at| rig.join(&format!("9.{}.9.9:{at}", at % 10), role)).collect();
        let name = GetName { request: 1, name: "a".to_owned() };
        for attacker in attackers {
            rig.settle(Event::Message {
                peer: attacker,
                message: Box::new(Message::Directory(DirectoryMessage::GetName(name.clone()))),
            });
        }
        for honest in 0..3 {
            let (newcomer, is_open) = try_join(&mut rig, &format!("7.7.{honest}.7:1"), role);
            assert!(is_open && is_served(&mut rig, newcomer, role), "{role:?}");
        }
    }
}

#[test]
fn of_as_many_owners_as_places_an_idle_one_gives_way_though_the_youngest_is_not_idle() {
    for role in [Role::Wallet, Role::Directory] {
        let mut rig = rig();
        let all_max = inbound_max(role).0;
        for at in 0..all_max - 1 {
            rig.join(&format!("9.{at}.9.9:1"), role);
        }
        rig.pass(eviction::IDLE_AFTER);
        let asking = rig.join("9.255.9.9:1", role);
        let (newcomer, is_open) = try_join(&mut rig, "7.7.7.7:1", role);
        assert!(is_open && is_served(&mut rig, newcomer, role), "{role:?}");
        assert!(rig.is_open(asking), "{role:?}");
        assert_eq!(open(&rig, role), all_max);
    }
}

#[test]
fn operators_that_are_idle_give_way() {
    let mut rig = rig();
    let idle: Vec<PeerId> =
        (0..8).map(|at| rig.join(&format!("127.0.0.1:{at}"), Role::Operator)).collect();
    rig.pass(eviction::IDLE_AFTER);
    let (_, is_open) = try_join(&mut rig, "127.0.0.1:99", Role::Operator);
    assert!(is_open);
    assert!(!rig.is_open(idle[7]) && idle[..7].iter().all(|peer| rig.is_open(*peer)));
}

#[test]
fn a_call_of_the_directory_lasts_ten_seconds_and_no_longer_than_its_answer() {
    let mut rig = rig();
    let quiet = rig.join("9.9.9.9:1", Role::Directory);
    let waiting = rig.join("9.9.9.9:2", Role::Directory);
    let wallet = rig.join("9.9.9.9:3", Role::Wallet);
    let name = GetName { request: 1, name: "a".to_owned() };
    rig.tell(waiting, Message::Directory(DirectoryMessage::GetName(name)));
    let mut effects = rig.pass(CALL_MAX - Duration::from_secs(1));
    // Nothing that it says makes it longer.
    effects.extend(rig.tell(quiet, Message::Ping(1)));
    assert!(closed(&effects).is_empty());
    let ends = rig.pass(Duration::from_secs(1));
    let ended: Vec<PeerId> = closed(&ends).into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(ended, [quiet]);
    let named = DirectoryMessage::Named(wire::directory::Named { request: 1, record: None });
    let reply = Event::Reply { peer: waiting, message: Box::new(Message::Directory(named)) };
    let effects = rig.settle(reply);
    assert_eq!(sent(&effects, waiting).len(), 1, "it hears the answer");
    assert!(!rig.is_open(waiting) && rig.is_open(wallet));
}

#[test]
fn connections_that_say_nothing_are_few_of_one_owner_and_do_not_shut_out_others() {
    for own in ["9.9.9.9", "[2001:db8:1:1::9]"] {
        let mut rig = rig();
        for at in 0..300 {
            rig.connect(&format!("{own}:{at}"), Direction::Inbound);
        }
        let silent = |rig: &Rig| rig.machine.peers().filter(|peer| rig.is_open(peer.id)).count();
        assert_eq!(silent(&rig), HANDSHAKES_PER_OWNER_MAX);
        rig.join("9.9.9.10:1", Role::Peer);
        for at in 0..300 {
            rig.connect(&format!("127.0.0.1:{at}"), Direction::Inbound);
        }
        assert_eq!(silent(&rig), HANDSHAKES_MAX + 1);
        // Whoever has few may take as long as it likes to say its hello.
        let (slow, _) = rig.connect("9.9.9.11:1", Direction::Inbound);
        for at in 0..1000 {
            rig.connect(&format!("127.0.0.1:{}", 1000 + at), Direction::Inbound);
        }
        let hello = Message::Hello(Box::new(rig.hello(Role::Peer)));
        rig.tell(slow, hello);
        assert!(rig.is_open(slow));
    }
}

#[test]
fn who_has_just_come_may_say_its_hello_though_as_many_others_are_silent_as_may_be() {
    let mut rig = rig();
    let silent: Vec<PeerId> = (0..HANDSHAKES_MAX)
        .map(|at| rig.connect(&format!("9.9.{at}.9:1"), Direction::Inbound).0)
        .collect();
    let (newcomer, _) = rig.connect("7.7.7.7:1", Direction::Inbound);
    assert!(rig.is_open(newcomer) && !rig.is_open(silent[0]));
    assert!(silent[1..].iter().all(|peer| rig.is_open(*peer)));
}

#[test]
fn who_brings_blocks_transactions_and_pongs_is_known_for_it() {
    let mut forge = Forge::new();
    let block = forge.chain(forge.genesis(), 1)[0];
    let mut rig = Rig::new(&forge);
    let useful = rig.peer();
    rig.pass(Duration::from_secs(1));
    let known = |rig: &Rig| {
        let peer = rig.machine.peers.get(useful).unwrap();
        (peer.last_block.is_some(), peer.last_transaction.is_some(), peer.lowest_ping)
    };
    assert_eq!(known(&rig), (false, false, None));
    rig.sync(useful, &forge, block);
    let payment = crate::tests::rig::payment_bytes(&forge.payment(0));
    rig.say(useful, PeerMessage::Transaction(payment));
    assert_eq!(known(&rig), (true, true, None));
    let effects = rig.pass(crate::peers::PING_INTERVAL - Duration::from_secs(1));
    let number = sent(&effects, useful).into_iter().find_map(|message| match message {
        Message::Ping(number) => Some(number),
        _ => None,
    });
    rig.now.monotonic += Duration::from_millis(30);
    // A pong that nobody asked for is none.
    rig.tell(useful, Message::Pong(number.unwrap().wrapping_add(1)));
    assert_eq!(known(&rig).2, None);
    rig.tell(useful, Message::Pong(number.unwrap()));
    rig.now.monotonic += Duration::from_millis(30);
    rig.tell(useful, Message::Pong(number.unwrap()));
    assert_eq!(known(&rig).2, Some(Duration::from_millis(30)));
}

proptest! {
    #[test]
    fn whoever_comes_and_goes_the_places_are_never_exceeded_and_who_has_none_finds_one(
        callers in prop::collection::vec((0u8..12, 0u64..3_000), 1..200),
        role in 0usize..3,
    ) {
        let mut rig = rig();
        let (role, all_max, same_owner_max) = ROLES[role];
        for (at, (group, pause)) in callers.into_iter().enumerate() {
            rig.now.monotonic += Duration::from_millis(pause);
            let address: SocketAddr = ([9, group, 9, 9], u16::try_from(at).unwrap()).into();
            let owner = Owner::of(address.ip());
            let before = rig.machine.peers.inbound(role, owner).1;
            let (_, is_open) = try_join(&mut rig, &address.to_string(), role);
            prop_assert!(open(&rig, role) <= all_max);
            prop_assert!(rig.machine.peers.inbound(role, owner).1 <= same_owner_max);
            // With twelve owners there is always one that has more than one part in twelve.
            prop_assert!(is_open || before > 0, "{role:?}");
        }
    }
}
