//! The trace: one running hash over everything that happened, to compare two runs byte for byte.

use chain::encoding::Encode;
use chain::hash::sha256;

use machine::{Effect, Event};

/// SHA-256 over (hash so far, time, node, event, effects), one link an event.
#[derive(Debug, Default)]
pub(super) struct Trace {
    hash: [u8; 32],
    /// The link that is being written.
    link: Vec<u8>,
}

impl Trace {
    /// The hash of everything so far.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Begins a link: at `clock_ns`, `node` is given `event`.
    pub(super) fn event(&mut self, clock_ns: u64, node: usize, event: &Event) {
        self.link.clear();
        self.link.extend_from_slice(&self.hash);
        self.link.extend_from_slice(&clock_ns.to_le_bytes());
        self.link.extend_from_slice(&(node as u64).to_le_bytes());
        match event {
            Event::Message { peer, message } => {
                self.link.extend_from_slice(&peer.0.to_le_bytes());
                self.link.extend_from_slice(&message.to_frame().to_bytes());
            }
            other => self.link.extend_from_slice(format!("{other:?}").as_bytes()),
        }
    }

    /// Ends the link with what the node wants done.
    pub(super) fn effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Send { peer, frame } => {
                    self.link.extend_from_slice(&peer.0.to_le_bytes());
                    self.link.extend_from_slice(&frame.to_bytes());
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
        self.hash = sha256(&self.link);
    }
}
