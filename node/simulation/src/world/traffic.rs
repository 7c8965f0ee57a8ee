//! Traffic: frames on their way, connections that begin and end.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt;
use wire::frame::Frame;

use super::{ScheduledEvent, SimulationError, World, nanoseconds};
use crate::links::{Connection, End, LinkConditions, Side};
use machine::{Direction, Event, PeerId};

impl World {
    /// Puts a frame on its way from `side` to the other one, behind those sent before.
    pub(crate) fn send(&mut self, id: PeerId, side: Side, frame: Arc<Frame>) {
        let at_ns = self.clock_ns + self.way_ns(id);
        let loss = self.links.conditions.loss_per_million;
        let Some(connection) = self.links.connections.get_mut(&id) else {
            return;
        };
        let is_lost =
            loss > 0 && connection.nodes().is_some() && self.rng.random_range(0..1_000_000) < loss;
        let receiver = connection.at_mut(side.other());
        receiver.last_arrival_ns = receiver.last_arrival_ns.max(at_ns);
        let at_ns = receiver.last_arrival_ns;
        if is_lost {
            self.sever(id);
        } else {
            let side = side.other();
            self.enqueue(at_ns, ScheduledEvent::Arrival { connection: id, side, frame });
        }
    }

    pub(super) fn arrive(
        &mut self,
        id: PeerId,
        side: Side,
        frame: &Frame,
    ) -> Result<(), SimulationError> {
        let Some(connection) = self.links.connections.get_mut(&id) else {
            return Ok(());
        };
        if connection.broken || connection.at(side).gone {
            return Ok(());
        }
        let event = connection.read(id, side, frame);
        match (connection.at(side).end, event) {
            (End::ExternalPeer(external_peer), Event::Message { message, .. }) => {
                self.external_peer_receives(external_peer, *message);
            }
            (End::ExternalPeer(_), _) => {}
            (End::Node(node), event) => {
                let is_malformed = matches!(event, Event::Malformed { .. });
                self.handle(node, event)?;
                if is_malformed {
                    self.close(id, side);
                }
            }
        }
        Ok(())
    }

    /// One side closes: it is told now, the other one when all that was sent before has arrived.
    pub(super) fn close(&mut self, id: PeerId, side: Side) {
        let at_ns = self.clock_ns + self.draw_latency_ns();
        let Some(connection) = self.links.connections.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut connection.ending, true) {
            return;
        }
        let last_ns = connection.at(side.other()).last_arrival_ns.max(at_ns);
        self.enqueue(self.clock_ns, ScheduledEvent::Gone { connection: id, side });
        self.enqueue(last_ns, ScheduledEvent::Gone { connection: id, side: side.other() });
    }

    /// A line breaks: nothing on its way arrives, and both ends notice.
    pub(super) fn sever(&mut self, id: PeerId) {
        let Some(connection) = self.links.connections.get_mut(&id) else {
            return;
        };
        connection.broken = true;
        if std::mem::replace(&mut connection.ending, true) {
            return;
        }
        for side in [Side::Opener, Side::Acceptor] {
            let at_ns = self.clock_ns + self.draw_latency_ns();
            self.enqueue(at_ns, ScheduledEvent::Gone { connection: id, side });
        }
    }

    pub(super) fn end_at(&mut self, id: PeerId, side: Side) -> Result<(), SimulationError> {
        let Some(connection) = self.links.connections.get_mut(&id) else {
            return Ok(());
        };
        let end = connection.at(side).end;
        let is_news = !std::mem::replace(&mut connection.at_mut(side).gone, true);
        if connection.at(side.other()).gone {
            self.links.connections.remove(&id);
        }
        match end {
            End::Node(node) if is_news => self.handle(node, Event::Disconnected { peer: id })?,
            End::Node(_) => {}
            End::ExternalPeer(external_peer) => {
                self.external_peers[external_peer.0].connected = false
            }
        }
        Ok(())
    }

    pub(super) fn dial(&mut self, node: usize, incarnation: u64, address: SocketAddr) {
        let back_ns = self.clock_ns + self.draw_latency_ns();
        let answers = (0..self.slots.len()).find(|other| {
            let slot = &self.slots[*other];
            slot.address == address && slot.machine.is_some() && self.links.can_reach(node, *other)
        });
        let is_alive =
            self.slots[node].incarnation == incarnation && self.slots[node].machine.is_some();
        let connection = answers.filter(|_| is_alive).map(|other| {
            let (opener, acceptor) = (End::Node(node), End::Node(other));
            let connection = self.links.open(opener, acceptor, back_ns);
            let port = 32_768 + u16::try_from(connection.0 % 28_000).unwrap_or(0);
            let address = SocketAddr::new(self.slots[node].address.ip(), port);
            self.enqueue(self.clock_ns, ScheduledEvent::Accepted { connection, address });
            connection
        });
        self.enqueue(back_ns, ScheduledEvent::Dialled { node, incarnation, address, connection });
    }

    /// Who dialed learns how it went. The connection may be gone before it ever heard of it.
    pub(super) fn dialed(
        &mut self,
        node: usize,
        address: SocketAddr,
        connection: Option<PeerId>,
    ) -> Result<(), SimulationError> {
        let stands = connection.filter(|id| self.listening(*id, Side::Opener).is_some());
        let event = match stands {
            Some(peer) => Event::Connected { peer, address, direction: Direction::Outbound },
            None => Event::DialFailed { address },
        };
        self.handle(node, event)
    }

    /// Plans the news that everything sent so far has arrived.
    pub(super) fn notify_drained(&mut self, id: PeerId, side: Side) {
        if let Some(connection) = self.links.connections.get(&id) {
            let at_ns = connection.at(side.other()).last_arrival_ns.max(self.clock_ns);
            self.enqueue(at_ns, ScheduledEvent::Drained { connection: id, side });
        }
    }

    /// The node at an end that has not been told of the connection's end.
    pub(super) fn listening(&self, id: PeerId, side: Side) -> Option<usize> {
        let terminal = self.links.connections.get(&id)?.at(side);
        match terminal.end {
            End::Node(node) if !terminal.gone => Some(node),
            _ => None,
        }
    }

    pub(super) fn side_of(&self, id: PeerId, node: usize) -> Option<Side> {
        self.links.connections.get(&id)?.side_of(End::Node(node))
    }

    /// How long a frame of this connection takes.
    fn way_ns(&mut self, id: PeerId) -> u64 {
        let is_external = |connection: &Connection| connection.nodes().is_none();
        match self.links.external_latency {
            Some(latency) if self.links.connections.get(&id).is_some_and(is_external) => {
                nanoseconds(latency)
            }
            _ => self.draw_latency_ns(),
        }
    }

    pub(super) fn draw_latency_ns(&mut self) -> u64 {
        let LinkConditions { latency, jitter, .. } = self.links.conditions;
        nanoseconds(latency) + self.rng.random_range(0..=nanoseconds(jitter))
    }
}
