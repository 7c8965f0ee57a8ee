//! Payouts on their way: submitted when they are on disk, and again until they are confirmed.

use chain::encoding::Decode;
use chain::transaction::{OutPoint, Transaction};

use super::Desk;
use crate::directory::News;
use crate::directory::faucet::{Faucet, Payout};
use machine::Machine;

/// Coins that the node looks up for one question: well under a millisecond.
const LOOKED_UP_MAX: usize = 256;

impl Desk {
    /// Sends a payout that is on disk.
    pub(super) fn pay_out(&mut self, payout: &Payout) {
        self.submit(payout);
        let Some(faucet) = &self.faucet else {
            return;
        };
        let left = faucet.outputs().count();
        self.unconfirmed.push((faucet.outpoint(payout.index), payout.key));
        let address = self.network.spec.address(payout.key);
        (self.tell)(News::Paid { address, txid: payout.txid, left });
    }

    fn submit(&self, payout: &Payout) {
        let transaction = Transaction::decode(&payout.transaction);
        self.handle.submit(transaction.expect("the faucet wrote it, and the database checked it"));
    }

    /// Genesis outputs that were spent though no payout of them is remembered are not used again.
    pub(super) async fn find_lost_outputs(&mut self) {
        let outputs: Vec<OutPoint> = self.faucet.iter().flat_map(Faucet::outputs).collect();
        for part in outputs.chunks(LOOKED_UP_MAX) {
            let spent = self.spent(part.to_vec()).await;
            if let Some(faucet) = &mut self.faucet {
                spent.into_iter().for_each(|outpoint| faucet.lost(outpoint));
            }
        }
    }

    /// Submits again what neither the best chain nor the pending transactions hold.
    pub(super) async fn resubmit(&mut self) {
        for part in std::mem::take(&mut self.unconfirmed).chunks(LOOKED_UP_MAX) {
            let spent = self.spent(part.iter().map(|(outpoint, _)| *outpoint).collect()).await;
            self.unconfirmed.extend(part.iter().filter(|(outpoint, _)| !spent.contains(outpoint)));
        }
        let Some(faucet) = &self.faucet else {
            return;
        };
        let payouts = self.unconfirmed.iter().filter_map(|(_, key)| faucet.payout(key));
        // Those that are pending are known there and nothing happens.
        payouts.for_each(|payout| self.submit(payout));
    }

    /// Which of these the best chain has spent; none when the node has no time to say.
    async fn spent(&self, outpoints: Vec<OutPoint>) -> Vec<OutPoint> {
        let look = move |machine: &Machine| {
            let is_spent = |outpoint: &OutPoint| {
                machine.ledger().coin(outpoint).is_ok_and(|coin| coin.is_none())
            };
            outpoints.into_iter().filter(is_spent).collect()
        };
        self.handle.ask(look).await.unwrap_or_default()
    }
}
