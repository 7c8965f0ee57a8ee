//! Intake: the one door for every block and transaction, whoever brings it.
//!
//! It owns the order of things (check, store, connect, mempool, miner, peers) and does none of them
//! itself. The miner never sees a new tip before the mempool has dropped what the tip confirmed.

use std::collections::BTreeMap;

use chain::block::{CommittedBlock, commits};
use chain::hash::{BlockHash, Txid};
use chain::header::Header;
use chain::rules::block::check_alone;
use chain::rules::header::check_time;
use chain::rules::{InvalidBlock, RuleError};
use chain::transaction::Transaction;
use chain::wire::wallet::RefusalKind;

use super::conduct::Offense;
use super::effect::Report;
use super::header_tree::{HeaderId, HeaderRefusal};
use super::ledger::{Arrival, Step};
use super::{Machine, MachineError, PeerId, TemplateId};

/// Blocks that are too far ahead of the clock and wait for their second.
const HELD_BLOCKS_MAX: usize = 32;

/// Measure of work (a transaction is one, a signature twenty: about 2 microseconds each) after which
/// a call stops walking the chain and asks to be called again.
const STEP_BUDGET: usize = 5_000;

/// Senders of bodies that are not connected yet.
const SENDERS_MAX: usize = 4096;

/// Who brings something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Our own miner.
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
        let Some(id) = self.take_header(source, header) else {
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

    /// A header from anywhere, work first. `None` when it is not in the tree afterwards.
    pub(super) fn take_header(&mut self, source: Source, header: &Header) -> Option<HeaderId> {
        match self.tree.insert(header) {
            Ok(id) => Some(id),
            Err(HeaderRefusal::UnknownParent) => {
                if let Source::Peer(peer) = source {
                    self.ask_headers(peer);
                }
                None
            }
            Err(HeaderRefusal::Invalid(rule)) => {
                // A descendant of an invalid block may come from an honest node that does not
                // know yet; every other broken rule is plain to see in the header itself.
                let offense = match rule {
                    RuleError::InvalidParent { .. } => Offense::InvalidDescendant,
                    _ => Offense::InvalidHeader,
                };
                self.blame(source, offense, &rule.to_string());
                None
            }
        }
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

    /// Our miner's solution. One of a template that was replaced is dropped.
    pub(super) fn mined(
        &mut self,
        template: TemplateId,
        header: Header,
        extra_nonce: u64,
    ) -> Result<(), MachineError> {
        let Some((block, height)) = self.mining.solved(template, header, extra_nonce) else {
            return Ok(());
        };
        self.report(Report::BlockFound { hash: header.hash(), height });
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
                Step::Moved(effort) => work += effort,
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

    /// Whether the body of this entry is worth keeping: it lies on a chain of headers with at least the
    /// tip's work. The first blocks of a better branch have less than that themselves.
    pub(super) fn is_wanted(&self, id: HeaderId) -> bool {
        let tip_work = self.tree.entry(self.ledger.tip_id()).work;
        let leads_to = |end: HeaderId| {
            self.tree.entry(end).work >= tip_work
                && self.tree.invalid(end).is_none()
                && self.tree.is_ancestor(id, end)
        };
        self.tree.entry(id).work >= tip_work
            || leads_to(self.tree.best_header())
            || self.peers.iter().any(|peer| leads_to(peer.best_header))
    }

    fn hold(&mut self, source: Source, valid_from_s: u64, header: &Header, body: &[u8]) {
        // Early is nobody's fault, but waiting room is for work that was really done.
        let parent = self.tree.find(&header.previous);
        let is_good = parent
            .is_some_and(|id| self.tree.chain_end(id).extended(header, &self.network).is_ok());
        if is_good && self.intake.held.len() < HELD_BLOCKS_MAX {
            let key = (valid_from_s, header.hash());
            self.intake.held.insert(key, (*header, body.to_vec()));
        } else if let (None, Source::Peer(peer)) = (parent, source) {
            self.ask_headers(peer);
        }
    }

    fn refuse_block(&mut self, hash: BlockHash, invalid: &InvalidBlock, source: Source) {
        self.report(Report::BlockRefused { hash, reason: invalid.to_string() });
        self.blame(source, Offense::InvalidBlock, &invalid.to_string());
    }

    fn arrived(&mut self, arrival: &Arrival) -> Result<(), MachineError> {
        self.update_mempool(arrival)?;
        for connected in &arrival.connected {
            let entry = self.tree.entry(connected.id);
            let target = entry.header.bits.expand();
            let report = Report::BlockConnected {
                hash: entry.hash,
                height: entry.height,
                transactions: connected.transactions,
                fees: connected.fees,
                target_zero_bits: target.map_or(0, |target| target.zero_bits()),
            };
            self.intake.senders.remove(&entry.hash);
            self.report(report);
        }
        if !arrival.disconnected.is_empty() {
            let (from, tip) = (self.tree.entry(arrival.from).hash, self.ledger.tip());
            let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
            self.report(Report::Reorganized {
                from,
                to: tip.hash,
                height: tip.height,
                disconnected: count(arrival.disconnected.len()),
                connected: count(arrival.connected.len()),
            });
        }
        self.announce_tip()
    }

    /// Drops what the new chain confirms or contradicts; brings back what the old one had confirmed.
    fn update_mempool(&mut self, arrival: &Arrival) -> Result<(), MachineError> {
        if arrival.disconnected.is_empty() && self.mempool.is_empty() {
            return Ok(());
        }
        for connected in &arrival.connected {
            let block = self.block_of(connected.id)?;
            self.mempool.remove_confirmed(&block);
        }
        if arrival.disconnected.is_empty() {
            return Ok(());
        }
        // Parents return before what still pends on them is judged again.
        let height = self.ledger.tip().height + 1;
        for id in arrival.disconnected.iter().rev() {
            for transaction in &self.block_of(*id)?.block.transactions {
                self.bring_back(transaction, height)?;
            }
        }
        let ledger = &self.ledger;
        self.mempool.retain_valid(&self.network, height, |point| ledger.coin(point))?;
        Ok(())
    }

    /// A transaction of a lost branch is pending again, unless the new chain made it impossible. Its
    /// signatures held when its block was connected, and they depend on nothing that has changed.
    fn bring_back(&mut self, transaction: &Transaction, height: u32) -> Result<(), MachineError> {
        let Transaction::Transfer(transfer) = transaction else {
            return Ok(());
        };
        let ledger = &self.ledger;
        let checked =
            self.mempool.check(transfer, &self.network, height, |point| ledger.coin(point))?;
        if let Ok(candidate) = checked {
            let txid = candidate.txid;
            if self.mempool.insert(candidate, self.now.monotonic).is_ok() {
                self.mining.transaction_came();
                self.announce_transaction(&txid);
            }
        }
        Ok(())
    }

    fn block_of(&self, id: HeaderId) -> Result<CommittedBlock, MachineError> {
        Ok(self.ledger.block(&self.tree.entry(id).hash)?)
    }
}
