//! A test wallet: keys with genesis allocations, and signed payments from them.

use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::tagged_hash;
use chain::key::{OutputKey, SecretKey, Signature};
use chain::spec::Allocation;
use chain::transaction::{Input, OutPoint, Output, SighashContext, Transfer};

/// Real keys, the same in every run.
#[derive(Debug)]
pub struct TestWallet {
    keys: Vec<SecretKey>,
}

impl TestWallet {
    /// A wallet of `count` keys.
    pub fn new(count: u32) -> Self {
        let key = |number: u32| {
            let bytes = tagged_hash("lode/simulation/key", &[&number.to_le_bytes()]);
            SecretKey::from_bytes(bytes).expect("a hash is a key but for one in 2^128")
        };
        Self { keys: (0..count).map(key).collect() }
    }

    /// The key that pays to the `owner`th.
    pub fn key(&self, owner: usize) -> OutputKey {
        self.keys[owner].output_key()
    }

    /// One genesis output of `amount` for every key, in order.
    pub fn allocations(&self, amount: Amount) -> Vec<Allocation> {
        self.keys.iter().map(|key| Allocation { key: key.output_key(), amount }).collect()
    }

    /// The genesis coin of the `owner`th key, with its name.
    pub fn genesis_coin(&self, network: &Network, owner: usize) -> (OutPoint, Output) {
        let allocation = network.spec.allocations[owner];
        let index = u32::try_from(owner).expect("there are at most 4096 allocations");
        let outpoint = OutPoint { txid: network.genesis.txids[0], index };
        (outpoint, Output { amount: allocation.amount, key: allocation.key })
    }

    /// Pays a whole coin of `owner` to `to`, less the fee.
    pub fn pay(
        &self,
        network: &Network,
        owner: usize,
        (outpoint, coin): (OutPoint, Output),
        to: OutputKey,
        fee: Amount,
    ) -> Transfer {
        let amount = coin.amount.checked_sub(fee).expect("the fee is below the coin");
        let mut transfer = Transfer {
            inputs: vec![Input { outpoint, signature: Signature([0; 64]) }],
            outputs: vec![Output { amount, key: to }],
            lock_height: 0,
        };
        let context = SighashContext::new(&transfer, &[coin], network.genesis_hash());
        let message = context.message(0);
        transfer.inputs[0].signature = self.keys[owner].sign(&message, &[0; 32]);
        transfer
    }
}
