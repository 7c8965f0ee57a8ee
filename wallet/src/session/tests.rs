//! Tests of a session with a miner and a directory on real sockets: crashes, losses and names.

use std::net::SocketAddr;
use std::sync::LazyLock;

use chain::amount::COIN;
use chain::encoding::Encode;
use chain::hash::MerkleRoot;
use chain::header::{Header, VERSION_BASE};
use chain::key::OutputKey;
use rand::SeedableRng;
use tempfile::TempDir;
use testkit::test_chain::{TestChain, network};
use testkit::test_directory::{self, SharedDirectory};
use testkit::test_node::{self, SharedState};
use testkit::{PATIENCE, poll_until};
use wire::directory::FaucetOutcome;
use wire::frame::Phase;
use wire::peer::{HEADERS_MAX, PeerMessage};
use wire::{ByteString, Message};

use super::directory_visits::LIST_INTERVAL;
use super::*;
use crate::accounts::Account;
use crate::coin_selection::Fee;
use crate::contacts::ContactSource;
use crate::keystore::Stretching;
use crate::payment::PaymentError;
use crate::seed::Seed;

mod liars;

static ADAM: LazyLock<Seed> = LazyLock::new(|| Seed::from_entropy([1; 16]));
static BOB: LazyLock<Seed> = LazyLock::new(|| Seed::from_entropy([2; 16]));
static NETWORK: LazyLock<Arc<Network>> =
    LazyLock::new(|| network(&[first_key(&ADAM), first_key(&BOB)]));

fn first_key(seed: &Seed) -> OutputKey {
    Account::new(seed).receive_key(0)
}

fn coins(coins: u64) -> Amount {
    Amount(coins * COIN)
}

fn fee() -> Fee {
    Fee::Fixed(Amount(COIN / 10))
}

/// A miner and a directory that lists it, and a wallet's directory.
struct Rig {
    miner: SharedState,
    miner_at: SocketAddr,
    directory: SharedDirectory,
    bootstrap: String,
    place: TempDir,
}

impl Rig {
    fn new() -> Self {
        let (miner_at, miner) = test_node::start(TestChain::new(Arc::clone(&NETWORK)));
        let (bootstrap, directory) = test_directory::start(&NETWORK, &[miner_at]);
        Self { miner, miner_at, directory, bootstrap, place: tempfile::tempdir().unwrap() }
    }

    /// The wallet as a process that starts now would have it. Nobody was talked to yet.
    fn open(&self, seed: &Seed, passphrase: &str) -> Session {
        let files = WalletDirectory::open(self.place.path()).unwrap();
        let is_new = !files.key_file().exists();
        if is_new {
            let key_file = KeyFile::seal(seed, passphrase, Stretching::LEAST).unwrap();
            key_file.save(&files.key_file()).unwrap();
        }
        let order = SessionOrder {
            name: "Adam".to_owned(),
            bootstraps: vec![self.bootstrap.clone()],
            network: Arc::clone(&NETWORK),
            key_file: KeyFile::load(&files.key_file()).unwrap(),
            files,
            is_new,
            rng: StdRng::seed_from_u64(7),
        };
        let mut session = Session::open(order, Instant::now()).unwrap();
        if passphrase.is_empty() {
            session.unlock("").unwrap();
        }
        session
    }

    fn adam(&self) -> Session {
        let mut session = self.open(&ADAM, "");
        session.poll(Instant::now());
        assert!(session.is_synced());
        session
    }

    fn register(&self, name: &str, seed: &Seed) {
        let account = Account::new(seed);
        let secret = account.secret(&account.receive_key(0)).unwrap();
        self.directory.lock().unwrap().register(&NETWORK, name, &secret);
    }

    fn stranger(&self) -> Receiver {
        Receiver { key: OutputKey([8; 32]), name: None, is_first_use: false }
    }

    fn mine(&self) {
        self.miner.lock().unwrap().chain.mine_pending(OutputKey([9; 32]));
    }

    fn submitted(&self) -> Vec<Vec<u8>> {
        self.miner.lock().unwrap().submitted.clone()
    }
}

/// Answers questions for headers from `count` of them behind genesis, page by page.
fn serve_headers(count: u32) -> SocketAddr {
    let mut headers: Vec<Header> = vec![NETWORK.genesis.block.header];
    let target = NETWORK.spec.starting_target();
    for height in 1..=count {
        let mut header = Header {
            version: VERSION_BASE,
            previous: headers.last().unwrap().hash(),
            merkle_root: MerkleRoot([1; 32]),
            time: NETWORK.spec.genesis_time + 5 * height,
            bits: target.to_compact(),
            nonce: 0,
        };
        while !target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        headers.push(header);
    }
    test_node::serve(move |mut stream| {
        test_node::shake_hands(&mut stream, &NETWORK);
        while let Some(Message::Peer(PeerMessage::GetHeaders(locator))) =
            test_node::receive(&mut stream, Phase::Established)
        {
            let from = headers.iter().position(|header| header.hash() == locator[0]).unwrap() + 1;
            let page = headers[from..].iter().take(HEADERS_MAX);
            let bytes = ByteString(page.flat_map(Header::to_bytes).collect());
            test_node::send(&mut stream, &Message::Peer(PeerMessage::Headers(bytes)));
        }
    })
}

/// What two polls tell; the second one may come after a loss.
fn poll(session: &mut Session) -> Vec<WalletEvent> {
    session.poll(Instant::now());
    session.poll(Instant::now());
    session.take_events()
}

#[test]
fn a_name_is_paid_and_pinned_and_both_sides_see_it_pending_and_confirmed() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let mut adam = rig.adam();
    let receiver = adam.receiver("bob").unwrap();
    assert_eq!((receiver.key, receiver.is_first_use), (first_key(&BOB), true));
    let made = adam.pay(&receiver, coins(5), fee()).unwrap();
    assert_eq!(made.handover, Handover::Taken { miner: "Miner1".to_owned() });
    assert!(!adam.receiver("Bob").unwrap().is_first_use);
    adam.take_events();
    rig.mine();
    let confirmed = WalletEvent::Confirmed {
        receiver: "Bob".to_owned(),
        amount: coins(5),
        height: 1,
        txid: made.payment.txid,
    };
    assert_eq!(poll(&mut adam), [confirmed]);
    assert_eq!(adam.standing().available, Amount(95 * COIN - COIN / 10));
}

#[test]
fn killed_between_signing_and_sending_it_pays_once_in_the_same_bytes_however_often_it_starts() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let mut adam = rig.adam();
    let bob = adam.receiver("Bob").unwrap();
    let (signed, _) = adam.sign(&bob, coins(5), fee(), None).unwrap();
    drop(adam);
    assert!(rig.submitted().is_empty(), "it was killed before it sent anything");
    for _ in 0..2 {
        let mut again = rig.open(&ADAM, "");
        assert_eq!(again.standing().available, Amount(95 * COIN - COIN / 10), "coins reserved");
        let events = poll(&mut again);
        let first = rig.submitted().len() == 1;
        assert_eq!(
            events.iter().any(|event| matches!(event, WalletEvent::HandedOver { .. })),
            first
        );
    }
    let bytes = signed.transaction().encode();
    assert!(!rig.submitted().is_empty() && rig.submitted().iter().all(|sent| *sent == bytes));
    rig.mine();
    let mut again = rig.adam();
    let movements = again.wallet().history().movements();
    assert_eq!(movements.filter(|movement| movement.spent > Amount::ZERO).count(), 1);
    assert_eq!(again.standing().available, Amount(95 * COIN - COIN / 10));
    again.poll(Instant::now());
    assert_eq!(again.wallet().payments().count(), 1);
}

#[test]
fn whoever_repeats_a_command_that_was_killed_repeats_the_payment_and_makes_no_second_one() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let mut adam = rig.adam();
    let bob = adam.receiver("Bob").unwrap();
    let (signed, _) = adam.sign(&bob, coins(5), fee(), None).unwrap();
    drop(adam);
    let mut again = rig.adam();
    assert!(again.resume_unsent(&bob, coins(6)).is_none(), "another amount is another one");
    let taken_up = again.resume_unsent(&bob, coins(5)).unwrap();
    assert_eq!(taken_up.payment, signed);
    assert!(matches!(taken_up.handover, Handover::Taken { .. }));
    assert!(again.resume_unsent(&bob, coins(5)).is_some(), "nobody was told of it");
    again.note_told(signed.txid);
    assert!(again.resume_unsent(&bob, coins(5)).is_none(), "the next one is meant anew");
    drop(again);
    assert!(rig.adam().resume_unsent(&bob, coins(5)).is_none(), "it is finished now");
}

#[test]
fn killed_between_handing_over_and_telling_it_pays_once_and_what_was_told_is_finished() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let mut adam = rig.adam();
    let bob = adam.receiver("Bob").unwrap();
    let made = adam.pay(&bob, coins(5), fee()).unwrap();
    assert!(matches!(made.handover, Handover::Taken { .. }));
    let resumed = adam.resume_unsent(&bob, coins(5)).unwrap();
    assert_eq!(resumed.payment, made.payment, "in the same process, too");
    drop(adam);
    // In the pool, and in a block.
    for mined in [false, true] {
        if mined {
            rig.mine();
        }
        let mut again = rig.adam();
        let resumed = again.resume_unsent(&bob, coins(5)).unwrap();
        assert_eq!(resumed.payment, made.payment);
        let confirmed = Handover::Confirmed { height: 1 };
        let taken = Handover::Taken { miner: "Miner1".to_owned() };
        assert_eq!(resumed.handover, if mined { confirmed } else { taken });
        if mined {
            again.note_told(made.payment.txid);
        }
    }
    let mut told = rig.adam();
    assert!(told.resume_unsent(&bob, coins(5)).is_none());
    let other = told.pay(&bob, coins(5), fee()).unwrap();
    assert_ne!(other.payment.txid, made.payment.txid);
    told.note_told(other.payment.txid);
    drop(told);
    assert!(rig.adam().resume_unsent(&bob, coins(5)).is_none());
}

#[test]
fn of_two_alike_that_nobody_was_told_of_the_one_that_can_still_confirm_is_resumed() {
    let mut is_lost_first = std::collections::BTreeSet::new();
    for number in 1..=8 {
        let rig = Rig::new();
        let (mut rng, fee) = (StdRng::seed_from_u64(1), Amount(COIN / 10 + number));
        let mut bob = Wallet::new(&BOB, Arc::clone(&NETWORK)).unwrap();
        // A coin that just suffices, so that the first payment takes it and the second another.
        let exact = Amount(5 * COIN + fee.0);
        let coin = bob.pay(first_key(&ADAM), exact, self::fee(), &mut rng).unwrap();
        rig.miner.lock().unwrap().chain.pending.push(coin.transaction());
        rig.mine();
        let mut adam = rig.adam();
        let mut sign = || adam.sign(&rig.stranger(), coins(5), Fee::Fixed(fee), None).unwrap().0;
        let (stays, lost) = (sign(), sign());
        drop(adam);
        // The same wallet, restored elsewhere, spends the other coin first.
        let mut elsewhere = Wallet::new(&ADAM, Arc::clone(&NETWORK)).unwrap();
        let spent = elsewhere.pay(first_key(&BOB), coins(7), self::fee(), &mut rng).unwrap();
        rig.miner.lock().unwrap().chain.pending.push(spent.transaction());
        rig.mine();
        let mut adam = rig.adam();
        assert!(adam.is_conflicted(&lost.txid) && !adam.is_conflicted(&stays.txid));
        let resumed = adam.resume_unsent(&rig.stranger(), coins(5));
        assert_eq!(resumed.map(|made| made.payment), Some(stays.clone()));
        is_lost_first.insert(lost.txid < stays.txid);
    }
    assert_eq!(is_lost_first.len(), 2, "both orders were seen");
}

#[test]
fn for_one_id_one_payment_is_made_whatever_was_killed_or_told() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let id = |text: &str| text.parse::<PaymentId>().unwrap();
    let mut adam = rig.adam();
    let bob = adam.receiver("Bob").unwrap();
    let (signed, _) = adam.sign(&bob, coins(5), fee(), Some(&id("rent"))).unwrap();
    assert!(adam.resume_unsent(&bob, coins(5)).is_none(), "it has an id");
    drop(adam);
    for round in 0..3 {
        let mut again = rig.adam();
        assert!(again.resume_unsent(&bob, coins(5)).is_none(), "it has an id");
        for _ in 0..2 {
            let made = again.pay_once(&id("rent"), &bob, coins(5), fee()).unwrap();
            assert_eq!((&made.payment, made.selection.is_none()), (&signed, true));
            again.note_told(made.payment.txid);
        }
        for (receiver, amount) in [(&bob, coins(6)), (&rig.stranger(), coins(5))] {
            let other = again.pay_once(&id("rent"), receiver, amount, fee()).unwrap_err();
            assert!(matches!(other, PayError::OtherPayment { .. }), "{other}");
        }
        if round == 1 {
            rig.mine();
        }
    }
    let mut adam = rig.adam();
    let other = adam.pay_once(&id("Rent"), &bob, coins(5), fee()).unwrap();
    assert_ne!(other.payment.txid, signed.txid);
    assert_eq!(adam.wallet().payments().count(), 2);
}

#[test]
fn a_payment_of_an_id_that_can_never_confirm_is_told_and_not_made_again() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    let id: PaymentId = "rent".parse().unwrap();
    adam.sign(&rig.stranger(), coins(5), fee(), Some(&id)).unwrap();
    drop(adam);
    // The same wallet, restored elsewhere, spends the coin first.
    let mut elsewhere = Wallet::new(&ADAM, Arc::clone(&NETWORK)).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let spent = elsewhere.pay(first_key(&BOB), coins(7), fee(), &mut rng).unwrap();
    rig.miner.lock().unwrap().chain.pending.push(spent.transaction());
    rig.mine();
    let mut adam = rig.adam();
    let refused = adam.pay_once(&id, &rig.stranger(), coins(5), fee()).unwrap_err();
    assert!(matches!(refused, PayError::CannotConfirm { .. }), "{refused}");
    assert!(rig.submitted().is_empty());
}

#[test]
fn a_miner_that_dies_on_a_payment_is_told_and_another_one_gets_the_same_bytes() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    let (other_at, other) = test_node::start(TestChain::new(Arc::clone(&NETWORK)));
    let entry = MinerEntry { name: "Miner2".to_owned(), address: other_at };
    rig.directory.lock().unwrap().miners = vec![entry];
    rig.miner.lock().unwrap().dies_on_submit = true;
    adam.take_events();
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    let made = adam.pay(&bob, coins(5), fee()).unwrap();
    assert_eq!(made.handover, Handover::Taken { miner: "Miner2".to_owned() });
    assert_eq!(rig.submitted(), other.lock().unwrap().submitted);
    let events = adam.take_events();
    assert!(
        matches!(&events[0], WalletEvent::Lost { miner, .. } if miner == "Miner1"),
        "{events:?}"
    );
    assert!(
        matches!(&events[1], WalletEvent::Connected { miner, again: true, .. } if miner == "Miner2")
    );
}

#[test]
fn a_session_without_anybody_says_so_once_and_is_back_by_itself() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    adam.take_events();
    rig.miner.lock().unwrap().is_down = true;
    let events = poll(&mut adam);
    assert!(
        matches!(events[..], [WalletEvent::Lost { .. }, WalletEvent::Waiting { .. }]),
        "{events:?}"
    );
    for _ in 0..3 {
        adam.search.next = Instant::now();
        assert_eq!(poll(&mut adam), []);
    }
    assert!(adam.search.pause <= Duration::from_secs(1));
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    let made = adam.pay(&bob, coins(1), fee()).unwrap();
    assert_eq!(made.handover, Handover::Waiting);
    rig.miner.lock().unwrap().is_down = false;
    adam.search.next = Instant::now();
    let events = poll(&mut adam);
    assert!(matches!(events[0], WalletEvent::Connected { again: true, .. }), "{events:?}");
    assert!(
        events.iter().any(|event| matches!(event, WalletEvent::HandedOver { .. })),
        "{events:?}"
    );
    assert_eq!(rig.submitted().len(), 1);
}

#[test]
fn without_the_directory_the_remembered_miners_and_the_pinned_names_are_used() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let mut adam = rig.adam();
    let bob = adam.receiver("Bob").unwrap();
    adam.pay(&bob, coins(1), fee()).unwrap();
    drop(adam);
    rig.directory.lock().unwrap().is_down = true;
    let mut adam = rig.adam();
    assert_eq!(adam.standing().miner.unwrap().address, rig.miner_at);
    assert_eq!(adam.receiver("Bob").unwrap().key, first_key(&BOB));
    let unreachable = ReceiverError::DirectoryUnreachable { name: "Cid".to_owned() };
    assert_eq!(adam.receiver("Cid"), Err(unreachable));
}

/// A miner joins while a wallet is open; then the directory and the wallet's miner are gone.
#[test]
fn a_miner_that_joins_later_is_found_when_the_directory_and_the_first_one_are_gone() {
    let rig = Rig::new();
    let begun = Instant::now();
    let mut adam = rig.adam();
    let (other_at, _other) = test_node::start(TestChain::new(Arc::clone(&NETWORK)));
    let entry = MinerEntry { name: "Miner2".to_owned(), address: other_at };
    rig.directory.lock().unwrap().miners.push(entry);
    adam.poll(begun + LIST_INTERVAL / 2);
    assert_eq!(adam.remembered.miners().len(), 1, "the directory is not asked all the time");
    adam.poll(Instant::now() + LIST_INTERVAL);
    rig.directory.lock().unwrap().is_down = true;
    rig.miner.lock().unwrap().is_down = true;
    adam.take_events();
    let events = poll(&mut adam);
    assert!(
        matches!(&events[..], [WalletEvent::Lost { .. }, WalletEvent::Connected { miner, .. }]
            if miner == "Miner2"),
        "{events:?}"
    );
}

#[test]
fn a_changed_key_behind_a_known_name_is_never_paid_until_the_contact_is_removed() {
    let rig = Rig::new();
    rig.register("Bob", &BOB);
    let mut adam = rig.adam();
    let bob = adam.receiver("Bob").unwrap();
    adam.pay(&bob, coins(1), fee()).unwrap();
    let eve = Seed::from_entropy([6; 16]);
    rig.register("Bob", &eve);
    let changed = adam.receiver("BOB").unwrap_err();
    let told_address = NETWORK.spec.address(first_key(&eve)).to_string();
    assert!(matches!(&changed, ReceiverError::KeyChanged { told, .. } if *told == told_address));
    assert!(changed.to_string().starts_with("NOT PAID"));
    adam.contacts_mut().remove("Bob").unwrap();
    assert_eq!(adam.receiver("Bob").unwrap().key, first_key(&eve));
    // What its user wrote down is not the directory's to change.
    adam.contacts_mut().add("Bob", first_key(&BOB), ContactSource::Added).unwrap();
    assert_eq!(adam.receiver("Bob").unwrap().key, first_key(&BOB));
}

#[test]
fn a_new_name_that_looks_like_a_known_one_needs_a_yes_and_is_known_from_then_on() {
    let rig = Rig::new();
    let eve = Seed::from_entropy([6; 16]);
    for (name, seed) in [("Alice", &*BOB), ("AIice", &eve), ("alice_", &*BOB), ("Alicia", &eve)] {
        rig.register(name, seed);
    }
    let mut adam = rig.adam();
    assert!(adam.receiver("AIice").is_ok(), "nobody is known yet");
    let alice = adam.receiver("Alice").unwrap();
    adam.pay(&alice, coins(1), fee()).unwrap();
    let refused = adam.receiver("AIice").unwrap_err();
    let address = |seed| NETWORK.spec.address(first_key(seed)).to_string();
    let told = refused.to_string();
    for part in ["NOT PAID", "AIice", "Alice", &address(&eve), &address(&BOB), "--yes"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(matches!(refused, ReceiverError::LookAlike { .. }));
    assert!(adam.receiver("alice_").is_ok(), "the same key is nobody else");
    assert!(adam.receiver("Alicia").is_ok(), "it looks otherwise");
    let meant = adam.receiver_meant("AIice").unwrap();
    assert!(meant.key == first_key(&eve) && meant.is_first_use);
    adam.pay(&meant, coins(1), fee()).unwrap();
    assert_eq!(adam.receiver("AIice").unwrap().key, first_key(&eve));
    assert_eq!(adam.receiver("Alice").unwrap().key, first_key(&BOB));
}

#[test]
fn an_address_that_begins_and_ends_as_one_that_was_paid_needs_a_yes() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    let paid = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&paid).unwrap();
    adam.pay(&bob, coins(1), fee()).unwrap();
    let own = &paid["dlode1p".len()..];
    // A forger tries keys until one is alike; here the address is made, and nobody could spend.
    let forged = forged_address(&own[..3], &own[own.len() - 3..]);
    assert!(forged != paid && forged[..10] == paid[..10], "{forged} {paid}");
    let refused = adam.receiver(&forged).unwrap_err();
    assert!(refused.to_string().contains(&paid), "{refused}");
    assert!(matches!(refused, ReceiverError::LookAlike { .. }));
    assert!(adam.receiver_meant(&forged).is_ok());
    assert!(adam.receiver(&paid).is_ok());
    let other = forged_address(&own[..3], "qqq");
    assert!(!paid.ends_with("qqq") && adam.receiver(&other).is_ok(), "one end alone is chance");
}

/// An address whose own characters begin with `first` and end with `last`.
fn forged_address(first: &str, last: &str) -> String {
    const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    // The first three characters are the first fifteen bits of the key.
    let bits = first.chars().fold(0, |bits, letter| 32 * bits + LETTERS.find(letter).unwrap());
    let mut key = [0; 32];
    key[..2].copy_from_slice(&u16::try_from(bits << 1).unwrap().to_be_bytes());
    let address = |number: u32| {
        let mut key = key;
        key[20..24].copy_from_slice(&number.to_be_bytes());
        NETWORK.spec.address(OutputKey(key)).to_string()
    };
    // One in 32,768 ends so.
    (0..1_000_000).map(address).find(|address| address.ends_with(last)).unwrap()
}

#[test]
fn who_cannot_be_paid_is_told_apart() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    assert_eq!(adam.receiver("Nobody"), Err(ReceiverError::Unknown { name: "Nobody".into() }));
    let own = NETWORK.spec.address(first_key(&BOB)).to_string();
    let wrong = own.replacen('q', "p", 1);
    let other = Address { prefix: "lode".to_owned(), key: first_key(&BOB) }.to_string();
    for text in [wrong.as_str(), &other, "two words", ""] {
        let refused = adam.receiver(text);
        assert!(matches!(refused, Err(ReceiverError::Address { .. })), "{text}: {refused:?}");
    }
    assert_eq!(adam.receiver(&format!(" {own}\n")).unwrap().key, first_key(&BOB));
}

#[test]
fn a_taken_name_is_told_once_and_the_wallet_is_paid_by_its_address() {
    let rig = Rig::new();
    rig.register("adam", &BOB);
    let mut adam = rig.open(&ADAM, "");
    let events = poll(&mut adam);
    let taken = |event: &&WalletEvent| matches!(event, WalletEvent::NameTaken { .. });
    assert_eq!(events.iter().filter(taken).count(), 1, "{events:?}");
    adam.visits.next = Instant::now();
    assert_eq!(poll(&mut adam), []);
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    adam.pay(&bob, coins(1), fee()).unwrap();
}

#[test]
fn a_new_wallet_is_named_and_shows_what_the_faucet_pays_at_once_and_once() {
    let rig = Rig::new();
    let new = Seed::from_entropy([3; 16]);
    let mut payer = Wallet::new(&BOB, Arc::clone(&NETWORK)).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let paid = payer.pay(first_key(&new), coins(50), fee(), &mut rng).unwrap();
    rig.directory.lock().unwrap().faucet = FaucetOutcome::Later { wait_s: 3 };
    let mut session = rig.open(&new, "");
    let events = poll(&mut session);
    assert!(events.contains(&WalletEvent::Named { name: "Adam".to_owned() }));
    assert!(events.contains(&WalletEvent::FaucetLater { wait_s: 3 }));
    let outcome = FaucetOutcome::Paid { txid: paid.txid, amount: coins(50) };
    rig.directory.lock().unwrap().faucet = outcome;
    session.visits.next = Instant::now();
    assert_eq!(poll(&mut session), [WalletEvent::FaucetPaid { amount: coins(50) }]);
    let standing = session.standing();
    assert_eq!((standing.promised, standing.balance.pending_in), (Some(coins(50)), Amount::ZERO));
    assert_eq!(standing.available, Amount::ZERO, "a promise is nothing to pay with");
    // The miner hears of it: it counts as pending now, and no more as promised.
    rig.miner.lock().unwrap().chain.pending.push(paid.transaction());
    assert_eq!(poll(&mut session), [], "it was told already");
    let standing = session.standing();
    assert_eq!((standing.promised, standing.balance.pending_in), (None, coins(50)));
    assert_eq!(standing.from_faucet, Some(coins(50)));
    rig.mine();
    let received = WalletEvent::Received { amount: coins(50), height: 1, txid: paid.txid };
    assert_eq!(poll(&mut session), [received]);
    assert_eq!(session.standing().from_faucet, None);
    session.visits.next = Instant::now();
    session.poll(Instant::now());
    assert_eq!(rig.directory.lock().unwrap().faucet_asked, 2);
}

#[test]
fn a_promise_of_more_than_genesis_has_is_not_shown() {
    let rig = Rig::new();
    let new = Seed::from_entropy([3; 16]);
    for amount in [Amount(u64::MAX), Amount(100 * COIN + 1)] {
        let txid = Txid([5; 32]);
        rig.directory.lock().unwrap().faucet = FaucetOutcome::Paid { txid, amount };
        let mut session = rig.open(&new, "");
        let events = poll(&mut session);
        assert!(events.contains(&WalletEvent::FaucetDisbelieved { amount }), "{events:?}");
        let standing = session.standing();
        assert_eq!((standing.promised, standing.from_faucet), (None, None));
    }
}

#[test]
fn a_payment_of_somebody_else_is_told_when_it_waits_and_when_it_is_in_a_block() {
    let rig = Rig::new();
    let mut payer = Wallet::new(&BOB, Arc::clone(&NETWORK)).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let mut adam = rig.adam();
    adam.take_events();
    let paid = payer.pay(first_key(&ADAM), coins(7), fee(), &mut rng).unwrap();
    rig.miner.lock().unwrap().chain.pending.push(paid.transaction());
    let arrived = WalletEvent::Arrived { amount: coins(7), txid: paid.txid };
    assert_eq!(poll(&mut adam), [arrived]);
    rig.mine();
    let received = WalletEvent::Received { amount: coins(7), height: 1, txid: paid.txid };
    assert_eq!(poll(&mut adam), [received]);
}

#[test]
fn a_wallet_with_coins_never_asks_the_faucet() {
    let rig = Rig::new();
    rig.adam();
    assert_eq!(rig.directory.lock().unwrap().faucet_asked, 0);
}

#[test]
fn a_protected_wallet_looks_without_its_passphrase_and_signs_only_with_it() {
    let rig = Rig::new();
    let mut adam = rig.open(&ADAM, "secret");
    adam.poll(Instant::now());
    assert_eq!(adam.standing().available, coins(100));
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    let locked = adam.pay(&bob, coins(1), fee());
    assert!(matches!(locked, Err(PayError::Payment(PaymentError::Locked))));
    let wrong = adam.unlock("Secret");
    assert!(matches!(wrong, Err(UnlockError::Key(KeystoreError::WrongPassphrase))));
    assert!(adam.is_locked());
    adam.unlock("secret").unwrap();
    adam.pay(&bob, coins(1), fee()).unwrap();
    // The name that could not be signed for before is registered now.
    adam.poll(Instant::now());
    assert!(rig.directory.lock().unwrap().names.contains_key("adam"));
}

#[test]
fn twenty_payments_are_one_connection() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    for _ in 0..20 {
        adam.pay(&bob, coins(1), fee()).unwrap();
        adam.poll(Instant::now());
    }
    let miner = rig.miner.lock().unwrap();
    assert_eq!((miner.connections, miner.chain.pending.len()), (1, 20));
}

#[test]
fn names_of_contacts_and_of_the_directory_can_be_paid_but_not_the_own_one() {
    let rig = Rig::new();
    for (number, name) in (10..).zip(["Bob", "cid", "Dan", "Eve", "frank"]) {
        rig.register(name, &Seed::from_entropy([number; 16]));
    }
    let mut adam = rig.adam();
    adam.contacts_mut().add("Zoe", first_key(&BOB), ContactSource::Added).unwrap();
    adam.contacts_mut().add("CID", first_key(&BOB), ContactSource::Added).unwrap();
    assert_eq!(adam.payable_names(), ["Bob", "CID", "Dan", "Eve", "frank", "Zoe"]);
}

#[test]
fn nothing_is_paid_before_a_miner_was_looked_at() {
    let rig = Rig::new();
    rig.miner.lock().unwrap().is_down = true;
    let mut adam = rig.open(&ADAM, "");
    let bob = Receiver { key: first_key(&BOB), name: None, is_first_use: false };
    assert!(matches!(adam.pay(&bob, coins(1), fee()), Err(PayError::NotSynced)));
}

#[test]
fn a_lost_branch_is_told_and_its_payment_is_offered_again() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    let made = adam.pay(&bob, coins(1), fee()).unwrap();
    rig.mine();
    poll(&mut adam);
    {
        let mut miner = rig.miner.lock().unwrap();
        miner.chain.rewind(0);
        miner.chain.mine(OutputKey([9; 32]), vec![]);
        miner.chain.mine(OutputKey([9; 32]), vec![]);
    }
    let events = poll(&mut adam);
    assert_eq!(events, [WalletEvent::Unconfirmed { txid: made.payment.txid }]);
    let bytes = made.payment.transaction().encode();
    assert_eq!(rig.submitted(), [bytes.clone(), bytes]);
}

#[test]
fn a_miner_that_is_a_block_behind_has_a_moment_to_catch_up_and_no_more() {
    let rig = Rig::new();
    rig.mine();
    let mut adam = rig.adam();
    let mut longer = TestChain::new(Arc::clone(&NETWORK));
    (0..2).for_each(|_| longer.mine(OutputKey([8; 32]), vec![]));
    let (other_at, ahead) = test_node::start(longer.clone());
    let other = MinerEntry { name: "Miner2".to_owned(), address: other_at };
    rig.directory.lock().unwrap().miners.push(other);
    adam.take_events();
    let is_lost = |event: &WalletEvent| matches!(event, WalletEvent::Lost { .. });
    // It hears of the other chain a moment later than this wallet.
    adam.poll(Instant::now() + Duration::from_secs(60));
    adam.poll(Instant::now());
    rig.miner.lock().unwrap().chain = longer.clone();
    adam.poll(Instant::now());
    let standing = adam.standing();
    assert_eq!((standing.height, standing.miner.unwrap().name), (Some(2), "Miner1".to_owned()));
    assert!(!adam.take_events().iter().any(is_lost));
    // The next time it never does.
    longer.mine(OutputKey([8; 32]), vec![]);
    let stays = rig.miner.lock().unwrap().chain.header(1).unwrap();
    rig.miner.lock().unwrap().chain.rewind(1);
    rig.mine();
    assert_eq!(rig.miner.lock().unwrap().chain.header(1), Some(stays));
    ahead.lock().unwrap().chain = longer;
    adam.poll(Instant::now() + Duration::from_secs(120));
    for _ in 0..10 {
        adam.poll(Instant::now());
    }
    let events = adam.take_events();
    assert_eq!(events.iter().filter(|event| is_lost(event)).count(), 1, "{events:?}");
    let standing = adam.standing();
    assert_eq!((standing.height, standing.miner.unwrap().name), (Some(3), "Miner2".to_owned()));
}

/// Else a balance would wait for all that another miner has to show.
#[test]
fn a_comparison_ends_in_time_and_the_next_one_goes_on_from_there() {
    let rig = Rig::new();
    let mut adam = rig.open(&ADAM, "");
    let address = serve_headers(2 * HEADERS_MAX as u32 + 1);
    let other = MinerEntry { name: "Miner2".to_owned(), address };
    let mut heights = Vec::new();
    for _ in 0..3 {
        assert!(adam.follow_other(&other, Instant::now()));
        heights.push(adam.wallet().headers().tip().height as usize);
    }
    assert_eq!(heights, [HEADERS_MAX, 2 * HEADERS_MAX, 2 * HEADERS_MAX + 1]);
}

#[test]
fn another_miner_that_is_a_block_behind_takes_nothing_back() {
    let rig = Rig::new();
    let mut adam = rig.adam();
    let address = NETWORK.spec.address(first_key(&BOB)).to_string();
    let bob = adam.receiver(&address).unwrap();
    let before = rig.miner.lock().unwrap().chain.clone();
    adam.pay(&bob, coins(1), fee()).unwrap();
    rig.mine();
    poll(&mut adam);
    let (other_at, other) = test_node::start(before);
    let entry = MinerEntry { name: "Miner2".to_owned(), address: other_at };
    rig.directory.lock().unwrap().miners = vec![entry];
    rig.miner.lock().unwrap().is_down = true;
    adam.take_events();
    let events = [poll(&mut adam), poll(&mut adam)].concat();
    assert!(
        matches!(&events[..], [WalletEvent::Lost { .. }, WalletEvent::Connected { miner, .. }]
            if miner == "Miner2"),
        "{events:?}"
    );
    other.lock().unwrap().chain = rig.miner.lock().unwrap().chain.clone();
    assert_eq!(poll(&mut adam), []);
    let standing = adam.standing();
    assert_eq!((standing.height, standing.miner.unwrap().name), (Some(1), "Miner2".to_owned()));
}

#[test]
fn of_300_fresh_wallets_each_of_3_miners_gets_70_to_130() {
    let chain = || TestChain::new(Arc::clone(&NETWORK));
    let miners: Vec<(SocketAddr, SharedState)> =
        (0..3).map(|_| test_node::start(chain())).collect();
    let addresses: Vec<SocketAddr> = miners.iter().map(|(address, _)| *address).collect();
    let (bootstrap, _directory) = test_directory::start(&NETWORK, &addresses);
    // A wallet's key has no part in its choice, so all of them have one.
    let key_file = KeyFile::seal(&ADAM, "", Stretching::LEAST).unwrap();
    for wallet in 0..300 {
        let place = tempfile::tempdir().unwrap();
        let order = SessionOrder {
            name: format!("Wallet{wallet}"),
            bootstraps: vec![bootstrap.clone()],
            network: Arc::clone(&NETWORK),
            files: WalletDirectory::open(place.path()).unwrap(),
            key_file: key_file.clone(),
            is_new: true,
            rng: StdRng::seed_from_u64(wallet),
        };
        let now = Instant::now();
        let mut session = Session::open(order, now).unwrap();
        session.connect_to_miner(now);
        assert!(session.connected.is_some(), "wallet {wallet} found no miner");
    }
    let counts = || -> Vec<u32> {
        miners.iter().map(|(_, state)| state.lock().unwrap().connections).collect()
    };
    // A node counts a connection right after the wallet heard from it.
    let counts = poll_until("every wallet is counted", PATIENCE, || {
        Some(counts()).filter(|counts| counts.iter().sum::<u32>() >= 300)
    });
    assert_eq!(counts.iter().sum::<u32>(), 300, "{counts:?}");
    assert!(counts.iter().all(|count| (70..=130).contains(count)), "{counts:?}");
}
