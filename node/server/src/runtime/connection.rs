//! One connection: a task that reads and a task that writes, and neither waits for the other.

use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::codec::{FramedParts, FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Message;
use wire::frame::{DecodeError, Incoming};
use wire::hello::Role;

use super::codec::{InboundCodec, InboundError, OutboundCodec, next, write_frame};
use super::inbound_memory::{InboundMemory, SHARED_BYTES_MAX};
use super::lanes::{Lane, Lanes};
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
    clients: Handle,
    memory: Arc<InboundMemory>,
    next_peer: AtomicU64,
}

/// A connection of which nothing is written yet.
struct Conversation<R> {
    peer: PeerId,
    outbound: Arc<Outbound>,
    messages: FramedRead<R, InboundCodec>,
    /// A first message, or its lack, that is not handed over yet.
    heard: Option<Result<Incoming, ReadEnd>>,
    /// Where its messages wait.
    lane: Lane,
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
            memory: Arc::new(InboundMemory::new(SHARED_BYTES_MAX)),
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
        let conversation = self.begin(incoming, address, direction).await;
        if conversation.lane == Lane::Nodes {
            self.go_on(conversation, outgoing).await;
            return;
        }
        let clients = self.clients.clone();
        // The task ends with the connection; one that panicked has ended it, too.
        let _ = clients.spawn(self.go_on_here(conversation, outgoing)).await;
    }

    /// Tells the machine of a connection, and waits for a caller's first message, which says what
    /// it is. Nothing is written before: who was called speaks second.
    async fn begin<R: AsyncRead + Unpin>(
        &self,
        incoming: R,
        address: SocketAddr,
        direction: Direction,
    ) -> Conversation<R> {
        let peer = PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed));
        let outbound = Arc::new(Outbound::new(self.stop.child_token()));
        let share = self.memory.share(peer, outbound.no_more_reading.clone());
        let messages = FramedRead::new(incoming, InboundCodec::new(share));
        let mut conversation =
            Conversation { peer, outbound, messages, heard: None, lane: Lane::Nodes };
        let connected = Event::Connected { peer, address, direction };
        let link = Some(Arc::clone(&conversation.outbound));
        if !self.lanes.hand_over(peer, connected, link, Lane::Nodes).await {
            conversation.heard = Some(Err(ReadEnd::Stopping));
        } else if direction == Direction::Inbound {
            let outbound = Arc::clone(&conversation.outbound);
            let first = hear(&mut conversation.messages);
            conversation.heard = outbound.no_more_reading.run_until_cancelled(first).await;
            if let Some(Ok(Incoming::Message(message))) = &conversation.heard
                && let Message::Hello(hello) = &**message
                && hello.role != Role::Peer
            {
                conversation.lane = Lane::Clients;
            }
        }
        conversation
    }

    /// Goes on with a connection whose socket belongs to other threads so far.
    async fn go_on_here(
        self: Arc<Self>,
        conversation: Conversation<OwnedReadHalf>,
        outgoing: OwnedWriteHalf,
    ) {
        let Conversation { peer, outbound, messages, heard, lane } = conversation;
        let FramedParts { io, codec, read_buf, .. } = messages.into_parts();
        let moved = io.reunite(outgoing).map_err(io::Error::other).and_then(TcpStream::into_std);
        let Ok(stream) = moved.and_then(TcpStream::from_std) else {
            outbound.give_up();
            self.lanes.push_peer(Some(peer), Event::Disconnected { peer });
            return;
        };
        let (incoming, outgoing) = stream.into_split();
        let incoming = Cursor::new(read_buf).chain(incoming);
        let messages = FramedRead::new(incoming, codec);
        let conversation = Conversation { peer, outbound, messages, heard, lane };
        self.go_on(conversation, outgoing).await;
    }

    /// Reads and writes until the connection ends.
    async fn go_on<R, W>(&self, mut conversation: Conversation<R>, outgoing: W)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, outbound) = (conversation.peer, Arc::clone(&conversation.outbound));
        let writer =
            self.tasks.spawn(write(outgoing, peer, Arc::clone(&outbound), Arc::clone(&self.lanes)));
        let reading = self.read(&mut conversation);
        let end = outbound.no_more_reading.run_until_cancelled(reading).await;
        if let Some(ReadEnd::Malformed(error)) = end {
            let malformed = Event::Malformed { peer, reason: error.to_string() };
            self.lanes.hand_over(peer, malformed, None, Lane::Nodes).await;
        }
        outbound.close();
        let mut incoming = conversation.messages.into_inner();
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
    async fn read<R: AsyncRead + Unpin>(&self, conversation: &mut Conversation<R>) -> ReadEnd {
        let Conversation { peer, outbound, messages, heard, lane } = conversation;
        let peer = *peer;
        let mut hello_received = false;
        loop {
            outbound.until_under_half().await;
            let heard = match heard.take() {
                Some(first) => first,
                None => hear(messages).await,
            };
            let event = match heard {
                Ok(Incoming::Message(message)) => {
                    hello_received |= matches!(*message, Message::Hello(_));
                    Event::Message { peer, message }
                }
                Ok(Incoming::Unknown { command }) => Event::UnknownCommand { peer, command },
                Err(end) => return end,
            };
            if !self.lanes.hand_over(peer, event, None, *lane).await {
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
