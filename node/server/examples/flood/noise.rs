//! What fills a log: bytes that are no message, and payments that are refused.

use std::sync::Arc;
use std::thread;

use chain::amount::Amount;
use chain::encoding::Encode;
use chain::hash::Txid;
use chain::key::Signature;
use chain::transaction::{Input, OutPoint, Output, Transaction, Transfer};
use wire::hello::Role;
use wire::wallet::{Submit, WalletMessage};
use wire::{ByteString, Message};

use crate::Attack;
use crate::line::Line;
use crate::target::Target;

/// Threads that do it at once.
const THREADS: usize = 8;

/// Says hello and then something that is no message.
pub(crate) fn begin_malformed(attack: &Arc<Attack>) -> anyhow::Result<()> {
    begin(attack, |attack| {
        let mut line = Line::greet(&attack.target, Role::Peer)?;
        line.say_bytes(b"GET / HTTP/1.1\r\n\r\n")?;
        attack.count();
        // Until the node has closed it.
        while line.hear().is_ok() {}
        Ok(())
    })
}

/// Sends payments that spend nothing.
pub(crate) fn begin_refused(attack: &Arc<Attack>) -> anyhow::Result<()> {
    begin(attack, |attack| {
        let mut line = Line::greet(&attack.target, Role::Wallet)?;
        for request in 0.. {
            let transaction = ByteString(nothing(&attack.target, request).encode());
            line.say(&Message::Wallet(WalletMessage::Submit(Submit { request, transaction })))?;
            line.hear()?;
            attack.count();
            if attack.is_over() {
                break;
            }
        }
        Ok(())
    })
}

fn begin(attack: &Arc<Attack>, once: fn(&Attack) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for _ in 0..THREADS {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            while !attack.is_over() {
                // Thrown out or not, the next one comes at once.
                let _ = once(&attack);
            }
        });
    }
    Ok(())
}

/// A payment of coins that there are not.
fn nothing(target: &Target, number: u32) -> Transaction {
    let outpoint = OutPoint { txid: Txid([7; 32]), index: number };
    let inputs = vec![Input { outpoint, signature: Signature([0; 64]) }];
    let key = target.network.spec.allocations[0].key;
    let outputs = vec![Output { amount: Amount(1), key }];
    Transaction::Transfer(Transfer { inputs, outputs, lock_height: 0 })
}
