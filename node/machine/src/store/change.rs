//! What a block does to the coins, the totals and the history: computed once, applied either way.

use std::sync::Arc;

use chain::amount::Amount;
use chain::block::CommittedBlock;
use chain::encoding::{Decode, DecodeError, Encode, Reader, write_list};
use chain::hash::{Txid, UtxoHash};
use chain::rules::block::Connection;
use chain::transaction::{Input, OUTPOINT_BYTES, OutPoint, Transaction, TxPosition};
use chain::utxo::{Coin, UtxoSum};

use super::history_key::{HistoryKey, history_key};
use super::sorted::Sorted;

/// Bytes of a coin in consensus form: amount, key, height, coinbase mark.
pub(super) const COIN_BYTES: usize = 8 + 32 + 4 + 1;

/// Sums over the coins that the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Sum of all coins.
    pub supply: Amount,
    /// What coinbases could have claimed and did not, from genesis on.
    pub burned: Amount,
    /// Number of coins.
    pub coins: u64,
    /// The sum of the coins' hashes, [`UtxoSum`].
    pub utxo_hash: UtxoHash,
}

/// Which way a change is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The block joins the chain.
    Connect,
    /// The block leaves it.
    Disconnect,
}

/// What is needed, besides the block itself, to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undo {
    /// What its coinbase left unclaimed.
    pub burned: Amount,
    /// Coins of the set before it that it spent.
    pub spent: Vec<SpentCoin>,
}

/// A coin that a block took out of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpentCoin {
    /// Its name.
    pub outpoint: OutPoint,
    /// The coin.
    pub coin: Coin,
}

impl Undo {
    /// Of genesis, which spends and burns nothing.
    pub(super) const NOTHING: Self = Self { burned: Amount::ZERO, spent: Vec::new() };

    /// Of a block that is about to be connected.
    pub(super) fn of(connection: &Connection) -> Self {
        let spent = connection.spent.iter();
        Self {
            burned: connection.burned,
            spent: spent
                .map(|(outpoint, coin)| SpentCoin { outpoint: *outpoint, coin: *coin })
                .collect(),
        }
    }
}

/// A txid in the order of the digits in which it is shown, so that the txids that begin with some
/// digits are neighbors.
pub(super) type ShownTxid = [u8; 32];

/// The bytes of `txid` as it is shown.
pub(super) fn shown(txid: &Txid) -> ShownTxid {
    let mut bytes = txid.0;
    bytes.reverse();
    bytes
}

/// The input that spends an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spender {
    /// The transaction.
    pub place: TxPosition,
    /// Position among its inputs.
    pub input: u32,
}

/// What one block changes. It follows from the block, its height and its undo data alone, so that
/// disconnecting undoes exactly what connecting did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Coins it takes out of the set and what it burns.
    pub undo: Arc<Undo>,
    /// Coins it adds: its outputs, less those that it spends itself.
    pub created: Sorted<OutPoint, Coin>,
    /// Places in the histories of the keys that it pays to or spends from.
    pub touched: Sorted<HistoryKey, ()>,
    /// Its transactions.
    pub transactions: Sorted<ShownTxid, TxPosition>,
    /// Outputs that its inputs spend, those that it makes itself among them.
    pub spenders: Sorted<OutPoint, Spender>,
}

impl Change {
    /// The change that `block` makes at `height`. Its undo data names coins in the order of its
    /// inputs; those that it makes itself are not among them.
    pub(super) fn of(block: &CommittedBlock, height: u32, undo: Arc<Undo>) -> Self {
        let made = outputs(block, height);
        let mut is_spent = vec![false; made.len()];
        let mut spent = undo.spent.iter().peekable();
        let (mut touched, mut transactions, mut spenders) = (Vec::new(), Vec::new(), Vec::new());
        for (position, (txid, transaction)) in transactions_of(block) {
            let place = TxPosition { height, transaction: position };
            transactions.push((shown(txid), place));
            for (input, Input { outpoint, .. }) in (0u32..).zip(inputs(transaction)) {
                spenders.push((*outpoint, Spender { place, input }));
                let coin = match spent.next_if(|next| next.outpoint == *outpoint) {
                    Some(spent) => Some(spent.coin),
                    None => {
                        made.place(outpoint).iter().for_each(|at| is_spent[*at] = true);
                        made.get(outpoint)
                    }
                };
                touched.extend(coin.map(|coin| (history_key(&coin.output.key, place), ())));
            }
            let outputs = transaction.outputs().iter();
            touched.extend(outputs.map(|output| (history_key(&output.key, place), ())));
        }
        Self {
            created: made.filtered(|at| !is_spent[at]),
            touched: Sorted::of(touched),
            transactions: Sorted::of(transactions),
            spenders: Sorted::of(spenders),
            undo,
        }
    }
}

/// Every coin that the block makes, those that it spends itself among them.
fn outputs(block: &CommittedBlock, height: u32) -> Sorted<OutPoint, Coin> {
    let mut made = Vec::new();
    for (_, (txid, transaction)) in transactions_of(block) {
        let coinbase = matches!(transaction, Transaction::Coinbase(_)) && height > 0;
        made.extend((0u32..).zip(transaction.outputs()).map(|(index, output)| {
            (OutPoint { txid: *txid, index }, Coin { output: *output, height, coinbase })
        }));
    }
    Sorted::of(made)
}

fn transactions_of(block: &CommittedBlock) -> impl Iterator<Item = (u32, (&Txid, &Transaction))> {
    (0u32..).zip(block.txids.iter().zip(&block.block.transactions))
}

fn inputs(transaction: &Transaction) -> &[Input] {
    match transaction {
        Transaction::Coinbase(_) => &[],
        Transaction::Transfer(transfer) => &transfer.inputs,
    }
}

impl Totals {
    /// The totals of no coins.
    pub(super) const NONE: Self =
        Self { supply: Amount::ZERO, burned: Amount::ZERO, coins: 0, utxo_hash: UtxoHash::ZERO };

    /// The totals after a change; `None` when a sum leaves its bounds, which valid blocks never do.
    pub(super) fn after(&self, change: &Change, direction: Direction) -> Option<Self> {
        let spent = || {
            let coins = change.undo.spent.iter();
            coins.map(|spent| (&spent.outpoint, &spent.coin))
        };
        let created = || change.created.iter().map(|(outpoint, coin)| (outpoint, coin));
        match direction {
            Direction::Connect => self
                .with_coins(created())?
                .without_coins(spent())?
                .with_burned(self.burned.checked_add(change.undo.burned)?),
            Direction::Disconnect => self
                .with_coins(spent())?
                .without_coins(created())?
                .with_burned(self.burned.checked_sub(change.undo.burned)?),
        }
    }

    fn with_coins<'a>(
        mut self,
        coins: impl Iterator<Item = (&'a OutPoint, &'a Coin)>,
    ) -> Option<Self> {
        let mut sum = UtxoSum::from_hash(self.utxo_hash);
        for (outpoint, coin) in coins {
            // Money that a block spends is counted twice until it is taken away, so the sum may
            // pass MAX_MONEY here, but never twice that.
            self.supply = Amount(self.supply.0.checked_add(coin.output.amount.0)?);
            self.coins = self.coins.checked_add(1)?;
            sum.add(outpoint, coin);
        }
        self.utxo_hash = sum.hash();
        Some(self)
    }

    fn without_coins<'a>(
        mut self,
        coins: impl Iterator<Item = (&'a OutPoint, &'a Coin)>,
    ) -> Option<Self> {
        let mut sum = UtxoSum::from_hash(self.utxo_hash);
        for (outpoint, coin) in coins {
            self.supply = self.supply.checked_sub(coin.output.amount)?;
            self.coins = self.coins.checked_sub(1)?;
            sum.remove(outpoint, coin);
        }
        self.utxo_hash = sum.hash();
        Some(self)
    }

    fn with_burned(mut self, burned: Amount) -> Option<Self> {
        self.burned = burned;
        self.supply.is_possible().then_some(self)
    }
}

impl Encode for SpentCoin {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        self.outpoint.encode_to(bytes);
        self.coin.encode_to(bytes);
    }
}

impl Decode for SpentCoin {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { outpoint: OutPoint::decode_from(reader)?, coin: Coin::decode_from(reader)? })
    }
}

impl Encode for Undo {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        bytes.reserve((OUTPOINT_BYTES + COIN_BYTES) * self.spent.len());
        bytes.extend_from_slice(&self.burned.0.to_le_bytes());
        write_list(&self.spent, bytes);
    }
}

impl Decode for Undo {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { burned: Amount(reader.u64()?), spent: reader.list(OUTPOINT_BYTES + COIN_BYTES)? })
    }
}
