//! `Progress`: the writing half of a connection, which sees every byte that goes out and does not
//! wait for ever for the next.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};

use super::super::outbound::Outbound;

/// A connection that takes not one byte of what waits for it during this time is given up: as long
/// as it would have for a frame of its own. However slow it is, one that takes some is kept.
pub(super) const STALL_MAX: Duration = Duration::from_secs(30);

/// A writer that tells `outbound` what was written.
pub(super) struct Progress<W> {
    stream: W,
    outbound: Arc<Outbound>,
    /// Runs while the stream takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<W> Progress<W> {
    /// In front of `stream`.
    pub fn of(stream: W, outbound: Arc<Outbound>) -> Self {
        Self { stream, outbound, stalled: None }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Progress<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            this.stalled = None;
            this.outbound.progressed(*written.as_ref().unwrap_or(&0));
            return Poll::Ready(written);
        }
        let stalled = this.stalled.get_or_insert_with(|| Box::pin(sleep(STALL_MAX)));
        stalled.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
