//! Wallets that ask for what is pending of as many keys as one question takes, without a pause.

use std::sync::Arc;
use std::thread;

use chain::key::OutputKey;
use wire::Message;
use wire::hello::Role;
use wire::wallet::{GetPendingOfMany, KEYS_MAX, WalletMessage};

use crate::Attack;
use crate::line::Line;

/// Wallets that ask at once.
const WALLETS: u32 = 16;

pub(crate) fn begin(attack: &Arc<Attack>) -> anyhow::Result<()> {
    for number in 0..WALLETS {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            // Keys that nobody has, spread over all that there are.
            let key = |at: usize| {
                let place = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mut key = [0; 32];
                key[..8].copy_from_slice(&place.to_be_bytes());
                OutputKey(key)
            };
            let keys: Vec<OutputKey> = (0..KEYS_MAX).map(key).collect();
            let many = WalletMessage::GetPendingOfMany(GetPendingOfMany::new(number, &keys));
            let question = Message::Wallet(many);
            while !attack.is_over() {
                let Ok(mut line) = Line::greet(&attack.target, Role::Wallet) else { continue };
                while !attack.is_over()
                    && line.say(&question).is_ok()
                    && matches!(line.hear(), Ok(Message::Wallet(WalletMessage::Pending(_))))
                {
                    attack.count();
                }
            }
        });
    }
    Ok(())
}
