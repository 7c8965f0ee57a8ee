//! One connection: a task that reads and a task that writes, and neither waits for the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Message;
use wire::frame::{DecodeError, Incoming};

use super::codec::{InboundCodec, InboundError, OutboundCodec, next, write_frame};
use super::connection_memory::{ConnectionMemory, SHARED_BYTES_MAX};
use super::lanes::{Lane, Lanes};
use super::outbound::Outbound;
use closing::Closing;
use machine::{Direction, Event, PeerId};
use progress::Progress;

mod closing;
mod meeting;
mod progress;

/// How long a connection that is being closed may take to write what is queued.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What the listener, the dialer and all connections of one node share.
pub(super) struct Sockets {
    /// Where events go.
    pub lanes: Arc<Lanes>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// Everything that must have ended before the node has.
    pub tasks: TaskTracker,
    /// Connections that have a place and need it no more.
    pub closing: Closing,
    clients: Handle,
    /// What has come and is not whole.
    incoming: Arc<ConnectionMemory>,
    /// What goes out and is not read.
    outgoing: Arc<ConnectionMemory>,
    next_peer: AtomicU64,
}

/// One connection, as the task has it that reads.
struct Connection<R> {
    peer: PeerId,
    outbound: Arc<Outbound>,
    messages: FramedRead<R, InboundCodec>,
    hello_received: bool,
    /// What it is, as far as it has said so.
    lane: Lane,
    /// There is nothing to read any more, and why.
    ended: Option<ReadEnd>,
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
    /// For a node whose machine is behind `lanes`; wallets, operators and the like are served on
    /// `clients`.
    pub fn new(lanes: Arc<Lanes>, clients: Handle) -> Self {
        Self {
            lanes,
            clients,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            closing: Closing::default(),
            incoming: Arc::new(ConnectionMemory::new(SHARED_BYTES_MAX)),
            outgoing: Arc::new(ConnectionMemory::new(SHARED_BYTES_MAX)),
            next_peer: AtomicU64::new(1),
        }
    }

    /// Serves a connection until it ends; the machine hears of its beginning, its messages and its
    /// end. Whoever turns out to be a client is served on the threads for clients.
    pub async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        direction: Direction,
    ) {
        // Without it a small answer waits for the acknowledgement of the one before; no harm if
        // refused.
        let _ = stream.set_nodelay(true);
        let (incoming, outgoing) = stream.into_split();
        let connection = self.meet(incoming, address, direction).await;
        if connection.lane == Lane::Nodes {
            self.converse(connection, outgoing).await;
            return;
        }
        let (peer, outbound) = (connection.peer, Arc::clone(&connection.outbound));
        let there = Arc::clone(&self).move_and_converse(connection, outgoing);
        // A socket that cannot be moved, or a task that panicked: nobody else tells of the end.
        if !matches!(self.clients.spawn(there).await, Ok(Ok(()))) {
            outbound.give_up();
            self.lanes.push_peer(Some(peer), Event::Disconnected { peer });
        }
    }

    /// Reads and writes until the connection ends.
    async fn converse<R, W>(&self, mut connection: Connection<R>, outgoing: W)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, outbound) = (connection.peer, Arc::clone(&connection.outbound));
        let writer =
            self.tasks.spawn(write(outgoing, peer, Arc::clone(&outbound), Arc::clone(&self.lanes)));
        let reading = self.read(&mut connection);
        let end = outbound.no_more_reading.run_until_cancelled(reading).await;
        if let Some(ReadEnd::Malformed(error)) = end {
            let malformed = Event::Malformed { peer, reason: error.to_string() };
            self.lanes.hand_over(peer, malformed, None, connection.lane).await;
        }
        outbound.close();
        let mut incoming = connection.messages.into_inner();
        let last_words = async {
            // Unread input would make the close a reset, which may overtake what we still say.
            tokio::join!(writer, discard(&mut incoming))
        };
        let _closing = self.closing.begin(Arc::clone(&outbound));
        let last_words = timeout(LINGER, last_words);
        let said = outbound.no_more_writing.run_until_cancelled(last_words).await;
        if !matches!(said, Some(Ok(_))) {
            outbound.give_up();
        }
        self.lanes.push_peer(Some(peer), Event::Disconnected { peer });
    }

    /// Reads messages and hands them over, one at a time.
    async fn read<R: AsyncRead + Unpin>(&self, connection: &mut Connection<R>) -> ReadEnd {
        loop {
            connection.outbound.until_under_half().await;
            if let Some(end) = connection.ended.take() {
                return end;
            }
            let said = match hear(&mut connection.messages).await {
                Ok(said) => said,
                Err(end) => return end,
            };
            if !self.hand_over(connection, said).await {
                return ReadEnd::Stopping;
            }
        }
    }

    /// Tells the machine what was said; false when the node stops instead.
    async fn hand_over<R>(&self, connection: &mut Connection<R>, said: Incoming) -> bool {
        let peer = connection.peer;
        let event = match said {
            Incoming::Message(message) => {
                connection.hello_received |= matches!(*message, Message::Hello(_));
                Event::Message { peer, message }
            }
            Incoming::Unknown { command } => Event::UnknownCommand { peer, command },
        };
        if !self.lanes.hand_over(peer, event, None, connection.lane).await {
            return false;
        }
        let messages = &mut connection.messages;
        messages.decoder().dealt_with(messages.read_buffer());
        // What the machine answered is queued by now, so this does not depend on timing.
        if connection.hello_received && connection.outbound.is_hello_sent() {
            messages.decoder_mut().establish();
        }
        true
    }
}

/// The next message, or why there is none.
async fn hear<R: AsyncRead + Unpin>(
    messages: &mut FramedRead<R, InboundCodec>,
) -> Result<Incoming, ReadEnd> {
    match next(messages).await {
        Ok(Some(incoming)) => Ok(incoming),
        Ok(None) => Err(ReadEnd::Gone),
        Err(error) => Err(error.into()),
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
