//! Tests of payments: whatever is built passes the rules of the chain.

use std::sync::LazyLock;

use chain::amount::MAX_MONEY;
use chain::rules;
use chain::transaction::signature_checks;
use chain::utxo::Coin;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::*;
use crate::coin_selection::Fee;
use crate::seed::Seed;

const GENESIS: BlockHash = BlockHash([7; 32]);

fn account() -> &'static Account {
    static ACCOUNT: LazyLock<Account> = LazyLock::new(|| Account::new(&Seed::devnet(1, "Adam")));
    &ACCOUNT
}

fn receiver() -> OutputKey {
    static RECEIVER: LazyLock<OutputKey> =
        LazyLock::new(|| Account::new(&Seed::devnet(1, "Bob")).receive_key(0));
    *RECEIVER
}

fn coins(account: &Account, worths: &[u64]) -> Vec<SpendableCoin> {
    let keys: Vec<OutputKey> = account.watched().collect();
    (0u32..)
        .zip(worths)
        .map(|(index, worth)| SpendableCoin {
            outpoint: OutPoint { txid: Txid([3; 32]), index },
            output: Output { amount: Amount(*worth), key: keys[index as usize % keys.len()] },
        })
        .collect()
}

fn order(account: &Account, amount: u64, fee: Fee) -> PaymentOrder {
    PaymentOrder {
        receiver: receiver(),
        amount: Amount(amount),
        policy: FeePolicy { fee, transfer_bytes_max: 10_000 },
        change_key: account.fresh_change_key(),
    }
}

proptest! {
    #[test]
    fn every_payment_that_is_built_passes_the_rules_and_its_signatures_hold(
        worths in prop::collection::vec(1..=MAX_MONEY.0 / 16, 1..12),
        share in 1u64..=1100,
        fee in prop_oneof![
            (0u64..1_000_000).prop_map(|fee| Fee::Fixed(Amount(fee))),
            (0u64..5000).prop_map(Fee::Rate),
        ],
        seed: u64,
    ) {
        let account = account();
        let coins = coins(account, &worths);
        let amount = worths.iter().sum::<u64>() / 1000 * share;
        let order = order(account, amount, fee);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let Ok((payment, selection)) = pay(&order, &coins, account, GENESIS, &mut rng) else {
            let short = share > 990 || amount < 10_000_000;
            prop_assert!(short, "refused {amount} of {worths:?}");
            return Ok(());
        };
        prop_assert_eq!(rules::transaction::check_alone(&payment.transfer), Ok(()));
        let spent: Vec<Option<Coin>> = payment
            .spent
            .iter()
            .map(|output| Some(Coin { output: *output, height: 0, coinbase: false }))
            .collect();
        let charged = rules::transaction::check_in_context(&payment.transfer, &spent, 1, 100);
        prop_assert_eq!(charged, Ok(payment.fee));
        for check in signature_checks(&payment.transfer, &payment.spent, GENESIS, 0) {
            prop_assert!(check.is_valid());
        }
        // A signature is worth nothing on another network.
        for check in signature_checks(&payment.transfer, &payment.spent, BlockHash([8; 32]), 0) {
            prop_assert!(!check.is_valid());
        }
        let arrives: Vec<Amount> = payment.transfer.outputs.iter()
            .filter(|output| output.key == order.receiver).map(|output| output.amount).collect();
        prop_assert_eq!(arrives, vec![Amount(amount)]);
        let back: Vec<Amount> = payment.transfer.outputs.iter()
            .filter(|output| output.key == order.change_key).map(|output| output.amount).collect();
        prop_assert_eq!(back, selection.chosen.change.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(SignedPayment::decode(&payment.encode()), Ok(payment.clone()));
    }

    #[test]
    fn no_bytes_panic_when_a_payment_is_read_back(bytes: Vec<u8>) {
        let _ = SignedPayment::decode(&bytes);
    }
}

#[test]
fn orders_that_make_no_sense_are_refused_by_name() {
    let account = account();
    let coins = coins(account, &[1000, 1000]);
    let refused = |change: &dyn Fn(&mut PaymentOrder)| {
        let mut order = order(account, 500, Fee::Fixed(Amount(10)));
        change(&mut order);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        pay(&order, &coins, account, GENESIS, &mut rng).map(|_| ()).unwrap_err()
    };
    // x = 5 is no point: 5^3 + 7 is no square (a vector of BIP 340).
    let mut no_point = [0; 32];
    no_point[31] = 5;
    let no_point = OutputKey(no_point);
    assert_eq!(
        refused(&|order| order.receiver = no_point),
        PaymentError::UnspendableReceiver(no_point)
    );
    assert_eq!(refused(&|order| order.amount = Amount::ZERO), PaymentError::ZeroAmount);
    assert_eq!(
        refused(&|order| order.policy.fee = Fee::Fixed(Amount(501))),
        PaymentError::FeeAbovePayment { fee: Amount(501), amount: Amount(500) }
    );
    assert_eq!(
        refused(&|order| order.amount = Amount(1991)),
        PaymentError::Selection(SelectionError::Insufficient {
            available: Amount(2000),
            needed: Amount(2001)
        })
    );
    assert_eq!(
        refused(&|order| order.amount = Amount(u64::MAX)),
        PaymentError::Selection(SelectionError::Impossible)
    );
}

#[test]
fn a_coin_of_another_wallet_is_not_signed_for() {
    let mut foreign = coins(account(), &[1000]);
    foreign[0].output.key = receiver();
    let order = order(account(), 500, Fee::Fixed(Amount(10)));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let refused = pay(&order, &foreign, account(), GENESIS, &mut rng).unwrap_err();
    assert_eq!(refused, PaymentError::ForeignCoin(foreign[0].outpoint));
}

#[test]
fn change_takes_either_place() {
    let account = account();
    let places: std::collections::BTreeSet<usize> = (0..40)
        .map(|seed| {
            let order = order(account, 500, Fee::Fixed(Amount(10)));
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let coins = coins(account, &[1000]);
            let (payment, _) = pay(&order, &coins, account, GENESIS, &mut rng).unwrap();
            let outputs = &payment.transfer.outputs;
            outputs.iter().position(|output| output.key == order.change_key).unwrap()
        })
        .collect();
    assert_eq!(places.len(), 2);
}
