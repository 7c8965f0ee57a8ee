//! `Line`: a connection of an attacker, who says and reads only what he wants to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use wire::Message;
use wire::frame::{FrameDecoder, Incoming, Phase};
use wire::hello::{Greeting, NetworkIdentity, Role};

use crate::target::Target;

/// How long an attacker waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to the node; nothing is read unless asked for.
pub(crate) struct Line {
    stream: TcpStream,
    decoder: FrameDecoder,
    arrived: BytesMut,
}

impl Line {
    /// Connects, and says nothing.
    pub(crate) fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&target.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let decoder = FrameDecoder::new(Phase::Handshake);
        Ok(Self { stream, decoder, arrived: BytesMut::new() })
    }

    /// Connects in a role, and exchanges hellos.
    pub(crate) fn greet(target: &Target, role: Role) -> anyhow::Result<Self> {
        let mut line = Self::open(target)?;
        let greeting = Greeting {
            network: Some(NetworkIdentity::of(&target.network)),
            role,
            nonce: getrandom::u64()?,
            name: "stranger".to_owned(),
            listen_port: 0,
        };
        line.say(&Message::Hello(Box::new(greeting.hello(0, 0))))?;
        let answer = line.hear()?;
        anyhow::ensure!(matches!(answer, Message::Hello(_)), "no hello came, but {answer:?}");
        line.decoder.establish();
        Ok(line)
    }

    /// Sends a message; in vain after five seconds in which the node took none of it.
    pub(crate) fn say(&mut self, message: &Message) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&message.to_frame().to_bytes())?)
    }

    /// Sends bytes that need be no message.
    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Whether the node has not closed it.
    pub(crate) fn is_open(&self) -> bool {
        let closed = self.stream.set_nonblocking(true).is_err()
            || matches!(self.stream.peek(&mut [0]), Ok(0))
            || self.stream.set_nonblocking(false).is_err();
        !closed
    }

    /// Waits five seconds for the next message of the node.
    pub(crate) fn hear(&mut self) -> anyhow::Result<Message> {
        let mut bytes = [0; 64 << 10];
        loop {
            match self.decoder.decode(&mut self.arrived)? {
                Some(Incoming::Message(message)) => return Ok(*message),
                Some(Incoming::Unknown { .. }) => {}
                None => {
                    let read = self.stream.read(&mut bytes)?;
                    anyhow::ensure!(read > 0, "the node closed the connection");
                    self.arrived.extend_from_slice(&bytes[..read]);
                }
            }
        }
    }
}
