//! Tests of `DirectoryClient` against real sockets: every question, and answers that are lies.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use chain::hash::Txid;
use chain::key::SecretKey;
use testkit::PATIENCE;
use testkit::test_chain::{TestChain, network};
use testkit::test_node::{receive, send, serve, shake_hands, start};
use wire::ByteString;
use wire::directory::{FaucetAnswer, NamePut, Named, Registered};
use wire::frame::Phase;

use super::*;

fn timeouts() -> Timeouts {
    Timeouts { connect: PATIENCE, answer: PATIENCE }
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32]).unwrap()
}

fn record(name: &str, number: u8, network: &Network) -> NameRecord {
    NameRecord::sign(name, 1, network.genesis_hash(), &secret(number), &[0; 32])
}

/// A directory that answers what `answer` says.
fn directory(
    network: &Arc<Network>,
    answer: impl Fn(DirectoryMessage) -> DirectoryMessage + Send + Sync + 'static,
) -> DirectoryClient {
    let spoken = Arc::clone(network);
    let address = serve(move |mut stream: TcpStream| {
        shake_hands(&mut stream, &spoken);
        while let Some(Message::Directory(question)) = receive(&mut stream, Phase::Established) {
            send(&mut stream, &Message::Directory(answer(question)));
        }
    });
    DirectoryClient::connect(address, network, timeouts()).unwrap()
}

#[test]
fn the_bootstrap_node_hands_out_the_spec_and_the_miners() {
    let network = network(&[]);
    let (address, _) = start(TestChain::new(Arc::clone(&network)));
    assert_eq!(spec(address, timeouts()).unwrap(), network.spec);
    let mut client = DirectoryClient::connect(address, &network, timeouts()).unwrap();
    for _ in 0..2 {
        assert_eq!(client.miners().unwrap()[0].name, "Miner1");
    }
}

#[test]
fn a_spec_other_than_the_one_of_the_hello_is_refused() {
    let network = network(&[]);
    let mut other = network.spec.clone();
    other.spacing_s = 6;
    let address = serve(move |mut stream| {
        let theirs = shake_hands(&mut stream, &network);
        assert_eq!((theirs.network, theirs.role), (None, Role::Directory));
        let _ = receive(&mut stream, Phase::Established);
        let spec = ByteString(other.to_toml().into_bytes());
        send(&mut stream, &Message::Directory(DirectoryMessage::Spec(spec)));
    });
    assert!(matches!(spec(address, timeouts()), Err(ClientError::Protocol(_))));
}

#[test]
fn every_question_gets_the_answer_to_its_own_request() {
    let network = network(&[]);
    let adam = record("Adam", 1, &network);
    let held = adam.clone();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let mut client = directory(&network, move |question| {
        seen.lock().unwrap().push(question.clone());
        match question {
            DirectoryMessage::Register(Register { request, .. }) => {
                let outcome = RegisterOutcome::Listed { expires_in_s: 30 };
                DirectoryMessage::Registered(Registered { request, outcome })
            }
            DirectoryMessage::GetName(GetName { request, name }) => {
                let record = (name == "adam").then(|| held.clone());
                DirectoryMessage::Named(Named { request, record })
            }
            DirectoryMessage::PutName(PutName { request, record }) => {
                let mine = record.key == held.key;
                let outcome =
                    if mine { NameOutcome::Held } else { NameOutcome::Taken(held.clone()) };
                DirectoryMessage::NamePut(NamePut { request, outcome })
            }
            DirectoryMessage::AskFaucet(AskFaucet { request, .. }) => {
                let outcome = FaucetOutcome::Paid {
                    txid: Txid([3; 32]),
                    amount: chain::amount::Amount::from_coins(100).unwrap(),
                };
                DirectoryMessage::FaucetAnswer(FaucetAnswer { request, outcome })
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(
        client.register("Miner1", 9001).unwrap(),
        RegisterOutcome::Listed { expires_in_s: 30 }
    );
    assert_eq!(client.name("adam").unwrap(), Some(adam.clone()));
    assert_eq!(client.name("eve").unwrap(), None);
    assert_eq!(client.put_name(&adam).unwrap(), NameOutcome::Held);
    let eve = record("ADAM", 2, &network);
    assert_eq!(client.put_name(&eve).unwrap(), NameOutcome::Taken(adam));
    let paid = client.ask_faucet(OutputKey([4; 32])).unwrap();
    assert!(matches!(paid, FaucetOutcome::Paid { txid, .. } if txid == Txid([3; 32])));
    let asked = asked.lock().unwrap();
    let register = Register { request: 1, name: "Miner1".to_owned(), port: 9001 };
    assert_eq!(asked[0], DirectoryMessage::Register(register));
    assert_eq!(asked.len(), 6);
}

#[test]
fn a_name_that_its_key_did_not_sign_here_or_that_nobody_asked_for_is_a_lie() {
    let ours = network(&[]);
    let elsewhere = network(&[OutputKey([7; 32])]);
    let mut unsigned = record("Adam", 1, &ours);
    unsigned.sequence += 1;
    for lie in [unsigned, record("Adam", 1, &elsewhere), record("Eve", 1, &ours)] {
        let mut client = directory(&ours, move |question| match question {
            DirectoryMessage::GetName(GetName { request, .. }) => {
                DirectoryMessage::Named(Named { request, record: Some(lie.clone()) })
            }
            DirectoryMessage::PutName(PutName { request, .. }) => {
                let outcome = NameOutcome::Taken(lie.clone());
                DirectoryMessage::NamePut(NamePut { request, outcome })
            }
            other => panic!("{other:?}"),
        });
        assert!(matches!(client.name("Adam"), Err(ClientError::Protocol(_))));
        let mine = record("Adam", 2, &ours);
        assert!(matches!(client.put_name(&mine), Err(ClientError::Protocol(_))));
    }
}
