//! What frames may claim, and that the largest honest messages are within it.

use super::super::directory::{MINERS_MAX, NAME_BYTES_MAX, NAMES_MAX, SPEC_BYTES_MAX};
use super::super::frame::HANDSHAKE_PAYLOAD_BYTES_MAX;
use super::super::hello::NODE_NAME_BYTES_MAX;
use super::super::peer::{
    ADDRESSES_MAX, ANNOUNCED_MAX, BLOCK_TRANSACTIONS_MAX, HEADERS_MAX, LOCATOR_MAX, REQUESTED_MAX,
};
use super::super::wallet::{HISTORY_MAX, KEY_BEGINNING_BYTES, KEYS_MAX, PENDING_MAX};
use super::*;
use chain::spec::Allocation;
use chain::transaction::{COINBASE_BYTES_MIN, TRANSFER_BYTES_MIN};

fn head(command: u16, claimed: u32) -> [u8; FRAME_HEADER_BYTES] {
    let mut bytes = *b"LODE\0\0\0\0\0\0";
    bytes[4..6].copy_from_slice(&command.to_le_bytes());
    bytes[6..].copy_from_slice(&claimed.to_le_bytes());
    bytes
}

#[test]
fn before_the_handshake_only_a_hello_of_a_kibibyte_is_read() {
    let parse = |command, claimed| FrameHeader::parse(&head(command, claimed), Phase::Handshake);
    assert_eq!(
        parse(command::HELLO, 1024),
        Ok(FrameHeader { command: command::HELLO, payload_bytes: 1024 })
    );
    for claimed in [1025, u32::MAX] {
        let too_long = FrameError::TooLong { command: command::HELLO, claimed, max: 1024 };
        assert_eq!(parse(command::HELLO, claimed), Err(too_long));
    }
    for command in (0..=u16::MAX).filter(|command| *command != command::HELLO) {
        assert_eq!(parse(command, 0), Err(FrameError::BeforeHandshake { command }));
    }
    assert_eq!(HANDSHAKE_PAYLOAD_BYTES_MAX, 1024);
}

#[test]
fn every_command_has_its_limit_after_it() {
    for command in 0..=u16::MAX {
        let max = Message::payload_bytes_max(command);
        let parse = |claimed| FrameHeader::parse(&head(command, claimed), Phase::Established);
        assert_eq!(parse(max), Ok(FrameHeader { command, payload_bytes: max }));
        for claimed in [max + 1, u32::MAX] {
            assert_eq!(parse(claimed), Err(FrameError::TooLong { command, claimed, max }));
        }
        // The largest thing that is ever sent is a block and a little around it.
        assert!(max <= BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES);
    }
}

#[test]
fn bytes_that_are_no_frame_are_refused_in_both_phases() {
    for at in 0..4 {
        let mut bytes = head(command::HELLO, 0);
        bytes[at] ^= 0x20;
        let got = [bytes[0], bytes[1], bytes[2], bytes[3]];
        for phase in [Phase::Handshake, Phase::Established] {
            assert_eq!(FrameHeader::parse(&bytes, phase), Err(FrameError::Magic { got }));
        }
    }
}

fn fits(message: Message) -> usize {
    let Frame { command, payload } = message.to_frame();
    let max = Message::payload_bytes_max(command) as usize;
    assert!(payload.len() <= max, "{} bytes, at most {max} for {command}", payload.len());
    assert_eq!(Message::from_payload(command, &payload), Ok(Some(message)));
    max - payload.len()
}

fn string(bytes: usize) -> ByteString {
    ByteString(vec![0xff; bytes])
}

#[test]
fn the_largest_messages_between_nodes_fit() {
    use PeerMessage as P;
    let block_bytes = BLOCK_BYTES_MAX as usize;
    let hash = BlockHash([0xff; 32]);
    let wtxid = Wtxid([0xff; 32]);
    let address: SocketAddr = (Ipv6Addr::from_bits(u128::MAX), u16::MAX).into();
    // Of a full block of the shortest transfers, and of one with a single transfer.
    let transfers = (block_bytes - 80 - 5 - COINBASE_BYTES_MIN) / TRANSFER_BYTES_MIN;
    let compact = CompactBlock {
        header: string(80),
        salt: u64::MAX,
        coinbase: string(COINBASE_BYTES_MIN),
        short_ids: string(transfers * 6),
    };
    let coinbase_only = CompactBlock {
        header: string(80),
        salt: u64::MAX,
        coinbase: string(block_bytes - 81),
        short_ids: string(0),
    };
    let positions = vec![u32::MAX; BLOCK_TRANSACTIONS_MAX];
    let missing = BlockTransactions { block: hash, transactions: string(block_bytes - 81) };
    for message in [
        P::GetHeaders(vec![hash; LOCATOR_MAX]),
        P::Headers(string(HEADERS_MAX * 80)),
        P::GetBlocks(vec![hash; REQUESTED_MAX]),
        P::Block(string(block_bytes)),
        P::BlocksNotFound(vec![hash; REQUESTED_MAX]),
        P::CompactBlock(compact),
        P::CompactBlock(coinbase_only),
        P::GetBlockTransactions(GetBlockTransactions { block: hash, positions }),
        P::BlockTransactions(missing),
        P::AnnounceTransactions(vec![wtxid; ANNOUNCED_MAX]),
        P::GetTransactions(vec![wtxid; REQUESTED_MAX]),
        P::Transaction(string(block_bytes)),
        P::TransactionsNotFound(vec![wtxid; REQUESTED_MAX]),
        P::GetAddresses(()),
        P::Addresses(vec![address; ADDRESSES_MAX]),
    ] {
        fits(Message::Peer(message));
    }
    fits(Message::Ping(u64::MAX));
    fits(Message::Pong(u64::MAX));
}

#[test]
fn the_byte_limits_of_lists_of_hashes_are_limits_of_their_count() {
    for (command, entries) in [
        (16, LOCATOR_MAX),
        (18, REQUESTED_MAX),
        (20, REQUESTED_MAX),
        (24, ANNOUNCED_MAX),
        (25, REQUESTED_MAX),
        (27, REQUESTED_MAX),
    ] {
        let max = Message::payload_bytes_max(command) as usize;
        assert!((entries * 32..(entries + 1) * 32).contains(&(max - 1)), "command {command}");
    }
    assert!((Message::payload_bytes_max(17) as usize) < (HEADERS_MAX + 1) * 80);
}

#[test]
fn the_largest_messages_of_wallets_fit() {
    use WalletMessage as W;
    let tx_bytes = BLOCK_BYTES_MAX as usize - 80 - 1 - COINBASE_BYTES_MIN;
    let (request, tip) = (u32::MAX, BlockHash([0xff; 32]));
    let position = TxPosition { height: u32::MAX, transaction: u32::MAX };
    // The one transfer of the largest block, and a page of the longest proofs.
    let entry = |bytes: usize, siblings: usize| HistoryEntry {
        position,
        block: tip,
        header: string(80),
        transaction: string(bytes),
        transactions: u32::MAX,
        siblings: string(siblings * 32),
    };
    let page =
        |entries| W::History(History { request, tip, tip_height: u32::MAX, entries, more: true });
    let key = OutputKey([0xff; 32]);
    let reason = "x".repeat(900);
    let refused = SubmitOutcome::Refused { kind: RefusalKind::Busy, reason };
    for message in [
        W::Submit(Submit { request, transaction: string(tx_bytes) }),
        W::Submitted(Submitted { request, outcome: refused }),
        W::GetHistory(GetHistory { request, key, from: position }),
        page(vec![entry(tx_bytes, 1)]),
        page(vec![entry(7000, 16); HISTORY_MAX]),
        W::GetPending(GetPending { request, key }),
        W::GetPendingOfMany(GetPendingOfMany::new(request, &keys(KEYS_MAX))),
        W::Pending(Pending { request, transactions: vec![string(tx_bytes)] }),
        W::Pending(Pending { request, transactions: vec![string(TRANSFER_BYTES_MIN); 26_800] }),
        W::GetTip(u32::MAX),
        W::Tip(Tip {
            request,
            tip,
            height: u32::MAX,
            fee_rate_min: u64::MAX,
            pending_changes: u64::MAX,
        }),
    ] {
        fits(Message::Wallet(message));
    }
}

/// As many keys, each with a beginning of its own.
fn keys(count: usize) -> Vec<OutputKey> {
    let key = |at: usize| {
        let mut key = [0xff; 32];
        key[..KEY_BEGINNING_BYTES].copy_from_slice(&(at as u64).to_le_bytes());
        OutputKey(key)
    };
    (0..count).map(key).collect()
}

#[test]
fn a_question_about_many_keys_has_whole_beginnings_of_few_enough_and_older_nodes_skip_it() {
    let command = 72;
    let question = |many: GetPendingOfMany| {
        let frame = Message::Wallet(WalletMessage::GetPendingOfMany(many)).to_frame();
        Message::from_payload(command, &frame.payload).map(|message| message.is_some())
    };
    let of = |count| GetPendingOfMany::new(1, &keys(count));
    assert_eq!(of(KEYS_MAX).beginnings().len(), KEYS_MAX);
    assert_eq!(question(of(KEYS_MAX)), Ok(true));
    assert_eq!(question(of(0)), Ok(true));
    assert!(question(of(KEYS_MAX + 1)).is_err());
    let bytes = |bytes| GetPendingOfMany { request: 1, beginnings: string(bytes) };
    assert!(question(bytes(KEY_BEGINNING_BYTES + 1)).is_err());
    assert!(question(bytes(2 * KEY_BEGINNING_BYTES)).is_err(), "the same one twice");
    assert!(Message::payload_bytes_max(command) <= UNKNOWN_PAYLOAD_BYTES_MAX);
}

#[test]
fn the_largest_messages_of_the_directory_fit() {
    let miner = MinerEntry {
        name: "x".repeat(NODE_NAME_BYTES_MAX),
        address: (Ipv6Addr::from_bits(u128::MAX), u16::MAX).into(),
    };
    let mut spec = samples::spec();
    spec.address_prefix = "x".repeat(16);
    spec.coin_name = "x".repeat(32);
    spec.subsidy = Amount::ZERO;
    spec.allocations =
        vec![Allocation { key: OutputKey([7; 32]), amount: Amount(24_414_062_500_000) }; 4096];
    assert_eq!(spec.check(), Ok(()));
    let file = spec.to_toml().into_bytes();
    assert!(file.len() < SPEC_BYTES_MAX as usize * 3 / 4);
    let request = u32::MAX;
    let key = OutputKey([0xff; 32]);
    let name = "x".repeat(NAME_BYTES_MAX);
    let reason = "x".repeat(480);
    let signature = string(64);
    let record = NameRecord { name: name.clone(), key, sequence: u64::MAX, signature };
    let unreachable = RegisterOutcome::Unreachable { reason: reason.clone() };
    let paid = FaucetOutcome::Paid { txid: Txid([0xff; 32]), amount: Amount(u64::MAX) };
    use DirectoryMessage as D;
    for message in [
        D::Register(Register { request, name: name.clone(), port: u16::MAX }),
        D::Registered(Registered { request, outcome: unreachable }),
        D::GetName(GetName { request, name: name.clone() }),
        D::GetNames(GetNames { request, after: name.clone() }),
        D::Names(Names { request, names: vec![name; NAMES_MAX], more: true }),
        D::Named(Named { request, record: Some(record.clone()) }),
        D::PutName(PutName { request, record: record.clone() }),
        D::NamePut(NamePut { request, outcome: NameOutcome::Taken(record) }),
        D::NamePut(NamePut { request, outcome: NameOutcome::Refused { reason } }),
        D::AskFaucet(AskFaucet { request, key }),
        D::FaucetAnswer(FaucetAnswer { request, outcome: paid }),
    ] {
        fits(Message::Directory(message));
    }
    for message in [
        DirectoryMessage::GetSpec(()),
        DirectoryMessage::Spec(ByteString(file)),
        DirectoryMessage::GetMiners(()),
        DirectoryMessage::Miners(vec![miner; MINERS_MAX]),
    ] {
        fits(Message::Directory(message));
    }
}

#[test]
fn the_largest_messages_of_whoever_runs_a_node_fit() {
    let request = u32::MAX;
    let question = Question::Block(BlockName::Hash(BlockHash([0xff; 32])));
    let json = AnswerOutcome::Json(string(BLOCK_BYTES_MAX as usize));
    for message in [
        OperatorMessage::Ask(Ask { request, token: Token([0xff; 32]), question }),
        OperatorMessage::Answer(Answer { request, outcome: json }),
    ] {
        fits(Message::Operator(message));
    }
}

#[test]
fn the_largest_hello_fits_twice_over() {
    let Message::Hello(mut hello) = documented::hello() else { unreachable!() };
    let network = hello.network.as_mut().unwrap();
    network.fields.subsidy = Amount(u64::MAX);
    network.fields.genesis_time = u32::MAX;
    network.fields.half_life_s = u32::MAX;
    (hello.nonce, hello.wall_s, hello.height) = (u64::MAX, u64::MAX, u32::MAX);
    hello.name = "x".repeat(NODE_NAME_BYTES_MAX);
    assert!(fits(Message::Hello(hello)) > 512);
}

/// The count and the shortest entries of a list.
fn list(count: usize, entry: &[u8]) -> Vec<u8> {
    [postcard::to_stdvec(&count).unwrap(), entry.repeat(count)].concat()
}

#[test]
fn more_entries_than_a_list_may_have_are_refused_though_their_bytes_would_fit() {
    let refused = |command: u16, payload: &[u8]| {
        assert!(payload.len() <= Message::payload_bytes_max(command) as usize);
        Message::from_payload(command, payload).is_err()
    };
    let address = [0, 1, 2, 3, 4, 5];
    assert!(!refused(29, &list(ADDRESSES_MAX, &address)));
    assert!(refused(29, &list(ADDRESSES_MAX + 1, &address)));
    let miner = [&[0][..], &address].concat();
    assert!(!refused(131, &list(MINERS_MAX, &miner)));
    assert!(refused(131, &list(MINERS_MAX + 1, &miner)));
    let history = |count| [&[1][..], &[0; 32], &[1], &list(count, &[0; 38]), &[0]].concat();
    assert!(!refused(67, &history(HISTORY_MAX)));
    assert!(refused(67, &history(HISTORY_MAX + 1)));
    // Four million empty transactions would take a hundred megabytes.
    assert!(refused(69, &[&[1][..], &list(3_999_000, &[0])].concat()));
    assert!(!refused(69, &[1, 0]));
    let shortest = list(1, &[0xff; TRANSFER_BYTES_MIN]);
    assert!(refused(69, &[1, 1, 0]) && refused(69, &[&[1, 1, 146, 1][..], &[7; 146]].concat()));
    assert!(!refused(69, &[&[1, 1, 147, 1][..], &shortest[1..]].concat()));
    assert!(PENDING_MAX * TRANSFER_BYTES_MIN <= BLOCK_BYTES_MAX as usize);
}

/// Memory of a list's entry over its bytes on the wire, where they are fewest.
#[test]
fn nothing_decodes_into_more_than_ten_times_its_payload() {
    let entries = [
        (size_of::<u32>(), 1),
        (size_of::<SocketAddr>(), 6),
        (size_of::<MinerEntry>(), 7),
        (size_of::<HistoryEntry>(), 38),
        (size_of::<BlockHash>(), 32),
        (size_of::<ByteString>(), TRANSFER_BYTES_MIN),
        (size_of::<chain::transaction::Transaction>(), chain::transaction::TRANSACTION_BYTES_MIN),
        (size_of::<chain::transaction::Output>(), chain::transaction::OUTPUT_BYTES),
    ];
    for (memory, bytes) in entries {
        assert!(memory <= 10 * bytes, "{memory} bytes for {bytes}");
    }
}

#[test]
fn a_claimed_count_beyond_the_bytes_is_refused_before_any_room_is_made() {
    let claims = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    for command in [16, 17, 18, 19, 20, 24, 25, 26, 27, 29, 129, 131, 134, 136, 193] {
        let error = Message::from_payload(command, &claims).unwrap_err();
        assert!(matches!(error, WireError::Malformed { .. }), "command {command}");
    }
}
