//! Who may ask what is answered elsewhere, and what becomes of the answers.

use chain::key::OutputKey;
use wire::PROTOCOL_VERSION;
use wire::directory::{
    AskFaucet, FaucetAnswer, FaucetOutcome, GetName, NameOutcome, NamePut, NameRecord, Named,
    PutName, Register, RegisterOutcome, Registered,
};
use wire::operator::{Answer, AnswerOutcome, Ask, Question, Token};

use super::*;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, config, sent};
use crate::{Direction, Event, MachineConfig};

fn directory() -> Rig {
    let forge = Forge::new();
    Rig::with(&forge, MachineConfig { directory: true, ..config() })
}

fn forwarded(effects: &[Effect]) -> Vec<(PeerId, SocketAddr, Message)> {
    let forwarded = effects.iter().filter_map(|effect| match effect {
        Effect::Forward { peer, address, message } => Some((*peer, *address, (**message).clone())),
        _ => None,
    });
    forwarded.collect()
}

fn questions() -> Vec<DirectoryMessage> {
    let record = NameRecord {
        name: "Bob".into(),
        key: OutputKey([1; 32]),
        sequence: 1,
        signature: ByteString(vec![]),
    };
    vec![
        DirectoryMessage::GetMiners(()),
        DirectoryMessage::Register(Register { request: 1, name: "M".into(), port: 9 }),
        DirectoryMessage::GetName(GetName { request: 2, name: "Bob".into() }),
        DirectoryMessage::PutName(PutName { request: 3, record }),
        DirectoryMessage::AskFaucet(AskFaucet { request: 4, key: OutputKey([1; 32]) }),
    ]
}

fn answers() -> Vec<DirectoryMessage> {
    vec![
        DirectoryMessage::Spec(ByteString(vec![])),
        DirectoryMessage::Miners(vec![]),
        DirectoryMessage::Registered(Registered { request: 1, outcome: RegisterOutcome::Busy }),
        DirectoryMessage::Named(Named { request: 2, record: None }),
        DirectoryMessage::NamePut(NamePut { request: 3, outcome: NameOutcome::Busy }),
        DirectoryMessage::FaucetAnswer(FaucetAnswer { request: 4, outcome: FaucetOutcome::Empty }),
    ]
}

fn ask() -> OperatorMessage {
    OperatorMessage::Ask(Ask { request: 1, token: Token([1; 32]), question: Question::Status })
}

#[test]
fn a_directory_forwards_every_question_of_every_role_and_no_answer() {
    for role in [Role::Peer, Role::Wallet, Role::Directory] {
        let mut rig = directory();
        let caller = rig.join("[::ffff:9.9.9.9]:7", role);
        for question in questions() {
            let effects = rig.tell(caller, Message::Directory(question.clone()));
            let expected = (caller, "9.9.9.9:7".parse().unwrap(), Message::Directory(question));
            assert_eq!(forwarded(&effects), [expected]);
        }
        for answer in answers() {
            let caller = rig.join("9.9.9.10:7", role);
            let effects = rig.tell(caller, Message::Directory(answer));
            assert!(!rig.is_open(caller) && forwarded(&effects).is_empty());
        }
    }
}

#[test]
fn a_node_without_a_directory_forwards_nothing_to_it() {
    for question in questions() {
        let mut rig = Rig::new(&Forge::new());
        let caller = rig.join("9.9.9.9:7", Role::Directory);
        let effects = rig.tell(caller, Message::Directory(question));
        assert!(!rig.is_open(caller) && forwarded(&effects).is_empty());
    }
}

#[test]
fn a_caller_that_named_no_network_hears_the_spec_and_nothing_is_forwarded_for_it() {
    let get_spec = DirectoryMessage::GetSpec(());
    for question in questions().into_iter().chain([get_spec.clone()]) {
        let mut rig = directory();
        let (caller, _) = rig.connect("9.9.9.9:9", Direction::Inbound);
        let mut hello = rig.hello(Role::Directory);
        assert_eq!(hello.protocol, PROTOCOL_VERSION);
        hello.network = None;
        rig.tell(caller, Message::Hello(Box::new(hello)));
        let effects = rig.tell(caller, Message::Directory(question.clone()));
        assert_eq!(rig.is_open(caller), question == get_spec);
        assert!(forwarded(&effects).is_empty());
    }
}

#[test]
fn an_operator_asks_from_this_computer_only_and_never_answers() {
    let mut rig = directory();
    for address in ["127.0.0.1:7", "[::1]:7", "[::ffff:127.0.0.1]:7"] {
        let caller = rig.join(address, Role::Operator);
        let effects = rig.tell(caller, Message::Operator(ask()));
        assert_eq!(forwarded(&effects).len(), 1);
        let outcome = AnswerOutcome::Refused { reason: String::new() };
        let answer = OperatorMessage::Answer(Answer { request: 1, outcome });
        let effects = rig.tell(caller, Message::Operator(answer));
        assert!(!rig.is_open(caller) && forwarded(&effects).is_empty());
    }
    let (stranger, _) = rig.connect("9.9.9.9:9", Direction::Inbound);
    let hello = rig.hello(Role::Operator);
    rig.tell(stranger, Message::Hello(Box::new(hello)));
    assert!(!rig.is_open(stranger));
}

#[test]
fn nobody_but_an_operator_asks_an_operators_questions() {
    for role in [Role::Peer, Role::Wallet, Role::Directory] {
        let mut rig = directory();
        let caller = rig.join("127.0.0.1:7", role);
        let effects = rig.tell(caller, Message::Operator(ask()));
        assert!(!rig.is_open(caller) && forwarded(&effects).is_empty());
    }
}

#[test]
fn an_answer_reaches_whoever_asked_and_nobody_once_it_is_gone() {
    let mut rig = directory();
    let (caller, other) = (rig.join("9.9.9.9:7", Role::Directory), rig.peer());
    let message = Message::Directory(DirectoryMessage::Miners(Vec::new()));
    let reply = Event::Reply { peer: caller, message: Box::new(message.clone()) };
    let effects = rig.settle(reply.clone());
    assert_eq!(sent(&effects, caller), [message]);
    assert!(sent(&effects, other).is_empty());
    rig.settle(Event::Disconnected { peer: caller });
    assert!(rig.settle(reply).is_empty());
}

#[test]
fn addresses_that_are_told_are_dialed_at_once_also_while_they_pause() {
    let mut rig = directory();
    let miner: SocketAddr = "127.0.0.1:9001".parse().unwrap();
    let impossible = ["0.0.0.0:1", "127.0.0.1:0", "224.0.0.1:5"];
    let told: Vec<_> = impossible.iter().map(|text| text.parse().unwrap()).chain([miner]).collect();
    let dialed = |effects: &[Effect]| {
        let dialed = effects.iter().filter_map(|effect| match effect {
            Effect::Dial { address } => Some(*address),
            _ => None,
        });
        dialed.collect::<Vec<_>>()
    };
    for _ in 0..5 {
        assert_eq!(dialed(&rig.handle(Event::Addresses(told.clone()))), [miner]);
        assert_eq!(dialed(&rig.handle(Event::Addresses(told.clone()))), [], "while it is tried");
        rig.settle(Event::DialFailed { address: miner });
    }
}

#[test]
fn a_transaction_of_the_same_process_is_pending_and_announced_like_any_other() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    let payment = forge.payment(0);
    let transaction = chain::transaction::Transaction::Transfer(payment.clone());
    let own = Event::OwnTransaction(Box::new(transaction));
    let effects = rig.settle(own.clone());
    assert!(rig.machine.mempool().contains_txid(&payment.txid()));
    let announced = sent(&effects, peer);
    assert!(!announced.is_empty(), "the network hears of it");
    assert!(sent(&rig.settle(own), peer).is_empty(), "once");
}
