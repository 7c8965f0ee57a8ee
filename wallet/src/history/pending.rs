//! Pending coins: what waiting transactions will do to the wallet, as far as that can be believed.
//!
//! A node may say anything about what waits. So a transaction that spends this wallet's coins
//! counts only when all of its inputs are this wallet's and every signature holds: nobody else
//! could have made it. One that pays this wallet counts as promised, and is never spent from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chain::amount::Amount;
use chain::hash::{BlockHash, Txid};
use chain::key::OutputKey;
use chain::rules;
use chain::transaction::{OutPoint, Output, Transaction, Transfer, signature_checks};

use super::confirmed::ConfirmedCoins;
use super::{Movement, MovementState, movement};

/// An output of a pending transaction to this wallet.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingCoin {
    pub output: Output,
    /// All inputs of its transaction are this wallet's.
    pub trusted: bool,
}

/// The pending transactions that count.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingCoins {
    coins: BTreeMap<OutPoint, PendingCoin>,
    spends: BTreeMap<OutPoint, Txid>,
    /// What each counted transaction spends directly.
    parents: BTreeMap<Txid, BTreeSet<Txid>>,
    movements: Vec<Movement>,
    /// Sum of all that is promised by others; never more than all money.
    promised: Amount,
}

/// Who says that a transaction waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The wallet made it.
    Own,
    /// A node has it.
    Node,
}

/// A transaction that is said to wait.
#[derive(Clone, Copy)]
struct Listed<'a> {
    txid: Txid,
    source: Source,
    transfer: &'a Transfer,
}

impl PendingCoins {
    /// This wallet's own payments come first: where a node's transactions conflict with them, they
    /// count.
    pub fn build(
        confirmed: &ConfirmedCoins,
        owns: &dyn Fn(&OutputKey) -> bool,
        genesis: BlockHash,
        payments: &[&Transfer],
        pending: &[Transfer],
    ) -> Self {
        let mut built = Self::default();
        let own = payments.iter().map(|transfer| (Source::Own, *transfer));
        let foreign = pending.iter().map(|transfer| (Source::Node, transfer));
        // A confirmed parent is nothing to wait for.
        let listed = own
            .chain(foreign)
            .map(|(source, transfer)| Listed { txid: transfer.txid(), source, transfer })
            .filter(|listed| confirmed.height(&listed.txid).is_none());
        let mut waiting = Waiting::new(listed);
        while let Some(listed) = waiting.ready.pop_front() {
            if built.try_add(listed, confirmed, owns, genesis) {
                waiting.release_children(listed.txid);
            }
        }
        built
    }

    /// Counts a transaction if it can be believed; false when it cannot.
    fn try_add(
        &mut self,
        listed: Listed<'_>,
        confirmed: &ConfirmedCoins,
        owns: &dyn Fn(&OutputKey) -> bool,
        genesis: BlockHash,
    ) -> bool {
        let Listed { txid, source, transfer } = listed;
        let is_spent = |outpoint: &OutPoint| {
            confirmed.spender(outpoint).is_some() || self.spends.contains_key(outpoint)
        };
        if rules::transaction::check_alone(transfer).is_err()
            || transfer.inputs.iter().any(|input| is_spent(&input.outpoint))
        {
            return false;
        }
        let own_inputs = self.own_inputs(transfer, confirmed);
        let trusted = own_inputs.len() == transfer.inputs.len();
        let believed = if trusted {
            is_signed(transfer, &own_inputs, genesis)
        } else {
            source == Source::Node && own_inputs.is_empty()
        };
        let state = MovementState::Pending;
        let transaction = Transaction::Transfer(transfer.clone());
        let Some(movement) = movement(&transaction, state, owns, &own_inputs) else {
            return false;
        };
        let promised = if trusted { Amount::ZERO } else { movement.received };
        let Some(promised) = self.promised.checked_add(promised).filter(|_| believed) else {
            return false;
        };
        self.promised = promised;
        self.movements.push(movement);
        self.add(txid, transfer, trusted, owns);
        true
    }

    fn add(
        &mut self,
        txid: Txid,
        transfer: &Transfer,
        trusted: bool,
        owns: &dyn Fn(&OutputKey) -> bool,
    ) {
        let outpoints = transfer.inputs.iter().map(|input| input.outpoint);
        self.spends.extend(outpoints.clone().map(|outpoint| (outpoint, txid)));
        self.parents.insert(txid, outpoints.map(|outpoint| outpoint.txid).collect());
        for (index, output) in (0u32..).zip(&transfer.outputs) {
            if owns(&output.key) {
                let coin = PendingCoin { output: *output, trusted };
                self.coins.insert(OutPoint { txid, index }, coin);
            }
        }
    }

    /// The inputs that spend this wallet's coins, with those coins.
    fn own_inputs(
        &self,
        transfer: &Transfer,
        confirmed: &ConfirmedCoins,
    ) -> BTreeMap<OutPoint, Output> {
        let output = |outpoint: &OutPoint| {
            let pending = self.coins.get(outpoint).map(|coin| coin.output);
            confirmed.unspent_output(outpoint).or(pending)
        };
        let outpoints = transfer.inputs.iter().map(|input| input.outpoint);
        outpoints.filter_map(|outpoint| Some((outpoint, output(&outpoint)?))).collect()
    }

    /// Outputs of pending transactions to this wallet, spent again or not.
    pub fn coins(&self) -> impl Iterator<Item = (OutPoint, PendingCoin)> + '_ {
        self.coins.iter().map(|(outpoint, coin)| (*outpoint, *coin))
    }

    /// The pending transaction that spends `outpoint`.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.spends.get(outpoint).copied()
    }

    pub fn contains(&self, txid: &Txid) -> bool {
        self.parents.contains_key(txid)
    }

    pub fn movements(&self) -> &[Movement] {
        &self.movements
    }

    /// How many pending transactions `txid` hangs on, itself included.
    pub fn ancestors(&self, txid: Txid) -> usize {
        let mut found = BTreeSet::new();
        let mut open = vec![txid];
        while let Some(next) = open.pop() {
            if let Some(parents) = self.parents.get(&next)
                && found.insert(next)
            {
                open.extend(parents);
            }
        }
        found.len()
    }
}

/// Transactions in an order that has parents first. A child may be listed before its parent;
/// without the parent's coins it would be misread as a promise of others. So it waits for its
/// parent, and for ever when that is not believed.
struct Waiting<'a> {
    /// Those that wait for no other.
    ready: VecDeque<Listed<'a>>,
    /// By parent: those that wait for it.
    children: BTreeMap<Txid, Vec<Txid>>,
    /// How many parents each of the others waits for.
    blocked: BTreeMap<Txid, (usize, Listed<'a>)>,
}

impl<'a> Waiting<'a> {
    /// Each is taken once, as it is listed first.
    fn new(listed: impl Iterator<Item = Listed<'a>>) -> Self {
        let mut seen = BTreeSet::new();
        let listed: Vec<_> = listed.filter(|listed| seen.insert(listed.txid)).collect();
        let mut waiting =
            Self { ready: VecDeque::new(), children: BTreeMap::new(), blocked: BTreeMap::new() };
        for listed in listed {
            let parents = listed.transfer.inputs.iter().map(|input| input.outpoint.txid);
            let parents: BTreeSet<Txid> = parents.filter(|parent| seen.contains(parent)).collect();
            if parents.is_empty() {
                waiting.ready.push_back(listed);
            } else {
                waiting.blocked.insert(listed.txid, (parents.len(), listed));
            }
            for parent in parents {
                waiting.children.entry(parent).or_default().push(listed.txid);
            }
        }
        waiting
    }

    fn release_children(&mut self, parent: Txid) {
        for child in self.children.remove(&parent).unwrap_or_default() {
            if let Some((parents, listed)) = self.blocked.get_mut(&child) {
                *parents -= 1;
                if *parents == 0 {
                    self.ready.push_back(*listed);
                }
            }
        }
    }
}

/// Whether `transfer` spends no less than it pays and every signature holds.
fn is_signed(transfer: &Transfer, spent: &BTreeMap<OutPoint, Output>, genesis: BlockHash) -> bool {
    let inputs = transfer.inputs.iter().filter_map(|input| spent.get(&input.outpoint));
    let spent: Vec<Output> = inputs.copied().collect();
    let worth = Amount::checked_sum(spent.iter().map(|output| output.amount));
    let paid = Amount::checked_sum(transfer.outputs.iter().map(|output| output.amount));
    let covers = worth.zip(paid).is_some_and(|(worth, paid)| paid <= worth);
    covers && signature_checks(transfer, &spent, genesis, 0).iter().all(|check| check.is_valid())
}
