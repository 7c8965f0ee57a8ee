//! `Arriving`: tells the machine that a message of a connection is on its way.

use std::sync::Arc;

use machine::{Event, PROGRESS_BYTES, PROGRESS_INTERVAL, PeerId};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::lanes::Lanes;

/// What was told of the message that is on its way.
pub(super) struct Arriving {
    to: Option<(Arc<Lanes>, PeerId)>,
    /// When it was told of last, or the message began, and its bytes by then.
    told: Option<(Instant, usize)>,
    /// Hears when the machine has dealt with the last word: a second one does not wait behind it.
    handled: Option<oneshot::Receiver<()>>,
}

impl Arriving {
    /// Nobody wants to know.
    pub fn untold() -> Self {
        Self { to: None, told: None, handled: None }
    }

    /// The messages of `peer`, told to the machine behind `lanes`.
    pub fn to(lanes: Arc<Lanes>, peer: PeerId) -> Self {
        Self { to: Some((lanes, peer)), ..Self::untold() }
    }

    /// So many bytes of a message are here.
    pub fn note(&mut self, bytes: usize, now: Instant) {
        if !self.is_worth_telling(bytes, now) {
            return;
        }
        let waits = |handled: &mut oneshot::Receiver<()>| {
            matches!(handled.try_recv(), Err(TryRecvError::Empty))
        };
        if let Some((lanes, peer)) = &self.to
            && !self.handled.as_mut().is_some_and(waits)
        {
            self.handled = Some(lanes.push_watched(*peer, Event::Progress { peer: *peer }));
        }
    }

    /// The message is whole.
    pub fn end(&mut self) {
        self.told = None;
    }

    fn is_worth_telling(&mut self, bytes: usize, now: Instant) -> bool {
        let (at, told) = self.told.get_or_insert((now, 0));
        let is_due = bytes >= *told + PROGRESS_BYTES && now >= *at + PROGRESS_INTERVAL;
        if is_due {
            (*at, *told) = (now, bytes);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_is_told_of_by_its_bytes_and_not_too_often(
            parts in prop::collection::vec((0usize..10_000, 0u64..300), 1..60),
        ) {
            let mut arriving = Arriving::untold();
            let (start, mut ms, mut bytes) = (Instant::now(), 0, 0);
            let (mut last_ms, mut last_bytes) = (0, 0);
            arriving.is_worth_telling(0, start);
            for (more, pause_ms) in parts {
                (bytes, ms) = (bytes + more, ms + pause_ms);
                let enough = bytes - last_bytes >= 4096 && ms - last_ms >= 125;
                let now = start + Duration::from_millis(ms);
                prop_assert_eq!(arriving.is_worth_telling(bytes, now), enough);
                if enough {
                    (last_ms, last_bytes) = (ms, bytes);
                }
            }
            arriving.end();
            let now = start + Duration::from_secs(100);
            prop_assert!(!arriving.is_worth_telling(1 << 20, now), "the next one begins");
        }
    }

    #[test]
    fn one_word_waits_for_the_machine_at_most() {
        let lanes = Arc::new(Lanes::default());
        let mut arriving = Arriving::to(Arc::clone(&lanes), PeerId(3));
        let start = Instant::now();
        for part in 0..10 {
            arriving
                .note(part * 5_000, start + Duration::from_secs(1) * u32::try_from(part).unwrap());
        }
        assert_eq!(lanes.waiting_of_nodes(), 1);
    }
}
