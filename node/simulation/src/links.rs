//! Links: what connections in virtual time are like: their latency, loss and partitions. What
//! happens on them, the draws included, is `world::traffic`'s.
//!
//! Frames of one direction arrive in the order they were sent. A lost frame is a broken connection,
//! as it is over TCP: both sides learn of the end, and nothing that was on its way arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use wire::frame::{Frame, FrameDecoder, Incoming, Phase};

use super::external_peer::ExternalPeerId;
use machine::{Event, PeerId};

/// What every line of the network is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkConditions {
    /// One way, at least.
    pub latency: Duration,
    /// One way, at most this much more; drawn for every frame.
    pub jitter: Duration,
    /// Frames in a million that break their connection.
    pub loss_per_million: u32,
}

impl Default for LinkConditions {
    /// A line across a continent that never breaks.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(40),
            jitter: Duration::from_millis(20),
            loss_per_million: 0,
        }
    }
}

/// Who is at one end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A node of the world.
    Node(usize),
    /// Somebody from outside.
    ExternalPeer(ExternalPeerId),
}

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that dialed.
    Opener,
    /// Who was dialed.
    Acceptor,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Opener => Self::Acceptor,
            Self::Acceptor => Self::Opener,
        }
    }
}

/// What one end knows of its connection.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) end: End,
    /// Reads what it is sent: nothing but a hello at first.
    decoder: FrameDecoder,
    /// Arrival of the last frame that is on its way here.
    pub(super) last_arrival_ns: u64,
    /// It was told of the end; nothing reaches it any more.
    pub(super) gone: bool,
}

/// One connection. Its number is its [`PeerId`] at both ends.
#[derive(Debug)]
pub(super) struct Connection {
    opener: Terminal,
    acceptor: Terminal,
    /// Somebody closes it or it broke; the ends will be told.
    pub(super) ending: bool,
    /// Nothing that is on its way arrives.
    pub(super) broken: bool,
}

impl Connection {
    fn new(opener: End, acceptor: End, now_ns: u64) -> Self {
        let terminal = |end| Terminal {
            end,
            decoder: FrameDecoder::new(Phase::Handshake),
            last_arrival_ns: now_ns,
            gone: false,
        };
        Self {
            opener: terminal(opener),
            acceptor: terminal(acceptor),
            ending: false,
            broken: false,
        }
    }

    pub(super) fn at(&self, side: Side) -> &Terminal {
        match side {
            Side::Opener => &self.opener,
            Side::Acceptor => &self.acceptor,
        }
    }

    pub(super) fn at_mut(&mut self, side: Side) -> &mut Terminal {
        match side {
            Side::Opener => &mut self.opener,
            Side::Acceptor => &mut self.acceptor,
        }
    }

    /// Where `end` sits, if it sits here.
    pub(super) fn side_of(&self, end: End) -> Option<Side> {
        [Side::Opener, Side::Acceptor].into_iter().find(|side| self.at(*side).end == end)
    }

    /// Both nodes, when both ends are nodes.
    pub(super) fn nodes(&self) -> Option<(usize, usize)> {
        match (self.opener.end, self.acceptor.end) {
            (End::Node(opener), End::Node(acceptor)) => Some((opener, acceptor)),
            _ => None,
        }
    }

    /// Reads a frame as a socket's reader would: the limit of the phase first, then the payload.
    pub(super) fn read(&mut self, peer: PeerId, side: Side, frame: &Frame) -> Event {
        let decoder = &mut self.at_mut(side).decoder;
        let head = frame.head();
        let mut bytes = BytesMut::with_capacity(head.len() + frame.payload.len());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&frame.payload);
        let event = match decoder.decode(&mut bytes) {
            Ok(incoming) => match incoming.expect("a frame that is sent is whole") {
                Incoming::Message(message) => Event::Message { peer, message },
                Incoming::Unknown { command } => Event::UnknownCommand { peer, command },
            },
            Err(error) => return Event::Malformed { peer, reason: error.to_string() },
        };
        decoder.establish();
        event
    }
}

/// All connections, and who can reach whom.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) conditions: LinkConditions,
    /// One way of whoever is no node, where it has lines of its own.
    pub(super) external_latency: Option<Duration>,
    pub(super) connections: BTreeMap<PeerId, Connection>,
    opened: u64,
    /// The group of every node that is in one; nodes of different groups cannot reach each other.
    groups: BTreeMap<usize, usize>,
}

impl Links {
    pub(super) fn new(conditions: LinkConditions) -> Self {
        Self {
            conditions,
            external_latency: None,
            connections: BTreeMap::new(),
            opened: 0,
            groups: BTreeMap::new(),
        }
    }

    /// A new connection; returns its name.
    pub(super) fn open(&mut self, opener: End, acceptor: End, now_ns: u64) -> PeerId {
        self.opened += 1;
        let id = PeerId(self.opened);
        self.connections.insert(id, Connection::new(opener, acceptor, now_ns));
        id
    }

    /// Divides the nodes; an empty list makes them one network again. Returns the connections that
    /// now lead across.
    pub(super) fn partition(&mut self, groups: &[Vec<usize>]) -> Vec<PeerId> {
        self.groups = (0..)
            .zip(groups)
            .flat_map(|(group, nodes)| nodes.iter().map(move |node| (*node, group)))
            .collect();
        let across = self.connections.iter().filter(|(_, connection)| {
            connection.nodes().is_some_and(|(one, other)| !self.can_reach(one, other))
        });
        across.map(|(id, _)| *id).collect()
    }

    pub(super) fn can_reach(&self, one: usize, other: usize) -> bool {
        self.groups.get(&one) == self.groups.get(&other)
    }

    /// Connections that end at `node`.
    pub(super) fn of_node(&self, node: usize) -> Vec<(PeerId, Side)> {
        self.connections
            .iter()
            .filter_map(|(id, connection)| Some((*id, connection.side_of(End::Node(node))?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use wire::Message;

    use super::*;

    #[test]
    fn nothing_but_a_hello_is_read_first_and_then_every_frame_by_its_own_limit() {
        let peer = PeerId(1);
        let mut connection = Connection::new(End::Node(0), End::Node(1), 0);
        let ping = Message::Ping(7).to_frame();
        let early = connection.read(peer, Side::Acceptor, &ping);
        assert!(matches!(early, Event::Malformed { .. }), "{early:?}");
        connection.at_mut(Side::Acceptor).decoder.establish();
        let later = connection.read(peer, Side::Acceptor, &ping);
        assert!(matches!(later, Event::Message { .. }), "{later:?}");
        let unknown = Frame { command: 60_000, payload: vec![0; 9] };
        let unknown = connection.read(peer, Side::Acceptor, &unknown);
        assert!(matches!(unknown, Event::UnknownCommand { command: 60_000, .. }), "{unknown:?}");
        let long = Frame { payload: vec![0; 11], ..ping };
        let long = connection.read(peer, Side::Acceptor, &long);
        assert!(matches!(long, Event::Malformed { .. }), "{long:?}");
    }

    #[test]
    fn a_partition_cuts_what_leads_across_and_nothing_else() {
        let mut links = Links::new(LinkConditions::default());
        let within = links.open(End::Node(0), End::Node(1), 0);
        let across = links.open(End::Node(1), End::Node(2), 0);
        let external_peer = links.open(End::ExternalPeer(ExternalPeerId(0)), End::Node(2), 0);
        assert!(within < across && across < external_peer);
        assert_eq!(links.partition(&[vec![0, 1], vec![2]]), [across]);
        assert!(links.can_reach(0, 1) && !links.can_reach(0, 2) && !links.can_reach(2, 3));
        assert!(links.partition(&[]).is_empty());
        assert!(links.can_reach(0, 2));
    }
}
