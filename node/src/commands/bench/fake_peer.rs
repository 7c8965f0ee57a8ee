//! `FakePeer`: says hello to a node, sends it what it is told to, and listens to nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use chain::genesis::Network;
use wire::frame::FRAME_HEADER_BYTES;
use wire::hello::{Hello, NetworkIdentity, Role};
use wire::{Message, PROTOCOL_VERSION};

/// A connection to a node whose handshake is done.
pub(super) struct FakePeer {
    stream: TcpStream,
}

impl FakePeer {
    /// Connects; the node has `patience` for each step.
    pub(super) fn connect(
        address: SocketAddr,
        network: &Network,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let greet = || -> io::Result<Self> {
            let mut stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            stream.write_all(&hello(network).to_frame().to_bytes())?;
            // Their hello begins to arrive: the handshake is done.
            stream.read_exact(&mut [0; FRAME_HEADER_BYTES])?;
            let mut rest = stream.try_clone()?;
            rest.set_read_timeout(None)?;
            thread::spawn(move || {
                let mut thrown_away = [0; 4096];
                while rest.read(&mut thrown_away).is_ok_and(|read| read > 0) {}
            });
            Ok(Self { stream })
        };
        greet().map_err(|error| anyhow::anyhow!("waited for the node's hello in vain: {error}"))
    }

    /// Sends a whole frame.
    pub(super) fn send(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let sent = self.stream.write_all(frame);
        sent.map_err(|error| anyhow::anyhow!("the node takes no more blocks: {error}"))
    }
}

impl Drop for FakePeer {
    fn drop(&mut self) {
        // The node may have closed it already; the thread that reads ends either way.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn hello(network: &Network) -> Message {
    Message::Hello(Box::new(Hello {
        protocol: PROTOCOL_VERSION,
        role: Role::Peer,
        network: Some(NetworkIdentity::of(network)),
        nonce: 1,
        listen_port: 1,
        wall_s: 0,
        height: 0,
        name: "peer".to_owned(),
    }))
}
