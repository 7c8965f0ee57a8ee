//! Messages as values, and the frames that carry them; no socket in sight.
//!
//! A frame is `magic "LODE" | command u16 | length u32 | payload`, little-endian. The payload is
//! the postcard form of one message, with no bytes left over. Consensus data (headers,
//! transactions, blocks) travels inside as byte strings in [`chain::encoding`] form.

pub mod directory;
pub mod fee;
pub mod frame;
pub mod hello;
pub mod look_alikes;
pub mod operator;
pub mod peer;
#[cfg(test)]
mod tests;
pub mod wallet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use directory::DirectoryMessage;
use frame::Frame;
use hello::{Hello, check_node_name};
use operator::OperatorMessage;
use peer::PeerMessage;
use wallet::WalletMessage;

/// Version of the messages; two sides must agree.
pub const PROTOCOL_VERSION: u16 = 1;

/// Largest payload of a command that this version does not know: it is skipped, so that the
/// protocol can grow by new commands.
pub const UNKNOWN_PAYLOAD_BYTES_MAX: u32 = 64 * 1024;

/// Bytes that a message may have beyond the one block it carries.
pub const BLOCK_OVERHEAD_BYTES: u32 = 64;

/// Why a frame's payload is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The payload does not decode.
    #[error("command {command}: {reason}")]
    Malformed {
        /// The frame's command.
        command: u16,
        /// The decoder's reason.
        reason: String,
    },
    /// A hello of another version of the protocol: nobody's fault.
    #[error("protocol version {got}, this program speaks {PROTOCOL_VERSION}")]
    OtherVersion {
        /// The version it names.
        got: u16,
    },
    /// Bytes follow the message.
    #[error("command {command}: {left} bytes follow the message")]
    TrailingBytes {
        /// The frame's command.
        command: u16,
        /// How many bytes follow it.
        left: usize,
    },
}

/// Everything that one side can say to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first message of both sides.
    Hello(Box<Hello>),
    /// Asks for a [`Message::Pong`] with the same number.
    Ping(u64),
    /// Answers a [`Message::Ping`].
    Pong(u64),
    /// Between nodes.
    Peer(PeerMessage),
    /// Between a wallet and a node.
    Wallet(WalletMessage),
    /// Between anybody and the bootstrap node.
    Directory(DirectoryMessage),
    /// Between a node and whoever runs it.
    Operator(OperatorMessage),
}

/// Command numbers that belong to no conversation.
pub mod command {
    /// [`super::Message::Hello`]; fixed for ever.
    pub const HELLO: u16 = 1;
    /// [`super::Message::Ping`].
    pub const PING: u16 = 2;
    /// [`super::Message::Pong`].
    pub const PONG: u16 = 3;
}

impl Message {
    /// The message in a frame.
    pub fn to_frame(&self) -> Frame {
        match self {
            Self::Hello(hello) => encode(command::HELLO, hello),
            Self::Ping(number) => encode(command::PING, number),
            Self::Pong(number) => encode(command::PONG, number),
            Self::Peer(message) => message.to_frame(),
            Self::Wallet(message) => message.to_frame(),
            Self::Directory(message) => message.to_frame(),
            Self::Operator(message) => message.to_frame(),
        }
    }

    /// The message in a frame's payload; `None` when this version does not know the command.
    ///
    /// # Errors
    /// [`WireError`] for a payload that is not exactly one message of that command.
    pub fn from_payload(command: u16, payload: &[u8]) -> Result<Option<Self>, WireError> {
        let message = match command {
            command::HELLO => Self::Hello(Box::new(Hello::from_payload(payload)?)),
            command::PING => Self::Ping(decode(command, payload)?),
            command::PONG => Self::Pong(decode(command, payload)?),
            _ => {
                if let Some(message) = PeerMessage::from_payload(command, payload)? {
                    Self::Peer(message)
                } else if let Some(message) = WalletMessage::from_payload(command, payload)? {
                    Self::Wallet(message)
                } else if let Some(message) = DirectoryMessage::from_payload(command, payload)? {
                    Self::Directory(message)
                } else if let Some(message) = OperatorMessage::from_payload(command, payload)? {
                    Self::Operator(message)
                } else {
                    return Ok(None);
                }
            }
        };
        Ok(Some(message))
    }

    /// Largest payload of `command` once the handshake is done.
    pub fn payload_bytes_max(command: u16) -> u32 {
        match command {
            command::HELLO => hello::HELLO_BYTES_MAX,
            command::PING | command::PONG => 10,
            _ => PeerMessage::payload_bytes_max(command)
                .or_else(|| WalletMessage::payload_bytes_max(command))
                .or_else(|| DirectoryMessage::payload_bytes_max(command))
                .or_else(|| OperatorMessage::payload_bytes_max(command))
                .unwrap_or(UNKNOWN_PAYLOAD_BYTES_MAX),
        }
    }
}

fn encode<T: Serialize>(command: u16, message: &T) -> Frame {
    let payload = postcard::to_stdvec(message).expect("messages hold only what postcard can write");
    Frame { command, payload }
}

fn decode<T: DeserializeOwned>(command: u16, payload: &[u8]) -> Result<T, WireError> {
    let (message, rest) = postcard::take_from_bytes(payload)
        .map_err(|reason| WireError::Malformed { command, reason: reason.to_string() })?;
    match rest.len() {
        0 => Ok(message),
        left => Err(WireError::TrailingBytes { command, left }),
    }
}

/// What the byte limit of a command does not already say about the number of its entries.
fn at_most(max: usize, got: usize, what: &str) -> Result<(), String> {
    if got > max {
        return Err(format!("{got} {what}, at most {max} are allowed"));
    }
    Ok(())
}

/// Bytes in consensus form, carried as one byte string.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteString(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// Makes the enum of one conversation: its messages with their command numbers, payload limits and,
/// where those do not say it all, a check of what was decoded.
macro_rules! conversation {
    ($(#[$doc:meta])* $name:ident { $(
        $(#[$variant_doc:meta])*
        $command:literal $variant:ident($payload:ty) <= $max:expr $(, if $check:ident)?;
    )* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($payload),)*
        }

        impl $name {
            /// Every command of the conversation.
            pub const COMMANDS: &[u16] = &[$($command),*];

            /// The command number of this message.
            pub fn command(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $command,)*
                }
            }

            /// The message in a frame.
            pub fn to_frame(&self) -> $crate::frame::Frame {
                match self {
                    $(Self::$variant(message) => $crate::encode($command, message),)*
                }
            }

            /// The message in a payload; `None` for commands of other conversations.
            ///
            /// # Errors
            /// [`WireError`](crate::WireError) for a payload that is not exactly one message.
            pub fn from_payload(
                command: u16,
                payload: &[u8],
            ) -> Result<Option<Self>, $crate::WireError> {
                Ok(match command {
                    $($command => {
                        let message: $payload = $crate::decode(command, payload)?;
                        $($check(&message).map_err(|reason| {
                            $crate::WireError::Malformed { command, reason }
                        })?;)?
                        Some(Self::$variant(message))
                    })*
                    _ => None,
                })
            }

            /// Largest payload of `command`; `None` for commands of other conversations.
            pub fn payload_bytes_max(command: u16) -> Option<u32> {
                match command {
                    $($command => Some($max),)*
                    _ => None,
                }
            }
        }
    };
}
use conversation;
