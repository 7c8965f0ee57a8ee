//! Bytes from a socket to messages: finds the frames in a stream and reads what is in them.

use bytes::{Buf, BytesMut};
use wire::frame::{FRAME_HEADER_BYTES, FrameError, FrameHeader, Phase};
use wire::{Message, WireError};

/// A whole frame that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A message of this version.
    Message(Box<Message>),
    /// A frame that may be skipped.
    Unknown {
        /// Its command.
        command: u16,
    },
}

/// Why a stream cannot be read any further: the sender is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    /// No frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame, but no message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Finds frames in the bytes of one connection. It reserves nothing: the buffer grows with the
/// bytes that arrive, never with the length that a frame claims.
#[derive(Debug)]
pub(super) struct FrameDecoder {
    phase: Phase,
    /// The frame whose payload is being waited for.
    header: Option<FrameHeader>,
}

impl FrameDecoder {
    /// For a connection on which nothing has been said.
    pub fn new() -> Self {
        Self { phase: Phase::Handshake, header: None }
    }

    /// Both hellos are on their way: every command has its own limit from now on.
    pub fn establish(&mut self) {
        self.phase = Phase::Established;
    }

    /// Whether the beginning of a frame has been taken out of the buffer already.
    pub fn is_inside_frame(&self) -> bool {
        self.header.is_some()
    }

    /// Takes the next frame out of `bytes` and reads it; `None` while it is not whole.
    ///
    /// # Errors
    /// [`CodecError`]; the stream is of no use after it.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, CodecError> {
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
}

#[cfg(test)]
mod tests;
