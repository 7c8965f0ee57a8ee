//! One connection: a task that reads and a task that writes, and neither waits for the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Message;
use wire::frame::{DecodeError, Incoming};

use super::codec::{InboundCodec, InboundError, OutboundCodec, next, write_frame};
use super::inbound_memory::{InboundMemory, SHARED_BYTES_MAX};
use super::lanes::Lanes;
use super::outbound::Outbound;
use machine::{Direction, Event, PeerId};
use progress::Progress;

mod progress;

/// How long a connection that is being closed may take to write what is queued.
const LINGER: Duration = Duration::from_secs(1);

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

impl From<InboundError> for ReadEnd {
    fn from(error: InboundError) -> Self {
        match error {
            InboundError::Malformed(error) => Self::Malformed(error),
            InboundError::Io(_) | InboundError::TooSlow => Self::Gone,
        }
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
        // Without it a small answer waits for the acknowledgement of the one before; no harm if
        // refused.
        let _ = stream.set_nodelay(true);
        self.serve_halves(stream.into_split(), address, direction).await;
    }

    /// The same over the two directions of any stream.
    async fn serve_halves<R, W>(
        &self,
        (mut incoming, outgoing): (R, W),
        address: SocketAddr,
        direction: Direction,
    ) where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let peer = PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed));
        let outbound = Arc::new(Outbound::new(self.stop.child_token()));
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
    async fn read<R: AsyncRead + Unpin>(
        &self,
        stream: &mut R,
        peer: PeerId,
        outbound: &Outbound,
    ) -> ReadEnd {
        let share = self.memory.share(peer, outbound.no_more_reading.clone());
        let mut messages = FramedRead::new(stream, InboundCodec::new(share));
        let mut hello_received = false;
        loop {
            outbound.until_under_half().await;
            let event = match next(&mut messages).await {
                Ok(Some(Incoming::Message(message))) => {
                    hello_received |= matches!(*message, Message::Hello(_));
                    Event::Message { peer, message }
                }
                Ok(Some(Incoming::Unknown { command })) => Event::UnknownCommand { peer, command },
                Ok(None) => return ReadEnd::Gone,
                Err(error) => return error.into(),
            };
            if !self.lanes.hand_over(peer, event, None).await {
                return ReadEnd::Stopping;
            }
            messages.decoder().dealt_with(messages.read_buffer());
            // What the machine answered is queued by now, so this does not depend on timing.
            if hello_received && outbound.is_hello_sent() {
                messages.decoder_mut().establish();
            }
        }
    }
}

/// Writes frames until there are none any more, then closes its direction.
async fn write<W: AsyncWrite + Unpin>(
    stream: W,
    peer: PeerId,
    outbound: Arc<Outbound>,
    lanes: Arc<Lanes>,
) {
    let stream = Progress::of(stream, Arc::clone(&outbound));
    let mut frames = FramedWrite::new(stream, OutboundCodec);
    let writing = async {
        while let Some(frame) = outbound.next().await {
            write_frame(&mut frames, &frame).await?;
            if outbound.wrote(&frame) {
                lanes.push_peer(Some(peer), Event::Drained { peer });
            }
        }
        frames.get_mut().shutdown().await
    };
    let written = outbound.no_more_writing.run_until_cancelled(writing).await;
    if !matches!(written, Some(Ok(()))) {
        outbound.give_up();
    }
}

/// Reads to the end and throws it away.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) {
    let mut thrown_away = [0; 4096];
    while stream.read(&mut thrown_away).await.is_ok_and(|read| read > 0) {}
}

#[cfg(test)]
mod tests;
