//! Every message goes there and back; nothing else does, and nothing takes more room than it sent.

mod documented;
mod limits;

use chain::spec::BLOCK_BYTES_MAX;
use chain::transaction::TxPosition;
use core::net::{Ipv6Addr, SocketAddr};
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::directory::{
    AskFaucet, FaucetAnswer, FaucetOutcome, GetName, GetNames, MinerEntry, NameOutcome, NamePut,
    NameRecord, Named, Names, PutName, Register, RegisterOutcome, Registered,
};
use super::frame::{FRAME_HEADER_BYTES, FrameError, FrameHeader, Phase};
use super::hello::{Greeting, HelloRefusal, NetworkIdentity, Role};
use super::operator::{Answer, AnswerOutcome, Ask, BlockName, Question, Token};
use super::peer::{BlockTransactions, CompactBlock, GetBlockTransactions};
use super::wallet::{
    GetHistory, GetPending, GetPendingOfMany, History, HistoryEntry, Pending, RefusalKind, Submit,
    SubmitOutcome, Submitted, Tip,
};
use super::*;
use chain::amount::Amount;
use chain::hash::{BlockHash, Txid, Wtxid};
use chain::key::OutputKey;
use chain::samples;

fn any_bytes() -> impl Strategy<Value = ByteString> {
    vec(any::<u8>(), 0..200).prop_map(ByteString)
}

fn any_hashes<T: std::fmt::Debug>(name: fn([u8; 32]) -> T) -> impl Strategy<Value = Vec<T>> {
    vec(any::<[u8; 32]>().prop_map(name), 0..10)
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
        any::<(u128, u16)>().prop_map(|(ip, port)| (Ipv6Addr::from_bits(ip), port).into()),
    ]
}

fn any_hello() -> impl Strategy<Value = Message> {
    let role = prop::sample::select(ROLES.to_vec());
    let identity = NetworkIdentity::of(&samples::network());
    let network = any::<Option<([u8; 32], [u8; 32], u64)>>();
    let numbers = any::<(u64, u16, u64, u32)>();
    (role, network, numbers, "[a-zA-Z0-9\u{e9} ]{0,16}").prop_map(
        move |(role, network, (nonce, listen_port, wall_s, height), name)| {
            let network = network.map(|(genesis, allocations_hash, units)| {
                let mut network = identity;
                network.genesis = BlockHash(genesis);
                network.allocations_hash = allocations_hash;
                network.fields.subsidy.0 = units;
                network
            });
            Message::Hello(Box::new(Hello {
                protocol: PROTOCOL_VERSION,
                role,
                network,
                nonce,
                listen_port,
                wall_s,
                height,
                name,
            }))
        },
    )
}

fn any_peer_message() -> impl Strategy<Value = Message> {
    use PeerMessage as P;
    let compact = (any_bytes(), any::<u64>(), any_bytes(), any_bytes());
    let positions = (any::<[u8; 32]>(), vec(any::<u32>(), 0..20));
    prop_oneof![
        any_hashes(BlockHash).prop_map(P::GetHeaders),
        any_bytes().prop_map(P::Headers),
        any_hashes(BlockHash).prop_map(P::GetBlocks),
        any_bytes().prop_map(P::Block),
        any_hashes(BlockHash).prop_map(P::BlocksNotFound),
        compact.prop_map(|(header, salt, coinbase, short_ids)| P::CompactBlock(CompactBlock {
            header,
            salt,
            coinbase,
            short_ids,
        })),
        positions.prop_map(|(block, positions)| {
            P::GetBlockTransactions(GetBlockTransactions { block: BlockHash(block), positions })
        }),
        (any::<[u8; 32]>(), any_bytes()).prop_map(|(block, transactions)| {
            P::BlockTransactions(BlockTransactions { block: BlockHash(block), transactions })
        }),
        any_hashes(Wtxid).prop_map(P::AnnounceTransactions),
        any_hashes(Wtxid).prop_map(P::GetTransactions),
        any_bytes().prop_map(P::Transaction),
        any_hashes(Wtxid).prop_map(P::TransactionsNotFound),
        Just(P::GetAddresses(())),
        vec(any_address(), 0..20).prop_map(P::Addresses),
    ]
    .prop_map(Message::Peer)
}

fn any_outcome() -> impl Strategy<Value = SubmitOutcome> {
    use RefusalKind as R;
    let kinds = vec![R::Invalid, R::Conflict, R::FeeTooLow, R::MissingCoins, R::NotYet, R::Busy];
    prop_oneof![
        any::<[u8; 32]>().prop_map(|txid| SubmitOutcome::Accepted(Txid(txid))),
        any::<[u8; 32]>().prop_map(|txid| SubmitOutcome::AlreadyKnown(Txid(txid))),
        (prop::sample::select(kinds), "[a-z ]{0,40}")
            .prop_map(|(kind, reason)| SubmitOutcome::Refused { kind, reason }),
    ]
}

fn any_entry() -> impl Strategy<Value = HistoryEntry> {
    let numbers = any::<(u32, u32, u32, [u8; 32])>();
    (numbers, any_bytes(), any_bytes(), any_bytes()).prop_map(
        |((height, transaction, transactions, block), header, bytes, siblings)| HistoryEntry {
            position: TxPosition { height, transaction },
            block: BlockHash(block),
            header,
            transaction: bytes,
            transactions,
            siblings,
        },
    )
}

fn any_wallet_message() -> impl Strategy<Value = Message> {
    use WalletMessage as W;
    let key = || any::<[u8; 32]>().prop_map(OutputKey);
    let history = (any::<u32>(), any::<[u8; 32]>(), any::<u32>(), vec(any_entry(), 0..4));
    let pending = vec(vec(any::<u8>(), 147..200).prop_map(ByteString), 0..4);
    prop_oneof![
        (any::<u32>(), any_bytes())
            .prop_map(|(request, transaction)| W::Submit(Submit { request, transaction })),
        (any::<u32>(), any_outcome())
            .prop_map(|(request, outcome)| W::Submitted(Submitted { request, outcome })),
        (any::<u32>(), key(), any::<(u32, u32)>()).prop_map(|(request, key, from)| {
            let from = TxPosition { height: from.0, transaction: from.1 };
            W::GetHistory(GetHistory { request, key, from })
        }),
        (history, any::<bool>()).prop_map(|((request, tip, tip_height, entries), more)| {
            W::History(History { request, tip: BlockHash(tip), tip_height, entries, more })
        }),
        (any::<u32>(), key()).prop_map(|(request, key)| W::GetPending(GetPending { request, key })),
        (any::<u32>(), vec(key(), 0..4))
            .prop_map(|(request, keys)| W::GetPendingOfMany(GetPendingOfMany::new(request, &keys))),
        (any::<u32>(), pending)
            .prop_map(|(request, transactions)| W::Pending(Pending { request, transactions })),
        any::<u32>().prop_map(W::GetTip),
        any::<(u32, [u8; 32], u32, u64, u64)>().prop_map(
            |(request, tip, height, fee_rate_min, pending_changes)| {
                let tip = BlockHash(tip);
                W::Tip(Tip { request, tip, height, fee_rate_min, pending_changes })
            }
        ),
    ]
    .prop_map(Message::Wallet)
}

fn any_directory_message() -> impl Strategy<Value = Message> {
    use DirectoryMessage as D;
    let miner = ("[a-zA-Z0-9_-]{0,32}", any_address())
        .prop_map(|(name, address)| MinerEntry { name, address });
    let request = any::<u32>;
    prop_oneof![
        Just(D::GetSpec(())),
        any_bytes().prop_map(D::Spec),
        Just(D::GetMiners(())),
        vec(miner, 0..10).prop_map(D::Miners),
        (request(), "[a-zA-Z0-9_-]{0,32}", any::<u16>())
            .prop_map(|(request, name, port)| D::Register(Register { request, name, port })),
        (request(), any_registration())
            .prop_map(|(request, outcome)| D::Registered(Registered { request, outcome })),
        (request(), "[a-zA-Z0-9_-]{0,32}")
            .prop_map(|(request, name)| D::GetName(GetName { request, name })),
        (request(), prop::option::of(any_record()))
            .prop_map(|(request, record)| D::Named(Named { request, record })),
        (request(), any_record())
            .prop_map(|(request, record)| D::PutName(PutName { request, record })),
        (request(), any_name_outcome())
            .prop_map(|(request, outcome)| D::NamePut(NamePut { request, outcome })),
        (request(), any::<[u8; 32]>())
            .prop_map(|(request, key)| D::AskFaucet(AskFaucet { request, key: OutputKey(key) })),
        (request(), any_faucet_outcome())
            .prop_map(|(request, outcome)| D::FaucetAnswer(FaucetAnswer { request, outcome })),
        (request(), "[a-zA-Z0-9_-]{0,32}")
            .prop_map(|(request, after)| D::GetNames(GetNames { request, after })),
        (request(), vec("[a-zA-Z0-9_-]{1,32}", 0..4), any::<bool>())
            .prop_map(|(request, names, more)| D::Names(Names { request, names, more })),
    ]
    .prop_map(Message::Directory)
}

fn any_record() -> impl Strategy<Value = NameRecord> {
    ("[a-zA-Z0-9_-]{1,32}", any::<([u8; 32], u64)>(), vec(any::<u8>(), 64)).prop_map(
        |(name, (key, sequence), signature)| NameRecord {
            name,
            key: OutputKey(key),
            sequence,
            signature: ByteString(signature),
        },
    )
}

fn any_registration() -> impl Strategy<Value = RegisterOutcome> {
    prop_oneof![
        any::<u32>().prop_map(|expires_in_s| RegisterOutcome::Listed { expires_in_s }),
        "[a-z ]{0,40}".prop_map(|reason| RegisterOutcome::Unreachable { reason }),
        Just(RegisterOutcome::Busy),
    ]
}

fn any_name_outcome() -> impl Strategy<Value = NameOutcome> {
    prop_oneof![
        Just(NameOutcome::Held),
        any_record().prop_map(NameOutcome::Taken),
        "[a-z ]{0,40}".prop_map(|reason| NameOutcome::Refused { reason }),
        Just(NameOutcome::Busy),
    ]
}

fn any_faucet_outcome() -> impl Strategy<Value = FaucetOutcome> {
    prop_oneof![
        any::<([u8; 32], u64)>().prop_map(|(txid, units)| FaucetOutcome::Paid {
            txid: Txid(txid),
            amount: Amount(units),
        }),
        any::<u32>().prop_map(|wait_s| FaucetOutcome::Later { wait_s }),
        Just(FaucetOutcome::Empty),
    ]
}

fn any_operator_message() -> impl Strategy<Value = Message> {
    use OperatorMessage as O;
    let question = prop_oneof![
        Just(Question::Status),
        Just(Question::Peers),
        any::<u32>().prop_map(|skip| Question::Mempool { skip }),
        any::<(u32, u32)>().prop_map(|(from, count)| Question::Chain { from, count }),
        any::<u32>().prop_map(|height| Question::Block(BlockName::Height(height))),
        any::<[u8; 32]>().prop_map(|hash| Question::Block(BlockName::Hash(BlockHash(hash)))),
        any::<[u8; 32]>().prop_map(|txid| Question::Tx(Txid(txid))),
        Just(Question::Miners),
        Just(Question::Stop),
    ];
    let outcome = prop_oneof![
        any_bytes().prop_map(AnswerOutcome::Json),
        "[a-z ]{0,40}".prop_map(|reason| AnswerOutcome::Refused { reason }),
    ];
    prop_oneof![
        (any::<u32>(), any::<[u8; 32]>(), question).prop_map(|(request, token, question)| {
            O::Ask(Ask { request, token: Token(token), question })
        }),
        (any::<u32>(), outcome)
            .prop_map(|(request, outcome)| O::Answer(Answer { request, outcome })),
    ]
    .prop_map(Message::Operator)
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        2 => any_hello(),
        1 => any::<u64>().prop_map(Message::Ping),
        1 => any::<u64>().prop_map(Message::Pong),
        14 => any_peer_message(),
        8 => any_wallet_message(),
        12 => any_directory_message(),
        2 => any_operator_message(),
    ]
}

fn all_commands() -> BTreeSet<u16> {
    [command::HELLO, command::PING, command::PONG]
        .iter()
        .chain(PeerMessage::COMMANDS)
        .chain(WalletMessage::COMMANDS)
        .chain(DirectoryMessage::COMMANDS)
        .chain(OperatorMessage::COMMANDS)
        .copied()
        .collect()
}

#[test]
fn every_command_has_one_number_and_the_strategy_makes_every_one() {
    let conversations = [
        PeerMessage::COMMANDS,
        WalletMessage::COMMANDS,
        DirectoryMessage::COMMANDS,
        OperatorMessage::COMMANDS,
    ];
    let count = 3 + conversations.iter().map(|commands| commands.len()).sum::<usize>();
    assert_eq!(all_commands().len(), count);
    let mut made = BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..2000 {
        let message = any_message().new_tree(&mut runner).unwrap().current();
        made.insert(message.to_frame().command);
    }
    assert_eq!(made, all_commands());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_message_goes_there_and_back_in_its_frame(message in any_message()) {
        let bytes = message.to_frame().to_bytes();
        let (head, payload) = bytes.split_at(FRAME_HEADER_BYTES);
        let header = FrameHeader::parse(head.try_into().unwrap(), Phase::Established).unwrap();
        prop_assert_eq!(header.payload_bytes as usize, payload.len());
        prop_assert_eq!(Message::from_payload(header.command, payload), Ok(Some(message)));
    }

    #[test]
    fn a_message_cut_short_or_one_byte_longer_is_refused(message in any_message(), more: u8) {
        let Frame { command, payload } = message.to_frame();
        for cut in 0..payload.len() {
            let refused = matches!(
                Message::from_payload(command, &payload[..cut]),
                Err(WireError::Malformed { command: named, .. }) if named == command
            );
            prop_assert!(refused, "command {} cut to {} bytes", command, cut);
        }
        let longer = [&payload[..], &[more]].concat();
        let got = Message::from_payload(command, &longer);
        if command == command::HELLO {
            // Later versions may append fields here.
            prop_assert_eq!(got, Ok(Some(message)));
        } else {
            prop_assert_eq!(got, Err(WireError::TrailingBytes { command, left: 1 }));
        }
    }

    #[test]
    fn no_bytes_panic(
        command in prop::sample::select(Vec::from_iter(all_commands())),
        payload in vec(prop_oneof![0u8..4, Just(0xff), any::<u8>()], 0..300),
    ) {
        let _ = Message::from_payload(command, &payload);
    }

    #[test]
    fn no_damaged_message_panics(
        message in any_message(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let Frame { command, mut payload } = message.to_frame();
        for (at, byte) in damage {
            if !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
        }
        let _ = Message::from_payload(command, &payload);
    }

    #[test]
    fn unknown_commands_are_no_message_and_no_error(
        command: u16,
        payload in vec(any::<u8>(), 0..50),
    ) {
        prop_assume!(!all_commands().contains(&command));
        prop_assert_eq!(Message::from_payload(command, &payload), Ok(None));
        prop_assert_eq!(Message::payload_bytes_max(command), UNKNOWN_PAYLOAD_BYTES_MAX);
    }
}

/// Sets one byte of a payload and says what comes of it.
fn with_byte(message: &Message, at: usize, byte: u8) -> Result<Option<Message>, WireError> {
    let Frame { command, mut payload } = message.to_frame();
    payload[at] = byte;
    Message::from_payload(command, &payload)
}

#[test]
fn tags_out_of_range_are_refused() {
    let hello = documented::hello();
    // Behind the version come the role's tag, the option's tag, two hashes and three small numbers.
    let (role, option, retarget) = (1, 2, 3 + 64 + 3);
    for tag in 0..=255u8 {
        assert_eq!(with_byte(&hello, role, tag).is_ok(), tag < 4, "role {tag}");
        assert_eq!(with_byte(&hello, retarget, tag).is_ok(), tag < 2, "retarget {tag}");
        if tag > 1 {
            assert!(with_byte(&hello, option, tag).is_err(), "option {tag}");
        }
    }
    let address = Message::Peer(PeerMessage::Addresses(vec!["1.2.3.4:5".parse().unwrap()]));
    let outcome = SubmitOutcome::Refused { kind: RefusalKind::Busy, reason: String::new() };
    let submitted = Message::Wallet(WalletMessage::Submitted(Submitted { request: 1, outcome }));
    let history = Message::Wallet(WalletMessage::History(History {
        request: 1,
        tip: BlockHash::ZERO,
        tip_height: 1,
        entries: Vec::new(),
        more: true,
    }));
    for (answer, tags) in answers_with_tags() {
        for tag in tags..=255u8 {
            assert!(with_byte(&answer, 1, tag).is_err(), "{answer:?} {tag}");
        }
    }
    for tag in 6..=255u8 {
        assert!(with_byte(&address, 1, tag).is_err(), "address {tag}");
        assert!(with_byte(&submitted, 1, tag).is_err(), "outcome {tag}");
        assert!(with_byte(&submitted, 2, tag).is_err(), "refusal {tag}");
        assert!(with_byte(&history, 1 + 32 + 1 + 1, tag).is_err(), "bool {tag}");
    }
}

/// Answers whose second byte is a tag, with how many tags there are.
fn answers_with_tags() -> [(Message, u8); 5] {
    use DirectoryMessage as D;
    let request = 1;
    let faucet = FaucetAnswer { request, outcome: FaucetOutcome::Empty };
    let answer = Answer { request, outcome: AnswerOutcome::Json(ByteString::default()) };
    [
        (
            Message::Directory(D::Registered(Registered {
                request,
                outcome: RegisterOutcome::Busy,
            })),
            3,
        ),
        (Message::Directory(D::Named(Named { request, record: None })), 2),
        (Message::Directory(D::NamePut(NamePut { request, outcome: NameOutcome::Held })), 4),
        (Message::Directory(D::FaucetAnswer(faucet)), 3),
        (Message::Operator(OperatorMessage::Answer(answer)), 2),
    ]
}

#[test]
fn a_hello_of_another_version_says_so() {
    let Frame { command, mut payload } = documented::hello().to_frame();
    payload[0] = 2;
    let error = WireError::OtherVersion { got: 2 };
    assert_eq!(error.to_string(), "protocol version 2, this program speaks 1");
    assert_eq!(Message::from_payload(command, &payload), Err(error.clone()));
    // Even when nothing behind the version makes sense.
    assert_eq!(Message::from_payload(command, &[2]), Err(error));
}

#[test]
fn names_are_short_and_move_no_cursor() {
    let named = |name: &str| {
        let Message::Hello(mut hello) = documented::hello() else { unreachable!() };
        hello.name = name.to_owned();
        let frame = Message::Hello(hello).to_frame();
        let miner = MinerEntry { name: name.to_owned(), address: "[::1]:9".parse().unwrap() };
        let miners = Message::Directory(DirectoryMessage::Miners(vec![miner])).to_frame();
        let register = Register { request: 1, name: name.to_owned(), port: 1 };
        let register = Message::Directory(DirectoryMessage::Register(register)).to_frame();
        let one = Message::from_payload(frame.command, &frame.payload).is_ok();
        for other in [miners, register] {
            assert_eq!(one, Message::from_payload(other.command, &other.payload).is_ok());
        }
        one
    };
    assert!(named("") && named(&"x".repeat(32)) && named("Grüße 1"));
    assert!(!named(&"x".repeat(33)) && !named("a\u{1b}[2J") && !named("a\nb"));
}

#[test]
fn a_name_is_signed_by_its_key_for_one_network() {
    let secret = chain::key::SecretKey::from_bytes([7; 32]).unwrap();
    let (ours, other) = (BlockHash([1; 32]), BlockHash([2; 32]));
    let record = NameRecord::sign("Adam", 3, ours, &secret, &[0; 32]);
    assert!(record.is_valid(ours) && !record.is_valid(other));
    type Change = fn(&mut NameRecord);
    let changes: [Change; 6] = [
        |record| record.name = "adam".to_owned(),
        |record| record.sequence += 1,
        |record| record.key.0[31] ^= 1,
        |record| record.signature.0[0] ^= 1,
        |record| record.signature.0.truncate(63),
        |record| record.signature.0.push(0),
    ];
    for change in changes {
        let mut changed = record.clone();
        change(&mut changed);
        assert!(!changed.is_valid(ours), "{changed:?}");
    }
    for name in ["", "a b", "Gr\u{fc}n", "a\u{1b}", "a.b", "123456789012345678901234567890123"] {
        assert!(!NameRecord::sign(name, 1, ours, &secret, &[0; 32]).is_valid(ours), "{name}");
    }
}

#[test]
fn a_difference_between_networks_names_the_field() {
    let ours = NetworkIdentity::of(&samples::network());
    type Change = fn(&mut chain::spec::ChainSpec);
    let theirs = |change: Change| {
        let mut spec = samples::spec();
        change(&mut spec);
        NetworkIdentity::of(&chain::genesis::Network::new(spec).unwrap())
    };
    let named = |theirs: NetworkIdentity| Hello::difference(&ours, &theirs);
    assert_eq!(named(ours), None);
    let cases: [(Change, &str); 13] = [
        (|spec| spec.starting_bits = 9, "starting_bits is 8 here and 9 there"),
        (|spec| spec.easiest_bits = 7, "easiest_bits is 8 here and 7 there"),
        (|spec| spec.spacing_s = 11, "spacing_s is 10 here and 11 there"),
        (
            |spec| spec.retarget = chain::spec::Retarget::Fixed,
            "retarget is asert here and fixed there",
        ),
        (|spec| spec.half_life_s = 1201, "half_life_s is 1200 here and 1201 there"),
        (|spec| spec.subsidy.0 -= 1, "subsidy is 50.00000000 here and 49.99999999 there"),
        (|spec| spec.halving_interval = 9, "halving_interval is 1000 here and 9 there"),
        (|spec| spec.maturity = 9, "maturity is 10 here and 9 there"),
        (|spec| spec.block_bytes_max = 10_001, "block_bytes_max is 10000 here and 10001 there"),
        (|spec| spec.genesis_time = 7, "genesis_time is 1700000000 here and 7 there"),
        (|spec| spec.allocations.truncate(1), "the genesis allocations differ"),
        (
            |spec| spec.coin_name = "X".to_owned(),
            "the coin's name, symbol or address prefix differs",
        ),
        (
            |spec| spec.address_prefix = "x".to_owned(),
            "the coin's name, symbol or address prefix differs",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(named(theirs(change)).as_deref(), Some(expected));
    }
}

fn greeting(role: Role, nonce: u64) -> Greeting {
    let network = Some(NetworkIdentity::of(&samples::network()));
    Greeting { network, role, nonce, name: "Anna".to_owned(), listen_port: 9001 }
}

proptest! {
    #[test]
    fn a_greeting_says_what_it_was_given_and_both_sides_agree_on_its_hello(
        message in any_hello(),
        own_role in prop::sample::select(ROLES.to_vec()),
        own_nonce: u64,
        is_ours: bool,
    ) {
        let Message::Hello(mut theirs) = message else { panic!("{message:?}") };
        let ours = greeting(own_role, own_nonce);
        if is_ours {
            theirs.network = ours.network;
        }
        let (network, role, nonce) = (theirs.network, theirs.role, theirs.nonce);
        let (name, listen_port) = (theirs.name.clone(), theirs.listen_port);
        let their_greeting = Greeting { network, role, nonce, name, listen_port };
        prop_assert_eq!(&their_greeting.hello(theirs.wall_s, theirs.height), &*theirs);
        let judged = ours.judge(&theirs);
        if network.is_some() {
            let there = their_greeting.judge(&ours.hello(0, 0));
            prop_assert_eq!(judged.is_ok(), there.is_ok(), "{:?} {:?}", judged, there);
        }
        let one_is_a_node = own_role == Role::Peer || role == Role::Peer;
        if is_ours {
            prop_assert_eq!(judged.is_ok(), nonce != own_nonce && one_is_a_node);
        } else if network.is_some() {
            prop_assert!(judged.is_err());
        }
    }
}

const ROLES: [Role; 4] = [Role::Peer, Role::Wallet, Role::Directory, Role::Operator];

#[test]
fn a_node_talks_to_every_role_and_everybody_else_to_nodes() {
    for ours in ROLES {
        for theirs in ROLES {
            let judged = greeting(ours, 1).judge(&greeting(theirs, 2).hello(0, 0));
            let one_is_a_node = ours == Role::Peer || theirs == Role::Peer;
            let expected =
                if one_is_a_node { Ok(()) } else { Err(HelloRefusal::NoNode { role: theirs }) };
            assert_eq!(judged, expected);
        }
    }
}

#[test]
fn a_hello_is_refused_for_its_version_first_then_for_being_our_own_then_for_its_network() {
    let node = greeting(Role::Peer, 1);
    let mut theirs = Hello { protocol: 9, network: None, ..node.hello(0, 0) };
    let refused = |theirs: &Hello| node.judge(theirs).unwrap_err();
    assert_eq!(refused(&theirs), HelloRefusal::OtherVersion { got: 9 });
    theirs.protocol = PROTOCOL_VERSION;
    assert_eq!(refused(&theirs), HelloRefusal::Ourselves);
    theirs.nonce = 2;
    assert_eq!(refused(&theirs), HelloRefusal::NoNetwork);
    let mut spec = samples::spec();
    spec.maturity = 9;
    let other = chain::genesis::Network::new(spec).unwrap();
    theirs.network = Some(NetworkIdentity::of(&other));
    let difference = "maturity is 10 here and 9 there".to_owned();
    assert_eq!(refused(&theirs), HelloRefusal::OtherNetwork { difference });
}

#[test]
fn only_whoever_asks_for_the_spec_needs_no_network() {
    let nameless = |role| Greeting { network: None, ..greeting(role, 2) };
    for role in ROLES {
        let judged = greeting(Role::Peer, 1).judge(&nameless(role).hello(0, 0));
        let may = role == Role::Directory;
        assert_eq!(judged, if may { Ok(()) } else { Err(HelloRefusal::NoNetwork) });
    }
    // It takes any network, also the one that it is told to ask for.
    let node = greeting(Role::Peer, 1).hello(0, 0);
    assert_eq!(nameless(Role::Directory).judge(&node), Ok(()));
}
