//! The steps of the walk: a block connected, taken back or condemned, and the arrival.

use std::sync::Arc;

use chain::block::CommittedBlock;
use chain::hash::Wtxid;
use chain::key::SignatureCheck;
use chain::rules::block::{ConnectError, Connection, connect};
use chain::rules::{InvalidBlock, RuleError};

use super::{Arrival, ConnectedBlock, Ledger, Step, Tip, Verifying};
use crate::header_tree::{HeaderId, HeaderTree};
use crate::store::StoreError;

impl Ledger {
    /// Moves the cursor by at most one block. `is_verified` names transactions whose signatures
    /// the memory pool has verified already.
    ///
    /// # Errors
    /// [`StoreError`]: our own trouble; it condemns no block.
    pub fn step(
        &mut self,
        tree: &mut HeaderTree,
        is_verified: impl Fn(&Wtxid) -> bool,
    ) -> Result<Step, StoreError> {
        if self.verifying.is_some() {
            return Ok(Step::Waiting);
        }
        let (cursor, goal) = (self.cursor(), tree.best_complete());
        if cursor == goal {
            return Ok(if self.is_settled() {
                Step::Idle
            } else {
                Step::Arrived(self.arrive(tree))
            });
        }
        let next_height = tree.entry(cursor).height + 1;
        match tree.ancestor(goal, next_height) {
            Some(next) if tree.entry(next).parent == Some(cursor) => {
                self.connect_next(tree, next, is_verified)
            }
            _ => self.disconnect_last(tree, cursor),
        }
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

    fn connect_next(
        &mut self,
        tree: &mut HeaderTree,
        id: HeaderId,
        is_verified: impl Fn(&Wtxid) -> bool,
    ) -> Result<Step, StoreError> {
        let (hash, height) = (tree.entry(id).hash, tree.entry(id).height);
        let block = self.block(&hash)?;
        let connected = connect(&block, height, &self.network, |point| self.store.coin(point));
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(ConnectError::Lookup(error)) => return Err(error),
            Err(ConnectError::Invalid(invalid)) => return Ok(condemn(tree, id, invalid)),
        };
        let mut open = std::mem::take(&mut connection.checks);
        open.retain(|check| {
            let wtxid = block.wtxids.get(check.transaction as usize);
            !wtxid.is_some_and(&is_verified)
        });
        if open.is_empty() {
            return self.connect_verified(tree, id, block, &connection);
        }
        let checks: Arc<[SignatureCheck]> = open.into();
        let step = Step::Verify(Arc::clone(&checks));
        self.verifying = Some(Verifying { id, block, connection, checks });
        Ok(step)
    }

    /// Goes on with the block whose signatures were verified: connects it, or condemns it for the
    /// first that does not hold. Nothing happens when no answer is expected.
    ///
    /// # Errors
    /// [`StoreError`]: our own trouble; it condemns no block.
    pub fn verified(
        &mut self,
        tree: &mut HeaderTree,
        first_invalid: Option<usize>,
    ) -> Result<Step, StoreError> {
        let Some(Verifying { id, block, connection, checks }) = self.verifying.take() else {
            return Ok(Step::Idle);
        };
        if let Some(failed) = first_invalid.and_then(|at| checks.get(at).or(checks.last())) {
            let rule = RuleError::Signature { input: failed.input };
            return Ok(condemn(tree, id, InvalidBlock::of_transaction(rule, failed.transaction)));
        }
        self.connect_verified(tree, id, block, &connection)
    }

    fn connect_verified(
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
