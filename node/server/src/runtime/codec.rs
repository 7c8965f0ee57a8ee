//! The two codecs of a connection: from bytes to messages, with a deadline and an account of the
//! memory, and from frames to bytes, without a copy of what is large.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt, Stream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};
use tokio_util::codec::{Decoder, Encoder, FramedRead, FramedWrite};
use wire::frame::{DecodeError, Frame, FrameDecoder, Incoming, Phase};

use super::arriving::Arriving;
use super::connection_memory::Share;

/// A frame that has begun must be whole after this time.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes asked from the socket at once, at least; also what an idle connection's buffer holds.
const READ_BYTES_MIN: usize = 8 * 1024;

/// Bytes asked from the socket at once, at most.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Longest payload that is copied behind its head, so that a small frame is one write.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// Bytes handed to the socket at once.
const WRITE_BYTES: usize = 64 * 1024;

/// Why no message comes out of a connection any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum InboundError {
    /// Bytes came that are no message: the sender is to blame.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The network broke, or it ended inside a frame.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It did not end a frame in time.
    #[error("a frame was not whole after {} s", FRAME_TIMEOUT.as_secs())]
    TooSlow,
}

/// Reads messages out of one connection's bytes. What they hold is on the account of its share, and
/// room is made by what has come, never by the length that a frame claims.
pub(super) struct InboundCodec {
    frames: FrameDecoder,
    share: Share,
    /// When the frame that has begun must be whole; none between two frames.
    whole_by: Option<Instant>,
    arriving: Arriving,
}

impl InboundCodec {
    /// For a connection on which nothing has been said.
    pub fn new(share: Share) -> Self {
        let frames = FrameDecoder::new(Phase::Handshake);
        Self { frames, share, whole_by: None, arriving: Arriving::untold() }
    }

    /// What is told of messages that are on their way.
    pub fn tell(&mut self, arriving: Arriving) {
        self.arriving = arriving;
    }

    /// Both hellos are on their way: every command has its own limit from now on.
    pub fn establish(&mut self) {
        self.frames.establish();
    }

    /// The last message is dealt with; `left` are the bytes behind it. Until then its frame stays
    /// on the account.
    pub fn dealt_with(&self, left: &BytesMut) {
        self.share.hold(left.len());
    }
}

impl Decoder for InboundCodec {
    type Item = Incoming;
    type Error = InboundError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, InboundError> {
        let held = bytes.len();
        if let Some(incoming) = self.frames.decode(bytes)? {
            self.whole_by = None;
            self.arriving.end();
            if held > READ_BYTES_MAX {
                // The old buffer is as long as the frame; a connection does not keep that.
                *bytes = BytesMut::from(&bytes[..]);
            }
            return Ok(Some(incoming));
        }
        self.share.hold(bytes.len());
        if self.frames.is_inside_frame(bytes) {
            let now = Instant::now();
            self.whole_by.get_or_insert(now + FRAME_TIMEOUT);
            self.arriving.note(bytes.len(), now);
        }
        bytes.reserve(bytes.len().clamp(READ_BYTES_MIN, READ_BYTES_MAX));
        Ok(None)
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, InboundError> {
        match self.decode(bytes)? {
            // The buffer alone does not tell: it is empty when the end comes right behind a head.
            None if self.frames.is_inside_frame(bytes) => {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            }
            incoming => Ok(incoming),
        }
    }
}

/// The next message; `None` when the other side has closed between two frames.
///
/// # Errors
/// [`InboundError`]; nothing follows it.
pub(super) async fn next<R: AsyncRead + Unpin>(
    messages: &mut FramedRead<R, InboundCodec>,
) -> Result<Option<Incoming>, InboundError> {
    let mut too_slow = pin!(None);
    poll_fn(|context| {
        if let Poll::Ready(next) = Pin::new(&mut *messages).poll_next(context) {
            return Poll::Ready(next.transpose());
        }
        let Some(whole_by) = messages.decoder().whole_by else {
            return Poll::Pending;
        };
        if too_slow.is_none() {
            // Unconstrained: one whose bytes never pause must not keep the clock from being asked.
            too_slow.set(Some(unconstrained(sleep_until(whole_by))));
        }
        let clock = too_slow.as_mut().as_pin_mut().expect("just set");
        clock.poll(context).map(|()| Err(InboundError::TooSlow))
    })
    .await
}

/// Writes frames. A large payload is not among the bytes that it makes: it lies in memory once, for
/// all connections to which it goes, and [`write_frame`] hands it to the socket from there.
pub(super) struct OutboundCodec;

/// The two parts of a payload: what is copied behind the head, and what is not.
fn parts(frame: &Frame) -> (&[u8], &[u8]) {
    let is_small = frame.payload.len() <= COPIED_BYTES_MAX;
    frame.payload.split_at(if is_small { frame.payload.len() } else { 0 })
}

impl Encoder<&Frame> for OutboundCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: &Frame, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.extend_from_slice(&frame.head());
        bytes.extend_from_slice(parts(frame).0);
        Ok(())
    }
}

/// Writes one frame, all of it.
///
/// # Errors
/// What the socket says.
pub(super) async fn write_frame<W: AsyncWrite + Unpin>(
    frames: &mut FramedWrite<W, OutboundCodec>,
    frame: &Frame,
) -> io::Result<()> {
    frames.send(frame).await?;
    for slice in parts(frame).1.chunks(WRITE_BYTES) {
        frames.get_mut().write_all(slice).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
