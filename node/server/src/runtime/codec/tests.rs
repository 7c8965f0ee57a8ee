//! Streams that are cut anywhere, trickle or claim too much; frames that many connections share.

use std::sync::Arc;
use std::task::Context;

use futures_util::FutureExt;
use machine::PeerId;
use proptest::prelude::*;
use tokio::io::{DuplexStream, ReadBuf, duplex};
use tokio::time::{advance, timeout};
use tokio_util::sync::CancellationToken;
use wire::peer::PeerMessage;
use wire::{ByteString, Message};

use super::*;
use crate::runtime::connection_memory::{ConnectionMemory, GUARANTEED_BYTES};

fn block(payload: Vec<u8>) -> Message {
    Message::Peer(PeerMessage::Block(ByteString(payload)))
}

/// A codec behind the handshake, with an account of its own.
fn established() -> (InboundCodec, Arc<ConnectionMemory>) {
    let memory = Arc::new(ConnectionMemory::new(usize::MAX));
    let mut codec = InboundCodec::new(memory.share(PeerId(1), CancellationToken::new()));
    codec.establish();
    (codec, memory)
}

/// The reading half of a connection, and its other end.
fn connection() -> (DuplexStream, FramedRead<DuplexStream, InboundCodec>, Arc<ConnectionMemory>) {
    let (far, near) = duplex(8 * 1024 * 1024);
    let (codec, memory) = established();
    (far, FramedRead::new(near, codec), memory)
}

/// Gives `bytes` in reads of the given sizes (over and over), then ends.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = *self.sizes.next().expect("a cycle does not end");
        let (piece, rest) = self.bytes.split_at(size.min(into.remaining()).min(self.bytes.len()));
        into.put_slice(piece);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

/// Every message of a stream that is never quiet.
fn read_all(bytes: &[u8], sizes: &[usize]) -> (Vec<Incoming>, Result<(), InboundError>) {
    let (codec, memory) = established();
    let pieces = Pieces { bytes, sizes: sizes.iter().cycle() };
    let (mut messages, mut seen) = (FramedRead::new(pieces, codec), Vec::new());
    loop {
        match next(&mut messages).now_or_never().expect("the stream is never quiet") {
            Ok(Some(incoming)) => seen.push(incoming),
            Ok(None) => {
                messages.decoder().dealt_with(messages.read_buffer());
                assert_eq!(memory.used(), 0);
                return (seen, Ok(()));
            }
            Err(error) => return (seen, Err(error)),
        }
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    let block_of = |bytes: usize| block(vec![7; bytes]);
    prop_oneof![
        any::<u64>().prop_map(Message::Ping),
        Just(Message::Peer(PeerMessage::GetAddresses(()))),
        (0usize..3000).prop_map(block_of),
        (200_000usize..600_000).prop_map(block_of),
    ]
}

proptest! {
    #[test]
    fn the_same_messages_come_out_however_the_stream_is_cut_into_reads(
        messages in prop::collection::vec(any_message(), 0..6),
        sizes in prop::collection::vec(prop_oneof![1usize..20, 1usize..700_000], 1..8),
        lost: prop::sample::Index,
    ) {
        // Now and then a longer read, or a large block would take a million of them.
        let sizes = [&sizes[..], &[10_000]].concat();
        let stream: Vec<u8> =
            messages.iter().flat_map(|message| message.to_frame().to_bytes()).collect();
        let mut expected: Vec<Incoming> =
            messages.into_iter().map(|message| Incoming::Message(Box::new(message))).collect();
        let (seen, end) = read_all(&stream, &sizes);
        prop_assert!(seen == expected && end.is_ok(), "{:?}", end);
        // A stream that ends inside a frame gives all frames before it and an error.
        if let Some(last) = expected.pop() {
            let Incoming::Message(last) = last else { panic!("{last:?}") };
            let last_bytes = last.to_frame().to_bytes().len();
            let cut = stream.len() - last_bytes + lost.index(last_bytes);
            let (seen, end) = read_all(&stream[..cut], &sizes);
            prop_assert!(seen == expected);
            prop_assert_eq!(end.is_err(), cut > stream.len() - last_bytes, "{:?}", end);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_four_megabytes_with_ten_bytes_behind_it_holds_no_four_megabytes() {
    let (mut far, mut messages, memory) = connection();
    let mut claim = block(vec![7; 3_999_990]).to_frame().to_bytes();
    claim.truncate(wire::frame::FRAME_HEADER_BYTES + 10);
    far.write_all(&claim).await.unwrap();
    assert!(timeout(FRAME_TIMEOUT / 2, next(&mut messages)).await.is_err());
    assert_eq!(messages.read_buffer().len(), 10);
    assert!(messages.read_buffer().capacity() <= 2 * READ_BYTES_MIN);
    assert_eq!(memory.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_on_the_account_until_it_is_dealt_with() {
    let (mut far, mut messages, memory) = connection();
    let frame = block(vec![7; 1_000_000]).to_frame();
    let mut half = frame.to_bytes();
    let rest = half.split_off(500_000);
    far.write_all(&half).await.unwrap();
    assert!(timeout(FRAME_TIMEOUT / 2, next(&mut messages)).await.is_err());
    let head = wire::frame::FRAME_HEADER_BYTES;
    assert_eq!(memory.used(), half.len() - head - GUARANTEED_BYTES);
    // What has come may wait in a buffer of twice its size, as it does while that grows.
    assert!(messages.read_buffer().capacity() <= 2 * half.len() + READ_BYTES_MAX);
    far.write_all(&rest).await.unwrap();
    assert!(matches!(next(&mut messages).await, Ok(Some(Incoming::Message(_)))));
    assert!(memory.used() >= half.len() - head - GUARANTEED_BYTES);
    messages.decoder().dealt_with(messages.read_buffer());
    assert_eq!(memory.used(), 0);
}

#[test]
fn the_buffer_of_a_large_frame_is_not_kept() {
    let (mut codec, _memory) = established();
    let frame = block(vec![7; 1_000_000]).to_frame().to_bytes();
    let mut bytes = BytesMut::from(&frame[..]);
    assert!(matches!(codec.decode(&mut bytes), Ok(Some(Incoming::Message(_)))));
    // Making room for the next one shows how much there is.
    assert!(matches!(codec.decode(&mut bytes), Ok(None)));
    assert!(bytes.capacity() <= READ_BYTES_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_trickles_is_cut_off_at_its_deadline_and_a_quiet_connection_is_not() {
    let (mut far, mut messages, _) = connection();
    let ping = Message::Ping(u64::MAX).to_frame().to_bytes();
    for _ in 0..2 {
        // Nobody waits for a frame that has not begun.
        let quiet = timeout(FRAME_TIMEOUT * 100, next(&mut messages)).await;
        assert!(quiet.is_err(), "{quiet:?}");
        // One second before the end of its time it is still welcome.
        for bytes in [&ping[..3], &ping[3..12], &ping[12..]] {
            assert!(next(&mut messages).now_or_never().is_none());
            far.write_all(bytes).await.unwrap();
            if bytes.len() == ping.len() - 12 {
                break;
            }
            assert!(next(&mut messages).now_or_never().is_none());
            advance((FRAME_TIMEOUT - Duration::from_secs(1)) / 2).await;
        }
        assert!(matches!(next(&mut messages).await, Ok(Some(Incoming::Message(_)))));
    }
    let began = Instant::now();
    let mut bytes = ping.iter();
    let end = loop {
        far.write_all(&[*bytes.next().expect("it comes to no end")]).await.unwrap();
        if let Ok(end) = timeout(Duration::from_secs(4), next(&mut messages)).await {
            break end;
        }
    };
    assert!(matches!(end, Err(InboundError::TooSlow)), "{end:?}");
    let took = began.elapsed();
    assert!(took >= FRAME_TIMEOUT && took < FRAME_TIMEOUT + Duration::from_secs(1), "{took:?}");
}

/// A socket that takes a few bytes at a time and notes where they lie.
#[derive(Default)]
struct Socket {
    written: Vec<u8>,
    slices: Vec<std::ops::Range<*const u8>>,
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = &bytes[..bytes.len().min(50_000)];
        self.written.extend_from_slice(taken);
        self.slices.push(taken.as_ptr_range());
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What a connection writes for `frame`.
fn written(frame: &Frame) -> FramedWrite<Socket, OutboundCodec> {
    let mut frames = FramedWrite::new(Socket::default(), OutboundCodec);
    write_frame(&mut frames, frame).now_or_never().expect("the socket takes all").unwrap();
    frames
}

#[test]
fn eight_connections_write_a_shared_block_from_its_one_copy() {
    let payload = (0..=250).cycle().take(3_999_000).collect();
    let frame = Arc::new(block(payload).to_frame());
    let (whole, copy) = (frame.to_bytes(), frame.payload.as_ptr_range());
    for _ in 0..8 {
        let frames = written(&Arc::clone(&frame));
        assert!(frames.get_ref().written == whole);
        assert!(frames.write_buffer().capacity() <= 2 * COPIED_BYTES_MAX);
        let slices = &frames.get_ref().slices;
        // The head first; then every byte from where it lies for all of them.
        assert!(slices.len() > whole.len() / WRITE_BYTES);
        for slice in &slices[1..] {
            assert!(copy.start <= slice.start && slice.end <= copy.end);
        }
    }
}

proptest! {
    #[test]
    fn a_frame_of_any_size_is_written_as_it_is_and_a_small_one_at_once(
        payload_bytes in prop_oneof![0..2 * COPIED_BYTES_MAX, 0..3 * WRITE_BYTES],
        byte: u8,
    ) {
        let frame = Frame { command: 19, payload: vec![byte; payload_bytes] };
        let frames = written(&frame);
        prop_assert!(frames.get_ref().written == frame.to_bytes());
        if payload_bytes <= COPIED_BYTES_MAX {
            prop_assert_eq!(frames.get_ref().slices.len(), 1);
        }
    }
}
