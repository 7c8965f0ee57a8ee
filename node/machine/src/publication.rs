//! What others are told once it is durable: new tips, and blocks that our miner found.

use std::collections::VecDeque;
use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::spec::ChainSpec;

use super::effect::{Effect, Report};
use super::ledger::Arrival;
use super::{Machine, MachineError};
use crate::store::StoreError;

/// Blocks that may wait for the disk; further ones are not asked for, and not taken.
const UNSYNCED_BLOCKS_MAX: usize = 64;

/// Bytes of them.
const UNSYNCED_BYTES_MAX: u64 = 16_000_000;

/// What nobody but the miner knows yet, in the order in which it will be told.
pub(super) struct Publication {
    waiting: VecDeque<Waiting>,
    /// Goes in front of the arrival that it brings, if it brings one.
    found: Option<Report>,
    /// Bytes of a large block, as blocks are lately: so many are asked for as then find room.
    usual_bytes: u64,
}

/// News that rest on blocks which are not durable.
struct Waiting {
    /// Blocks that must be durable first, in the order in which they were stored.
    blocks: u32,
    news: News,
}

enum News {
    Arrival(Box<Arrival>),
    Report(Report),
}

impl Publication {
    pub(super) fn new(spec: &ChainSpec) -> Self {
        let usual_bytes = u64::from(spec.block_bytes_max);
        Self { waiting: VecDeque::new(), found: None, usual_bytes }
    }

    /// Notes the size of a block that is taken in: the next ones are expected to be as large, or a
    /// little smaller than the largest before it.
    pub(super) fn note_size(&mut self, block: &CommittedBlock) {
        let smaller = self.usual_bytes - self.usual_bytes / 8;
        self.usual_bytes = smaller.max(block.encoded_bytes as u64);
    }

    /// Arrivals that are not published yet, the next one first.
    pub(super) fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        self.waiting.iter().filter_map(|waiting| match &waiting.news {
            News::Arrival(arrival) => Some(&**arrival),
            News::Report(_) => None,
        })
    }
}

impl Machine {
    /// Whether another block can be taken in though some wait for the disk.
    pub(super) fn has_room_for_blocks(&self) -> bool {
        let (blocks, bytes) = self.ledger.unsynced();
        blocks < UNSYNCED_BLOCKS_MAX && bytes < UNSYNCED_BYTES_MAX
    }

    /// Blocks that can still be asked for, so that they find room when they come.
    pub(super) fn room_for_blocks(&self) -> usize {
        let (blocks, bytes) = self.ledger.unsynced();
        if !self.has_room_for_blocks() {
            return 0;
        }
        let by_bytes = UNSYNCED_BYTES_MAX.saturating_sub(bytes) / self.publication.usual_bytes;
        let by_bytes = usize::try_from(by_bytes.max(1)).unwrap_or(usize::MAX);
        UNSYNCED_BLOCKS_MAX.saturating_sub(blocks).min(by_bytes)
    }

    /// Everybody is told of this tip once it is durable.
    pub(super) fn publish_arrival(&mut self, arrival: Arrival) -> Result<(), MachineError> {
        self.publish_found()?;
        self.wait_for_disk(News::Arrival(Box::new(arrival)))
    }

    /// Observers are told of a block that was found here just before they are told of the arrival
    /// that it brings.
    pub(super) fn report_with_next_arrival(&mut self, found: Report) {
        self.publication.found = Some(found);
    }

    /// Observers are told of a block that was found here once every block of now is durable.
    pub(super) fn publish_found(&mut self) -> Result<(), MachineError> {
        match self.publication.found.take() {
            Some(found) => self.wait_for_disk(News::Report(found)),
            None => Ok(()),
        }
    }

    fn wait_for_disk(&mut self, news: News) -> Result<(), MachineError> {
        let blocks = self.ledger.stored_blocks();
        self.publication.waiting.push_back(Waiting { blocks, news });
        self.publish_durable()
    }

    /// Asks the body to write the blocks that wait, all at once.
    pub(super) fn write_blocks(&mut self) {
        if let Some(writes) = self.ledger.take_writes() {
            self.effects.push(Effect::Write(writes));
        }
    }

    /// The blocks of the last [`Effect::Write`] are durable, or nothing is known about the disk.
    pub(super) fn on_written(
        &mut self,
        outcome: Result<(), Arc<StoreError>>,
    ) -> Result<(), MachineError> {
        if let Err(error) = outcome {
            self.ledger.stop_writing();
            return Err(MachineError::Write(error));
        }
        self.ledger.written()?;
        self.publish_durable()
    }

    fn publish_durable(&mut self) -> Result<(), MachineError> {
        let durable = self.ledger.durable_blocks();
        let waiting = |this: &mut Self| {
            this.publication.waiting.pop_front_if(|waiting| waiting.blocks <= durable)
        };
        while let Some(Waiting { news, .. }) = waiting(self) {
            match news {
                News::Report(report) => self.report(report),
                News::Arrival(arrival) => {
                    self.ledger.publish(&arrival);
                    self.tell_arrival(&arrival)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
