//! Opens connections that the machine asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Sockets;
use machine::{Direction, Event};

/// An address that does not answer for this long is given up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Dials `address` and serves the connection, or tells the machine that there is none.
pub(super) async fn dial(sockets: Arc<Sockets>, address: SocketAddr) {
    let dialing = timeout(DIAL_TIMEOUT, TcpStream::connect(address));
    match sockets.stop.run_until_cancelled(dialing).await {
        Some(Ok(Ok(stream))) => sockets.serve(stream, address, Direction::Outbound).await,
        Some(_) => sockets.lanes.push_peer(None, Event::DialFailed { address }),
        None => {}
    }
}
