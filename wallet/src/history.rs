//! `History`: the coins, the balance and the movements that follow from proven and pending
//! transactions.
//!
//! It is a value, built anew from everything known, so a reorganization needs no undoing: what is
//! not on the node's best chain any more is simply not among what it is built from.

use std::collections::{BTreeMap, BTreeSet};

use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{BlockHash, Txid};
use chain::key::OutputKey;
use chain::transaction::{OutPoint, Output, Transaction, Transfer, TxPosition};
use wire::wallet::ChainTip;

use crate::payment::SpendableCoin;
use confirmed::ConfirmedCoins;
use pending::PendingCoins;
use proof::ConfirmedTransaction;

mod confirmed;
mod pending;
pub mod proof;

/// Most unconfirmed transactions that may hang together, so that nodes take them: the coin's own
/// and those before it must leave room for the one that spends it.
const PENDING_CHAIN_MAX: usize = 25;

/// Where a coin comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A transaction in a block.
    Confirmed {
        /// The block's height.
        height: u32,
        /// First height at which it may be spent (for all but coinbases, its own).
        matures: u32,
    },
    /// A transaction that waits.
    Pending {
        /// All that it spends is this wallet's, so nobody else can take it back.
        trusted: bool,
    },
}

/// A coin of this wallet that no confirmed transaction spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnedCoin {
    /// Its name.
    pub outpoint: OutPoint,
    /// Its worth and its key.
    pub output: Output,
    /// Where it comes from.
    pub origin: Origin,
    /// The pending transaction that spends it.
    pub spent_by: Option<Txid>,
}

/// What the wallet has. Once all that is pending is confirmed and everything is mature it will have
/// `confirmed + immature + pending_in - pending_out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Confirmed coins that the next block may spend; those that pending payments spend among them.
    pub confirmed: Amount,
    /// Confirmed coinbases that are not mature yet.
    pub immature: Amount,
    /// What pending transactions bring, each less what it takes.
    pub pending_in: Amount,
    /// What pending transactions take, fees included, each less what it brings back.
    pub pending_out: Amount,
}

/// Where a movement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementState {
    /// In a block.
    Confirmed {
        /// The block, and the place in it.
        position: TxPosition,
        /// The block.
        block: BlockHash,
        /// The block's time, seconds since 1970.
        time: u32,
    },
    /// Waiting.
    Pending,
}

/// One transaction as this wallet sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Its name.
    pub txid: Txid,
    /// Where it stands.
    pub state: MovementState,
    /// A coinbase: newly made money (genesis among them).
    pub coinbase: bool,
    /// What it pays to this wallet, change included.
    pub received: Amount,
    /// What it spends of this wallet.
    pub spent: Amount,
    /// What the miner gets, when all that is spent is this wallet's.
    pub fee: Option<Amount>,
    /// What it pays to others.
    pub to_others: Vec<Output>,
}

/// Where a payment of this wallet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    /// Waiting; may be sent again, in the same bytes.
    Pending,
    /// In a block.
    Confirmed {
        /// The block's height.
        height: u32,
    },
    /// Another transaction in a block spends one of its coins: it can never confirm on this chain.
    Conflicted {
        /// That transaction.
        by: Txid,
    },
    /// A coin that it spends is gone, with the block or the payment that made it. It may come back.
    Orphaned,
}

/// Entries that contradict each other: the node lies, or its chain changed in between.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Two blocks at one height, or neighbors that do not name each other.
    #[error("the entries at height {height} are not from one chain")]
    NotOneChain {
        /// The height at which they contradict each other.
        height: u32,
    },
    /// Two transactions at one place, or one at two.
    #[error("transaction {txid} contradicts another entry")]
    Contradiction {
        /// A transaction that the entries place twice, or whose place they give to another one.
        txid: Txid,
    },
    /// A coin spent twice.
    #[error("two entries spend {}:{}", _0.txid, _0.index)]
    DoubleSpend(OutPoint),
    /// A block above the tip.
    #[error("an entry at height {height}, above the tip at {tip}")]
    AboveTip {
        /// The entry's height.
        height: u32,
        /// Height of the tip that the entries end at.
        tip: u32,
    },
    /// More money than can exist.
    #[error("the entries amount to more money than can exist")]
    Impossible,
}

/// All that is known about the wallet's money at one tip.
#[derive(Debug, Clone)]
pub struct History {
    tip: ChainTip,
    confirmed: ConfirmedCoins,
    pending: PendingCoins,
}

impl History {
    /// Builds it from proven entries (in any order, repeated where several keys have them), from
    /// this wallet's own payments and from what a node has pending. Entries and pending
    /// transactions that do not touch a key that `owns` knows change nothing. Genesis is always
    /// known.
    ///
    /// # Errors
    /// [`HistoryError`] when the entries contradict each other.
    pub fn build(
        network: &Network,
        owns: &dyn Fn(&OutputKey) -> bool,
        tip: ChainTip,
        entries: impl IntoIterator<Item = ConfirmedTransaction>,
        payments: &[&Transfer],
        pending: &[Transfer],
    ) -> Result<Self, HistoryError> {
        let entries = proof::genesis(network).into_iter().chain(entries);
        let confirmed = ConfirmedCoins::build(network, owns, tip, entries)?;
        let mut history = Self { tip, confirmed, pending: PendingCoins::default() };
        history.set_pending(network, owns, payments, pending);
        Ok(history)
    }

    /// Replaces all that is pending; what is confirmed stays.
    pub fn set_pending(
        &mut self,
        network: &Network,
        owns: &dyn Fn(&OutputKey) -> bool,
        payments: &[&Transfer],
        pending: &[Transfer],
    ) {
        let genesis = network.genesis_hash();
        self.pending = PendingCoins::build(&self.confirmed, owns, genesis, payments, pending);
    }

    /// The tip that it holds at.
    pub fn tip(&self) -> ChainTip {
        self.tip
    }

    /// Every coin that no confirmed transaction spends, ordered by name.
    pub fn coins(&self) -> impl Iterator<Item = OwnedCoin> + '_ {
        let confirmed = self.confirmed.unspent().map(|(outpoint, coin)| OwnedCoin {
            outpoint,
            output: coin.output,
            origin: Origin::Confirmed { height: coin.height, matures: coin.matures },
            spent_by: self.pending.spender(&outpoint),
        });
        let pending = self.pending.coins().map(|(outpoint, coin)| OwnedCoin {
            outpoint,
            output: coin.output,
            origin: Origin::Pending { trusted: coin.trusted },
            spent_by: self.pending.spender(&outpoint),
        });
        confirmed.chain(pending)
    }

    /// Confirmed coins that the next block may spend and that nothing pending spends.
    pub fn spendable(&self) -> Vec<SpendableCoin> {
        self.free_coins(|coin| self.is_mature(coin))
    }

    /// Pending coins that can safely be spent already: change of this wallet's own payments.
    pub fn pending_change(&self) -> Vec<SpendableCoin> {
        self.free_coins(|coin| {
            matches!(coin.origin, Origin::Pending { trusted: true })
                && self.pending.ancestors(coin.outpoint.txid) < PENDING_CHAIN_MAX
        })
    }

    fn free_coins(&self, wanted: impl Fn(&OwnedCoin) -> bool) -> Vec<SpendableCoin> {
        self.coins()
            .filter(|coin| coin.spent_by.is_none() && wanted(coin))
            .map(|coin| SpendableCoin { outpoint: coin.outpoint, output: coin.output })
            .collect()
    }

    fn is_mature(&self, coin: &OwnedCoin) -> bool {
        let next_height = self.tip.height.saturating_add(1);
        matches!(coin.origin, Origin::Confirmed { matures, .. } if matures <= next_height)
    }

    /// What the wallet has.
    pub fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        for coin in self.coins() {
            match coin.origin {
                Origin::Confirmed { .. } if self.is_mature(&coin) => {
                    add(&mut balance.confirmed, coin.output.amount);
                }
                Origin::Confirmed { .. } => add(&mut balance.immature, coin.output.amount),
                Origin::Pending { .. } => {}
            }
        }
        for movement in self.pending.movements() {
            match movement.received.checked_sub(movement.spent) {
                Some(gain) => add(&mut balance.pending_in, gain),
                None => {
                    let loss = movement.spent.checked_sub(movement.received);
                    add(&mut balance.pending_out, loss.unwrap_or_default());
                }
            }
        }
        balance
    }

    /// Every transaction that touches the wallet: confirmed ones in the chain's order, then pending
    /// ones.
    pub fn movements(&self) -> impl Iterator<Item = &Movement> {
        self.confirmed.movements().iter().chain(self.pending.movements())
    }

    /// Every key of this wallet that a transaction pays.
    pub fn used_keys(&self) -> BTreeSet<OutputKey> {
        let pending = self.pending.coins().map(|(_, coin)| coin.output.key);
        self.confirmed.keys().chain(pending).collect()
    }

    /// Where a payment stands.
    pub fn state(&self, payment: &Transfer) -> PaymentState {
        let txid = payment.txid();
        if let Some(height) = self.confirmed.height(&txid) {
            return PaymentState::Confirmed { height };
        }
        let spender = |input: &chain::transaction::Input| self.confirmed.spender(&input.outpoint);
        match payment.inputs.iter().find_map(spender) {
            Some(by) => PaymentState::Conflicted { by },
            None if self.pending.contains(&txid) => PaymentState::Pending,
            None => PaymentState::Orphaned,
        }
    }
}

/// Adds to a sum that is bounded elsewhere: confirmed coins by the check in `ConfirmedCoins`,
/// pending ones by the check in `PendingCoins`.
fn add(sum: &mut Amount, amount: Amount) {
    *sum = Amount(sum.0.saturating_add(amount.0));
}

/// The movement that `transaction` is; `None` when it does not touch the wallet. `spent` says what
/// an input spends of this wallet.
fn movement(
    transaction: &Transaction,
    state: MovementState,
    owns: &dyn Fn(&OutputKey) -> bool,
    spent: &BTreeMap<OutPoint, Output>,
) -> Option<Movement> {
    let (own, to_others): (Vec<Output>, Vec<Output>) =
        transaction.outputs().iter().partition(|output| owns(&output.key));
    let received = Amount::checked_sum(own.iter().map(|output| output.amount))?;
    let inputs = match transaction {
        Transaction::Transfer(transfer) => transfer.inputs.as_slice(),
        Transaction::Coinbase(_) => &[],
    };
    let own_inputs = inputs.iter().filter_map(|input| spent.get(&input.outpoint));
    let own_inputs: Vec<Amount> = own_inputs.map(|output| output.amount).collect();
    if own.is_empty() && own_inputs.is_empty() {
        return None;
    }
    let spent = Amount::checked_sum(own_inputs.iter().copied())?;
    let all_own = !inputs.is_empty() && own_inputs.len() == inputs.len();
    let paid = Amount::checked_sum(transaction.outputs().iter().map(|output| output.amount))?;
    Some(Movement {
        txid: transaction.txid(),
        state,
        coinbase: matches!(transaction, Transaction::Coinbase(_)),
        received,
        spent,
        fee: all_own.then(|| spent.checked_sub(paid)).flatten(),
        to_others,
    })
}

#[cfg(test)]
mod tests;
