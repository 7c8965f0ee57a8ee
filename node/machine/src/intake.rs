//! Intake: the one door for every block and transaction, whoever brings it.
//!
//! It owns the order of things (check, store, connect, mempool, miner, peers) and does none of them
//! itself. The miner never sees a new tip before the mempool has dropped what the tip confirmed.

mod arrival;
mod transactions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::conduct::{Misbehavior, Source};
use super::deadline::look_again;
use super::effect::Report;
use super::header_tree::{HeaderId, HeaderRefusal};
use super::template::{Template, assemble};
use super::{Machine, MachineError, Now, PeerId};
use chain::block::CommittedBlock;
use chain::hash::BlockHash;
use chain::header::Header;
use chain::rules::InvalidBlock;
use chain::rules::block::check_alone;
use chain::rules::header::check_time;
use chain::target::Work;
use chain::transaction::Coinbase;

/// Blocks that are too far ahead of the clock and wait for their second.
const HELD_BLOCKS_MAX: usize = 32;

/// Measure of work (a transaction is one: about 2 microseconds) after which a call stops walking
/// the chain and asks to be called again.
const STEP_BUDGET: usize = 5_000;

/// Senders of bodies that are not connected yet.
const SENDERS_MAX: usize = 4096;

/// When the body of a header is of use.
enum Wanted {
    /// At once, for this entry.
    Now(HeaderId),
    /// From this second of the wall clock on.
    From(u64),
}

/// What waits at the door.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Blocks ahead of the clock, with the second from which on they may be judged.
    held: BTreeMap<(u64, BlockHash), CommittedBlock>,
    /// Who sent a body that is stored and not connected yet: to blame if it turns out invalid.
    senders: BTreeMap<BlockHash, PeerId>,
}

impl Intake {
    /// When to look whether the second of the first held block has begun.
    pub(super) fn next_deadline(&self, now: Now) -> Option<Duration> {
        let ((valid_from_s, _), _) = self.held.first_key_value()?;
        Some(look_again(now, *valid_from_s))
    }
}

pub(super) use transactions::{Bringer, Judgement, TransactionOutcome};

impl Machine {
    /// A block from anywhere, as bytes: header first, then the body, then the walk to it.
    pub(super) fn take_body(
        &mut self,
        source: Source,
        header: &Header,
        body: &[u8],
    ) -> Result<(), MachineError> {
        let Some(wanted) = self.wants_block(source, header) else {
            return Ok(());
        };
        match CommittedBlock::decode(*header, body) {
            Ok(block) => self.take_wanted(source, wanted, block),
            Err(mismatch) => {
                self.note_block_failed(source);
                self.blame(source, Misbehavior::BodyMismatch, &mismatch.to_string());
                Ok(())
            }
        }
    }

    /// A block from anywhere that is known to be whole.
    pub(super) fn take_block(
        &mut self,
        source: Source,
        block: CommittedBlock,
    ) -> Result<(), MachineError> {
        match self.wants_block(source, &block.block.header) {
            Some(wanted) => self.take_wanted(source, wanted, block),
            None => Ok(()),
        }
    }

    /// Whether the body of this header is of use, by the header alone.
    fn wants_block(&mut self, source: Source, header: &Header) -> Option<Wanted> {
        if let Err(early) = check_time(header, &self.network.spec, self.now.wall_s) {
            let is_worth_it = self.is_worth_waiting_for(source, header);
            return is_worth_it.then_some(Wanted::From(early.valid_from_s));
        }
        let work_min = self.work_threshold();
        let id = self.take_header(source, header, work_min)?;
        let is_wanted = !self.tree.has_body(id) && self.is_wanted(id);
        is_wanted.then_some(Wanted::Now(id))
    }

    fn take_wanted(
        &mut self,
        source: Source,
        wanted: Wanted,
        block: CommittedBlock,
    ) -> Result<(), MachineError> {
        let id = match wanted {
            Wanted::Now(id) => id,
            Wanted::From(valid_from_s) => {
                self.hold_block(valid_from_s, block);
                return Ok(());
            }
        };
        if let Err(invalid) = check_alone(&block, self.tree.entry(id).height, &self.network) {
            self.tree.set_invalid(id, invalid.rule.clone());
            self.refuse_block(block.hash, &invalid, source);
            return Ok(());
        }
        // It is asked for again when the disk has caught up.
        if !self.has_room_for_blocks() && source != Source::Miner {
            return Ok(());
        }
        if let Source::Peer(peer) = source
            && self.intake.senders.len() < SENDERS_MAX
        {
            self.intake.senders.insert(block.hash, peer);
        }
        self.publication.note_size(&block);
        self.note_block_came(source, &block.hash);
        self.ledger.store_body(&mut self.tree, id, block)?;
        self.advance()
    }

    /// A header from anywhere, work first: kept when its chain has at least `work_min`. `None` when
    /// it is not in the tree afterwards.
    pub(super) fn take_header(
        &mut self,
        source: Source,
        header: &Header,
        work_min: Work,
    ) -> Option<HeaderId> {
        match self.tree.insert(header, work_min) {
            Ok(id) => return Some(id),
            Err(HeaderRefusal::UnknownParent) => {
                if let Source::Peer(peer) = source {
                    self.request_headers(peer);
                }
            }
            // Its sender may be far behind; that is no fault.
            Err(HeaderRefusal::TooLittleWork) => {}
            // Only a body showed what is wrong, and its sender may not have seen that yet.
            Err(HeaderRefusal::Condemned(rule)) => {
                self.blame(source, Misbehavior::CondemnedHeader, &rule.to_string());
            }
            Err(HeaderRefusal::Invalid(rule)) => {
                self.blame(source, Misbehavior::InvalidHeader, &rule.to_string());
            }
        }
        None
    }

    /// Work below which no branch is kept.
    pub(super) fn work_threshold(&self) -> Work {
        self.tree.work_threshold(self.ledger.tip_id())
    }

    /// A solution of any template on the tip, whoever searched it. One of a template that is not
    /// ours or that the tip has left behind is only counted.
    pub(super) fn on_mined(
        &mut self,
        template: &Arc<Template>,
        header: Header,
        coinbase: Coinbase,
    ) -> Result<(), MachineError> {
        if !self.may_be_solved(template) {
            self.tally.solutions_stale += 1;
            return Ok(());
        }
        let Ok(block) = assemble(template, header, coinbase) else {
            self.tally.solutions_invalid += 1;
            return Ok(());
        };
        let found = Report::BlockFound { hash: header.hash(), height: template.height };
        self.report_with_next_arrival(found);
        self.take_body(Source::Miner, &header, &block.encode_body())?;
        self.publish_found()
    }

    /// Walks the ledger toward the best chain, as far as one call may.
    pub(super) fn advance(&mut self) -> Result<(), MachineError> {
        let mut work = 0;
        while work < STEP_BUDGET {
            let mempool = &self.mempool;
            let step = self.ledger.step(&mut self.tree, |wtxid| mempool.was_verified(wtxid))?;
            match self.after_step(step)? {
                Some(effort) => work += effort,
                None => break,
            }
        }
        Ok(())
    }

    /// A block broke a rule on the way to it.
    pub(super) fn condemned(&mut self, id: HeaderId, invalid: &InvalidBlock) {
        let hash = self.tree.entry(id).hash;
        let sender = self.intake.senders.remove(&hash);
        self.refuse_block(hash, invalid, sender.map_or(Source::Held, Source::Peer));
    }

    /// Blocks whose second has come, unless the disk is far behind: then they wait for it, too.
    pub(super) fn release_held_blocks(&mut self) -> Result<(), MachineError> {
        while self.has_room_for_blocks()
            && let Some(entry) = self.intake.held.first_entry()
        {
            if entry.key().0 > self.now.wall_s {
                break;
            }
            let block = entry.remove();
            self.take_block(Source::Held, block)?;
        }
        Ok(())
    }

    /// Whether the body of this entry is worth keeping: a chain through it, to the best header or
    /// to one that a connection has, has at least the tip's work.
    pub(super) fn is_wanted(&self, id: HeaderId) -> bool {
        let enough = self.tree.entry(self.ledger.tip_id()).work;
        let leads_on = |end: HeaderId| {
            let end = self.tree.last_valid(end);
            self.tree.entry(end).work >= enough && self.tree.is_ancestor(id, end)
        };
        leads_on(id)
            || leads_on(self.tree.best_header())
            || self.sync.best_headers().any(|(_, best)| leads_on(best))
    }

    /// Early is nobody's fault, but waiting room is for work that was really done: whether the
    /// chain of this header, but for its time, could become the best.
    pub(super) fn is_worth_waiting_for(&mut self, source: Source, header: &Header) -> bool {
        let Some(parent) = self.tree.find(&header.previous) else {
            if let Source::Peer(peer) = source {
                self.request_headers(peer);
            }
            return false;
        };
        if self.tree.invalid(parent).is_some() {
            return false;
        }
        match self.tree.chain_end(parent).extended(header, &self.network) {
            Ok(end) => end.work >= self.tree.entry(self.ledger.tip_id()).work,
            Err(rule) => {
                self.blame(source, Misbehavior::InvalidHeader, &rule.to_string());
                false
            }
        }
    }

    /// Nobody who is gone is blamed any more.
    pub(super) fn forget_sender(&mut self, id: PeerId) {
        self.intake.senders.retain(|_, sender| *sender != id);
    }

    fn hold_block(&mut self, valid_from_s: u64, block: CommittedBlock) {
        let held = &mut self.intake.held;
        held.insert((valid_from_s, block.hash), block);
        if held.len() > HELD_BLOCKS_MAX {
            held.pop_last();
        }
    }

    fn refuse_block(&mut self, hash: BlockHash, invalid: &InvalidBlock, source: Source) {
        self.report(Report::BlockRefused { hash, reason: invalid.to_string() });
        self.blame(source, Misbehavior::InvalidBlock, &invalid.to_string());
    }
}
