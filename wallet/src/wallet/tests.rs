//! Tests of `Wallet` with a node on a real socket: from the first payment to reorganizations and
//! lies.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use chain::amount::COIN;
use chain::encoding::{Decode, Encode};
use client::node_client::Timeouts;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use testkit::PATIENCE;
use testkit::test_chain::{TestChain, network};
use testkit::test_node::{SharedState, start};
use wire::Message;
use wire::peer::PeerMessage;
use wire::wallet::WalletMessage;

use super::*;

static ADAM: LazyLock<Seed> = LazyLock::new(|| Seed::devnet(1, "Adam"));
static BOB: LazyLock<OutputKey> =
    LazyLock::new(|| Account::new(&Seed::devnet(1, "Bob")).receive_key(0));
static NETWORK: LazyLock<Arc<Network>> =
    LazyLock::new(|| network(&[Account::new(&ADAM).receive_key(0), *BOB]));

fn fee() -> Fee {
    Fee::Fixed(Amount(COIN / 100))
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

fn wallet() -> Wallet {
    Wallet::new(&ADAM, Arc::clone(&NETWORK)).unwrap()
}

fn node() -> (SharedState, impl Fn() -> NodeClient) {
    let (address, state) = start(TestChain::new(Arc::clone(&NETWORK)));
    let timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };
    (state, move || NodeClient::connect(address, &NETWORK, timeouts).unwrap())
}

/// A node that has no block to show, so that it must be asked for every key.
fn keeps_blocks(question: &Message, _: &TestChain, answer: Message) -> Option<Message> {
    match question {
        Message::Peer(PeerMessage::GetBlocks(hashes)) => {
            Some(Message::Peer(PeerMessage::BlocksNotFound(hashes.clone())))
        }
        _ => Some(answer),
    }
}

fn pay(wallet: &mut Wallet, coins: u64) -> SignedPayment {
    wallet.pay(*BOB, Amount(coins * COIN), fee(), &mut rng()).unwrap()
}

fn mine(state: &SharedState) {
    state.lock().unwrap().chain.mine_pending(*BOB);
}

fn total(wallet: &Wallet) -> u64 {
    let balance = wallet.balance();
    balance.confirmed.0 + balance.immature.0 + balance.pending_in.0 - balance.pending_out.0
}

#[test]
fn genesis_money_is_known_and_paid_before_any_block() {
    let mut wallet = wallet();
    assert_eq!(wallet.balance().confirmed, Amount(100 * COIN));
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    assert_eq!(wallet.balance().confirmed, Amount(100 * COIN));
    assert_eq!(wallet.fee_rate_min(), 1000);
    // Three payments in a row out of one coin: change that waits is spent in need.
    let mut change_keys = BTreeSet::new();
    for _ in 0..3 {
        let payment = pay(&mut wallet, 5);
        let change = payment.transfer.outputs.iter().find(|output| output.key != *BOB).unwrap();
        assert!(change_keys.insert(change.key), "change goes to a fresh key");
        client.submit(&payment.transaction()).unwrap();
    }
    assert_eq!(total(&wallet), 85 * COIN - 3 * COIN / 100);
    assert_eq!(wallet.available().0, total(&wallet));
    mine(&state);
    let changes = wallet.sync(&mut client).unwrap();
    assert_eq!(changes.confirmed.len(), 3);
    assert_eq!(wallet.balance().confirmed.0, 85 * COIN - 3 * COIN / 100);
    assert!(wallet.payments().all(|(_, state)| state == PaymentState::Confirmed { height: 1 }));
}

#[test]
fn no_payment_is_longer_than_what_nodes_pass_on() {
    let network = network(&vec![Account::new(&ADAM).receive_key(0); 1_100]);
    let mut wallet = Wallet::new(&ADAM, network).unwrap();
    let pay = |wallet: &mut Wallet, coins: u64| {
        wallet.pay(*BOB, Amount(coins * 100 * COIN), fee(), &mut rng())
    };
    let refused = pay(&mut wallet, 1_050).unwrap_err().to_string();
    assert!(refused.contains("pay in smaller parts"), "{refused}");
    let payment = pay(&mut wallet, 980).unwrap().transaction();
    let bytes = payment.encode().len();
    assert!((98_000..=RELAYED_BYTES_MAX).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_restore_from_words_finds_the_same_money_behind_twenty_used_keys() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    for round in 0..26 {
        let payment = pay(&mut wallet, 1);
        client.submit(&payment.transaction()).unwrap();
        if round % 5 == 4 {
            mine(&state);
            wallet.sync(&mut client).unwrap();
        }
    }
    let words = ADAM.words();
    let mut restored =
        Wallet::new(&Seed::from_words(&words).unwrap(), Arc::clone(&NETWORK)).unwrap();
    restored.sync(&mut client).unwrap();
    assert_eq!(restored.balance(), wallet.balance());
    assert_eq!(restored.address(), wallet.address());
    assert!(restored.history().movements().eq(wallet.history().movements()));
}

#[test]
fn an_address_stays_until_it_is_paid() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    let address = wallet.address();
    assert_eq!(address.key, wallet.account().receive_key(1), "genesis used the first");
    assert_eq!(wallet.address(), address);
    state.lock().unwrap().chain.mine(address.key, vec![]);
    wallet.sync(&mut client).unwrap();
    assert_eq!(wallet.balance().immature, Amount(50 * COIN));
    assert_eq!(wallet.address().key, wallet.account().receive_key(2));
}

#[test]
fn a_payment_is_never_made_twice() {
    let mut wallet = wallet();
    let (state, connect) = node();
    wallet.sync(&mut connect()).unwrap();
    let payment = pay(&mut wallet, 60);
    let written_down = payment.encode();
    // The node takes it and dies before it answers.
    state.lock().unwrap().dies_on_submit = true;
    let mut client = connect();
    assert!(matches!(client.submit(&payment.transaction()), Err(ClientError::Closed)));
    // Its coins stay reserved, so a second payment of that size cannot come about.
    let again = wallet.pay(*BOB, Amount(60 * COIN), fee(), &mut rng());
    assert!(matches!(again, Err(PaymentError::Selection(_))));
    wallet.resend(&mut connect()).unwrap();
    // Killed and started again: the same bytes once more.
    let mut reborn = self::wallet();
    reborn.restore(SignedPayment::decode(&written_down).unwrap());
    reborn.sync(&mut connect()).unwrap();
    assert!(reborn.pay(*BOB, Amount(60 * COIN), fee(), &mut rng()).is_err());
    let outcomes = reborn.resend(&mut connect()).unwrap();
    assert_eq!(outcomes, vec![(payment.txid, SubmitOutcome::AlreadyKnown(payment.txid))]);
    let submitted = state.lock().unwrap().submitted.clone();
    assert_eq!(submitted, vec![payment.transaction().encode(); 3]);
    mine(&state);
    reborn.sync(&mut connect()).unwrap();
    assert_eq!(reborn.balance().confirmed.0, 40 * COIN - COIN / 100);
    assert!(reborn.resend(&mut connect()).unwrap().is_empty(), "confirmed is done");
}

#[test]
fn a_reorganization_while_the_wallet_was_off_is_told_and_the_balance_exact() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    let payment = pay(&mut wallet, 5);
    client.submit(&payment.transaction()).unwrap();
    mine(&state);
    let orphan = wallet.address().key;
    state.lock().unwrap().chain.mine(orphan, vec![]);
    wallet.sync(&mut client).unwrap();
    assert_eq!(total(&wallet), 145 * COIN - COIN / 100);
    // A better branch has neither the payment nor the coinbase.
    {
        let chain = &mut state.lock().unwrap().chain;
        chain.rewind(0);
        (0..3).for_each(|_| chain.mine(*BOB, vec![]));
    }
    let changes = wallet.sync(&mut client).unwrap();
    assert_eq!(changes.unconfirmed, vec![payment.txid]);
    assert_eq!(changes.vanished.len(), 1);
    assert_eq!(total(&wallet), 95 * COIN - COIN / 100);
    assert_eq!(wallet.resend(&mut client).unwrap().len(), 1);
    mine(&state);
    assert_eq!(wallet.sync(&mut client).unwrap().confirmed, vec![payment.txid]);
    assert_eq!(wallet.balance().confirmed.0, 95 * COIN - COIN / 100);
}

#[test]
fn a_conflict_that_confirms_frees_the_rest_and_is_told() {
    let (state, connect) = node();
    let mut client = connect();
    // The same words in two places.
    let (mut here, mut there) = (wallet(), wallet());
    here.sync(&mut client).unwrap();
    there.sync(&mut client).unwrap();
    let ours = pay(&mut here, 5);
    let theirs = pay(&mut there, 7);
    state.lock().unwrap().chain.mine(*BOB, vec![theirs.transfer.clone()]);
    let changes = here.sync(&mut client).unwrap();
    assert_eq!(changes.conflicted, vec![ours.txid]);
    assert_eq!(changes.confirmed, vec![theirs.txid]);
    assert_eq!(here.balance().confirmed.0, 93 * COIN - COIN / 100);
    assert_eq!(here.available(), here.balance().confirmed);
    assert!(here.resend(&mut client).unwrap().is_empty());
}

#[test]
fn a_node_that_lies_changes_nothing() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    state.lock().unwrap().chain.mine(wallet.address().key, vec![]);
    wallet.sync(&mut client).unwrap();
    let before = wallet.balance();
    state.lock().unwrap().chain.mine(*BOB, vec![]);
    state.lock().unwrap().deceit = keeps_blocks;
    state.lock().unwrap().lie = |entry| {
        if let Some(byte) = entry.transaction.0.get_mut(40) {
            *byte ^= 1;
        }
    };
    assert!(matches!(wallet.sync(&mut client), Err(SyncError::Entry(_))));
    assert_eq!(wallet.balance(), before);
}

#[test]
fn a_tip_that_moves_while_the_history_is_read_is_waited_out() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    state.lock().unwrap().mines_meanwhile = 3;
    wallet.sync(&mut client).unwrap();
    assert_eq!(wallet.history().tip(), state.lock().unwrap().chain.tip());
    state.lock().unwrap().mines_meanwhile = u32::MAX;
    state.lock().unwrap().deceit = keeps_blocks;
    mine(&state);
    assert!(matches!(wallet.sync(&mut client), Err(SyncError::TipMoves)));
}

#[test]
fn a_payment_that_confirms_while_pending_ones_are_read_is_not_lost() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    let payment = pay(&mut wallet, 5);
    client.submit(&payment.transaction()).unwrap();
    let mut watching = self::wallet();
    watching.sync(&mut client).unwrap();
    assert_eq!(watching.balance().pending_out, Amount(5 * COIN + COIN / 100));
    state.lock().unwrap().mines_when_asked_for_pending = true;
    assert_eq!(watching.sync(&mut client).unwrap().confirmed[0], payment.txid);
    assert_eq!(watching.balance().pending_out, Amount::ZERO);
}

#[test]
fn a_fee_that_no_node_takes_is_refused_before_anything_is_reserved() {
    let mut wallet = wallet();
    let (_state, connect) = node();
    wallet.sync(&mut connect()).unwrap();
    let refused = wallet.pay(*BOB, Amount(COIN), Fee::Fixed(Amount(186)), &mut rng());
    let expected = PaymentError::FeeTooLow { fee: Amount(186), least: Amount(187) };
    assert_eq!(refused, Err(expected));
    assert_eq!(wallet.available(), Amount(100 * COIN));
    let floor = Fee::Rate(wallet.fee_rate_min());
    let payment = wallet.pay(*BOB, Amount(COIN), floor, &mut rng()).unwrap();
    assert_eq!(payment.fee, Amount(187));
    wallet.discard_unsent(payment.txid);
    assert_eq!(wallet.available(), Amount(100 * COIN));
    assert_eq!(wallet.payments().count(), 0);
}

#[test]
fn a_devnet_seed_is_refused_elsewhere() {
    let mut spec = NETWORK.spec.clone();
    spec.address_prefix = "lode".to_owned();
    let main = Arc::new(Network::new(spec).unwrap());
    let refused = Wallet::new(&ADAM, Arc::clone(&main)).unwrap_err();
    assert_eq!(refused, DevnetSeedRefused { prefix: "lode".to_owned() });
    assert!(Wallet::new(&Seed::from_entropy([1; 16]), main).is_ok());
}

/// What happens between two looks at a node.
#[derive(Debug, Clone)]
enum Event {
    /// Blocks pay the wallet's key of that number.
    Mined { key: u32, blocks: u32 },
    /// The wallet pays so many coins, or with none all that it has, so that no change comes back.
    Paid { coins: u64, is_mined: bool },
    /// So many blocks lose their place to one more, which pay that key.
    Rewound { blocks: u32, key: u32 },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0u32..18, 1u32..4).prop_map(|(key, blocks)| Event::Mined { key, blocks }),
        1 => (0u32..18, 33u32..36).prop_map(|(key, blocks)| Event::Mined { key, blocks }),
        4 => (0u64..9, any::<bool>()).prop_map(|(coins, is_mined)| Event::Paid { coins, is_mined }),
        3 => (1u32..4, 0u32..18).prop_map(|(blocks, key)| Event::Rewound { blocks, key }),
    ];
    prop::collection::vec(event, 1..6)
}

fn happens(event: &Event, wallet: &mut Wallet, state: &SharedState, client: &mut NodeClient) {
    let account = Account::new(&ADAM);
    let mine_empty = |key: u32, blocks: u32| {
        let chain = &mut state.lock().unwrap().chain;
        (0..blocks).for_each(|_| chain.mine(account.receive_key(key), vec![]));
    };
    match *event {
        Event::Mined { key, blocks } => mine_empty(key, blocks),
        Event::Paid { coins, is_mined } => {
            let amount = match coins {
                0 => Amount(wallet.available().0.saturating_sub(COIN / 100)),
                coins => Amount(coins * COIN),
            };
            if let Ok(payment) = wallet.pay(*BOB, amount, fee(), &mut rng()) {
                client.submit(&payment.transaction()).unwrap();
            }
            if is_mined {
                mine(state);
            }
        }
        Event::Rewound { blocks, key } => {
            let height = state.lock().unwrap().chain.tip().height;
            let blocks = blocks.min(height);
            {
                let chain = &mut state.lock().unwrap().chain;
                chain.rewind(height - blocks);
                chain.pending.clear();
            }
            mine_empty(key, blocks + 1);
            wallet.sync(client).unwrap();
            wallet.resend(client).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn what_was_read_block_by_block_is_what_a_reading_from_nothing_finds(events in events()) {
        let (state, connect) = node();
        let mut client = connect();
        let mut kept = wallet();
        kept.sync(&mut client).unwrap();
        for event in &events {
            happens(event, &mut kept, &state, &mut client);
            kept.sync(&mut client).unwrap();
            let mut anew = wallet();
            let payments: Vec<_> = kept.payments().map(|(payment, _)| payment.clone()).collect();
            anew.restore_all(payments);
            anew.sync(&mut client).unwrap();
            prop_assert_eq!(kept.balance(), anew.balance());
            prop_assert_eq!(kept.available(), anew.available());
            prop_assert_eq!(kept.address(), anew.address());
            prop_assert!(kept.history().movements().eq(anew.history().movements()));
            prop_assert_eq!(kept.history().tip(), anew.history().tip());
        }
    }
}

proptest! {
    #[test]
    fn a_node_that_is_behind_takes_nothing_back(
        blocks in 1u32..6,
        behind in 1u32..6,
    ) {
        let chain = TestChain::new(Arc::clone(&NETWORK));
        let (state, connect) = node();
        let (other_at, other) = start(chain);
        let mut wallet = wallet();
        wallet.sync(&mut connect()).unwrap();
        for _ in 0..blocks {
            let payment = pay(&mut wallet, 1);
            connect().submit(&payment.transaction()).unwrap();
            mine(&state);
            wallet.sync(&mut connect()).unwrap();
        }
        let (tip, balance) = (wallet.history().tip(), wallet.balance());
        let mut chain = state.lock().unwrap().chain.clone();
        chain.rewind(blocks.saturating_sub(behind));
        other.lock().unwrap().chain = chain.clone();
        let timeouts = Timeouts { connect: PATIENCE, answer: PATIENCE };
        let mut client = NodeClient::connect(other_at, &NETWORK, timeouts).unwrap();
        let refused = wallet.sync(&mut client);
        prop_assert!(matches!(refused, Err(SyncError::Behind { .. })), "{refused:?}");
        prop_assert_eq!((wallet.history().tip(), wallet.balance()), (tip, balance));
        // What it finds on a branch of its own counts as soon as that has more work.
        let longer = blocks + 1 - chain.tip().height;
        (0..longer).for_each(|_| other.lock().unwrap().chain.mine(*BOB, vec![]));
        wallet.sync(&mut client).unwrap();
        prop_assert_eq!(wallet.history().tip(), other.lock().unwrap().chain.tip());
    }
}

#[test]
fn a_new_block_is_read_whole_and_no_key_is_asked_for_again() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    state.lock().unwrap().deceit = |question, _, answer| match question {
        Message::Wallet(WalletMessage::GetHistory(_)) => None,
        _ => Some(answer),
    };
    let key = wallet.account().receive_key(0);
    state.lock().unwrap().chain.mine(key, vec![]);
    assert_eq!(wallet.sync(&mut client).unwrap().confirmed.len(), 1);
}

#[test]
fn a_new_block_costs_four_questions_beside_the_one_for_the_tip_however_many_keys_there_are() {
    static QUESTIONS: AtomicU32 = AtomicU32::new(0);
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    let account = Account::new(&ADAM);
    for key in 0..19 {
        state.lock().unwrap().chain.mine(account.receive_key(key), vec![]);
    }
    wallet.sync(&mut client).unwrap();
    state.lock().unwrap().deceit = |_, _, answer| {
        QUESTIONS.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    };
    for block in 1..=3 {
        state.lock().unwrap().chain.mine(account.receive_key(3), vec![]);
        wallet.sync(&mut client).unwrap();
        assert_eq!(QUESTIONS.load(Ordering::Relaxed), block * 5);
    }
}

#[test]
fn a_node_of_an_earlier_version_is_asked_key_by_key() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    let payment = pay(&mut wallet, 5);
    client.submit(&payment.transaction()).unwrap();
    state.lock().unwrap().deceit = |question, _, answer| match question {
        Message::Wallet(WalletMessage::GetPendingOfMany(_)) => None,
        _ => Some(answer),
    };
    let mut watching = self::wallet();
    watching.sync(&mut connect()).unwrap();
    assert_eq!(watching.balance().pending_out, Amount(5 * COIN + COIN / 100));
}

#[test]
fn a_block_with_another_body_is_a_lie() {
    let mut wallet = wallet();
    let (state, connect) = node();
    let mut client = connect();
    wallet.sync(&mut client).unwrap();
    state.lock().unwrap().chain.mine(wallet.account().receive_key(0), vec![]);
    state.lock().unwrap().deceit = |_, _, answer| match answer {
        Message::Peer(PeerMessage::Block(mut bytes)) => {
            let last = bytes.0.len() - 1;
            bytes.0[last] ^= 1;
            Some(Message::Peer(PeerMessage::Block(bytes)))
        }
        answer => Some(answer),
    };
    let refused = wallet.sync(&mut client).unwrap_err();
    assert!(refused.is_lie(), "{refused}");
}
