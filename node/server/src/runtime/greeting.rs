//! A greeting: a call to a node that ends with the hellos, to see whether one of this network
//! answers at an address.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use chain::genesis::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::Message;
use wire::frame::{DecodeError, FrameDecoder, Incoming, Phase};
use wire::hello::{Greeting, HelloRefusal, NetworkIdentity, Role};

/// Why nobody of this network answers.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// No connection, or it broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing within the time.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// It hung up without a word.
    #[error("the connection was closed")]
    Closed,
    /// Another program.
    #[error("no node: {0}")]
    NoNode(String),
    /// A node of another network or another version.
    #[error("another network: {0}")]
    OtherNetwork(String),
}

impl From<DecodeError> for GreetError {
    fn from(error: DecodeError) -> Self {
        Self::NoNode(error.to_string())
    }
}

/// Exchanges hellos with the node at `address` and hangs up. All that must be done `within` a time.
///
/// # Errors
/// [`GreetError`].
pub async fn greet(
    address: SocketAddr,
    network: &Network,
    within: Duration,
) -> Result<(), GreetError> {
    let greeted = timeout(within, exchange_hellos(address, network)).await;
    greeted.unwrap_or(Err(GreetError::Silent(within)))
}

async fn exchange_hellos(address: SocketAddr, network: &Network) -> Result<(), GreetError> {
    let own = Greeting {
        network: Some(NetworkIdentity::of(network)),
        role: Role::Directory,
        nonce: rand::random(),
        name: "directory".to_owned(),
        listen_port: 0,
    };
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let hello = own.hello(since_1970.map_or(0, |time| time.as_secs()), 0);
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&Message::Hello(Box::new(hello)).to_frame().to_bytes()).await?;
    let (mut decoder, mut buffer) = (FrameDecoder::new(Phase::Handshake), BytesMut::new());
    let message = loop {
        match decoder.decode(&mut buffer)? {
            Some(Incoming::Message(message)) => break message,
            Some(Incoming::Unknown { command }) => {
                return Err(GreetError::NoNode(format!("it began with command {command}")));
            }
            None if stream.read_buf(&mut buffer).await? == 0 => return Err(GreetError::Closed),
            None => {}
        }
    };
    let Message::Hello(theirs) = *message else {
        return Err(GreetError::NoNode("it did not begin with a hello".to_owned()));
    };
    own.judge(&theirs).map_err(|refusal| {
        GreetError::OtherNetwork(match refusal {
            HelloRefusal::OtherVersion { got } => format!("protocol {got}"),
            HelloRefusal::NoNode { .. } => "it is no full node".to_owned(),
            HelloRefusal::NoNetwork => "it names none".to_owned(),
            HelloRefusal::OtherNetwork { difference } => difference,
            HelloRefusal::Ourselves => refusal.to_string(),
        })
    })
}
