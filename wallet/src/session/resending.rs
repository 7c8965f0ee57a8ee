//! Payments that were made and wait: handed over again at every new tip, whatever miner there is.

use chain::hash::Txid;
use client::node_client::NodeClient;
use wire::wallet::SubmitOutcome;

use crate::payment::SignedPayment;
use crate::wallet::SyncError;

use super::{Session, WalletEvent};

impl Session {
    /// Hands over every payment that waits, in the bytes it was signed in: the miner may be another
    /// one, or its chain may have changed.
    pub(super) fn resend(&mut self, client: &mut NodeClient) -> Result<(), SyncError> {
        let waiting: Vec<SignedPayment> = self.wallet.waiting().cloned().collect();
        for payment in waiting {
            let outcome = client.submit(&payment.transaction())?;
            self.note_outcome(&payment, &outcome);
        }
        Ok(())
    }

    /// Keeps in mind, and tells where it is news, what became of a payment that was made before.
    fn note_outcome(&mut self, payment: &SignedPayment, outcome: &SubmitOutcome) {
        let txid = payment.txid;
        match outcome {
            SubmitOutcome::Accepted(_) | SubmitOutcome::AlreadyKnown(_) => {
                if self.mark_handed_over(txid) {
                    let receiver = self.name_or_address(payment.receiver);
                    self.tell(WalletEvent::HandedOver { receiver, amount: payment.amount, txid });
                }
            }
            SubmitOutcome::Refused { reason, .. } => {
                if self.refusals_told.insert(txid) {
                    self.tell(WalletEvent::Refused { txid, reason: reason.clone() });
                }
            }
        }
    }

    /// Writes down that a node has a payment; false when that was known. When it cannot be written,
    /// the payment is merely sent once more after the next start.
    pub(super) fn mark_handed_over(&mut self, txid: Txid) -> bool {
        if !self.handed_over.insert(txid) {
            return false;
        }
        if let Err(error) = self.journal.mark_handed_over(txid) {
            self.tell(WalletEvent::NotKept { what: error.to_string() });
        }
        true
    }
}
