//! The steps of the walk: a block connected, taken back or condemned, and the arrival.

use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::hash::Wtxid;
use chain::key::SignatureCheck;
use chain::rules::InvalidBlock;
use chain::rules::block::{ConnectError, Connection, connect};

use super::ahead::Judged;
use super::{Arrival, ConnectedBlock, Ledger, Step, Tip};
use crate::header_tree::{HeaderId, HeaderTree};
use crate::store::StoreError;

impl Ledger {
    /// Moves the cursor by at most one block, or judges one further up while the next one waits for
    /// its signatures. `is_verified` names transactions whose signatures the memory pool has
    /// verified already.
    ///
    /// # Errors
    /// [`StoreError`]: our own trouble; it condemns no block.
    pub fn step(
        &mut self,
        tree: &mut HeaderTree,
        is_verified: impl Fn(&Wtxid) -> bool,
    ) -> Result<Step, StoreError> {
        let (cursor, goal) = (self.cursor(), tree.best_complete());
        self.ahead.forget_unless(|id| tree.is_ancestor(id, goal));
        if cursor == goal {
            return Ok(if self.is_settled() {
                Step::Idle
            } else {
                Step::Arrived(self.arrive(tree))
            });
        }
        if !tree.is_ancestor(cursor, goal) {
            return self.disconnect_last(tree, cursor);
        }
        if let Some(judged) = self.ahead.pop_judged() {
            return self.take_judged(tree, judged);
        }
        match self.next_to_judge(tree) {
            Some(next) => self.judge(tree, next, is_verified),
            None => Ok(Step::Waiting),
        }
    }

    /// Whether there is nothing to do before the answer to a [`Step::Verify`] comes.
    pub(crate) fn is_waiting(&self, tree: &HeaderTree) -> bool {
        let goal = tree.best_complete();
        let leads_there = |last| tree.is_ancestor(last, goal);
        self.ahead.is_waiting()
            && self.ahead.last().is_some_and(leads_there)
            && self.next_to_judge(tree).is_none()
    }

    /// The block behind those that are judged, on the way to the best chain.
    fn next_to_judge(&self, tree: &HeaderTree) -> Option<HeaderId> {
        let below = self.ahead.last().unwrap_or(self.cursor());
        let height = tree.entry(below).height + 1;
        self.ahead.has_room().then(|| tree.ancestor(tree.best_complete(), height))?
    }

    /// Makes a cursor that is still on its way the tip, if its chain is better than the tip's
    /// already. What is published can then follow a long walk, and a flush does not have to keep
    /// what an old moment still shows.
    pub(crate) fn arrive_early(&mut self, tree: &HeaderTree) -> Option<Arrival> {
        let is_better = tree.entry(self.cursor()).work > tree.entry(self.tip).work;
        is_better.then(|| self.arrive(tree))
    }

    fn arrive(&mut self, tree: &HeaderTree) -> Arrival {
        let from = self.tip;
        self.tip = self.cursor();
        let entry = tree.entry(self.tip);
        self.tip_view = Tip { hash: entry.hash, height: entry.height };
        Arrival {
            tip: self.tip_view,
            tip_id: self.tip,
            from,
            disconnected: std::mem::take(&mut self.disconnected),
            connected: std::mem::take(&mut self.connected),
            moment: self.store.moment(),
        }
    }

    /// Judges a block on the coins of the cursor and of the blocks judged before it.
    fn judge(
        &mut self,
        tree: &mut HeaderTree,
        id: HeaderId,
        is_verified: impl Fn(&Wtxid) -> bool,
    ) -> Result<Step, StoreError> {
        let (hash, height) = (tree.entry(id).hash, tree.entry(id).height);
        let block = self.block(&hash)?;
        let effort = 1 + block.block.transactions.len();
        let is_next = self.ahead.last().is_none();
        let connected = connect(&block, height, &self.network, |point| {
            self.ahead.coin(point).map_or_else(|| self.store.coin(point), Ok)
        });
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(ConnectError::Lookup(error)) => return Err(error),
            Err(ConnectError::Invalid(invalid)) if is_next => {
                return Ok(condemn(tree, id, invalid));
            }
            Err(ConnectError::Invalid(invalid)) => {
                self.ahead.push(Judged::invalid(id, invalid));
                return Ok(Step::Judged(effort));
            }
        };
        let mut open = std::mem::take(&mut connection.checks);
        open.retain(|check| {
            let wtxid = block.wtxids.get(check.transaction as usize);
            !wtxid.is_some_and(&is_verified)
        });
        if open.is_empty() && is_next {
            return self.connect(tree, id, block, &connection);
        }
        let checks: Arc<[SignatureCheck]> = open.into();
        self.ahead.push(Judged::valid(id, (block, connection), Arc::clone(&checks)));
        Ok(if checks.is_empty() {
            Step::Judged(effort)
        } else {
            Step::Verify { block: id, checks, effort }
        })
    }

    /// The signatures of a block are verified; the next steps go on with the answer.
    pub fn verified(&mut self, block: HeaderId, first_invalid: Option<usize>) {
        self.ahead.verified(block, first_invalid);
    }

    /// The block next to the cursor is judged: connects it, or condemns it.
    fn take_judged(&mut self, tree: &mut HeaderTree, judged: Judged) -> Result<Step, StoreError> {
        match judged.outcome {
            Ok((block, connection)) => self.connect(tree, judged.id, block, &connection),
            Err(invalid) => Ok(condemn(tree, judged.id, invalid)),
        }
    }

    fn connect(
        &mut self,
        tree: &HeaderTree,
        id: HeaderId,
        block: Arc<CommittedBlock>,
        connection: &Connection,
    ) -> Result<Step, StoreError> {
        self.store.connect(&block, tree.entry(id).height, connection)?;
        self.chain.push(id);
        let transactions = block.block.transactions.len();
        // Back on the tip's own chain after a branch that failed: nothing has changed there.
        if self.disconnected.pop_if(|last| *last == id).is_none() {
            self.connected.push(ConnectedBlock {
                id,
                transactions: u32::try_from(transactions).unwrap_or(u32::MAX),
                fees: connection.fees,
            });
        }
        self.recent.insert(block);
        Ok(Step::Moved(1 + transactions))
    }

    fn disconnect_last(&mut self, tree: &HeaderTree, id: HeaderId) -> Result<Step, StoreError> {
        let entry = tree.entry(id);
        let block = self.block(&entry.hash)?;
        self.store.disconnect(&block, entry.height)?;
        self.chain.pop();
        // A block connected since the last arrival was never part of the tip's chain.
        if self.connected.pop().is_none() {
            self.disconnected.push(id);
        }
        Ok(Step::Moved(1 + block.block.transactions.len()))
    }
}

fn condemn(tree: &mut HeaderTree, id: HeaderId, invalid: InvalidBlock) -> Step {
    tree.set_invalid(id, invalid.rule.clone());
    Step::Condemned { id, invalid }
}
