//! Accepts connections, as many as the node can serve.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::connection::Sockets;
use crate::machine::Direction;

/// Inbound connections at once: the 64 peers, 128 wallets and 16 directory calls that a machine
/// admits once it knows what they are, and room for as many that have not said so yet.
const INBOUND_MAX: usize = 416;

/// Pause after the operating system refused to accept (mostly for want of file descriptors).
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the node stops.
pub(super) async fn accept(sockets: Arc<Sockets>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(INBOUND_MAX));
    let accepting = async {
        loop {
            let Ok((stream, address)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            // Without a place the stream is dropped here, which closes it.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
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
