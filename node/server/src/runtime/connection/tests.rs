//! Readers that are slow and readers that stop, in a time that the test makes pass.

use futures_util::FutureExt;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};
use wire::frame::Frame;

use super::progress::STALL_MAX;
use super::*;

mod deaf;

/// A frame that fills the queue of its connection by more than half, on its way to a peer.
fn sending() -> (DuplexStream, Arc<Outbound>, JoinHandle<()>) {
    let (far, near) = duplex(64 * 1024);
    let memory = Arc::new(ConnectionMemory::new(SHARED_BYTES_MAX));
    let outbound = Arc::new(Outbound::new(PeerId(1), CancellationToken::new(), &memory));
    outbound.send(Arc::new(Frame { command: 19, payload: vec![7; 3_000_000] }));
    let lanes = Arc::new(Lanes::default());
    let writer = tokio::spawn(write(near, PeerId(1), Arc::clone(&outbound), lanes));
    (far, outbound, writer)
}

/// Takes `bytes` of what is there; the writer sees it before the time passes on.
async fn take(far: &mut DuplexStream, bytes: usize) {
    advance(Duration::ZERO).await;
    far.read_exact(&mut vec![0; bytes]).await.unwrap();
    advance(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_one_large_frame_is_kept_while_it_reads_and_given_up_when_it_stops() {
    let (mut far, outbound, writer) = sending();
    for _ in 0..2_000 {
        take(&mut far, 1_000).await;
        advance(STALL_MAX - Duration::from_secs(1)).await;
        assert!(outbound.is_open() && !writer.is_finished());
    }
    let stopped = Instant::now();
    outbound.no_more_reading.cancelled().await;
    // It took the last bytes a second less than a whole wait ago.
    assert_eq!(stopped.elapsed().as_secs(), 1);
    writer.await.unwrap();
    assert!(!outbound.is_open() && outbound.no_more_writing.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_nothing_to_write_is_never_given_up() {
    let (mut far, outbound, writer) = sending();
    take(&mut far, wire::frame::FRAME_HEADER_BYTES + 3_000_000).await;
    advance(STALL_MAX * 100).await;
    advance(Duration::ZERO).await;
    assert!(outbound.is_open() && !writer.is_finished());
}

#[tokio::test(start_paused = true)]
async fn the_reader_waits_for_a_peer_that_takes_little_and_not_for_one_that_takes_nothing() {
    let (mut far, outbound, _writer) = sending();
    take(&mut far, 1).await;
    let mut waiting = Box::pin(outbound.until_under_half());
    for _ in 0..1_000 {
        assert!(waiting.as_mut().now_or_never().is_none());
        take(&mut far, 1).await;
        advance(Duration::from_millis(60)).await;
    }
    let stopped = Instant::now();
    waiting.await;
    assert!(stopped.elapsed() < Duration::from_millis(300));
}
