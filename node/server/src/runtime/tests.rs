//! Real sockets on loopback: the connections with a test in the machine's place, then whole nodes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;

use wire::frame::{FRAME_HEADER_BYTES, MAGIC};
use wire::hello::{Hello, Role};
use wire::peer::PeerMessage;
use wire::{ByteString, Message, PROTOCOL_VERSION};

use super::*;
use machine::mining::MiningPolicy;
use machine::{Direction, Effect, PeerId, Report};
use testkit::samples;

mod connections;
mod nodes;
mod takers;

/// Longest a test waits for something that should come at once; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn hello() -> Message {
    Message::Hello(Box::new(Hello {
        protocol: PROTOCOL_VERSION,
        role: Role::Peer,
        network: None,
        nonce: 1,
        listen_port: 2,
        wall_s: 3,
        height: 4,
        name: "test".to_owned(),
    }))
}

/// A client with no code of the node in it but the frames.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Connects and exchanges hellos.
    fn ready(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.send(&hello());
        assert!(matches!(client.receive(), Some(Message::Hello(_))));
        client
    }

    fn send(&mut self, message: &Message) {
        self.stream.write_all(&message.to_frame().to_bytes()).unwrap();
    }

    /// The next message; `None` when the other side has closed.
    fn receive(&mut self) -> Option<Message> {
        let mut fixed = [0; FRAME_HEADER_BYTES];
        self.stream.read_exact(&mut fixed).ok()?;
        assert_eq!(fixed[..4], MAGIC);
        let command = u16::from_le_bytes([fixed[4], fixed[5]]);
        let length = u32::from_le_bytes([fixed[6], fixed[7], fixed[8], fixed[9]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Message::from_payload(command, &payload).unwrap().unwrap())
    }

    /// Whether the other side has closed, with nothing more to say.
    fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0))
    }
}
