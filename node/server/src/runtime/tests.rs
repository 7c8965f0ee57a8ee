//! Real sockets on loopback: the connections with a test in the machine's place, then whole nodes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;

use bytes::BytesMut;
use wire::frame::{FrameDecoder, Incoming, MAGIC, Phase};
use wire::hello::{Hello, Role};
use wire::peer::PeerMessage;
use wire::{ByteString, Message, PROTOCOL_VERSION};

use super::*;
use machine::mining::MiningPolicy;
use machine::{Direction, Effect, MachineConfig, PeerId, Report};
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
    decoder: FrameDecoder,
    /// What came and was not looked at yet.
    arrived: BytesMut,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::on(stream)
    }

    fn on(stream: TcpStream) -> Self {
        let decoder = FrameDecoder::new(Phase::Established);
        Self { stream, decoder, arrived: BytesMut::new() }
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
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.decoder.decode(&mut self.arrived).unwrap() {
                Some(Incoming::Message(message)) => return Some(*message),
                Some(Incoming::Unknown { command }) => panic!("nodes never send {command}"),
                None => match self.stream.read(&mut bytes).ok()? {
                    0 => return None,
                    count => self.arrived.extend_from_slice(&bytes[..count]),
                },
            }
        }
    }

    /// Whether the other side has closed, with nothing more to say.
    fn is_closed(&mut self) -> bool {
        self.arrived.is_empty() && matches!(self.stream.read(&mut [0; 1]), Ok(0))
    }
}
