//! Pending transactions, highest fee rate first.

use std::time::Duration;

use chain::amount::Amount;
use chain::hash::Txid;
use serde::{Deserialize, Serialize};

use super::block::sum;
use super::spelled;
use crate::mempool::{Mempool, Pending};

/// A page of the mempool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolView {
    /// Transactions that are pending.
    pub total: usize,
    /// Least fee rate that is taken now, in units per 1000 bytes.
    pub fee_rate_min: u64,
    /// Highest fee rate first.
    pub pending: Vec<PendingView>,
    /// Whether there are more behind those that are listed.
    pub more: bool,
}

/// A pending transaction in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    /// Its txid.
    #[serde(with = "spelled")]
    pub txid: Txid,
    /// What it gives the miner.
    #[serde(with = "spelled")]
    pub fee: Amount,
    /// The same in units per 1000 bytes.
    pub fee_rate: u64,
    /// Its consensus bytes.
    pub bytes: u32,
    /// Seconds since it came.
    pub age_s: u64,
    /// Sum of its outputs.
    #[serde(with = "spelled")]
    pub amount: Amount,
}

impl MempoolView {
    /// At most `count` transactions behind the first `skip`, at the monotonic time `now`.
    pub fn of(pool: &Mempool, now: Duration, skip: usize, count: usize) -> Self {
        let page = pool.iter_by_priority().skip(skip).take(count);
        let pending: Vec<_> = page.map(|pending| PendingView::of(pending, now)).collect();
        Self {
            total: pool.len(),
            fee_rate_min: pool.fee_rate_min(),
            more: skip.saturating_add(pending.len()) < pool.len(),
            pending,
        }
    }
}

impl PendingView {
    /// A transaction that is pending at the monotonic time `now`.
    pub fn of(pending: &Pending, now: Duration) -> Self {
        Self {
            txid: pending.txid,
            fee: pending.fee,
            fee_rate: pending.fee_rate().per_1000_bytes(),
            bytes: pending.bytes,
            age_s: age_s(now, pending.arrived),
            amount: sum(pending.transaction.outputs()),
        }
    }
}

/// Age of something that came at the monotonic time `arrived`, in whole seconds.
pub(super) fn age_s(now: Duration, arrived: Duration) -> u64 {
    now.saturating_sub(arrived).as_secs()
}
