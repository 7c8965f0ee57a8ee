//! The order in which the machine serves, and what clients may have of it.

use machine::store::StoreError;
use proptest::prelude::*;
use wire::peer::PeerMessage;
use wire::wallet::WalletMessage;

use super::*;

fn own() -> Event {
    Event::Addresses(Vec::new())
}

fn name(work: &Work) -> &'static str {
    match work {
        Work::Stop => "stop",
        Work::Own(_) => "own",
        Work::Wakeup => "wakeup",
        Work::Question(_) => "question",
        Work::Peer(_) => "peer",
    }
}

#[test]
fn own_blocks_timers_and_questions_are_served_before_peers() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    let gone = Event::Disconnected { peer: PeerId(1) };
    lanes.push_peer(Some(PeerId(1)), gone);
    lanes.ask(Box::new(|_| ())).unwrap();
    lanes.push_own(own());
    let due = Some(Duration::ZERO);
    let order: Vec<_> =
        [due, due, due, None].into_iter().map(|wakeup| name(&lanes.next(wakeup, &clock))).collect();
    assert_eq!(order, ["own", "question", "wakeup", "peer"]);
}

#[test]
fn neither_questions_nor_a_restless_machine_shut_the_peers_out() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    lanes.push_peer(None, own());
    let mut served = Vec::new();
    for _ in 0..2 * FAVORED_MAX {
        lanes.ask(Box::new(|_| ())).unwrap();
        served.push(name(&lanes.next(Some(Duration::ZERO), &clock)));
    }
    assert!(served.contains(&"peer"), "{served:?}");
    assert!(served.contains(&"question"), "{served:?}");
    assert!(served.contains(&"wakeup"), "{served:?}");
}

fn said(peer: u64, message: Message) -> (Option<PeerId>, Event) {
    let peer = PeerId(peer);
    (Some(peer), Event::Message { peer, message: Box::new(message) })
}

fn of_node() -> (Option<PeerId>, Event) {
    said(1, Message::Peer(PeerMessage::GetBlocks(Vec::new())))
}

fn of_wallet() -> (Option<PeerId>, Event) {
    said(2, Message::Wallet(WalletMessage::GetTip(1)))
}

fn push(lanes: &Lanes, (peer, event): (Option<PeerId>, Event), lane: Lane) {
    let work = PeerWork { peer, event, lane, outbound: None, handled: None };
    lanes.push(|waiting| waiting.push_peer(work));
}

fn whose(work: &Work) -> Option<PeerId> {
    match work {
        Work::Peer(work) => work.peer,
        _ => None,
    }
}

#[test]
fn nodes_go_before_clients_and_do_not_shut_them_out() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    push(&lanes, of_wallet(), Lane::Clients);
    push(&lanes, of_wallet(), Lane::Clients);
    push(&lanes, of_node(), Lane::Nodes);
    let next = || whose(&lanes.next(None, &clock));
    assert_eq!((next(), next()), (Some(PeerId(1)), Some(PeerId(2))));
    let mut turns = 0;
    loop {
        push(&lanes, of_node(), Lane::Nodes);
        turns += 1;
        if whose(&lanes.next(None, &clock)) == Some(PeerId(2)) {
            break;
        }
    }
    assert_eq!(turns, NODES_FAVORED_MAX + 1);
}

#[test]
fn what_only_clients_ask_waits_with_them_whoever_asks_it() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    push(&lanes, said(3, Message::Wallet(WalletMessage::GetTip(1))), Lane::Nodes);
    push(&lanes, of_node(), Lane::Nodes);
    let order = [(); 2].map(|()| whose(&lanes.next(None, &clock)));
    assert_eq!(order, [1, 3].map(|peer| Some(PeerId(peer))));
}

#[test]
fn what_a_client_asks_as_nodes_do_waits_with_the_clients() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    let (_, blocks) = of_node();
    push(&lanes, (Some(PeerId(2)), blocks), Lane::Clients);
    push(&lanes, of_node(), Lane::Nodes);
    let order = [(); 2].map(|()| whose(&lanes.next(None, &clock)));
    assert_eq!(order, [1, 2].map(|peer| Some(PeerId(peer))));
}

#[test]
fn signs_of_life_and_ends_of_connections_wait_for_no_question() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    push(&lanes, of_wallet(), Lane::Clients);
    push(&lanes, said(1, Message::Pong(1)), Lane::Clients);
    lanes.push_peer(Some(PeerId(3)), Event::Disconnected { peer: PeerId(3) });
    let order = [(); 3].map(|()| whose(&lanes.next(None, &clock)));
    assert_eq!(order, [1, 3, 2].map(|peer| Some(PeerId(peer))));
}

proptest! {
    #[test]
    fn clients_have_an_eighth_of_the_time_whatever_they_ask(
        micros in prop::collection::vec(1u64..5_000, 1..200),
    ) {
        let lanes = Lanes::default();
        let (mut now, mut had) = (Duration::ZERO, Duration::ZERO);
        for time in micros.into_iter().map(Duration::from_micros) {
            push(&lanes, of_wallet(), Lane::Clients);
            now = now.max(lanes.lock().clients_rest_until);
            prop_assert!(lanes.lock().take(false, now).is_some());
            (now, had) = (now + time, had + time);
            lanes.client_had(time, now);
        }
        now = now.max(lanes.lock().clients_rest_until);
        prop_assert!(had <= now / CLIENTS_PART + CLIENTS_PIECE, "{had:?} of {now:?}");
    }
}

#[test]
fn while_clients_rest_only_nodes_are_served() {
    let lanes = Lanes::default();
    lanes.client_had(CLIENTS_PIECE, Duration::ZERO);
    push(&lanes, of_wallet(), Lane::Clients);
    push(&lanes, of_node(), Lane::Nodes);
    let rests = CLIENTS_PIECE * (CLIENTS_PART - 1);
    let just_before = rests - Duration::from_nanos(1);
    let next = |now| lanes.lock().take(false, now).and_then(|work| whose(&work));
    assert_eq!(next(just_before), Some(PeerId(1)));
    assert_eq!(next(just_before), None);
    assert_eq!(next(rests), Some(PeerId(2)));
}

#[test]
fn a_client_that_waits_is_served_when_the_rest_is_over_and_not_with_the_next_event() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    lanes.client_had(Duration::from_millis(1), clock.monotonic());
    push(&lanes, of_wallet(), Lane::Clients);
    let wakeup = clock.monotonic() + Duration::from_secs(60);
    assert_eq!(whose(&lanes.next(Some(wakeup), &clock)), Some(PeerId(2)));
}

#[test]
fn what_was_answered_is_said_before_the_stop_even_while_clients_rest() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    lanes.client_had(Duration::from_secs(60), clock.monotonic());
    push(&lanes, of_wallet(), Lane::Clients);
    lanes.push_answer(own());
    push(&lanes, of_wallet(), Lane::Clients);
    lanes.close();
    let order = [(); 3].map(|()| name(&lanes.next(None, &clock)));
    assert_eq!(order, ["own", "stop", "stop"]);
}

#[test]
fn wakeups_nodes_and_clients_all_have_their_turn() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    push(&lanes, of_wallet(), Lane::Clients);
    let turns = (FAVORED_MAX + 1) * (NODES_FAVORED_MAX + 1);
    let served: Vec<_> = (0..turns)
        .map(|_| {
            push(&lanes, of_node(), Lane::Nodes);
            whose(&lanes.next(Some(Duration::ZERO), &clock))
        })
        .collect();
    let count = |who| served.iter().filter(|whose| **whose == who).count() as u32;
    assert_eq!(count(Some(PeerId(2))), 1);
    assert_eq!(count(Some(PeerId(1))), NODES_FAVORED_MAX);
    assert_eq!(count(None), turns - NODES_FAVORED_MAX - 1);
}

#[test]
fn questions_beyond_the_limit_are_refused_and_closing_drops_the_rest() {
    let (lanes, clock) = (Lanes::default(), Clock::start());
    for _ in 0..QUESTIONS_MAX {
        lanes.ask(Box::new(|_| ())).unwrap();
    }
    assert_eq!(lanes.ask(Box::new(|_| ())), Err(Refused::Full));
    for _ in 0..OWN_MAX {
        lanes.try_push_own(own()).unwrap();
    }
    assert_eq!(lanes.try_push_own(own()), Err(Refused::Full));
    lanes.close();
    assert_eq!(lanes.ask(Box::new(|_| ())), Err(Refused::Stopped));
    assert_eq!(lanes.try_push_own(own()), Err(Refused::Stopped));
    assert_eq!(name(&lanes.next(None, &clock)), "stop");
    assert_eq!(name(&lanes.next(None, &clock)), "stop");
}

#[test]
fn after_a_call_that_took_long_clients_wait_no_longer_than_a_wallet_does() {
    let lanes = Lanes::default();
    lanes.client_had(Duration::from_secs(60), Duration::ZERO);
    push(&lanes, of_wallet(), Lane::Clients);
    assert!(lanes.lock().take(false, CLIENTS_REST_MAX - Duration::from_nanos(1)).is_none());
    assert!(lanes.lock().take(false, CLIENTS_REST_MAX).is_some());
}

#[test]
fn clients_pay_for_all_that_is_done_for_them_and_for_nothing_else() {
    let work = |(peer, event): (Option<PeerId>, Event), lane| {
        Work::Peer(PeerWork { peer, event, lane, outbound: None, handled: None })
    };
    let gone = || (Some(PeerId(2)), Event::Disconnected { peer: PeerId(2) });
    let read = Event::Read { peer: PeerId(2), outcome: Err(Arc::new(StoreError::Stopped)) };
    let pong = || said(2, Message::Pong(1));
    let of_clients =
        [of_wallet(), of_node(), pong(), gone()].map(|event| work(event, Lane::Clients));
    assert!(of_clients.iter().all(Work::is_for_clients));
    assert!(Work::Own(read).is_for_clients());
    assert!(Work::Question(Box::new(|_| ())).is_for_clients());
    let of_nodes = [of_node(), pong(), gone()].map(|event| work(event, Lane::Nodes));
    assert!(!of_nodes.iter().any(Work::is_for_clients));
    assert!(![Work::Own(own()), Work::Wakeup, Work::Stop].iter().any(Work::is_for_clients));
}
