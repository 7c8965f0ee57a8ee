//! Frames of blocks and transactions that are being written to somebody: who asks for the same gets
//! the same, so that it lies in memory once.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use wire::frame::Frame;

use super::Served;

/// Entries that are looked through for frames nobody has any more, at the earliest.
const LOOKED_THROUGH_MIN: usize = 64;

/// The frames, as long as anybody outside has them.
#[derive(Debug, Default)]
pub(super) struct FramesOnTheirWay {
    frames: BTreeMap<Served, Weak<Frame>>,
    /// Entries that were alive when they were looked through last.
    alive: usize,
}

impl FramesOnTheirWay {
    /// The frame, if somebody still has it.
    pub fn get(&self, thing: &Served) -> Option<Arc<Frame>> {
        self.frames.get(thing).and_then(Weak::upgrade)
    }

    /// Remembers a frame that goes out.
    pub fn insert(&mut self, thing: Served, frame: &Arc<Frame>) {
        if self.frames.len() >= LOOKED_THROUGH_MIN.max(2 * self.alive) {
            self.frames.retain(|_, frame| frame.strong_count() > 0);
            self.alive = self.frames.len();
        }
        self.frames.insert(thing, Arc::downgrade(frame));
    }
}

#[cfg(test)]
mod tests {
    use chain::hash::BlockHash;

    use super::*;

    #[test]
    fn what_nobody_has_any_more_is_forgotten_in_time() {
        let mut frames = FramesOnTheirWay::default();
        let thing = |number: u8| Served::Block(BlockHash([number; 32]));
        let kept = Arc::new(Frame { command: 19, payload: vec![1] });
        frames.insert(thing(255), &kept);
        for number in 0..255 {
            let frame = Arc::new(Frame { command: 19, payload: vec![number] });
            frames.insert(thing(number), &frame);
            assert!(frames.get(&thing(number)).is_some());
            drop(frame);
            assert!(frames.get(&thing(number)).is_none());
            assert!(frames.frames.len() <= LOOKED_THROUGH_MIN);
        }
        assert!(Arc::ptr_eq(&frames.get(&thing(255)).unwrap(), &kept));
    }
}
