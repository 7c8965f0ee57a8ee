//! The beginning of a connection: who it is, and on whose threads it goes on.

use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use machine::{Direction, Event, PeerId};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedParts, FramedRead};
use wire::Message;
use wire::frame::Incoming;
use wire::hello::Role;

use super::super::arriving::Arriving;
use super::super::codec::InboundCodec;
use super::super::lanes::Lane;
use super::super::outbound::Outbound;
use super::{Connection, ReadEnd, Sockets, hear};

impl Sockets {
    /// Tells the machine of a connection and, of one that called, its first message, which says
    /// what it is. Nothing is written before: whoever is called speaks second.
    pub(super) async fn meet<R: AsyncRead + Unpin>(
        &self,
        incoming: R,
        address: SocketAddr,
        direction: Direction,
    ) -> Connection<R> {
        let peer = PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed));
        let outbound = Arc::new(Outbound::new(peer, self.stop.child_token(), &self.outgoing));
        let share = self.incoming.share(peer, outbound.no_more_reading.clone());
        let messages = FramedRead::new(incoming, InboundCodec::new(share));
        let (hello_received, lane, ended) = (false, Lane::Nodes, None);
        let mut connection = Connection { peer, outbound, messages, hello_received, lane, ended };
        let connected = Event::Connected { peer, address, direction };
        let link = Some(Arc::clone(&connection.outbound));
        if !self.lanes.hand_over(peer, connected, link, Lane::Nodes).await {
            connection.ended = Some(ReadEnd::Stopping);
        } else if direction == Direction::Inbound {
            self.hear_who_it_is(&mut connection).await;
        }
        if connection.lane == Lane::Nodes {
            let arriving = Arriving::to(Arc::clone(&self.lanes), peer);
            connection.messages.decoder_mut().tell(arriving);
        }
        connection
    }

    async fn hear_who_it_is<R: AsyncRead + Unpin>(&self, connection: &mut Connection<R>) {
        let outbound = Arc::clone(&connection.outbound);
        let first = hear(&mut connection.messages);
        match outbound.no_more_reading.run_until_cancelled(first).await {
            Some(Ok(said)) => {
                if is_hello_of_client(&said) {
                    connection.lane = Lane::Clients;
                }
                if !self.hand_over(connection, said).await {
                    connection.ended = Some(ReadEnd::Stopping);
                }
            }
            Some(Err(end)) => connection.ended = Some(end),
            // Whoever reads on sees it, too.
            None => {}
        }
    }

    /// Goes on with a connection whose socket belongs to other threads so far.
    ///
    /// # Errors
    /// The socket cannot be moved.
    pub(super) async fn move_and_converse(
        self: Arc<Self>,
        connection: Connection<OwnedReadHalf>,
        outgoing: OwnedWriteHalf,
    ) -> io::Result<()> {
        let Connection { peer, outbound, messages, hello_received, lane, ended } = connection;
        let FramedParts { io, codec, read_buf, .. } = messages.into_parts();
        let stream = io.reunite(outgoing).map_err(io::Error::other)?.into_std()?;
        let stream = TcpStream::from_std(stream)?;
        let (incoming, outgoing) = stream.into_split();
        let messages = FramedRead::new(Cursor::new(read_buf).chain(incoming), codec);
        let connection = Connection { peer, outbound, messages, hello_received, lane, ended };
        self.converse(connection, outgoing).await;
        Ok(())
    }
}

fn is_hello_of_client(said: &Incoming) -> bool {
    matches!(said, Incoming::Message(message)
        if matches!(&**message, Message::Hello(hello) if hello.role != Role::Peer))
}
