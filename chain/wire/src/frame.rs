//! Frames: how a message lies in a stream of bytes, how long it may be, and how it is found there.

use bytes::{Buf, BytesMut};

use crate::command::HELLO;
use crate::{Message, WireError};

/// The first bytes of every frame.
pub const MAGIC: [u8; 4] = *b"LODE";

/// Bytes before the payload: magic, command, length.
pub const FRAME_HEADER_BYTES: usize = 4 + 2 + 4;

/// Largest payload before the handshake is done.
pub const HANDSHAKE_PAYLOAD_BYTES_MAX: u32 = 1024;

/// One message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Says which message the payload is.
    pub command: u16,
    /// The message in postcard form.
    pub payload: Vec<u8>,
}

/// A whole frame that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A message of this version.
    Message(Box<Message>),
    /// A frame that may be skipped: this version does not know its command.
    Unknown {
        /// Its command.
        command: u16,
    },
}

/// How far a connection is; it bounds what a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing but a hello of at most [`HANDSHAKE_PAYLOAD_BYTES_MAX`] is expected.
    Handshake,
    /// Every command has its own limit.
    Established,
}

/// The fixed part in front of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Says which message the payload is.
    pub command: u16,
    /// Bytes of the payload.
    pub payload_bytes: u32,
}

/// Bytes that are no frame; the stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not begin with the magic.
    #[error("not a frame of this protocol: it begins with {got:02x?}")]
    Magic {
        /// The first bytes.
        got: [u8; 4],
    },
    /// It claims more than its command may have.
    #[error("command {command} claims {claimed} bytes, at most {max} are allowed")]
    TooLong {
        /// The command.
        command: u16,
        /// The length it claims.
        claimed: u32,
        /// The limit.
        max: u32,
    },
    /// Another command than the hello before the handshake is done.
    #[error("command {command} before the handshake")]
    BeforeHandshake {
        /// The command.
        command: u16,
    },
}

/// Why a stream cannot be read any further: the sender is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame, but no message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Finds frames in the bytes of one connection, and knows how far that is. It reserves nothing: the
/// buffer grows with the bytes that arrive, never with the length that a frame claims.
#[derive(Debug)]
pub struct FrameDecoder {
    phase: Phase,
    /// The frame whose payload is being waited for; its head is out of the buffer already.
    header: Option<FrameHeader>,
}

impl FrameDecoder {
    /// For a connection that is in `phase`, where a frame begins.
    pub fn new(phase: Phase) -> Self {
        Self { phase, header: None }
    }

    /// Both hellos are on their way: every command has its own limit from now on.
    pub fn establish(&mut self) {
        self.phase = Phase::Established;
    }

    /// Takes the next frame out of `bytes` and reads it; `None` while it is not whole. A length
    /// that the phase and the command do not allow is refused as soon as the head is there.
    ///
    /// # Errors
    /// [`DecodeError`]; the stream is of no use after it.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, DecodeError> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let Some(fixed) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else {
                    return Ok(None);
                };
                let header = FrameHeader::parse(fixed, self.phase)?;
                bytes.advance(FRAME_HEADER_BYTES);
                *self.header.insert(header)
            }
        };
        let payload_bytes = header.payload_bytes as usize;
        if bytes.len() < payload_bytes {
            return Ok(None);
        }
        self.header = None;
        let payload = bytes.split_to(payload_bytes);
        let message = Message::from_payload(header.command, &payload)?;
        Ok(Some(match message {
            Some(message) => Incoming::Message(Box::new(message)),
            None => Incoming::Unknown { command: header.command },
        }))
    }

    /// Whether a frame has begun that is not whole, when `bytes` are what was not decoded yet.
    pub fn is_inside_frame(&self, bytes: &BytesMut) -> bool {
        self.header.is_some() || !bytes.is_empty()
    }

    /// How many bytes must follow `bytes` before [`FrameDecoder::decode`] can go on, for readers
    /// that take no byte too many. Only a claim as long as there is no payload: reserve nothing by
    /// it.
    pub fn missing(&self, bytes: &BytesMut) -> usize {
        let wanted = self.header.map_or(FRAME_HEADER_BYTES, |header| header.payload_bytes as usize);
        wanted.saturating_sub(bytes.len())
    }
}

impl FrameHeader {
    /// Reads the fixed part, and refuses a length that the phase and the command do not allow
    /// before a byte of payload is read.
    ///
    /// # Errors
    /// The bytes are no frame, or it is longer than it may be: the stream is of no more use.
    pub fn parse(bytes: &[u8; FRAME_HEADER_BYTES], phase: Phase) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, c0, c1, l0, l1, l2, l3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(FrameError::Magic { got: [m0, m1, m2, m3] });
        }
        let command = u16::from_le_bytes([c0, c1]);
        let claimed = u32::from_le_bytes([l0, l1, l2, l3]);
        let max = match phase {
            Phase::Handshake if command != HELLO => {
                return Err(FrameError::BeforeHandshake { command });
            }
            Phase::Handshake => HANDSHAKE_PAYLOAD_BYTES_MAX,
            Phase::Established => Message::payload_bytes_max(command),
        };
        if claimed > max {
            return Err(FrameError::TooLong { command, claimed, max });
        }
        Ok(Self { command, payload_bytes: claimed })
    }
}

impl Frame {
    /// What stands before the payload.
    pub fn head(&self) -> [u8; FRAME_HEADER_BYTES] {
        let [m0, m1, m2, m3] = MAGIC;
        let [c0, c1] = self.command.to_le_bytes();
        let length = u32::try_from(self.payload.len()).expect("no message reaches 4 GiB");
        let [l0, l1, l2, l3] = length.to_le_bytes();
        [m0, m1, m2, m3, c0, c1, l0, l1, l2, l3]
    }

    /// The frame as it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.head()[..], &self.payload].concat()
    }
}

#[cfg(test)]
mod tests;
