//! Intake: the one door for every block and transaction, whoever brings it.
//!
//! It owns the order of things (check, store, connect, mempool, miner, peers) and does none of them
//! itself. The miner never sees a new tip before the mempool has dropped what the tip confirmed.

mod arrival;

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::block::commits;
use chain::difficulty::Work;
use chain::hash::{BlockHash, Txid};
use chain::header::Header;
use chain::rules::block::check_alone;
use chain::rules::header::check_time;
use chain::rules::{InvalidBlock, RuleError};
use chain::transaction::{Coinbase, OutPoint, Transaction, Transfer};
use wire::wallet::RefusalKind;

use super::conduct::Offense;
use super::effect::Report;
use super::header_tree::{HeaderId, HeaderRefusal};
use super::ledger::Step;
use super::template::{Template, assemble};
use super::{Machine, MachineError, PeerId};

/// Blocks that are too far ahead of the clock and wait for their second.
const HELD_BLOCKS_MAX: usize = 32;

/// Measure of work (a transaction is one, a signature twenty: about 2 microseconds each) after
/// which a call stops walking the chain and asks to be called again.
const STEP_BUDGET: usize = 5_000;

/// Outputs that are looked up to see whether a transaction is confirmed already.
const CONFIRMED_OUTPUTS_MAX: usize = 16;

/// Senders of bodies that are not connected yet.
const SENDERS_MAX: usize = 4096;

/// Who brings something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Whoever searches our templates.
    Miner,
    /// A connection.
    Peer(PeerId),
    /// The clock: a block that was held until its second.
    Held,
}

/// What became of a transaction that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TransactionOutcome {
    /// It is pending now.
    Accepted(Txid),
    /// It was pending before.
    AlreadyKnown(Txid),
    /// It is not taken.
    Refused { kind: RefusalKind, reason: String },
}

/// What waits at the door.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Blocks ahead of the clock, with the second from which on they may be judged.
    held: BTreeMap<(u64, BlockHash), (Header, Vec<u8>)>,
    /// Who sent a body that is stored and not connected yet: to blame if it turns out invalid.
    senders: BTreeMap<BlockHash, PeerId>,
}

impl Machine {
    /// A block from anywhere: header first, then the body, then the walk to it.
    pub(super) fn take_block(
        &mut self,
        source: Source,
        header: &Header,
        body: &[u8],
    ) -> Result<(), MachineError> {
        if let Err(early) = check_time(header, &self.network.spec, self.now.wall_s) {
            self.hold(source, early.valid_from_s, header, body);
            return Ok(());
        }
        let work_min = self.work_threshold();
        let Some(id) = self.take_header(source, header, work_min) else {
            return Ok(());
        };
        if self.tree.has_body(id) || !self.is_wanted(id) {
            return Ok(());
        }
        let block = match commits(*header, body) {
            Ok(block) => block,
            Err(mismatch) => {
                self.blame(source, Offense::BodyMismatch, &mismatch.to_string());
                return Ok(());
            }
        };
        if let Err(invalid) = check_alone(&block, self.tree.entry(id).height, &self.network) {
            self.tree.set_invalid(id, invalid.rule.clone());
            self.refuse_block(block.hash, &invalid, source);
            return Ok(());
        }
        if let Source::Peer(peer) = source
            && self.intake.senders.len() < SENDERS_MAX
        {
            self.intake.senders.insert(block.hash, peer);
        }
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
                    self.ask_headers(peer);
                }
            }
            // Its sender may be far behind; that is no fault.
            Err(HeaderRefusal::TooLittleWork) => {}
            // Only a body showed what is wrong, and its sender may not have seen that yet.
            Err(HeaderRefusal::Condemned(rule)) => {
                self.blame(source, Offense::CondemnedHeader, &rule.to_string());
            }
            Err(HeaderRefusal::Invalid(rule)) => {
                self.blame(source, Offense::InvalidHeader, &rule.to_string());
            }
        }
        None
    }

    /// Work below which no branch is kept.
    pub(super) fn work_threshold(&self) -> Work {
        self.tree.work_threshold(self.ledger.tip_id())
    }

    /// A transaction from anywhere.
    pub(super) fn take_transaction(
        &mut self,
        transaction: &Transaction,
    ) -> Result<TransactionOutcome, MachineError> {
        let Transaction::Transfer(transfer) = transaction else {
            let reason = RuleError::CoinbaseMisplaced.to_string();
            return Ok(TransactionOutcome::Refused { kind: RefusalKind::Invalid, reason });
        };
        let txid = transfer.txid();
        if self.mempool.contains_txid(&txid) {
            return Ok(TransactionOutcome::AlreadyKnown(txid));
        }
        if !self.ledger.is_settled() {
            let reason = "the node is changing to a better chain; try again".to_owned();
            return Ok(TransactionOutcome::Refused { kind: RefusalKind::Busy, reason });
        }
        let height = self.ledger.tip().height + 1;
        let ledger = &self.ledger;
        let checked =
            self.mempool.check(transfer, &self.network, height, |point| ledger.coin(point))?;
        let candidate = match checked {
            Ok(candidate) => candidate,
            Err(error) => {
                let (kind, reason) = (error.kind(), error.to_string());
                if kind == RefusalKind::MissingCoins && self.is_confirmed(&txid, transfer)? {
                    return Ok(TransactionOutcome::AlreadyKnown(txid));
                }
                self.report(Report::TxRefused { txid, reason: reason.clone() });
                return Ok(TransactionOutcome::Refused { kind, reason });
            }
        };
        if let Some(failed) = self.verifier.first_invalid(&candidate.checks) {
            let input = candidate.checks.get(failed).map_or(0, |check| check.input);
            let reason = RuleError::Signature { input }.to_string();
            self.report(Report::TxRefused { txid, reason: reason.clone() });
            return Ok(TransactionOutcome::Refused { kind: RefusalKind::Invalid, reason });
        }
        let (fee, bytes) = (candidate.fee, candidate.bytes);
        if let Err(error) = self.mempool.insert(candidate, self.now.monotonic) {
            let (kind, reason) = (error.kind(), error.to_string());
            self.report(Report::TxRefused { txid, reason: reason.clone() });
            return Ok(TransactionOutcome::Refused { kind, reason });
        }
        self.mining.transaction_came();
        let pending = u32::try_from(self.mempool.len()).unwrap_or(u32::MAX);
        self.report(Report::TxAccepted { txid, fee, bytes, pending });
        self.announce_transaction(&txid);
        Ok(TransactionOutcome::Accepted(txid))
    }

    /// A solution of any template on the tip, whoever searched it. One of a template that is not
    /// ours or that the tip has left behind is only counted.
    pub(super) fn mined(
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
        self.report(Report::BlockFound { hash: header.hash(), height: template.height });
        self.take_block(Source::Miner, &header, &block.encode_body())
    }

    /// Walks the ledger toward the best chain, as far as one call may.
    pub(super) fn advance(&mut self) -> Result<(), MachineError> {
        let mut work = 0;
        while work < STEP_BUDGET {
            let mempool = &self.mempool;
            let step = self
                .ledger
                .step(&mut self.tree, &*self.verifier, |wtxid| mempool.was_verified(wtxid))?;
            match step {
                Step::Idle => return Ok(()),
                Step::Moved(effort) => {
                    work += effort;
                    if self.ledger.dirty_coins() >= crate::machine::DIRTY_COINS_MAX {
                        self.ledger.flush()?;
                    }
                }
                Step::Arrived(arrival) => {
                    self.arrived(&arrival)?;
                    work += 1;
                }
                Step::Condemned { id, invalid } => {
                    let hash = self.tree.entry(id).hash;
                    let sender = self.intake.senders.remove(&hash);
                    self.refuse_block(hash, &invalid, sender.map_or(Source::Held, Source::Peer));
                    work += 1;
                }
            }
        }
        Ok(())
    }

    /// Blocks whose second has come.
    pub(super) fn release_held_blocks(&mut self) -> Result<(), MachineError> {
        while let Some(entry) = self.intake.held.first_entry() {
            if entry.key().0 > self.now.wall_s {
                break;
            }
            let (header, body) = entry.remove();
            self.take_block(Source::Held, &header, &body)?;
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
            || self.peers.iter().any(|peer| leads_on(peer.best_header))
    }

    /// Early is nobody's fault, but waiting room is for work that was really done: whether the
    /// chain of this header, but for its time, could become the best.
    pub(super) fn is_worth_waiting_for(&mut self, source: Source, header: &Header) -> bool {
        let Some(parent) = self.tree.find(&header.previous) else {
            if let Source::Peer(peer) = source {
                self.ask_headers(peer);
            }
            return false;
        };
        if self.tree.invalid(parent).is_some() {
            return false;
        }
        match self.tree.chain_end(parent).extended(header, &self.network) {
            Ok(end) => end.work >= self.tree.entry(self.ledger.tip_id()).work,
            Err(rule) => {
                self.blame(source, Offense::InvalidHeader, &rule.to_string());
                false
            }
        }
    }

    /// Nobody who is gone is blamed any more.
    pub(super) fn forget_sender(&mut self, id: PeerId) {
        self.intake.senders.retain(|_, sender| *sender != id);
    }

    fn hold(&mut self, source: Source, valid_from_s: u64, header: &Header, body: &[u8]) {
        if !self.is_worth_waiting_for(source, header) {
            return;
        }
        // A wrong body must not take the place of the right one.
        if let Err(mismatch) = commits(*header, body) {
            self.blame(source, Offense::BodyMismatch, &mismatch.to_string());
            return;
        }
        let held = &mut self.intake.held;
        held.insert((valid_from_s, header.hash()), (*header, body.to_vec()));
        if held.len() > HELD_BLOCKS_MAX {
            held.pop_last();
        }
    }

    /// Whether a block of the best chain holds this transfer and not all it paid is spent.
    fn is_confirmed(&self, txid: &Txid, transfer: &Transfer) -> Result<bool, MachineError> {
        for (index, _) in (0u32..).zip(&transfer.outputs).take(CONFIRMED_OUTPUTS_MAX) {
            if self.ledger.coin(&OutPoint { txid: *txid, index })?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn refuse_block(&mut self, hash: BlockHash, invalid: &InvalidBlock, source: Source) {
        self.report(Report::BlockRefused { hash, reason: invalid.to_string() });
        self.blame(source, Offense::InvalidBlock, &invalid.to_string());
    }
}
