//! Accepts connections, as many as the node can serve.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::StartError;
use super::clock::Clock;
use super::connection::{LINGER, Sockets};
use super::doorkeeper::Doorkeeper;
use machine::Direction;

/// Inbound connections at once: the 64 peers, 128 wallets, 96 directory calls and 8 operators that
/// a machine admits once it knows what they are, and room for as many that have not said so yet.
pub(super) const INBOUND_MAX: usize = 592;

/// Connections that are being closed and end together when one place is needed: a flood of
/// newcomers does not wait for each of them.
const ENDED_TOGETHER: usize = 32;

/// Pause after the operating system refused to accept (mostly for want of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// Binds `address`; the second value is where it listens now.
pub(super) fn listen(
    address: SocketAddr,
) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| StartError::Listen { address, source })
}

/// What to do when an address cannot be bound.
pub(super) fn listen_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses it: stop that one or choose another port",
        io::ErrorKind::AddrNotAvailable => "choose an address of this computer",
        io::ErrorKind::PermissionDenied => "choose a port above 1023",
        _ => "choose another address",
    }
}

/// Hands a bound socket to tokio.
pub(super) fn into_tokio(
    tokio: &Runtime,
    listener: std::net::TcpListener,
) -> io::Result<TcpListener> {
    let _inside = tokio.enter();
    TcpListener::from_std(listener)
}

/// Accepts until the node stops, into so many places.
pub(super) async fn accept(
    sockets: Arc<Sockets>,
    listener: TcpListener,
    clock: Clock,
    places: usize,
) {
    let mut doorkeeper = Doorkeeper::default();
    let places = Arc::new(Semaphore::new(places));
    let accepting = async {
        loop {
            let Ok((stream, address)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            // Here and without a place the stream is dropped, which closes it.
            if !doorkeeper.admits(address.ip(), clock.monotonic()) {
                continue;
            }
            let Some(place) = place(&places, &sockets).await else {
                continue;
            };
            let serving = Arc::clone(&sockets);
            sockets.tasks.spawn(async move {
                serving.serve(stream, address, Direction::Inbound).await;
                drop(place);
            });
        }
    };
    sockets.stop.run_until_cancelled(accepting).await;
}

/// A place for a connection that has just come. Where all are taken, those give theirs up that are
/// being closed and only take their time; if there are none, there is no place.
async fn place(places: &Arc<Semaphore>, sockets: &Sockets) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    if !sockets.closing.end_first(ENDED_TOGETHER) {
        return None;
    }
    timeout(LINGER, Arc::clone(places).acquire_owned()).await.ok()?.ok()
}
