//! Flushing: when coins that are only in memory are written to the database, so that blocks wait
//! for it as little as can be.

use std::time::Duration;

use crate::store::DIRTY_COINS_MAX;
use crate::{Machine, MachineError};

/// Coins in memory are written after this long, also while the node is idle. A crash costs the time
/// to connect again what was not flushed: at most the blocks of five minutes, and fewer when they
/// are full, as [`DIRTY_COINS_MAX`] makes a flush due as well.
const INTERVAL: Duration = Duration::from_secs(300);

/// A flush that is due is put off for so long at most while there are blocks to go on with.
const PATIENCE: Duration = Duration::from_secs(5);

/// When the next flush is due.
#[derive(Debug, Default)]
pub(crate) struct Flushing {
    /// `None` when there is nothing to write, or all of it rests on blocks that are not durable.
    due: Option<Duration>,
}

impl Flushing {
    /// When to look again.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.due
    }
}

impl Machine {
    /// Sees to it that what can be written now is written some time, and soon when it is much.
    pub(crate) fn plan_flush(&mut self) {
        let (now, dirty) = (self.now.monotonic, self.ledger.dirty_coins());
        let latest = if dirty >= DIRTY_COINS_MAX { now } else { now + INTERVAL };
        let due = self.flushing.due.map_or(latest, |due| due.min(latest));
        self.flushing.due = (dirty > 0).then_some(due);
    }

    /// Writes the coins if it is time. A cursor that is still on its way becomes the tip before, so
    /// that what is published moves along, at most a flush behind.
    pub(crate) fn flush_if_due(&mut self) -> Result<(), MachineError> {
        let is_due = self.flushing.due.is_some_and(|due| due <= self.now.monotonic);
        if !is_due || !self.may_flush() {
            return Ok(());
        }
        if let Some(arrival) = self.ledger.arrive_early(&self.tree) {
            self.on_arrival(arrival)?;
        }
        self.ledger.flush()?;
        self.flushing.due = None;
        Ok(())
    }

    /// Whether a flush holds nothing up: signatures are being verified meanwhile, or there is no
    /// block to go on with. A walk without either is interrupted in the end.
    fn may_flush(&self) -> bool {
        let is_overdue = |due: Duration| due + PATIENCE <= self.now.monotonic;
        self.ledger.is_waiting(&self.tree)
            || !self.has_better_chain()
            || self.ledger.dirty_coins() >= 2 * DIRTY_COINS_MAX
            || self.flushing.due.is_some_and(is_overdue)
    }
}
