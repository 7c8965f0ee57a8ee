//! Frames in streams that are cut anywhere, claim too much, or are no frames at all.

use proptest::prelude::*;

use super::*;
use crate::hello::{Hello, Role};
use crate::peer::PeerMessage;
use crate::{ByteString, PROTOCOL_VERSION, UNKNOWN_PAYLOAD_BYTES_MAX, command};

fn hello() -> Message {
    Message::Hello(Box::new(Hello {
        protocol: PROTOCOL_VERSION,
        role: Role::Peer,
        network: None,
        nonce: 1,
        listen_port: 2,
        wall_s: 3,
        height: 4,
        name: "Anna".to_owned(),
    }))
}

fn established() -> FrameDecoder {
    FrameDecoder::new(Phase::Established)
}

fn any_message() -> impl Strategy<Value = Message> {
    let bytes = prop::collection::vec(any::<u8>(), 0..3000);
    prop_oneof![
        Just(hello()),
        any::<u64>().prop_map(Message::Ping),
        any::<u64>().prop_map(Message::Pong),
        bytes.prop_map(|bytes| Message::Peer(PeerMessage::Block(ByteString(bytes)))),
        Just(Message::Peer(PeerMessage::GetAddresses(()))),
    ]
}

/// Feeds `stream` in pieces of the given sizes (the last one over and over).
fn decode_in_pieces(
    decoder: &mut FrameDecoder,
    stream: &[u8],
    pieces: &[usize],
) -> Result<Vec<Incoming>, DecodeError> {
    let (mut buffer, mut rest, mut seen) = (BytesMut::new(), stream, Vec::new());
    for size in pieces.iter().copied().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at(size.clamp(1, rest.len()));
        buffer.extend_from_slice(piece);
        rest = later;
        while let Some(incoming) = decoder.decode(&mut buffer)? {
            seen.push(incoming);
        }
    }
    Ok(seen)
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_however_the_stream_is_cut(
        messages in prop::collection::vec(any_message(), 0..6),
        pieces in prop::collection::vec(1usize..700, 1..5),
    ) {
        let stream: Vec<u8> =
            messages.iter().flat_map(|message| message.to_frame().to_bytes()).collect();
        let expected: Vec<Incoming> =
            messages.into_iter().map(|message| Incoming::Message(Box::new(message))).collect();
        prop_assert_eq!(decode_in_pieces(&mut established(), &stream, &pieces), Ok(expected));
    }

    #[test]
    fn whoever_reads_what_is_missing_never_reads_a_byte_of_the_next_frame(
        messages in prop::collection::vec(any_message(), 1..6),
    ) {
        let stream: Vec<u8> =
            messages.iter().flat_map(|message| message.to_frame().to_bytes()).collect();
        let (mut decoder, mut buffer) = (established(), BytesMut::new());
        let (mut at, mut end) = (0, 0);
        for message in messages {
            prop_assert!(!decoder.is_inside_frame(&buffer));
            end += message.to_frame().to_bytes().len();
            let incoming = loop {
                if let Some(incoming) = decoder.decode(&mut buffer).unwrap() {
                    break incoming;
                }
                let missing = decoder.missing(&buffer);
                prop_assert!(missing > 0);
                buffer.extend_from_slice(&stream[at..at + missing]);
                at += missing;
                prop_assert!(decoder.is_inside_frame(&buffer));
            };
            prop_assert_eq!(incoming, Incoming::Message(Box::new(message)));
            prop_assert_eq!(at, end);
        }
    }

    #[test]
    fn no_bytes_panic(
        stream in prop::collection::vec(any::<u8>(), 0..200),
        with_magic: bool,
        is_established: bool,
    ) {
        let mut stream = stream;
        if with_magic {
            stream.splice(0..0, MAGIC);
        }
        let phase = if is_established { Phase::Established } else { Phase::Handshake };
        let mut decoder = FrameDecoder::new(phase);
        let _ = decode_in_pieces(&mut decoder, &stream, &[7]);
    }

    #[test]
    fn a_payload_cut_short_or_with_one_byte_more_is_refused(
        message in any_message(),
        cut: prop::sample::Index,
    ) {
        let whole = message.to_frame();
        let is_hello = whole.command == command::HELLO;
        let mut longer = whole.clone();
        longer.payload.push(0);
        let result = decode_in_pieces(&mut established(), &longer.to_bytes(), &[100]);
        // Later versions may append to a hello, and only to a hello.
        prop_assert_eq!(result.is_ok(), is_hello);
        if !whole.payload.is_empty() {
            let mut shorter = whole.clone();
            shorter.payload.truncate(cut.index(whole.payload.len()));
            let result = decode_in_pieces(&mut established(), &shorter.to_bytes(), &[100]);
            prop_assert!(result.is_err());
        }
    }
}

#[test]
fn four_bytes_that_claim_four_gigabytes_are_refused_before_any_payload() {
    for (command, is_established) in [(command::HELLO, false), (19, true), (9999, true)] {
        let mut stream = BytesMut::from(&MAGIC[..]);
        stream.extend_from_slice(&command.to_le_bytes());
        stream.extend_from_slice(&u32::MAX.to_le_bytes());
        let mut decoder =
            if is_established { established() } else { FrameDecoder::new(Phase::Handshake) };
        let result = decoder.decode(&mut stream);
        assert!(matches!(result, Err(DecodeError::Frame(FrameError::TooLong { .. }))));
    }
}

#[test]
fn a_claim_reserves_nothing() {
    let mut stream = BytesMut::from(&MAGIC[..]);
    stream.extend_from_slice(&19u16.to_le_bytes());
    stream.extend_from_slice(&4_000_000u32.to_le_bytes());
    stream.extend_from_slice(&[7; 10]);
    let mut decoder = established();
    assert_eq!(decoder.decode(&mut stream), Ok(None));
    assert!(decoder.is_inside_frame(&stream));
    assert_eq!(decoder.missing(&stream), 4_000_000 - 10);
    assert!(stream.capacity() < 1000);
}

#[test]
fn only_a_short_hello_is_read_before_the_handshake() {
    let before = |frame: &Frame| {
        decode_in_pieces(&mut FrameDecoder::new(Phase::Handshake), &frame.to_bytes(), &[64])
            .map(|seen| seen.len())
    };
    assert_eq!(before(&hello().to_frame()), Ok(1));
    assert!(before(&Message::Ping(1).to_frame()).is_err());
    let mut long = hello().to_frame();
    long.payload.resize(HANDSHAKE_PAYLOAD_BYTES_MAX as usize, 0);
    assert_eq!(before(&long), Ok(1));
    long.payload.push(0);
    assert!(before(&long).is_err());
}

#[test]
fn an_unknown_command_is_skipped_up_to_its_limit() {
    let unknown = |payload_bytes: u32| {
        let frame = Frame { command: 9999, payload: vec![7; payload_bytes as usize] };
        let mut stream = frame.to_bytes();
        stream.extend(Message::Ping(1).to_frame().to_bytes());
        decode_in_pieces(&mut established(), &stream, &[1000])
    };
    let after = Incoming::Message(Box::new(Message::Ping(1)));
    let skipped = Incoming::Unknown { command: 9999 };
    assert_eq!(unknown(UNKNOWN_PAYLOAD_BYTES_MAX), Ok(vec![skipped, after]));
    assert!(unknown(UNKNOWN_PAYLOAD_BYTES_MAX + 1).is_err());
}
