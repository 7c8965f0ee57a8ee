//! Invariants: what must hold at every node after every event, and at the end of a run.

use std::collections::BTreeMap;

use chain::amount::Amount;
use chain::hash::{BlockHash, UtxoHash};
use chain::spec::ChainSpec;
use chain::subsidy::subsidy;
use chain::target::Work;
use chain::transaction::{OutPoint, Transaction};
use chain::utxo::{Coin, UtxoSum};

use machine::store::StoreError;
use machine::{Machine, Tip};

/// Something that must never be.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// Money came from nowhere or vanished.
    #[error("supply {supply} and {burned} burned at height {height}, expected {expected} together")]
    Supply {
        /// Sum of the coins.
        supply: Amount,
        /// What coinbases left unclaimed.
        burned: Amount,
        /// Genesis allocations and subsidies up to the tip.
        expected: Amount,
        /// Height of the tip.
        height: u32,
    },
    /// The tip is not the stored last block of the ledger's chain.
    #[error("the tip {tip} is not the last block of the chain")]
    Tip {
        /// The tip.
        tip: BlockHash,
    },
    /// The node went to a chain of less work.
    #[error("the tip {tip} has less work than the one before")]
    LessWork {
        /// The new tip.
        tip: BlockHash,
    },
    /// The totals kept from block to block differ from those of a replay.
    #[error("{what} is {kept}, a replay from genesis says {replayed}")]
    Totals {
        /// The total that differs, in words.
        what: &'static str,
        /// As the store keeps it.
        kept: String,
        /// As a replay has it.
        replayed: String,
    },
    /// A pending transaction spends what is neither a coin nor an output of another pending one.
    #[error("a pending transaction spends {outpoint:?}, which does not exist")]
    Pending {
        /// What it spends.
        outpoint: OutPoint,
    },
    /// Two nodes stand on different blocks, or on different coins.
    #[error("nodes disagree: {between:?}")]
    Disagreement {
        /// What the first node has, and what another one has.
        between: Box<[Agreement; 2]>,
    },
    /// There is nobody to ask.
    #[error("no node runs, or one is on its way to another chain")]
    Unsettled,
    /// Trouble of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What all nodes have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The tip.
    pub tip: BlockHash,
    /// Its height.
    pub height: u32,
    /// The hash of the coins there.
    pub utxo_hash: UtxoHash,
}

/// Looks at one node after every event.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Genesis allocations and subsidies up to each height.
    issued: Vec<Amount>,
    /// The last tip of each node, and the work behind it.
    tips: BTreeMap<usize, (BlockHash, Work)>,
}

impl Watch {
    /// A node starts anew: its chain may be shorter than before.
    pub(super) fn forget(&mut self, node: usize) {
        self.tips.remove(&node);
    }

    /// Checks what costs next to nothing.
    pub(super) fn check(&mut self, node: usize, machine: &Machine) -> Result<(), Violation> {
        let Tip { hash: tip, height } = machine.tip();
        let last = self.tips.get(&node).copied();
        if last.is_some_and(|(last, _)| last == tip) {
            return Ok(());
        }
        let id = machine.tree().find(&tip).ok_or(Violation::Tip { tip })?;
        let view = machine.reader().view();
        let is_shown = view.tip() == tip && view.is_on_chain(&tip, height);
        if !is_shown || !machine.tree().is_complete(id) {
            return Err(Violation::Tip { tip });
        }
        let work = machine.tree().entry(id).work;
        if last.is_some_and(|(_, last)| last > work) {
            return Err(Violation::LessWork { tip });
        }
        self.tips.insert(node, (tip, work));
        let totals = machine.totals();
        let expected = self.issued_up_to(&machine.network().spec, height);
        if totals.supply.checked_add(totals.burned) != Some(expected) {
            let (supply, burned) = (totals.supply, totals.burned);
            return Err(Violation::Supply { supply, burned, expected, height });
        }
        Ok(())
    }

    fn issued_up_to(&mut self, spec: &ChainSpec, height: u32) -> Amount {
        while self.issued.len() <= height as usize {
            let next = match self.issued.last() {
                None => Amount::checked_sum(spec.allocations.iter().map(|entry| entry.amount)),
                Some(last) => {
                    let height = u32::try_from(self.issued.len()).unwrap_or(u32::MAX);
                    last.checked_add(subsidy(spec, height))
                }
            };
            self.issued.push(next.expect("a checked spec issues less than all money"));
        }
        self.issued[height as usize]
    }
}

/// What all these nodes have in common: one tip and one set of coins.
///
/// # Errors
/// [`Violation::Disagreement`] names the first that differs, [`Violation::Unsettled`] when there is
/// none or one is between two chains.
pub fn agreement<'a>(
    machines: impl IntoIterator<Item = &'a Machine>,
) -> Result<Agreement, Violation> {
    let mut common: Option<Agreement> = None;
    for machine in machines {
        if !machine.is_settled() {
            return Err(Violation::Unsettled);
        }
        let Tip { hash: tip, height } = machine.tip();
        let other = Agreement { tip, height, utxo_hash: machine.totals().utxo_hash };
        match common {
            Some(one) if one != other => {
                return Err(Violation::Disagreement { between: Box::new([one, other]) });
            }
            _ => common = Some(other),
        }
    }
    common.ok_or(Violation::Unsettled)
}

/// Replays a settled node's chain from genesis and compares the totals; looks at every pending
/// transaction. Costs as much as all its blocks.
///
/// # Errors
/// The first [`Violation`].
pub fn check_deeply(machine: &Machine) -> Result<(), Violation> {
    let coins = replay(machine)?;
    let mut sum = UtxoSum::default();
    coins.iter().for_each(|(outpoint, coin)| sum.add(outpoint, coin));
    let supply = Amount::checked_sum(coins.values().map(|coin| coin.output.amount));
    let totals = machine.totals();
    let differs = |what, kept: String, replayed: String| {
        if kept == replayed { Ok(()) } else { Err(Violation::Totals { what, kept, replayed }) }
    };
    differs("the UTXO hash", totals.utxo_hash.to_string(), sum.hash().to_string())?;
    differs("the number of coins", totals.coins.to_string(), coins.len().to_string())?;
    let supply = supply.map_or("too much".to_owned(), |supply| supply.to_string());
    differs("the supply", totals.supply.to_string(), supply)?;
    for pending in machine.mempool().iter_by_arrival() {
        for input in pending.inputs() {
            let outpoint = input.outpoint;
            let from_pending = machine.mempool().contains_txid(&outpoint.txid);
            if !from_pending && !coins.contains_key(&outpoint) {
                return Err(Violation::Pending { outpoint });
            }
        }
    }
    Ok(())
}

fn replay(machine: &Machine) -> Result<BTreeMap<OutPoint, Coin>, Violation> {
    let ledger = machine.ledger();
    if !machine.is_settled() {
        return Err(Violation::Unsettled);
    }
    let mut coins = BTreeMap::new();
    for height in 0..=machine.tip().height {
        let tip = machine.tip().hash;
        let id = ledger.at_height(height).ok_or(Violation::Tip { tip })?;
        let block = ledger.block(&machine.tree().entry(id).hash)?;
        for (transaction, txid) in block.block.transactions.iter().zip(&block.txids) {
            if let Transaction::Transfer(transfer) = transaction {
                for input in &transfer.inputs {
                    coins.remove(&input.outpoint);
                }
            }
            let coinbase = matches!(transaction, Transaction::Coinbase(_)) && height > 0;
            for (index, output) in (0..).zip(transaction.outputs()) {
                let outpoint = OutPoint { txid: *txid, index };
                coins.insert(outpoint, Coin { output: *output, height, coinbase });
            }
        }
    }
    Ok(coins)
}
