//! Confirmed coins: what proven transactions leave to the wallet.

use std::collections::BTreeMap;

use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{BlockHash, Txid};
use chain::header::Header;
use chain::key::OutputKey;
use chain::transaction::{OutPoint, Output, Transaction, TxPosition};
use wire::wallet::ChainTip;

use super::proof::ConfirmedTransaction;
use super::{HistoryError, Movement, MovementState, movement};

/// An output of a confirmed transaction to this wallet.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfirmedCoin {
    pub output: Output,
    pub height: u32,
    pub matures: u32,
}

/// Everything that proven transactions say.
#[derive(Debug, Clone)]
pub(super) struct ConfirmedCoins {
    /// Every coin the wallet ever had.
    coins: BTreeMap<OutPoint, ConfirmedCoin>,
    /// What confirmed transactions spend, coins of others among it.
    spends: BTreeMap<OutPoint, Txid>,
    heights: BTreeMap<Txid, u32>,
    movements: Vec<Movement>,
}

impl ConfirmedCoins {
    pub fn build(
        network: &Network,
        owns: &dyn Fn(&OutputKey) -> bool,
        tip: ChainTip,
        entries: impl IntoIterator<Item = ConfirmedTransaction>,
    ) -> Result<Self, HistoryError> {
        let entries = ordered(entries)?;
        check_one_chain(&entries, tip)?;
        let mut confirmed = Self {
            coins: BTreeMap::new(),
            spends: BTreeMap::new(),
            heights: BTreeMap::new(),
            movements: Vec::new(),
        };
        for entry in entries.values() {
            confirmed.add(entry, owns, network.spec.maturity)?;
        }
        // Spends are looked up among all coins, so that no order of entries can hide one.
        let own: BTreeMap<OutPoint, Output> =
            confirmed.coins.iter().map(|(outpoint, coin)| (*outpoint, coin.output)).collect();
        for entry in entries.values() {
            let state = MovementState::Confirmed {
                position: entry.position,
                block: entry.block,
                time: entry.header.time,
            };
            confirmed.movements.extend(movement(&entry.transaction, state, owns, &own));
        }
        let unspent = confirmed.unspent().map(|(_, coin)| coin.output.amount);
        Amount::checked_sum(unspent).ok_or(HistoryError::Impossible)?;
        Ok(confirmed)
    }

    fn add(
        &mut self,
        entry: &ConfirmedTransaction,
        owns: &dyn Fn(&OutputKey) -> bool,
        maturity: u32,
    ) -> Result<(), HistoryError> {
        let txid = entry.txid;
        let height = entry.position.height;
        if self.heights.insert(txid, height).is_some() {
            return Err(HistoryError::Contradiction { txid });
        }
        let coinbase = matches!(entry.transaction, Transaction::Coinbase(_)) && height > 0;
        let matures = if coinbase { height.saturating_add(maturity) } else { height };
        for (index, output) in (0u32..).zip(entry.transaction.outputs()) {
            if owns(&output.key) {
                let coin = ConfirmedCoin { output: *output, height, matures };
                self.coins.insert(OutPoint { txid, index }, coin);
            }
        }
        if let Transaction::Transfer(transfer) = &entry.transaction {
            for input in &transfer.inputs {
                if self.spends.insert(input.outpoint, txid).is_some() {
                    return Err(HistoryError::DoubleSpend(input.outpoint));
                }
            }
        }
        Ok(())
    }

    /// The wallet's coins that no confirmed transaction spends.
    pub fn unspent(&self) -> impl Iterator<Item = (OutPoint, ConfirmedCoin)> + '_ {
        let coins = self.coins.iter().map(|(outpoint, coin)| (*outpoint, *coin));
        coins.filter(|(outpoint, _)| !self.spends.contains_key(outpoint))
    }

    /// The wallet's output of that name, if no confirmed transaction spends it.
    pub fn unspent_output(&self, outpoint: &OutPoint) -> Option<Output> {
        let coin = self.coins.get(outpoint)?;
        (!self.spends.contains_key(outpoint)).then_some(coin.output)
    }

    /// The confirmed transaction that spends `outpoint`.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.spends.get(outpoint).copied()
    }

    /// Height of a confirmed transaction.
    pub fn height(&self, txid: &Txid) -> Option<u32> {
        self.heights.get(txid).copied()
    }

    pub fn movements(&self) -> &[Movement] {
        &self.movements
    }

    /// The wallet's keys that confirmed transactions pay.
    pub fn keys(&self) -> impl Iterator<Item = OutputKey> + '_ {
        self.coins.values().map(|coin| coin.output.key)
    }
}

/// The entries by place, each once.
fn ordered(
    entries: impl IntoIterator<Item = ConfirmedTransaction>,
) -> Result<BTreeMap<TxPosition, ConfirmedTransaction>, HistoryError> {
    let mut places: BTreeMap<TxPosition, ConfirmedTransaction> = BTreeMap::new();
    for entry in entries {
        let txid = entry.txid;
        if let Some(other) = places.get(&entry.position) {
            if *other != entry {
                return Err(HistoryError::Contradiction { txid });
            }
        } else {
            places.insert(entry.position, entry);
        }
    }
    Ok(places)
}

/// One block a height, each naming the one below where that is known, none above the tip.
fn check_one_chain(
    entries: &BTreeMap<TxPosition, ConfirmedTransaction>,
    tip: ChainTip,
) -> Result<(), HistoryError> {
    let mut blocks: BTreeMap<u32, (BlockHash, Header)> = BTreeMap::new();
    for entry in entries.values() {
        let height = entry.position.height;
        let known = blocks.entry(height).or_insert((entry.block, entry.header));
        let (block, header) = *known;
        let below = height.checked_sub(1).and_then(|below| blocks.get(&below));
        let follows = below.is_none_or(|(below, _)| header.previous == *below);
        if block != entry.block || !follows || (height == tip.height && block != tip.hash) {
            return Err(HistoryError::NotOneChain { height });
        }
        if height > tip.height {
            return Err(HistoryError::AboveTip { height, tip: tip.height });
        }
    }
    Ok(())
}
