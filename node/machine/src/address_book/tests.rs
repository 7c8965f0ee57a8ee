//! Whom we dial, and what strangers can put into the book.

use wire::hello::{Hello, Role};

use super::*;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, config, said};
use crate::{Direction, Event};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn dialed(effects: &[Effect]) -> Vec<SocketAddr> {
    let dialed = effects.iter().filter_map(|effect| match effect {
        Effect::Dial { address } => Some(*address),
        _ => None,
    });
    dialed.collect()
}

fn fail(rig: &mut Rig, addresses: &[SocketAddr]) {
    for address in addresses {
        rig.settle(Event::DialFailed { address: *address });
    }
}

fn rig_with(peers: &[&str]) -> Rig {
    let forge = Forge::new();
    let mut config = config();
    config.peers = peers.iter().map(|text| address(text)).collect();
    Rig::with(&forge, config)
}

/// Tells of addresses; returns those that are dialed at once.
fn tell(rig: &mut Rig, peer: PeerId, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    dialed(&rig.say(peer, PeerMessage::Addresses(addresses)))
}

#[test]
fn a_fixed_address_is_redialed_for_ever_and_ever_more_slowly() {
    let mut rig = rig_with(&[]);
    rig.machine.address_book = AddressBook::new(&[address("9.9.9.9:9000")]);
    let mut dials = 0;
    for _ in 0..3600 {
        let due = dialed(&rig.pass(Duration::from_secs(1)));
        fail(&mut rig, &due);
        dials += due.len();
    }
    assert!((60..=70).contains(&dials), "{dials} dials in an hour");
}

#[test]
fn a_connection_that_ends_is_dialed_again_and_one_that_stands_is_not() {
    let mut rig = rig_with(&["[::ffff:9.9.9.9]:9000"]);
    rig.machine.address_book = AddressBook::new(&[address("[::ffff:9.9.9.9]:9000")]);
    assert_eq!(dialed(&rig.pass(Duration::from_secs(1))), [address("9.9.9.9:9000")]);
    let (peer, _) = rig.connect("9.9.9.9:9000", Direction::Outbound);
    let hello = rig.hello(Role::Peer);
    rig.tell(peer, Message::Hello(Box::new(hello)));
    assert_eq!(dialed(&rig.pass(Duration::from_secs(30))), []);
    rig.settle(Event::Disconnected { peer });
    assert_eq!(dialed(&rig.pass(Duration::from_secs(3))), [address("9.9.9.9:9000")]);
}

#[test]
fn a_banned_address_that_was_being_dialed_is_dialed_again_when_the_ban_has_ended() {
    let mut rig = rig_with(&[]);
    rig.machine.address_book = AddressBook::new(&[address("9.9.9.9:9000")]);
    assert_eq!(dialed(&rig.pass(Duration::from_secs(1))).len(), 1);
    let now = rig.now.monotonic;
    rig.machine.conduct.ban(Owner::of(address("9.9.9.9:9000").ip()), now);
    let (peer, _) = rig.connect("9.9.9.9:9000", Direction::Outbound);
    assert!(!rig.is_open(peer));
    rig.settle(Event::Disconnected { peer });
    assert_eq!(dialed(&rig.pass(Duration::from_secs(3600))), []);
    rig.now.monotonic += Duration::from_secs(24 * 3600);
    assert_eq!(dialed(&rig.settle(Event::Wakeup)).len(), 1);
}

#[test]
fn eight_strangers_are_dialed_one_an_address_and_two_a_group() {
    let mut rig = rig_with(&[]);
    let teller = rig.peer();
    let addresses =
        (0..200u8).map(|at| SocketAddr::from(([11, at / 20, at % 10, 1], 9000 + u16::from(at))));
    let due = tell(&mut rig, teller, addresses.collect());
    assert_eq!(due.len(), OUTBOUND_MAX);
    for one in &due {
        let same_ip = due.iter().filter(|other| other.ip() == one.ip()).count();
        let same_group = due.iter().filter(|other| group(other.ip()) == group(one.ip())).count();
        assert!(same_ip == 1 && same_group <= 2, "{due:?}");
    }
    assert_eq!(dialed(&rig.pass(Duration::from_secs(60))), [], "while those are tried");
}

#[test]
fn strangers_cannot_fill_the_book_nor_keep_it_full() {
    let mut rig = rig_with(&["9.9.9.9:9000"]);
    let mut due = Vec::new();
    for liar in 0..40u8 {
        let teller = rig.peer();
        for part in 0..3u8 {
            let lies = (0..=255u8).map(|at| SocketAddr::from(([20 + part, liar, at, 1], 1)));
            due.extend(tell(&mut rig, teller, lies.collect()));
        }
        rig.settle(Event::Disconnected { peer: teller });
    }
    assert_eq!(rig.machine.address_book.entries.len(), ADDRESSES_KNOWN_MAX);
    fail(&mut rig, &due);
    let honest = rig.peer();
    tell(&mut rig, honest, vec![address("8.7.6.5:9000")]);
    let book = &rig.machine.address_book;
    assert_eq!(book.entries.len(), ADDRESSES_KNOWN_MAX);
    assert!(book.entries.contains_key(&address("8.7.6.5:9000")));
    assert!(book.entries.contains_key(&address("9.9.9.9:9000")), "the user's own stays");
}

#[test]
fn impossible_addresses_are_not_taken_and_loopback_only_from_loopback() {
    let mut rig = rig_with(&[]);
    let stranger = rig.peer();
    let lies = ["9.9.9.9:0", "0.0.0.0:1", "224.0.0.1:1", "127.0.0.1:1", "[::1]:1"];
    tell(&mut rig, stranger, lies.map(address).to_vec());
    tell(&mut rig, stranger, vec![address("[::ffff:127.0.0.1]:1")]);
    assert!(rig.machine.address_book.entries.is_empty());
    let neighbour = rig.join("127.0.0.1:5", Role::Peer);
    tell(&mut rig, neighbour, vec![address("127.0.0.1:1")]);
    assert_eq!(rig.machine.address_book.entries.len(), 1);
}

#[test]
fn addresses_are_given_once_and_loopback_only_to_loopback() {
    let mut rig = rig_with(&["9.9.9.9:9000", "127.0.0.1:9001"]);
    for (from, count) in [("8.8.8.8:1", 1), ("127.0.0.1:1", 2), ("[::ffff:127.0.0.1]:2", 2)] {
        let asker = rig.join(from, Role::Peer);
        let effects = rig.say(asker, PeerMessage::GetAddresses(()));
        let Some(PeerMessage::Addresses(given)) = said(&effects, asker).pop() else {
            panic!("no answer");
        };
        assert_eq!(given.len(), count, "{from}");
        let effects = rig.say(asker, PeerMessage::GetAddresses(()));
        assert!(said(&effects, asker).is_empty());
    }
}

#[test]
fn what_was_met_is_remembered_the_reliable_first_and_dialed_in_the_next_life() {
    let mut rig = rig_with(&["9.9.9.9:9000", "9.8.9.9:9000"]);
    assert_eq!(rig.machine.met_addresses(), []);
    let (dialed_peer, _) = rig.connect("9.9.9.9:9000", Direction::Outbound);
    let hello = rig.hello(Role::Peer);
    rig.tell(dialed_peer, Message::Hello(Box::new(hello)));
    let (came, _) = rig.connect("8.8.8.8:1", Direction::Inbound);
    let hello = Hello { listen_port: 9003, ..rig.hello(Role::Peer) };
    rig.tell(came, Message::Hello(Box::new(hello)));
    rig.settle(Event::Disconnected { peer: dialed_peer });
    let met = rig.machine.met_addresses();
    assert_eq!(met, [address("8.8.8.8:9003"), address("9.9.9.9:9000")]);
    let forge = Forge::new();
    let next = Rig::among(&forge, config(), |around| around.known.clone_from(&met));
    assert_eq!(next.machine.met_addresses(), [met[0], met[1]]);
    let mut entries = next.machine.address_book.entries.values();
    assert!(entries.all(|entry| entry.state == DialState::Dialing), "dialed at once");
}

#[test]
fn an_address_that_was_met_outlives_the_failures_that_a_rumor_does_not() {
    let now = Duration::ZERO;
    let (met, rumor) = (address("9.9.9.9:9000"), address("8.8.8.8:9000"));
    let mut book = AddressBook::new(&[]).with_met(&[met]);
    book.seen(rumor, now);
    for _ in 0..MET_FAILURES_MAX {
        book.dial_failed(met, now);
        book.dial_failed(rumor, now);
    }
    assert_eq!(book.entries.keys().collect::<Vec<_>>(), [&met]);
    book.dial_failed(met, now);
    assert!(book.entries.is_empty());
}

#[test]
fn only_so_much_is_remembered() {
    let many: Vec<SocketAddr> =
        (0..2000u16).map(|port| SocketAddr::from(([9, 9, 9, 9], port + 1))).collect();
    let book = AddressBook::new(&[]).with_met(&many);
    assert_eq!(book.worth_remembering(), many[..REMEMBERED_MAX]);
}
