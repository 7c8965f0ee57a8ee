//! `MiningState`: what is being mined, or why nothing is.

use std::time::Duration;

use super::{MiningDecision, decide};
use crate::Machine;

/// What is being mined, or why nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MiningState {
    /// This node makes no templates.
    Off,
    /// There is a template to search.
    Mining {
        /// Height of the block.
        height: u32,
        /// Its transactions besides the coinbase.
        transactions: usize,
    },
    /// It waits until more is pending.
    FewPending {
        /// Transactions that are pending.
        pending: usize,
        /// As many are worth a block.
        min_txs: usize,
        /// The oldest one is worth a block after this time; `None` with nothing pending or without
        /// such a limit.
        wait: Option<Duration>,
    },
    /// The node is walking to a better chain.
    Walking,
    /// Nothing may be mined now: the chain is ahead of the clock, or there is nothing to claim.
    NothingToMine,
}

impl Machine {
    /// What was to be mined at the last event.
    pub fn mining_state(&self) -> MiningState {
        let mining = &self.mining;
        let Some(policy) = &mining.policy else {
            return MiningState::Off;
        };
        if let Some(current) = &mining.current {
            let template = &current.template;
            let transactions = template.transfers.len();
            return MiningState::Mining { height: template.height, transactions };
        }
        if self.is_walking() {
            return MiningState::Walking;
        }
        let now = self.now.monotonic;
        let pending = self.mempool.len();
        let few = |wait| MiningState::FewPending { pending, min_txs: policy.min_txs, wait };
        match decide(policy, pending, self.mempool.oldest_arrived(), now) {
            MiningDecision::Mine => MiningState::NothingToMine,
            MiningDecision::RestUntil(until) => few(Some(until.saturating_sub(now))),
            MiningDecision::Rest => few(None),
        }
    }
}
