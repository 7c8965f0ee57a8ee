//! `MiningState`: what the miner is doing and why, for people.

use std::fmt;
use std::time::Duration;

use super::{MiningDecision, decide};
use crate::Machine;

/// What the miner is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MiningState {
    /// This node never mines.
    Off,
    /// It searches.
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

impl MiningState {
    /// `mining`, `resting` or `off`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Mining { .. } => "mining",
            _ => "resting",
        }
    }
}

impl fmt::Display for MiningState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("this node does not mine"),
            Self::Mining { height, transactions } => {
                write!(f, "searches block {height} with {transactions} payments")
            }
            Self::FewPending { pending, min_txs, wait: None } => {
                write!(f, "{pending} of {min_txs} payments are pending")
            }
            Self::FewPending { pending, min_txs, wait: Some(wait) } => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                write!(f, "{pending} of {min_txs} payments are pending, mines in {seconds} s")
            }
            Self::Walking => f.write_str("is connecting a better chain"),
            Self::NothingToMine => f.write_str("the chain is ahead of the clock"),
        }
    }
}

impl Machine {
    /// What its miner was doing at the last event.
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
        if !self.ledger.is_settled() {
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
