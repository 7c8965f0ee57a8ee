//! The desk beside a machine that is busy for as long as the test wants.

use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};

use machine::MachineConfig;
use serde_json::Value;
use testkit::{PATIENCE, samples};
use wire::operator::BlockName;

use super::*;
use crate::runtime::{NodeConfig, PanicPolicy, StorePlace};

fn node() -> Node {
    let machine = MachineConfig::new("test", [1; 32]);
    let (network, listen) = (Arc::new(samples::network(8)), "127.0.0.1:0".parse().unwrap());
    let relay = NodeConfig::new(machine, network, StorePlace::Memory, listen);
    Node::start(NodeConfig { on_panic: PanicPolicy::Surface, ..relay }).unwrap()
}

fn desk(handle: Handle) -> Desk {
    let address = "127.0.0.1:1".parse().unwrap();
    Desk {
        about: About { name: "test".to_owned(), role: Role::Bootstrap, directory: "/".into() },
        pass: Pass { name: "test".to_owned(), address, token: Token([1; 32]), pid: 1 },
        handle,
        mining: Box::new(|| None),
        started: Instant::now(),
        stop: Arc::default(),
        opener: thread::current(),
    }
}

#[test]
fn blocks_are_read_and_told_while_the_machines_thread_does_not_move() {
    let node = node();
    let (is_held, held) = sync_channel(0);
    let (let_go, hold) = channel::<()>();
    let handle = node.handle.clone();
    // A question that comes to no end: the machine's thread does nothing else meanwhile.
    let holding = thread::spawn(move || {
        handle.ask_blocking(move |_| {
            is_held.send(()).unwrap();
            // The other end is dropped.
            let _ = hold.recv();
        })
    });
    held.recv_timeout(PATIENCE).unwrap();
    let (tell, told) = channel();
    let desk = desk(node.handle.clone());
    thread::spawn(move || {
        let view = desk.handle.reader().view();
        let genesis = view.header_at(0).map(|(hash, _)| hash);
        let asked = [
            Question::Block(BlockName::Height(0)),
            Question::Block(BlockName::Hash(genesis.unwrap())),
            Question::Chain { from: u32::MAX, count: 10 },
        ];
        let answers = asked.map(|question| answers::answer(&desk, &question).unwrap());
        tell.send((view.tip(), view.block(&view.tip()).unwrap().is_some(), answers)).unwrap();
    });
    let (tip, is_there, answers) = told.recv_timeout(PATIENCE).expect("the answers waited for it");
    assert!(is_there);
    for answer in answers.map(|text| serde_json::from_str::<Value>(&text).unwrap()) {
        let block = if answer["hash"].is_null() { &answer["blocks"][0] } else { &answer };
        assert_eq!(block["hash"], tip.to_string(), "{answer}");
    }
    assert!(!holding.is_finished(), "the machine's thread was not held at all");
    drop(let_go);
    assert_eq!(holding.join().unwrap(), Ok(()));
    node.stop().unwrap();
}

/// A question of a connection with this number, with the desk's token or another.
fn question(number: u64, token: u8) -> Forwarded {
    let ask = Ask {
        request: 1,
        token: Token([token; 32]),
        question: Question::Chain { from: u32::MAX, count: 1 },
    };
    let (peer, address) = (PeerId(number), "127.0.0.1:9".parse().unwrap());
    Forwarded { peer, address, message: Message::Operator(OperatorMessage::Ask(ask)) }
}

/// Who is answered, in order, and whether with what was asked for; `now` is asked for the time.
fn answered(asked: &[Forwarded], now: impl Fn() -> Instant) -> Vec<(u64, bool)> {
    let node = node();
    let (ask, questions) = sync_channel(asked.len());
    asked.iter().for_each(|question| ask.send(question.clone()).unwrap());
    drop(ask);
    let mut answered = Vec::new();
    desk(node.handle.clone()).serve(&questions, now, |peer, message| {
        let Message::Operator(OperatorMessage::Answer(answer)) = message else {
            panic!("{message:?} is no answer");
        };
        answered.push((peer.0, matches!(answer.outcome, AnswerOutcome::Json(_))));
    });
    node.stop().unwrap();
    answered
}

#[test]
fn whoever_has_the_token_does_not_wait_for_those_who_guess_it() {
    let mut asked: Vec<Forwarded> = (0..7).map(|guesser| question(guesser, 9)).collect();
    asked.push(question(100, 1));
    let began = Instant::now();
    assert_eq!(answered(&asked, || began), [(100, true)], "before any guesser is told");
    // A clock that jumps: each guesser is told in its turn.
    let looks = std::cell::Cell::new(0);
    let jumping = || {
        looks.set(looks.get() + 1);
        began + WRONG_TOKEN_PAUSE * looks.get()
    };
    let told = answered(&asked, jumping);
    assert!(told.contains(&(100, true)) && told.contains(&(0, false)), "{told:?}");
}
