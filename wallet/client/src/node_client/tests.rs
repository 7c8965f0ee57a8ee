//! Tests of `NodeClient` against real sockets: the handshake, limits, paging and every way to end.

use std::io::Write;
use std::sync::Arc;

use chain::hash::BlockHash;
use testkit::test_chain::{TestChain, network};
use testkit::test_node::{hello, receive, send, serve, shake_hands, start};
use testkit::{HeldPort, PATIENCE};
use wire::frame::Phase;
use wire::wallet::{Pending, RefusalKind, Submitted};

use super::*;

const KEY: OutputKey = OutputKey([5; 32]);

/// Long enough for a busy machine; only a test that waits for the end of it takes it.
fn timeouts() -> Timeouts {
    Timeouts { connect: PATIENCE, answer: PATIENCE }
}

fn short() -> Timeouts {
    Timeouts { answer: Duration::from_millis(50), ..timeouts() }
}

fn protocol_error<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Protocol(reason)) => reason,
        other => panic!("expected a broken protocol, got {other:?}"),
    }
}

#[test]
fn a_conversation_answers_pings_and_skips_what_it_does_not_know() {
    let network = network(&[KEY]);
    let chain = TestChain::new(Arc::clone(&network));
    let tip = chain.tip();
    let (address, _) = start(chain);
    let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
    assert_eq!(client.node().name, "node");
    let answer = client.tip().unwrap();
    assert_eq!((answer.tip, answer.height, answer.fee_rate_min), (tip.hash, 0, 1000));
    let history = client.history(KEY).unwrap().unwrap();
    assert_eq!((history.tip, history.entries.len()), (tip, 1));
    assert_eq!(client.pending(KEY).unwrap(), vec![]);
}

#[test]
fn history_is_paged_to_the_end_and_a_tip_that_moves_is_noticed() {
    let network = network(&[KEY]);
    let mut chain = TestChain::new(Arc::clone(&network));
    (0..10).for_each(|_| chain.mine(KEY, vec![]));
    let whole = chain.history(&KEY);
    assert_eq!(whole.len(), 11);
    let (address, state) = start(chain);
    let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
    for page in [1, 3, 11, 100] {
        state.lock().unwrap().page = page;
        assert_eq!(client.history(KEY).unwrap().unwrap().entries, whole);
    }
    state.lock().unwrap().page = 3;
    state.lock().unwrap().mines_meanwhile = 1;
    assert_eq!(client.history(KEY).unwrap(), None);
    assert_eq!(client.history(KEY).unwrap().unwrap().entries.len(), 12);
}

#[test]
fn another_network_is_refused_with_the_field_that_differs() {
    let ours = network(&[KEY]);
    let mut spec = ours.spec.clone();
    spec.spacing_s = 7;
    let theirs = Network::new(spec).unwrap();
    let (address, _) = start(TestChain::new(Arc::new(theirs)));
    match NodeClient::connect(address, &ours, timeouts()) {
        Err(ClientError::WrongNetwork { difference }) => {
            assert_eq!(difference, "spacing_s is 5 here and 7 there");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_there_is_unreachable() {
    let nobody = HeldPort::any();
    let refused = NodeClient::connect(nobody.address(), &network(&[]), timeouts());
    assert!(matches!(refused, Err(ClientError::Unreachable { .. })), "{refused:?}");
}

#[test]
fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
    let network = network(&[]);
    // Before the handshake: more than a kilobyte. The payload never comes and nobody waits for it.
    let address = serve(|mut stream| {
        stream.write_all(b"LODE\x01\0\x01\x04\0\0").unwrap();
        while receive(&mut stream, Phase::Handshake).is_some() {}
    });
    let reason = protocol_error(NodeClient::connect(address, &network, timeouts()));
    assert_eq!(reason, "command 1 claims 1025 bytes, at most 1024 are allowed");
    // After it: four gigabytes for a tip.
    let spoken = Arc::clone(&network);
    let address = serve(move |mut stream| {
        shake_hands(&mut stream, &spoken);
        stream.write_all(b"LODE\x47\0\xff\xff\xff\xff").unwrap();
        while receive(&mut stream, Phase::Established).is_some() {}
    });
    let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
    let reason = protocol_error(client.tip());
    assert_eq!(reason, "command 71 claims 4294967295 bytes, at most 64 are allowed");
}

#[test]
fn noise_and_questions_before_the_handshake_are_refused() {
    for noise in [&b"HTTP/1.1 400"[..], b"LODE\x02\0\x01\0\0\0\0", b"LODE\x01\0\x01\0\0\0\xff"] {
        let address = serve(move |mut stream| {
            stream.write_all(noise).unwrap();
            while receive(&mut stream, Phase::Handshake).is_some() {}
        });
        protocol_error(NodeClient::connect(address, &network(&[]), timeouts()));
    }
    let address = serve(|mut stream| {
        let _ = receive(&mut stream, Phase::Handshake);
        let wallet = Hello { role: Role::Wallet, ..hello(&network(&[])) };
        send(&mut stream, &Message::Hello(Box::new(wallet)));
        while receive(&mut stream, Phase::Established).is_some() {}
    });
    let reason = protocol_error(NodeClient::connect(address, &network(&[]), timeouts()));
    assert_eq!(reason, "it is a Wallet, not a node");
}

#[test]
fn a_frame_that_ends_in_its_middle_is_a_closed_connection() {
    let network = network(&[]);
    let whole = Message::Wallet(WalletMessage::Tip(Tip {
        request: 1,
        tip: BlockHash::ZERO,
        height: 0,
        fee_rate_min: 0,
        pending_changes: 0,
    }));
    let whole = whole.to_frame().to_bytes();
    for length in [0, 3, 9, 10, whole.len() - 1] {
        let (spoken, part) = (Arc::clone(&network), whole[..length].to_vec());
        let address = serve(move |mut stream| {
            shake_hands(&mut stream, &spoken);
            let _ = receive(&mut stream, Phase::Established);
            stream.write_all(&part).unwrap();
        });
        let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
        let ended = client.tip();
        assert!(matches!(ended, Err(ClientError::Closed)), "{length}: {ended:?}");
    }
}

#[test]
fn an_answer_that_comes_too_late_is_not_taken_for_the_next_one() {
    let network = network(&[]);
    let spoken = Arc::clone(&network);
    let address = serve(move |mut stream| {
        shake_hands(&mut stream, &spoken);
        let mut requests = Vec::new();
        let tip = |request, height| {
            let tip = BlockHash::ZERO;
            let tip = Tip { request, tip, height, fee_rate_min: 0, pending_changes: 0 };
            Message::Wallet(WalletMessage::Tip(tip))
        };
        while let Some(Message::Wallet(WalletMessage::GetTip(request))) =
            receive(&mut stream, Phase::Established)
        {
            requests.push(request);
            // The first question gets half a header, the rest comes with the second's answer.
            let first = tip(requests[0], 1).to_frame().to_bytes();
            if requests.len() == 1 {
                stream.write_all(&first[..5]).unwrap();
            } else {
                stream.write_all(&first[5..]).unwrap();
                send(&mut stream, &tip(request, 2));
            }
        }
    });
    let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
    client.connection.set_answer(short().answer);
    assert!(matches!(client.tip(), Err(ClientError::TimedOut { .. })));
    client.connection.set_answer(timeouts().answer);
    assert_eq!(client.tip().unwrap().height, 2);
}

#[test]
fn staying_answers_pings() {
    let network = network(&[]);
    let spoken = Arc::clone(&network);
    let address = serve(move |mut stream| {
        shake_hands(&mut stream, &spoken);
        send(&mut stream, &Message::Ping(42));
        // The end of the connection tells the client that its pong came.
        assert_eq!(receive(&mut stream, Phase::Established), Some(Message::Pong(42)));
    });
    let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
    assert!(matches!(client.stay(timeouts().answer), Err(ClientError::Closed)));
}

/// A node that gives `answer` to every question.
fn node_that_says(
    network: &Arc<Network>,
    answer: impl Fn(u32) -> Message + Send + Sync + 'static,
) -> NodeClient {
    let spoken = Arc::clone(network);
    let address = serve(move |mut stream| {
        shake_hands(&mut stream, &spoken);
        let mut request = 0;
        while receive(&mut stream, Phase::Established).is_some() {
            request += 1;
            send(&mut stream, &answer(request));
        }
    });
    NodeClient::connect(address, network, timeouts()).unwrap()
}

#[test]
fn pages_that_do_not_follow_are_refused() {
    let network = network(&[KEY]);
    let mut chain = TestChain::new(Arc::clone(&network));
    chain.mine(KEY, vec![]);
    let entries = chain.history(&KEY);
    let reversed: Vec<HistoryEntry> = entries.iter().rev().cloned().collect();
    let many = vec![entries[0].clone(); HISTORY_MAX + 1];
    for (entries, more) in [
        (vec![], true),
        (reversed, false),
        (vec![entries[0].clone(); 2], false),
        (many, false),
        (vec![entries[0].clone()], true),
    ] {
        let mut client = node_that_says(&network, move |request| {
            let (tip, entries) = (BlockHash::ZERO, entries.clone());
            let page = History { request, tip, tip_height: 9, entries, more };
            Message::Wallet(WalletMessage::History(page))
        });
        protocol_error(client.history(KEY));
    }
}

#[test]
fn a_pending_coinbase_and_bytes_that_are_nothing_are_refused() {
    let network = network(&[KEY]);
    let coinbase = network.genesis.block.transactions[0].encode();
    for bytes in [coinbase, vec![1, 2, 3]] {
        let mut client = node_that_says(&network, move |request| {
            let transactions = vec![ByteString(bytes.clone())];
            Message::Wallet(WalletMessage::Pending(Pending { request, transactions }))
        });
        protocol_error(client.pending(KEY));
    }
}

#[test]
fn a_submission_is_answered_for_the_transaction_that_was_handed_over() {
    let network = network(&[KEY]);
    let transaction = network.genesis.block.transactions[0].clone();
    let txid = transaction.txid();
    let refused =
        SubmitOutcome::Refused { kind: RefusalKind::Conflict, reason: "conflict".to_owned() };
    for outcome in [SubmitOutcome::Accepted(txid), SubmitOutcome::AlreadyKnown(txid), refused] {
        let said = outcome.clone();
        let mut client = node_that_says(&network, move |request| {
            let outcome = said.clone();
            Message::Wallet(WalletMessage::Submitted(Submitted { request, outcome }))
        });
        assert_eq!(client.submit(&transaction).unwrap(), outcome);
    }
    let mut client = node_that_says(&network, |request| {
        let outcome = SubmitOutcome::Accepted(chain::hash::Txid::ZERO);
        Message::Wallet(WalletMessage::Submitted(Submitted { request, outcome }))
    });
    protocol_error(client.submit(&transaction));
}

#[test]
fn chatter_instead_of_an_answer_comes_to_an_end() {
    let network = network(&[]);
    let spoken = Arc::clone(&network);
    let address = serve(move |mut stream| {
        shake_hands(&mut stream, &spoken);
        for _ in 0..10 * STRAYS_MAX {
            send(&mut stream, &Message::Pong(1));
        }
        while receive(&mut stream, Phase::Established).is_some() {}
    });
    let mut client = NodeClient::connect(address, &network, timeouts()).unwrap();
    protocol_error(client.tip());
}
