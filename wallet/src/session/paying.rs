//! Paying: the order of sign, write down, hand over, and what was paid before.

use std::time::Instant;

use chain::amount::Amount;
use chain::hash::Txid;
use wire::wallet::SubmitOutcome;

use crate::coin_selection::{Fee, Selection};
use crate::contacts::{ContactSource, ContactsError};
use crate::history::{Movement, PaymentState};
use crate::journal::JournalError;
use crate::payment::{PaymentError, SignedPayment};
use crate::payment_id::PaymentId;

use super::{Receiver, Session, WalletEvent};

/// Why no payment was made. Nothing was signed, or what was signed was seen by nobody.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The coins, the amounts, or the passphrase.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// More than the wallet has, whatever the fee.
    #[error(
        "{available} is available, less than the {amount} to pay: send less, or wait until \
         pending payments are confirmed"
    )]
    TooMuch {
        /// Worth of all coins that could be spent.
        available: Amount,
        /// What was to be paid.
        amount: Amount,
    },
    /// The wallet does not know what it has.
    #[error("no miner has answered yet, so it is not known what could be paid: try again later")]
    NotSynced,
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The name could not be pinned.
    #[error(transparent)]
    Contacts(#[from] ContactsError),
    /// The id belongs to another payment.
    #[error(
        "NOT PAID: {id:?} is the id of another payment, {amount} to {receiver}, tx {txid}: give \
         each payment an id of its own"
    )]
    OtherPayment {
        /// The id.
        id: String,
        /// Who was paid under it, by name or address.
        receiver: String,
        /// How much.
        amount: Amount,
        /// That payment.
        txid: Txid,
    },
    /// The payment of this id was made, and what it spends was spent by another transaction.
    #[error(
        "the payment with the id {id:?} can never confirm, as its coin was spent by another \
         transaction, tx {txid}: nothing was paid again; to pay anew give another id"
    )]
    CannotConfirm {
        /// The id.
        id: String,
        /// The payment.
        txid: Txid,
    },
}

/// Where a payment went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// A miner has it.
    Taken {
        /// The miner's name.
        miner: String,
    },
    /// It is in a block already: an earlier process handed it over.
    Confirmed {
        /// The block's height.
        height: u32,
    },
    /// No miner answers: it is sent as soon as one does.
    Waiting,
    /// The miner does not want it. It stays reserved and is offered again.
    Refused {
        /// The miner's name.
        miner: String,
        /// Why, as a sentence.
        reason: String,
    },
}

/// A payment that was made.
#[derive(Debug, Clone)]
pub struct Payment {
    /// What was signed.
    pub payment: SignedPayment,
    /// How its coins were selected; `None` for one that was signed earlier.
    pub selection: Option<Selection>,
    /// Where it went.
    pub handover: Handover,
}

impl Session {
    /// The fee that is as low as nodes take now.
    pub fn fee_auto(&self) -> Fee {
        Fee::Rate(self.wallet.fee_rate_min())
    }

    /// Whether all coins together are worth `amount`, so that nobody is asked for a fee in vain. A
    /// wallet that does not know what it has lets everything pass.
    ///
    /// # Errors
    /// [`PayError::TooMuch`].
    pub fn check_amount(&self, amount: Amount) -> Result<(), PayError> {
        let available = self.wallet.available();
        if self.is_synced && available < amount {
            return Err(PayError::TooMuch { available, amount });
        }
        Ok(())
    }

    /// Pays: selects coins, signs, writes it down, and only then hands it over. Whatever happens
    /// after it was written down, these bytes are sent and no others. Whoever has told it says so
    /// to [`Session::note_told`].
    ///
    /// # Errors
    /// [`PayError`]; nothing is paid and nothing reserved then.
    pub fn pay(
        &mut self,
        receiver: &Receiver,
        amount: Amount,
        fee: Fee,
    ) -> Result<Payment, PayError> {
        self.pay_new(receiver, amount, fee, None)
    }

    /// Like [`Session::pay`], but whatever happens in between, and however often it is repeated, in
    /// this process or a later one: one payment is made for `id`.
    ///
    /// # Errors
    /// [`PayError`]; nothing is paid then that was not paid before.
    pub fn pay_once(
        &mut self,
        id: &PaymentId,
        receiver: &Receiver,
        amount: Amount,
        fee: Fee,
    ) -> Result<Payment, PayError> {
        match self.resume_named(id, receiver, amount)? {
            Some(made) => Ok(made),
            None => self.pay_new(receiver, amount, fee, Some(id)),
        }
    }

    fn pay_new(
        &mut self,
        receiver: &Receiver,
        amount: Amount,
        fee: Fee,
        id: Option<&PaymentId>,
    ) -> Result<Payment, PayError> {
        if !self.is_synced {
            return Err(PayError::NotSynced);
        }
        let (payment, selection) = self.sign(receiver, amount, fee, id)?;
        let handover = self.hand_over(&payment);
        Ok(Payment { payment, selection: Some(selection), handover })
    }

    /// The payment that was made for `id`, handed over again while it waits; `None` when there is
    /// none yet.
    ///
    /// # Errors
    /// [`PayError::OtherPayment`], [`PayError::CannotConfirm`].
    pub fn resume_named(
        &mut self,
        id: &PaymentId,
        receiver: &Receiver,
        amount: Amount,
    ) -> Result<Option<Payment>, PayError> {
        let Some(txid) = self.named.get(id) else {
            return Ok(None);
        };
        let made = self.wallet.payments().map(|(payment, _)| payment);
        let payment = made.into_iter().find(|payment| payment.txid == *txid).cloned();
        let payment = payment.expect("whatever the journal holds is restored");
        let (id, txid) = (id.to_string(), payment.txid);
        if payment.receiver != receiver.key || payment.amount != amount {
            let receiver = self.name_or_address(payment.receiver);
            return Err(PayError::OtherPayment { id, receiver, amount: payment.amount, txid });
        }
        let resumed = self.resume(payment);
        resumed.map(Some).ok_or(PayError::CannotConfirm { id, txid })
    }

    /// A payment like this, without an id, that was signed and that nobody was told to be made: a
    /// process was ended before, or could not write, or the miner refused it. It is handed over
    /// instead of another one until [`Session::note_told`].
    pub fn resume_unsent(&mut self, receiver: &Receiver, amount: Amount) -> Option<Payment> {
        let is_alike =
            |payment: &&SignedPayment| payment.receiver == receiver.key && payment.amount == amount;
        let alike: Vec<SignedPayment> =
            self.unfinished.values().filter(is_alike).cloned().collect();
        alike.into_iter().find_map(|payment| self.resume(payment))
    }

    /// Hands over again what waits; `None` for what can never confirm.
    fn resume(&mut self, payment: SignedPayment) -> Option<Payment> {
        let handover = match self.wallet.history().state(&payment.transfer) {
            PaymentState::Conflicted { .. } | PaymentState::Orphaned => return None,
            PaymentState::Confirmed { height } => Handover::Confirmed { height },
            PaymentState::Pending => self.hand_over(&payment),
        };
        Some(Payment { payment, selection: None, handover })
    }

    /// Whoever ordered the payment was told that it is made: the next order like it is another one.
    /// When that cannot be written down, it is taken for the same after the next start.
    pub fn note_told(&mut self, txid: Txid) {
        self.unfinished.remove(&txid);
        if let Err(error) = self.journal.mark_told(txid) {
            self.tell(WalletEvent::NotKept { what: error.to_string() });
        }
    }

    /// Signs a payment and writes it down; nobody has seen it yet.
    pub(super) fn sign(
        &mut self,
        receiver: &Receiver,
        amount: Amount,
        fee: Fee,
        id: Option<&PaymentId>,
    ) -> Result<(SignedPayment, Selection), PayError> {
        let (payment, selection) =
            self.wallet.pay_explained(receiver.key, amount, fee, &mut self.rng)?;
        if let Err(error) = self.write_down(receiver, &payment, id) {
            self.wallet.discard_unsent(payment.txid);
            return Err(error);
        }
        match id {
            Some(id) => {
                self.named.insert(id.clone(), payment.txid);
            }
            None => {
                self.unfinished.insert(payment.txid, payment.clone());
            }
        }
        Ok((payment, selection))
    }

    fn write_down(
        &mut self,
        receiver: &Receiver,
        payment: &SignedPayment,
        id: Option<&PaymentId>,
    ) -> Result<(), PayError> {
        if let Some(name) = receiver.name.as_ref().filter(|_| receiver.is_first_use) {
            self.contacts.add(name, receiver.key, ContactSource::Directory)?;
        }
        Ok(self.journal.append(payment, id)?)
    }

    /// Hands a payment to the miner; to another one if that one is gone.
    fn hand_over(&mut self, payment: &SignedPayment) -> Handover {
        for _ in 0..2 {
            self.connect_to_miner(Instant::now());
            let Some(mut connected) = self.connected.take() else {
                break;
            };
            let miner = connected.miner.name.clone();
            let outcome = connected.client.submit(&payment.transaction());
            match outcome {
                Ok(outcome) => {
                    self.connected = Some(connected);
                    return self.noted(payment, miner, outcome);
                }
                Err(error) => self.lose(&connected.miner, &error.to_string(), Instant::now()),
            }
        }
        Handover::Waiting
    }

    fn noted(
        &mut self,
        payment: &SignedPayment,
        miner: String,
        outcome: SubmitOutcome,
    ) -> Handover {
        match outcome {
            SubmitOutcome::Accepted(_) | SubmitOutcome::AlreadyKnown(_) => {
                self.mark_handed_over(payment.txid);
                Handover::Taken { miner }
            }
            SubmitOutcome::Refused { reason, .. } => {
                self.refusals_told.insert(payment.txid);
                Handover::Refused { miner, reason }
            }
        }
    }

    /// Who a transaction of this wallet pays, by name where one is known, and how much.
    pub fn receiver_of(&self, movement: &Movement) -> (String, Amount) {
        let own = self.wallet.payments().find(|(payment, _)| payment.txid == movement.txid);
        if let Some((payment, _)) = own {
            return (self.name_or_address(payment.receiver), payment.amount);
        }
        let amounts = movement.to_others.iter().map(|output| output.amount);
        let amount = Amount::checked_sum(amounts).unwrap_or_default();
        let receiver = movement.to_others.first().map(|output| self.name_or_address(output.key));
        (receiver.unwrap_or_else(|| "yourself".to_owned()), amount)
    }

    /// Whether a payment of this wallet can never confirm on the chain that it knows.
    pub fn is_conflicted(&self, txid: &Txid) -> bool {
        self.wallet.payments().any(|(payment, state)| {
            payment.txid == *txid && matches!(state, PaymentState::Conflicted { .. })
        })
    }
}
