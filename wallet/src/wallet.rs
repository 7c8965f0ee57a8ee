//! `Wallet`: keys, history and payments of one seed on one network, tied together.

use std::collections::BTreeSet;
use std::sync::Arc;

use chain::address::Address;
use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::Txid;
use chain::key::OutputKey;
use chain::transaction::Transfer;
use client::node_client::{ClientError, NodeClient};
use rand::Rng;
use wire::fee::fee_at_rate;
use wire::peer::RELAYED_BYTES_MAX;
use wire::wallet::{ChainTip, SubmitOutcome};

use crate::accounts::{Account, AccountKey, InvalidAccountKey, OtherSeed};
use crate::coin_selection::{Fee, FeePolicy, Selection, SelectionError};
use crate::header_chain::HeaderChain;
use crate::history::proof::ConfirmedTransaction;
use crate::history::{Balance, History, PaymentState};
use crate::payment::{self, PaymentError, PaymentOrder, SignedPayment, SpendableCoin};
use crate::seed::{DEVNET_PREFIX, Seed};

pub use sync::{Changes, SyncError};

mod new_blocks;
mod sync;

/// Bytes of a block that are left to its header and coinbase.
const BLOCK_RESERVE_BYTES: u32 = 1000;

/// A wallet on one network. It holds no file and no connection: payments that must outlive the
/// process are the caller's to write down ([`Wallet::payments`]) and to bring back
/// ([`Wallet::restore`]).
#[derive(Debug)]
pub struct Wallet {
    network: Arc<Network>,
    account: Account,
    headers: HeaderChain,
    history: History,
    /// What `history` was built from, and the keys that it was asked for.
    entries: Vec<ConfirmedTransaction>,
    pending: Vec<Transfer>,
    synced_keys: BTreeSet<OutputKey>,
    /// Every payment ever made, parents before children; none is forgotten, as a reorganization may
    /// bring any of them back.
    payments: Vec<SignedPayment>,
    fee_rate_min: u64,
}

/// A devnet's seed, which anybody can compute, on a network that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is a devnet seed, which anybody can compute: it is refused on a network with addresses \
     that begin with {prefix:?} instead of {DEVNET_PREFIX:?}"
)]
pub struct DevnetSeedRefused {
    /// The network's address prefix.
    pub prefix: String,
}

impl Wallet {
    /// The wallet of `seed` on `network`. Until the first [`Wallet::sync`] it knows genesis only.
    ///
    /// # Errors
    /// [`DevnetSeedRefused`] for a seed of [`Seed::devnet`] outside [`DEVNET_PREFIX`].
    pub fn new(seed: &Seed, network: Arc<Network>) -> Result<Self, DevnetSeedRefused> {
        let prefix = &network.spec.address_prefix;
        if seed.is_devnet() && prefix != DEVNET_PREFIX {
            return Err(DevnetSeedRefused { prefix: prefix.clone() });
        }
        Ok(Self::of(Account::new(seed), network))
    }

    /// The wallet of an account whose secrets stay where they are: it sees and cannot sign until
    /// [`Wallet::unlock`].
    ///
    /// # Errors
    /// [`InvalidAccountKey`].
    pub fn watch_only(
        account_key: AccountKey,
        network: Arc<Network>,
    ) -> Result<Self, InvalidAccountKey> {
        Ok(Self::of(Account::watch_only(account_key)?, network))
    }

    fn of(account: Account, network: Arc<Network>) -> Self {
        let genesis = ChainTip { hash: network.genesis_hash(), height: 0 };
        let owns = |key: &OutputKey| account.owns(key);
        let history = History::build(&network, &owns, genesis, [], &[], &[])
            .expect("genesis alone contradicts nothing: the spec's check bounds its amounts");
        let mut wallet = Self {
            headers: HeaderChain::new(Arc::clone(&network)),
            network,
            account,
            history,
            entries: Vec::new(),
            pending: Vec::new(),
            synced_keys: BTreeSet::new(),
            payments: Vec::new(),
            fee_rate_min: 0,
        };
        wallet.refresh_used();
        wallet
    }

    /// From now on the wallet can sign.
    ///
    /// # Errors
    /// [`OtherSeed`] for the seed of another wallet.
    pub fn unlock(&mut self, seed: &Seed) -> Result<(), OtherSeed> {
        self.account.unlock(seed)
    }

    /// The network that the wallet is on.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// What the wallet has, as of the last synchronization and the payments since.
    pub fn balance(&self) -> Balance {
        self.history.balance()
    }

    /// What a payment and its fee could take now: mature coins, and change of own payments that
    /// wait.
    pub fn available(&self) -> Amount {
        let coins = self.history.spendable().into_iter().chain(self.history.pending_change());
        coins.fold(Amount::ZERO, |sum, coin| Amount(sum.0.saturating_add(coin.output.amount.0)))
    }

    /// The coins, movements and states behind the balance.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// An address that nobody paid yet. It stays the same until somebody does.
    pub fn address(&self) -> Address {
        self.network.spec.address(self.account.fresh_receive_key())
    }

    /// The chain that is believed.
    pub fn headers(&self) -> &HeaderChain {
        &self.headers
    }

    /// The chain that is believed, to bring back what was kept of it, to keep it, or to follow
    /// another node.
    pub fn headers_mut(&mut self) -> &mut HeaderChain {
        &mut self.headers
    }

    /// Whether the history holds at this block, and the block ends the chain that is believed, or
    /// nearly does.
    pub fn is_current(&self, tip: ChainTip) -> bool {
        self.history.tip() == tip && self.headers.contains(tip) && !self.is_behind(tip)
    }

    /// The wallet's keys.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Least fee that nodes took at the last synchronization, in units per 1000 bytes.
    pub fn fee_rate_min(&self) -> u64 {
        self.fee_rate_min
    }

    /// Every payment ever made or restored, with where it stands.
    pub fn payments(&self) -> impl Iterator<Item = (&SignedPayment, PaymentState)> {
        let state = |payment: &SignedPayment| self.history.state(&payment.transfer);
        self.payments.iter().map(move |payment| (payment, state(payment)))
    }

    /// Signs a payment and reserves its coins. Nothing is sent: write the payment down, then hand
    /// [`SignedPayment::transaction`] to [`NodeClient::submit`]. Its coins stay reserved until it
    /// confirms or conflicts.
    ///
    /// # Errors
    /// [`PaymentError`]; nothing is reserved then.
    pub fn pay<R: Rng + ?Sized>(
        &mut self,
        receiver: OutputKey,
        amount: Amount,
        fee: Fee,
        rng: &mut R,
    ) -> Result<SignedPayment, PaymentError> {
        self.pay_explained(receiver, amount, fee, rng).map(|(payment, _)| payment)
    }

    /// Like [`Wallet::pay`], with how the coins were selected.
    ///
    /// # Errors
    /// As [`Wallet::pay`].
    pub fn pay_explained<R: Rng + ?Sized>(
        &mut self,
        receiver: OutputKey,
        amount: Amount,
        fee: Fee,
        rng: &mut R,
    ) -> Result<(SignedPayment, Selection), PaymentError> {
        let block_bytes = self.network.spec.block_bytes_max.saturating_sub(BLOCK_RESERVE_BYTES);
        let transfer_bytes_max = RELAYED_BYTES_MAX.min(block_bytes as usize);
        let order = PaymentOrder {
            receiver,
            amount,
            policy: FeePolicy { fee, transfer_bytes_max },
            change_key: self.account.fresh_change_key(),
        };
        let genesis = self.network.genesis_hash();
        let mut build =
            |coins: &[SpendableCoin]| payment::pay(&order, coins, &self.account, genesis, rng);
        // Change that is not confirmed yet hangs on its payment, so it is spent only in need.
        let mut coins = self.history.spendable();
        let mut built = build(&coins);
        let insufficient = |error: &PaymentError| {
            matches!(error, PaymentError::Selection(SelectionError::Insufficient { .. }))
        };
        if built.as_ref().is_err_and(insufficient) {
            coins.extend(self.history.pending_change());
            built = build(&coins);
        }
        let (payment, selection) = built?;
        let least = fee_at_rate(self.fee_rate_min, payment.transfer.encoded_bytes() as u64);
        if payment.fee < least {
            return Err(PaymentError::FeeTooLow { fee: payment.fee, least });
        }
        self.restore(payment.clone());
        Ok((payment, selection))
    }

    /// Brings back a payment that was written down, and reserves its coins again. One that is known
    /// already changes nothing.
    pub fn restore(&mut self, payment: SignedPayment) {
        self.restore_all([payment]);
    }

    /// Brings back payments that were written down, parents before children.
    pub fn restore_all(&mut self, payments: impl IntoIterator<Item = SignedPayment>) {
        let mut known: BTreeSet<Txid> = self.payments.iter().map(|payment| payment.txid).collect();
        let new = payments.into_iter().filter(|payment| known.insert(payment.txid));
        self.payments.extend(new);
        self.refresh_pending();
        self.refresh_used();
    }

    /// Forgets a payment that was handed to nobody, for example because it could not be written
    /// down. One that anybody saw must never be forgotten: paying again would then pay twice.
    pub fn discard_unsent(&mut self, txid: Txid) {
        self.payments.retain(|payment| payment.txid != txid);
        self.refresh_pending();
        self.refresh_used();
    }

    /// Hands every payment that still waits to the node again, in the bytes it was signed in.
    ///
    /// # Errors
    /// [`ClientError`] as soon as the conversation fails; it may be repeated with any node.
    pub fn resend(
        &self,
        client: &mut NodeClient,
    ) -> Result<Vec<(Txid, SubmitOutcome)>, ClientError> {
        self.waiting()
            .map(|payment| Ok((payment.txid, client.submit(&payment.transaction())?)))
            .collect()
    }

    /// The payments that still wait.
    pub fn waiting(&self) -> impl Iterator<Item = &SignedPayment> {
        let waits = |(_, state): &(_, PaymentState)| *state == PaymentState::Pending;
        self.payments().filter(waits).map(|(payment, _)| payment)
    }

    fn refresh_pending(&mut self) {
        let owns = |key: &OutputKey| self.account.owns(key);
        let payments: Vec<&Transfer> = self.payments.iter().map(|made| &made.transfer).collect();
        self.history.set_pending(&self.network, &owns, &payments, &self.pending);
    }

    /// Keys are used that a transaction pays, or that a payment which may still confirm does.
    fn refresh_used(&mut self) {
        let mut used = self.history.used_keys();
        let live = self.payments.iter().filter(|payment| {
            !matches!(self.history.state(&payment.transfer), PaymentState::Conflicted { .. })
        });
        used.extend(live.flat_map(|payment| &payment.transfer.outputs).map(|output| output.key));
        self.account.set_used(&used);
    }
}

#[cfg(test)]
mod tests;
