//! The trace: one running hash over everything that happened, to compare two runs byte for byte.

use chain::encoding::Encode;
use chain::hash::sha256;
use wire::frame::Frame;

use machine::{Effect, Event};

/// Bytes that are hashed at a time: a hash for every event costs more than its bytes.
const LINK_BYTES: usize = 64 << 10;

/// SHA-256 over (hash so far, then time, node, event and effects of many events), one link after
/// the other.
#[derive(Debug, Default)]
pub(super) struct Trace {
    hash: [u8; 32],
    /// What the next link holds so far.
    link: Vec<u8>,
}

impl Trace {
    /// The hash of everything so far.
    pub(super) fn hash(&self) -> [u8; 32] {
        sha256(&[&self.hash[..], &self.link].concat())
    }

    /// At `clock_ns`, `node` is given `event`.
    pub(super) fn event(&mut self, clock_ns: u64, node: usize, event: &Event) {
        self.link.extend_from_slice(&clock_ns.to_le_bytes());
        self.link.extend_from_slice(&(node as u64).to_le_bytes());
        match event {
            Event::Message { peer, message } => {
                self.link.extend_from_slice(&peer.0.to_le_bytes());
                self.frame(&message.to_frame());
            }
            other => self.link.extend_from_slice(format!("{other:?}").as_bytes()),
        }
    }

    /// What the node wants done upon that.
    pub(super) fn effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Send { peer, frame } => {
                    self.link.extend_from_slice(&peer.0.to_le_bytes());
                    self.frame(frame);
                }
                Effect::Mine(template) => {
                    self.link.extend_from_slice(&template.id.0.to_le_bytes());
                    template.header.encode_to(&mut self.link);
                    self.link.extend_from_slice(&template.time_max.to_le_bytes());
                }
                // What is verified follows from what has come; the number says which of it.
                Effect::Verify { id, .. } => self.link.extend_from_slice(&id.0.to_le_bytes()),
                other => self.link.extend_from_slice(format!("{other:?}").as_bytes()),
            }
        }
        if self.link.len() >= LINK_BYTES {
            self.hash = self.hash();
            self.link.clear();
        }
    }

    fn frame(&mut self, frame: &Frame) {
        self.link.extend_from_slice(&frame.head());
        self.link.extend_from_slice(&frame.payload);
    }
}
