//! Payments: a transfer to one receiver, built from selected coins and signed.

use chain::amount::Amount;
use chain::encoding::{Decode, DecodeError, Encode, Reader, write_list};
use chain::hash::{BlockHash, Txid};
use chain::key::{OutputKey, Signature};
use chain::transaction::{
    Input, OUTPUT_BYTES, OutPoint, Output, SighashContext, Transaction, Transfer,
};
use rand::{Rng, RngExt};

use crate::accounts::Account;
use crate::coin_selection::{Candidate, FeePolicy, Selection, SelectionError, select};

/// What is to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentOrder {
    /// Who is paid.
    pub receiver: OutputKey,
    /// How much arrives.
    pub amount: Amount,
    /// What the miner gets, and how large the transfer may become.
    pub policy: FeePolicy,
    /// Takes back what is left over; a key that never was used.
    pub change_key: OutputKey,
}

/// A coin of one's own that may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendableCoin {
    /// Its name.
    pub outpoint: OutPoint,
    /// Its worth and its key.
    pub output: Output,
}

/// A payment that is signed. It is only ever sent in these bytes, so that no retry pays twice. Its
/// consensus form ([`Encode`]) is what to write to disk before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPayment {
    /// The signed transfer.
    pub transfer: Transfer,
    /// Its name.
    pub txid: Txid,
    /// The outputs that it spends, in the order of its inputs.
    pub spent: Vec<Output>,
    /// Who is paid.
    pub receiver: OutputKey,
    /// How much arrives.
    pub amount: Amount,
    /// What the miner gets.
    pub fee: Amount,
}

/// Why no payment was made. Nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The receiver's key is no curve point.
    #[error("nobody could ever spend what is paid to {0}: it is no point of the curve")]
    UnspendableReceiver(OutputKey),
    /// An amount of zero.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The fee exceeds the payment: a slip, or a payment that is not worth making.
    #[error("the fee {fee} is more than the payment of {amount}")]
    FeeAbovePayment {
        /// What the miner would get.
        fee: Amount,
        /// What would arrive.
        amount: Amount,
    },
    /// The fee is below what nodes take now.
    #[error("the fee {fee} is too low: nodes take no less than {least} for this payment now")]
    FeeTooLow {
        /// What was offered.
        fee: Amount,
        /// What is taken.
        least: Amount,
    },
    /// No coins to pay with.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A coin among those offered whose key the account does not have.
    #[error("the coin {}:{} is not this wallet's", _0.txid, _0.index)]
    ForeignCoin(OutPoint),
    /// The account's secrets are not at hand.
    #[error("the wallet is locked: its passphrase is needed to sign")]
    Locked,
}

/// Selects coins for `order`, builds the transfer and signs it for the network of `genesis`. Change
/// comes first or second at random, so that its place does not betray it.
///
/// # Errors
/// [`PaymentError`]: an order that makes no sense, or coins that cannot pay it.
pub fn pay<R: Rng + ?Sized>(
    order: &PaymentOrder,
    coins: &[SpendableCoin],
    account: &Account,
    genesis: BlockHash,
    rng: &mut R,
) -> Result<(SignedPayment, Selection), PaymentError> {
    if account.is_locked() {
        return Err(PaymentError::Locked);
    }
    if !order.receiver.is_spendable() {
        return Err(PaymentError::UnspendableReceiver(order.receiver));
    }
    if order.amount == Amount::ZERO {
        return Err(PaymentError::ZeroAmount);
    }
    let candidates: Vec<Candidate> = coins
        .iter()
        .map(|coin| Candidate { outpoint: coin.outpoint, amount: coin.output.amount })
        .collect();
    let selection = select(&candidates, order.amount, order.policy, rng)?;
    let fee = selection.chosen.fee;
    if fee > order.amount {
        return Err(PaymentError::FeeAbovePayment { fee, amount: order.amount });
    }
    let spent = selected_coins(&selection, coins);
    let outputs = outputs(order, &selection, rng);
    let transfer = sign(&spent, outputs, account, genesis, rng)?;
    let payment = SignedPayment {
        txid: transfer.txid(),
        transfer,
        spent: spent.iter().map(|coin| coin.output).collect(),
        receiver: order.receiver,
        amount: order.amount,
        fee,
    };
    Ok((payment, selection))
}

fn selected_coins(selection: &Selection, coins: &[SpendableCoin]) -> Vec<SpendableCoin> {
    let chosen = selection.chosen.coins.iter();
    chosen
        .filter_map(|chosen| coins.iter().find(|coin| coin.outpoint == chosen.outpoint))
        .copied()
        .collect()
}

fn outputs<R: Rng + ?Sized>(
    order: &PaymentOrder,
    selection: &Selection,
    rng: &mut R,
) -> Vec<Output> {
    let mut outputs = vec![Output { amount: order.amount, key: order.receiver }];
    if let Some(amount) = selection.chosen.change {
        let place = rng.random_range(0..=1);
        let key = order.change_key;
        outputs.insert(place, Output { amount, key });
    }
    outputs
}

/// The transfer of `spent` to `outputs`, valid at once, with every input signed.
fn sign<R: Rng + ?Sized>(
    spent: &[SpendableCoin],
    outputs: Vec<Output>,
    account: &Account,
    genesis: BlockHash,
    rng: &mut R,
) -> Result<Transfer, PaymentError> {
    let unsigned =
        spent.iter().map(|coin| Input { outpoint: coin.outpoint, signature: Signature([0; 64]) });
    let mut transfer = Transfer { inputs: unsigned.collect(), outputs, lock_height: 0 };
    let spent_outputs: Vec<Output> = spent.iter().map(|coin| coin.output).collect();
    let context = SighashContext::new(&transfer, &spent_outputs, genesis);
    for (position, (input, coin)) in (0u32..).zip(transfer.inputs.iter_mut().zip(spent)) {
        let secret =
            account.secret(&coin.output.key).ok_or(PaymentError::ForeignCoin(coin.outpoint))?;
        input.signature = secret.sign(&context.message(position), &rng.random());
    }
    Ok(transfer)
}

impl SignedPayment {
    /// What is sent; its bytes are the same each time.
    pub fn transaction(&self) -> Transaction {
        Transaction::Transfer(self.transfer.clone())
    }
}

impl Encode for SignedPayment {
    fn encode_to(&self, bytes: &mut Vec<u8>) {
        self.transfer.encode_to(bytes);
        write_list(&self.spent, bytes);
        bytes.extend_from_slice(&self.receiver.0);
        bytes.extend_from_slice(&self.amount.0.to_le_bytes());
        bytes.extend_from_slice(&self.fee.0.to_le_bytes());
    }
}

impl Decode for SignedPayment {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let Transaction::Transfer(transfer) = Transaction::decode_from(reader)? else {
            return Err(DecodeError::UnknownKind(0));
        };
        Ok(Self {
            txid: transfer.txid(),
            transfer,
            spent: reader.list(OUTPUT_BYTES)?,
            receiver: OutputKey(reader.array()?),
            amount: Amount(reader.u64()?),
            fee: Amount(reader.u64()?),
        })
    }
}

#[cfg(test)]
mod tests;
