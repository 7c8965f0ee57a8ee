//! Tests of `History`: exact against the chain's own coins, and hard to lie to.

use std::sync::{Arc, LazyLock};

use chain::amount::COIN;
use chain::encoding::{Decode, Encode};
use chain::header::Header;
use chain::rules::RuleError;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use testkit::test_chain::{MATURITY, TestChain, network};
use wire::ByteString;
use wire::wallet::HistoryEntry;

use super::proof::{EntryError, verify_alone};
use super::*;
use crate::accounts::Account;
use crate::coin_selection::{Fee, FeePolicy};
use crate::payment::{PaymentOrder, SignedPayment, pay};
use crate::seed::Seed;

static ADAM: LazyLock<Account> = LazyLock::new(|| Account::new(&Seed::devnet(1, "Adam")));
static BOB: LazyLock<Account> = LazyLock::new(|| Account::new(&Seed::devnet(1, "Bob")));
static NETWORK: LazyLock<Arc<Network>> = LazyLock::new(|| network(&[key(&ADAM, 0), key(&BOB, 0)]));

fn key(account: &Account, index: usize) -> OutputKey {
    account.watched().nth(index).unwrap()
}

fn policy(fee: u64) -> FeePolicy {
    FeePolicy { fee: Fee::Fixed(Amount(fee)), transfer_bytes_max: 100_000 }
}

fn entries(chain: &TestChain, account: &Account) -> Vec<HistoryEntry> {
    account.watched().flat_map(|key| chain.history(&key)).collect()
}

fn history(chain: &TestChain, account: &Account) -> History {
    let verified = entries(chain, account);
    let verified = verified.iter().map(|entry| verify_alone(entry, &NETWORK).unwrap());
    let pending: Vec<Transaction> =
        account.watched().flat_map(|key| chain.pending_of(&key)).collect();
    let pending: Vec<Transfer> = pending.into_iter().filter_map(transfer).collect();
    let owns = |key: &OutputKey| account.owns(key);
    History::build(&NETWORK, &owns, chain.tip(), verified, &[], &pending).unwrap()
}

fn transfer(transaction: Transaction) -> Option<Transfer> {
    match transaction {
        Transaction::Transfer(transfer) => Some(transfer),
        Transaction::Coinbase(_) => None,
    }
}

/// `from` pays `amount` to `to`, with change to key `change`, from all it can spend.
fn payment(
    chain: &TestChain,
    from: &Account,
    to: OutputKey,
    amount: u64,
    change: OutputKey,
) -> Option<SignedPayment> {
    let history = history(chain, from);
    let mut coins = history.spendable();
    coins.extend(history.pending_change());
    let order = PaymentOrder {
        receiver: to,
        amount: Amount(amount),
        policy: policy(amount / 10),
        change_key: change,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(amount);
    pay(&order, &coins, from, NETWORK.genesis_hash(), &mut rng).ok().map(|(payment, _)| payment)
}

/// What the chain itself says that Adam has.
fn expected_balance(chain: &TestChain) -> Balance {
    let mut balance = Balance::default();
    let mut outputs: BTreeMap<OutPoint, Output> = BTreeMap::new();
    for (outpoint, coin) in chain.coins() {
        outputs.insert(*outpoint, coin.output);
        if ADAM.owns(&coin.output.key) {
            let mature = !coin.coinbase || coin.height + MATURITY <= chain.tip().height + 1;
            let sum = if mature { &mut balance.confirmed } else { &mut balance.immature };
            sum.0 += coin.output.amount.0;
        }
    }
    for transaction in &chain.pending {
        let txid = transaction.txid();
        for (index, output) in (0u32..).zip(transaction.outputs()) {
            outputs.insert(OutPoint { txid, index }, *output);
        }
        let own = |output: &&Output| ADAM.owns(&output.key);
        let got: u64 = transaction.outputs().iter().filter(own).map(|output| output.amount.0).sum();
        let transfer = transfer(transaction.clone()).unwrap();
        let spent = transfer.inputs.iter().map(|input| &outputs[&input.outpoint]);
        let spent: u64 = spent.filter(own).map(|output| output.amount.0).sum();
        balance.pending_in.0 += got.saturating_sub(spent);
        balance.pending_out.0 += spent.saturating_sub(got);
    }
    balance
}

#[derive(Debug, Clone)]
enum Step {
    AdamPays { amount: u64, change: usize },
    BobPays { amount: u64, to: usize },
    Mine { to_adam: bool, key: usize },
    Rewind { blocks: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = || COIN / 100..60 * COIN;
    let step = prop_oneof![
        3 => (amount(), 20usize..40).prop_map(|(amount, change)| Step::AdamPays { amount, change }),
        2 => (amount(), 0usize..20).prop_map(|(amount, to)| Step::BobPays { amount, to }),
        3 => (any::<bool>(), 0usize..40).prop_map(|(to_adam, key)| Step::Mine { to_adam, key }),
        1 => (1u32..4).prop_map(|blocks| Step::Rewind { blocks }),
    ];
    prop::collection::vec(step, 1..14)
}

fn take(chain: &mut TestChain, step: &Step) {
    match *step {
        Step::AdamPays { amount, change } => {
            let made = payment(chain, &ADAM, key(&BOB, 1), amount, key(&ADAM, change));
            chain.pending.extend(made.map(|payment| payment.transaction()));
        }
        Step::BobPays { amount, to } => {
            let made = payment(chain, &BOB, key(&ADAM, to), amount, key(&BOB, 30));
            chain.pending.extend(made.map(|payment| payment.transaction()));
        }
        Step::Mine { to_adam, key: index } => {
            let account: &Account = if to_adam { &ADAM } else { &BOB };
            chain.mine_pending(key(account, index));
        }
        Step::Rewind { blocks } => {
            chain.pending.clear();
            chain.rewind(chain.tip().height.saturating_sub(blocks));
        }
    }
}

proptest! {
    #[test]
    fn the_balance_is_exact_on_every_chain(steps in steps()) {
        let mut chain = TestChain::new(Arc::clone(&NETWORK));
        for step in &steps {
            take(&mut chain, step);
            let history = history(&chain, &ADAM);
            prop_assert_eq!(history.balance(), expected_balance(&chain));
            let spendable = history.spendable();
            let known = chain.coins();
            prop_assert!(spendable.iter().all(|coin| known.contains_key(&coin.outpoint)));
            // What moved adds up to what is there.
            let sum: i128 = history
                .movements()
                .map(|movement| i128::from(movement.received.0) - i128::from(movement.spent.0))
                .sum();
            let balance = history.balance();
            let total = i128::from(balance.confirmed.0) + i128::from(balance.immature.0)
                + i128::from(balance.pending_in.0) - i128::from(balance.pending_out.0);
            prop_assert_eq!(sum, total);
        }
    }

    #[test]
    fn no_changed_entry_is_believed(
        place in any::<prop::sample::Index>(),
        part in 0usize..6,
        bit in any::<prop::sample::Index>(),
    ) {
        let chain = busy_chain();
        let mut entries = entries(&chain, &ADAM);
        entries.retain(|entry| entry.position.height > 0);
        let index = place.index(entries.len());
        let mut entry = entries[index].clone();
        let flip = |bytes: &mut [u8]| {
            if bytes.is_empty() {
                return false;
            }
            let at = bit.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            true
        };
        let changed = match part {
            0 => flip(&mut entry.header.0),
            1 => flip(&mut entry.transaction.0),
            2 => flip(&mut entry.siblings.0),
            3 => flip(&mut entry.block.0),
            4 => { entry.position.transaction ^= 1; true }
            _ => { entry.transactions += 1 << bit.index(20); entry.siblings.0.push(0); true }
        };
        prop_assume!(changed);
        prop_assert!(verify_alone(&entry, &NETWORK).is_err());
    }

    #[test]
    fn no_bytes_panic_a_verification(
        header: Vec<u8>,
        transaction: Vec<u8>,
        siblings: Vec<u8>,
        height: u32,
        place: u32,
        count: u32,
    ) {
        let entry = HistoryEntry {
            position: TxPosition { height, transaction: place },
            block: NETWORK.genesis_hash(),
            header: ByteString(header),
            transaction: ByteString(transaction),
            transactions: count,
            siblings: ByteString(siblings),
        };
        prop_assert!(verify_alone(&entry, &NETWORK).is_err());
    }
}

/// Payments both ways in blocks of several transactions.
fn busy_chain() -> TestChain {
    let mut chain = TestChain::new(Arc::clone(&NETWORK));
    for round in 0..3 {
        take(&mut chain, &Step::AdamPays { amount: 2 * COIN, change: 20 + round });
        take(&mut chain, &Step::BobPays { amount: 3 * COIN, to: round });
        take(&mut chain, &Step::AdamPays { amount: COIN, change: 30 + round });
        take(&mut chain, &Step::Mine { to_adam: round == 1, key: 5 });
    }
    chain
}

#[test]
fn a_lie_about_an_amount_breaks_the_proof() {
    let chain = busy_chain();
    let mut entry = entries(&chain, &ADAM).into_iter().find(|entry| entry.position.height == 1);
    let entry = entry.as_mut().unwrap();
    let mut transaction = Transaction::decode(&entry.transaction.0).unwrap();
    if let Transaction::Transfer(transfer) = &mut transaction {
        transfer.outputs[0].amount.0 += 1;
    }
    entry.transaction = ByteString(transaction.encode());
    assert!(matches!(verify_alone(entry, &NETWORK), Err(EntryError::Root { .. })));
}

#[test]
fn a_header_without_work_or_of_another_genesis_is_refused() {
    let chain = busy_chain();
    let entries = entries(&chain, &ADAM);
    let mut lazy = entries.iter().find(|entry| entry.position.height == 1).unwrap().clone();
    let mut header = Header::from_bytes(lazy.header.0.as_slice().try_into().unwrap());
    while NETWORK.spec.starting_target().is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    lazy.header = ByteString(header.to_bytes().to_vec());
    lazy.block = header.hash();
    let refused = verify_alone(&lazy, &NETWORK);
    assert!(matches!(refused, Err(EntryError::Rule(RuleError::Work { .. }))), "{refused:?}");
    let mut foreign = entries.iter().find(|entry| entry.position.height == 1).unwrap().clone();
    foreign.position.height = 0;
    assert!(matches!(verify_alone(&foreign, &NETWORK), Err(EntryError::Genesis { .. })));
}

#[test]
fn a_coinbase_must_mature_and_vanishes_with_its_block() {
    let mut chain = TestChain::new(Arc::clone(&NETWORK));
    chain.mine(key(&ADAM, 3), vec![]);
    let balance = |chain: &TestChain| history(chain, &ADAM).balance();
    for _ in 1..MATURITY - 1 {
        assert_eq!(balance(&chain).immature, Amount(50 * COIN));
        assert_eq!(history(&chain, &ADAM).spendable().len(), 1);
        chain.mine(key(&BOB, 0), vec![]);
    }
    chain.mine(key(&BOB, 0), vec![]);
    assert_eq!(balance(&chain).confirmed, Amount(150 * COIN));
    assert_eq!(history(&chain, &ADAM).spendable().len(), 2);
    chain.rewind(0);
    chain.mine(key(&BOB, 0), vec![]);
    assert_eq!(balance(&chain), Balance { confirmed: Amount(100 * COIN), ..Balance::default() });
}

#[test]
fn entries_of_two_chains_do_not_mix() {
    let mut chain = TestChain::new(Arc::clone(&NETWORK));
    chain.mine(key(&ADAM, 0), vec![]);
    let fork = chain.clone();
    chain.mine(key(&ADAM, 1), vec![]);
    let mut other = fork;
    other.rewind(0);
    other.mine(key(&ADAM, 2), vec![]);
    let build = |mixed: &[HistoryEntry], tip: ChainTip| {
        let verified = mixed.iter().map(|entry| verify_alone(entry, &NETWORK).unwrap());
        History::build(&NETWORK, &|key| ADAM.owns(key), tip, verified, &[], &[]).map(|_| ())
    };
    let at = |chain: &TestChain, height| -> Vec<HistoryEntry> {
        let mut entries = entries(chain, &ADAM);
        entries.retain(|entry| entry.position.height == height);
        entries
    };
    let both = [at(&chain, 1), at(&other, 1)].concat();
    let refused = build(&both, chain.tip());
    assert!(matches!(refused, Err(HistoryError::Contradiction { .. })), "{refused:?}");
    let unlinked = [at(&other, 1), at(&chain, 2)].concat();
    let refused = build(&unlinked, chain.tip());
    assert_eq!(refused, Err(HistoryError::NotOneChain { height: 2 }));
    let above = build(&at(&chain, 2), ChainTip { height: 1, ..chain.tip() });
    assert_eq!(above, Err(HistoryError::AboveTip { height: 2, tip: 1 }));
}

#[test]
fn a_pending_transaction_counts_as_far_as_it_can_be_believed() {
    let chain = TestChain::new(Arc::clone(&NETWORK));
    let outgoing = payment(&chain, &ADAM, key(&BOB, 1), COIN, key(&ADAM, 20)).unwrap();
    let build = |payments: &[&Transfer], pending: &[Transfer]| {
        let owns = |key: &OutputKey| ADAM.owns(key);
        History::build(&NETWORK, &owns, chain.tip(), vec![], payments, pending).unwrap()
    };
    // A node may list it twice.
    let seen = build(&[], &[outgoing.transfer.clone(), outgoing.transfer.clone()]);
    assert_eq!(seen.balance().pending_out, Amount(COIN + COIN / 10));
    assert_eq!(seen.spendable(), vec![]);
    assert_eq!(seen.pending_change().len(), 1);
    // Somebody else's signature takes nothing away.
    let mut forged = outgoing.transfer.clone();
    forged.inputs[0].signature.0[9] ^= 1;
    let seen = build(&[], &[forged]);
    assert_eq!(seen.balance(), Balance { confirmed: Amount(100 * COIN), ..Balance::default() });
    // Money promised by others is shown, not spent, and never more than exists.
    let promise = |amount: u64, index| Transfer {
        inputs: vec![chain::transaction::Input {
            outpoint: OutPoint { txid: Txid([9; 32]), index },
            signature: chain::key::Signature([0; 64]),
        }],
        outputs: vec![Output { amount: Amount(amount), key: key(&ADAM, 1) }],
        lock_height: 0,
    };
    let seen = build(&[], &[promise(7, 0)]);
    assert_eq!(seen.balance().pending_in, Amount(7));
    assert_eq!(seen.pending_change(), vec![]);
    let most = chain::amount::MAX_MONEY.0;
    let flood: Vec<Transfer> = (0..300).map(|index| promise(most, index)).collect();
    assert_eq!(build(&[], &flood).balance().pending_in, Amount(most));
    // A payment of its own whose coin is gone counts for nothing.
    let child = {
        let mut with_parent = chain.clone();
        with_parent.pending.push(outgoing.transaction());
        payment(&with_parent, &ADAM, key(&BOB, 1), COIN, key(&ADAM, 21)).unwrap()
    };
    let seen = build(&[&child.transfer], &[]);
    assert_eq!(seen.balance(), Balance { confirmed: Amount(100 * COIN), ..Balance::default() });
    assert_eq!(seen.state(&child.transfer), PaymentState::Orphaned);
    let seen = build(&[&child.transfer, &outgoing.transfer], &[]);
    assert_eq!(seen.state(&child.transfer), PaymentState::Pending);
}

#[test]
fn a_chain_of_unconfirmed_change_ends_where_nodes_would_refuse_it() {
    let mut chain = TestChain::new(Arc::clone(&NETWORK));
    let mut made = 0;
    while made < 40
        && let Some(next) = payment(&chain, &ADAM, key(&BOB, 1), COIN, key(&ADAM, 20))
    {
        chain.pending.push(next.transaction());
        made += 1;
    }
    assert_eq!(made, PENDING_CHAIN_MAX);
    chain.mine_pending(key(&BOB, 0));
    assert_eq!(history(&chain, &ADAM).balance(), expected_balance(&chain));
}

#[test]
fn a_conflict_that_confirms_is_named() {
    let mut chain = TestChain::new(Arc::clone(&NETWORK));
    let first = payment(&chain, &ADAM, key(&BOB, 1), COIN, key(&ADAM, 20)).unwrap();
    let second = payment(&chain, &ADAM, key(&BOB, 2), 2 * COIN, key(&ADAM, 21)).unwrap();
    chain.mine(key(&BOB, 0), vec![second.transfer.clone()]);
    let seen = history(&chain, &ADAM);
    assert_eq!(seen.state(&first.transfer), PaymentState::Conflicted { by: second.txid });
    assert_eq!(seen.state(&second.transfer), PaymentState::Confirmed { height: 1 });
    let movement = seen.movements().last().unwrap();
    assert_eq!(movement.fee, Some(second.fee));
    assert_eq!(movement.to_others, vec![Output { amount: Amount(2 * COIN), key: key(&BOB, 2) }]);
}
