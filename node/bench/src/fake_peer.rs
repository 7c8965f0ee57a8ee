//! `FakePeer`: says hello to a node and sends it what it is told to; most listen to nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::BytesMut;
use chain::genesis::Network;
use wire::Message;
use wire::frame::{FRAME_HEADER_BYTES, FrameDecoder, Incoming, Phase};
use wire::hello::{Greeting, NetworkIdentity, Role};

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
        let (peer, mut rest, _) = Self::greet(address, network, patience)?;
        thread::spawn(move || {
            let mut thrown_away = [0; 4096];
            while rest.read(&mut thrown_away).is_ok_and(|read| read > 0) {}
        });
        Ok(peer)
    }

    /// Connects, and lets a thread hand all that the node says to `hear`, until the node is
    /// gone; what `hear` returns is sent.
    pub(super) fn hearing(
        address: SocketAddr,
        network: &Network,
        patience: Duration,
        mut hear: impl FnMut(Message) -> Vec<Message> + Send + 'static,
    ) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let (peer, mut rest, mut arrived) = Self::greet(address, network, patience)?;
        let hearing = thread::spawn(move || {
            let mut decoder = FrameDecoder::new(Phase::Established);
            let mut bytes = [0; 4096];
            loop {
                while let Ok(Some(Incoming::Message(message))) = decoder.decode(&mut arrived) {
                    for answer in hear(*message) {
                        // If it is gone, what it said before is still read.
                        let _ = rest.write_all(&answer.to_frame().to_bytes());
                    }
                }
                match rest.read(&mut bytes) {
                    Ok(read) if read > 0 => arrived.extend_from_slice(&bytes[..read]),
                    _ => return,
                }
            }
        });
        Ok((peer, hearing))
    }

    /// Exchanges hellos; also returns the stream for whoever reads on, and what has come of theirs.
    fn greet(
        address: SocketAddr,
        network: &Network,
        patience: Duration,
    ) -> anyhow::Result<(Self, TcpStream, BytesMut)> {
        let greet = || -> io::Result<(Self, TcpStream, BytesMut)> {
            let mut stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            stream.write_all(&hello(network).to_frame().to_bytes())?;
            // Their hello begins to arrive: the handshake is done.
            let mut arrived = [0; FRAME_HEADER_BYTES];
            stream.read_exact(&mut arrived)?;
            let rest = stream.try_clone()?;
            rest.set_read_timeout(None)?;
            Ok((Self { stream }, rest, BytesMut::from(&arrived[..])))
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
    let greeting = Greeting {
        network: Some(NetworkIdentity::of(network)),
        role: Role::Peer,
        nonce: 1,
        name: "peer".to_owned(),
        listen_port: 1,
    };
    Message::Hello(Box::new(greeting.hello(0, 0)))
}
