//! Frames: how a message lies in a stream of bytes, and how long it may be.

use crate::Message;
use crate::command::HELLO;

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
    /// The frame as it is sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("no message reaches 4 GiB");
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + self.payload.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.command.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}
