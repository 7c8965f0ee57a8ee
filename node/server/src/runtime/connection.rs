//! One connection: a task that reads and a task that writes, and neither waits for the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Message;
use wire::frame::{DecodeError, Frame, FrameDecoder, Incoming, Phase};

use super::inbound_memory::{InboundMemory, InboundShare, SHARED_BYTES_MAX};
use super::lanes::Lanes;
use super::outbound::Outbound;
use machine::{Direction, Event, PeerId};

/// A frame that has begun must be whole after this time.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection that is being closed may take to write what is queued.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes asked from the socket at once, at least; also what an idle connection's buffer holds.
const READ_BYTES_MIN: usize = 8 * 1024;

/// Bytes asked from the socket at once, at most.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Bytes handed to the socket at once: a writer's progress is seen in steps of this size.
const WRITE_BYTES: usize = 64 * 1024;

/// What the listener, the dialer and all connections of one node share.
pub(super) struct Sockets {
    /// Where events go.
    pub lanes: Arc<Lanes>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// Everything that must have ended before the node has.
    pub tasks: TaskTracker,
    memory: Arc<InboundMemory>,
    next_peer: AtomicU64,
}

/// Why no more is read from a connection.
enum ReadEnd {
    /// The other side closed it, the network broke, or a frame took too long.
    Gone,
    /// Bytes came that are no message.
    Malformed(DecodeError),
    /// The node stops.
    Stopping,
}

impl From<std::io::Error> for ReadEnd {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl Sockets {
    /// For a node whose machine is behind `lanes`.
    pub fn new(lanes: Arc<Lanes>) -> Self {
        Self {
            lanes,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            memory: Arc::new(InboundMemory::new(SHARED_BYTES_MAX)),
            next_peer: AtomicU64::new(1),
        }
    }

    /// Serves a connection until it ends; the machine hears of its beginning, its messages and its
    /// end.
    pub async fn serve(&self, stream: TcpStream, address: SocketAddr, direction: Direction) {
        let peer = PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed));
        // Without it a small answer waits for the acknowledgement of the one before; no harm if
        // refused.
        let _ = stream.set_nodelay(true);
        let outbound = Arc::new(Outbound::new(self.stop.child_token()));
        let (mut incoming, outgoing) = stream.into_split();
        let writer =
            self.tasks.spawn(write(outgoing, peer, Arc::clone(&outbound), Arc::clone(&self.lanes)));
        let connected = Event::Connected { peer, address, direction };
        let link = Some(Arc::clone(&outbound));
        if self.lanes.hand_over(peer, connected, link).await {
            let reading = self.read(&mut incoming, peer, &outbound);
            let end = outbound.no_more_reading.run_until_cancelled(reading).await;
            if let Some(ReadEnd::Malformed(error)) = end {
                let reason = error.to_string();
                let malformed = Event::Malformed { peer, reason };
                self.lanes.hand_over(peer, malformed, None).await;
            }
        }
        outbound.close();
        let last_words = async {
            // Unread input would make the close a reset, which may overtake what we still say.
            tokio::join!(writer, discard(&mut incoming))
        };
        if timeout(LINGER, last_words).await.is_err() {
            outbound.give_up();
        }
        self.lanes.push_peer(Some(peer), Event::Disconnected { peer });
    }

    /// Reads messages and hands them over, one at a time.
    async fn read(&self, stream: &mut OwnedReadHalf, peer: PeerId, outbound: &Outbound) -> ReadEnd {
        let share = self.memory.share(peer, outbound.no_more_reading.clone());
        let mut decoder = FrameDecoder::new(Phase::Handshake);
        let mut buffer = BytesMut::with_capacity(READ_BYTES_MIN);
        let mut hello_received = false;
        loop {
            outbound.until_under_half().await;
            let incoming = match next(stream, &mut decoder, &mut buffer, &share).await {
                Ok(incoming) => incoming,
                Err(end) => return end,
            };
            let event = match incoming {
                Incoming::Message(message) => {
                    hello_received |= matches!(*message, Message::Hello(_));
                    Event::Message { peer, message }
                }
                Incoming::Unknown { command } => Event::UnknownCommand { peer, command },
            };
            if !self.lanes.hand_over(peer, event, None).await {
                return ReadEnd::Stopping;
            }
            share.hold(buffer.len());
            // What the machine answered is queued by now, so this does not depend on timing.
            if hello_received && outbound.is_hello_sent() {
                decoder.establish();
            }
        }
    }
}

/// The next whole frame. What it took stays on `share`'s account until the caller says otherwise.
async fn next(
    stream: &mut OwnedReadHalf,
    decoder: &mut FrameDecoder,
    buffer: &mut BytesMut,
    share: &InboundShare,
) -> Result<Incoming, ReadEnd> {
    let mut deadline = None;
    loop {
        let held = buffer.len();
        if let Some(incoming) = decoder.decode(buffer).map_err(ReadEnd::Malformed)? {
            if held > READ_BYTES_MAX {
                // The old buffer is as long as the frame; a connection does not keep that.
                *buffer = BytesMut::from(&buffer[..]);
            }
            return Ok(incoming);
        }
        share.hold(buffer.len());
        buffer.reserve(buffer.len().clamp(READ_BYTES_MIN, READ_BYTES_MAX));
        let waiting = !decoder.is_inside_frame(buffer);
        let reading = stream.read_buf(buffer);
        let read_bytes = if waiting {
            reading.await?
        } else {
            let by = *deadline.get_or_insert_with(|| Instant::now() + FRAME_TIMEOUT);
            timeout_at(by, reading).await.map_err(|_| ReadEnd::Gone)??
        };
        if read_bytes == 0 {
            return Err(ReadEnd::Gone);
        }
    }
}

/// Writes frames until there are none any more, then closes its direction.
async fn write(
    mut stream: OwnedWriteHalf,
    peer: PeerId,
    outbound: Arc<Outbound>,
    lanes: Arc<Lanes>,
) {
    let writing = async {
        while let Some(frame) = outbound.next().await {
            write_frame(&mut stream, &frame, &outbound).await?;
            if outbound.wrote(&frame) {
                lanes.push_peer(Some(peer), Event::Drained { peer });
            }
        }
        stream.shutdown().await
    };
    let written = outbound.no_more_writing.run_until_cancelled(writing).await;
    if !matches!(written, Some(Ok(()))) {
        outbound.give_up();
    }
}

async fn write_frame(
    stream: &mut OwnedWriteHalf,
    frame: &Frame,
    outbound: &Outbound,
) -> std::io::Result<()> {
    for part in frame.to_bytes().chunks(WRITE_BYTES) {
        stream.write_all(part).await?;
        outbound.progressed(part.len());
    }
    Ok(())
}

/// Reads to the end and throws it away.
async fn discard(stream: &mut OwnedReadHalf) {
    let mut thrown_away = [0; 4096];
    while stream.read(&mut thrown_away).await.is_ok_and(|read| read > 0) {}
}
