//! Time: a machine with nothing to do is woken for its few deadlines and no more.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use wire::peer::PeerMessage;
use wire::{ByteString, Message};

use super::forge::Forge;
use super::rig::{Rig, config, policy, sent};
use crate::mining::MiningPolicy;
use crate::{Event, PeerId};

#[test]
fn a_machine_that_waits_for_nothing_is_not_woken() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    assert_eq!(rig.machine.next_wakeup(), None);
    let before = rig.calls;
    let effects = rig.pass(Duration::from_secs(3600));
    assert_eq!(rig.calls - before, 1, "the one that ends the hour");
    assert!(effects.is_empty(), "{effects:?}");
}

#[test]
fn a_miner_that_waits_for_payments_is_not_woken_either() {
    let forge = Forge::new();
    let mut config = config();
    let max_wait = Some(Duration::from_secs(30));
    config.mining = Some(MiningPolicy { min_txs: 4, max_wait, ..policy(&forge) });
    let rig = Rig::with(&forge, config);
    assert_eq!(rig.machine.next_wakeup(), None);
}

#[test]
fn a_chain_ahead_of_the_clock_makes_the_miner_look_every_five_seconds() {
    let forge = Forge::new();
    let mut config = config();
    config.mining = Some(policy(&forge));
    let mut rig = Rig::with(&forge, config);
    // The clock steps back behind genesis.
    rig.now.wall_s = u64::from(forge.network.spec.genesis_time) - 10_000;
    let before = rig.calls;
    let effects = rig.pass(Duration::from_secs(600));
    assert!(rig.calls - before <= 600 / 5 + 2, "{} calls", rig.calls - before);
    assert!(matches!(super::rig::mine(&effects), Some(None)), "it rests");
}

#[test]
fn coins_in_memory_are_written_five_minutes_after_they_came_and_then_there_is_quiet() {
    let mut forge = Forge::new();
    let tip = forge.mine(forge.genesis(), &[]);
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    rig.sync(peer, &forge, tip);
    rig.settle(Event::Disconnected { peer });
    assert!(rig.machine.ledger().dirty_coins() > 0);
    rig.pass(Duration::from_millis(299_999));
    assert!(rig.machine.ledger().dirty_coins() > 0);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.machine.ledger().dirty_coins(), 0);
    assert_eq!(rig.machine.next_wakeup(), None);
}

/// A node that answers whatever it is asked, and has nothing.
fn answer(question: &Message) -> Option<Message> {
    match question {
        Message::Ping(number) => Some(Message::Pong(*number)),
        Message::Peer(PeerMessage::GetHeaders(_)) => {
            Some(Message::Peer(PeerMessage::Headers(ByteString(Vec::new()))))
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn among_eight_quiet_nodes_it_is_woken_once_in_five_seconds_at_most(
        joined_ms in prop::collection::vec(0u64..70_000, 8),
        latency_ms in prop::collection::vec(1u64..2_000, 8),
    ) {
        let forge = Forge::new();
        let mut rig = Rig::new(&forge);
        let mut joined_ms = joined_ms;
        joined_ms.sort_unstable();
        let mut wakeups: Vec<Duration> = Vec::new();
        let mut peers: Vec<PeerId> = Vec::new();
        // What is on its way to us, by the time of its arrival.
        let mut answers: BTreeMap<(Duration, usize), (PeerId, Message)> = BTreeMap::new();
        let mut said = 0;
        let mut joins = joined_ms.iter().map(|ms| Duration::from_millis(*ms)).peekable();
        loop {
            let wakeup = rig.machine.next_wakeup();
            let arrival = answers.first_key_value().map(|((at, _), _)| *at);
            let join = joins.peek().copied();
            let next = [wakeup, arrival, join].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= Duration::from_mins(10)) else {
                break;
            };
            rig.now.monotonic = at;
            let effects = if join == Some(at) {
                joins.next();
                peers.push(rig.peer());
                Vec::new()
            } else if arrival == Some(at) {
                let (_, (peer, message)) = answers.pop_first().unwrap();
                rig.handle(Event::Message { peer, message: Box::new(message) })
            } else {
                wakeups.push(at);
                rig.handle(Event::Wakeup)
            };
            for (index, peer) in peers.iter().enumerate() {
                let latency = Duration::from_millis(latency_ms[index]);
                for message in sent(&effects, *peer).iter().filter_map(answer) {
                    said += 1;
                    answers.insert((at + latency, said), (*peer, message));
                }
            }
        }
        prop_assert!(wakeups.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_secs(5)),
            "{wakeups:?}");
        prop_assert!(wakeups.len() >= 9, "all are pinged: {wakeups:?}");
        prop_assert!(peers.iter().all(|peer| rig.is_open(*peer)));
    }
}
