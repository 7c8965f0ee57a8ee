//! What wallets are told: outcomes, proofs, pages.

use chain::header::{HEADER_BYTES, Header};
use chain::key::OutputKey;
use chain::merkle;
use proptest::prelude::*;
use wire::hello::Role;
use wire::wallet::{GetHistory, History, HistoryEntry};

use super::*;
use crate::Tally;
use crate::mempool::fixture::made;
use crate::tests::forge::Forge;
use crate::tests::rig::{Rig, payment_bytes};

fn wallet(rig: &mut Rig) -> PeerId {
    rig.join("8.8.8.8:1", Role::Wallet)
}

fn submit(rig: &mut Rig, wallet: PeerId, transaction: ByteString) -> SubmitOutcome {
    match rig.ask(wallet, WalletMessage::Submit(Submit { request: 9, transaction })) {
        WalletMessage::Submitted(Submitted { request: 9, outcome }) => outcome,
        other => panic!("{other:?}"),
    }
}

fn kind(outcome: SubmitOutcome) -> Option<RefusalKind> {
    match outcome {
        SubmitOutcome::Refused { kind, reason } => {
            assert!(!reason.is_empty());
            Some(kind)
        }
        _ => None,
    }
}

fn page(rig: &mut Rig, wallet: PeerId, key: OutputKey, from: TxPosition) -> History {
    match rig.ask(wallet, WalletMessage::GetHistory(GetHistory { request: 4, key, from })) {
        WalletMessage::History(history) => history,
        other => panic!("{other:?}"),
    }
}

const START: TxPosition = TxPosition { height: 0, transaction: 0 };

/// All pages, every entry checked against its header.
fn whole_history(rig: &mut Rig, wallet: PeerId, key: OutputKey) -> Vec<HistoryEntry> {
    let mut entries: Vec<HistoryEntry> = Vec::new();
    let mut from = START;
    loop {
        let page = page(rig, wallet, key, from);
        assert_eq!((page.tip, page.request), (rig.tip(), 4));
        assert!(page.entries.len() <= HISTORY_MAX);
        for entry in &page.entries {
            let header: [u8; HEADER_BYTES] = entry.header.0.clone().try_into().unwrap();
            let header = Header::from_bytes(&header);
            assert_eq!(header.hash(), entry.block);
            let leaf = Transaction::decode(&entry.transaction.0).unwrap().wtxid();
            let (siblings, rest) = entry.siblings.0.as_chunks::<32>();
            assert!(rest.is_empty());
            let position = entry.position.transaction;
            let root = merkle::proven_root(leaf, position, entry.transactions, siblings);
            assert_eq!(root, Some(header.merkle_root));
        }
        assert!(page.entries.first().is_none_or(|first| first.position >= from));
        entries.extend(page.entries);
        if !page.more {
            return entries;
        }
        let last = entries.last().expect("more follows something").position;
        from = TxPosition { transaction: last.transaction + 1, ..last };
    }
}

#[test]
fn a_payment_is_told_what_became_of_it() {
    let mut forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let wallet = wallet(&mut rig);
    let payment = forge.payment(0);
    let bytes = payment_bytes(&payment);
    let outcome = submit(&mut rig, wallet, bytes.clone());
    assert_eq!(outcome, SubmitOutcome::Accepted(payment.txid()));
    let outcome = submit(&mut rig, wallet, bytes.clone());
    assert_eq!(outcome, SubmitOutcome::AlreadyKnown(payment.txid()));

    let rival = forge.world.payment(&[forge.world.funds(0)], 2, 9_000);
    let cheap = forge.world.payment(&[forge.world.funds(1)], 2, 1);
    let orphan = forge.world.payment(&made(&forge.payment(2)), 1, 10_000);
    let locked = forge.world.transfer(&[forge.world.funds(3)], forge.payment(3).outputs, 1_000);
    let mut forged = forge.payment(4);
    forged.inputs[0].signature.0[0] ^= 1;
    for (transfer, expected) in [
        (rival, RefusalKind::Conflict),
        (cheap, RefusalKind::FeeTooLow),
        (orphan, RefusalKind::MissingCoins),
        (locked, RefusalKind::NotYet),
        (forged, RefusalKind::Invalid),
    ] {
        let outcome = submit(&mut rig, wallet, payment_bytes(&transfer));
        assert_eq!(kind(outcome), Some(expected));
    }
    assert_eq!(kind(submit(&mut rig, wallet, ByteString(vec![1, 2]))), Some(RefusalKind::Invalid));
    let block = forge.mine(forge.genesis(), std::slice::from_ref(&payment));
    let coinbase = ByteString(forge.block(block).transactions[0].encode());
    assert_eq!(kind(submit(&mut rig, wallet, coinbase)), Some(RefusalKind::Invalid));
    assert_eq!(rig.machine.mempool().len(), 1);

    let peer = rig.peer();
    rig.sync(peer, &forge, block);
    let outcome = submit(&mut rig, wallet, bytes);
    assert_eq!(outcome, SubmitOutcome::AlreadyKnown(payment.txid()), "it is confirmed");
}

#[test]
fn the_tip_and_what_is_pending_are_told() {
    let mut forge = Forge::new();
    let tip = forge.chain(forge.genesis(), 2)[1];
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    rig.sync(peer, &forge, tip);
    let wallet = wallet(&mut rig);
    let WalletMessage::Tip(told) = rig.ask(wallet, WalletMessage::GetTip(3)) else {
        panic!("no tip");
    };
    assert_eq!((told.request, told.tip, told.height), (3, tip, 2));
    assert!(told.fee_rate_min > 0);
    let before = told.pending_changes;
    let payment = forge.payment(0);
    submit(&mut rig, wallet, payment_bytes(&payment));
    let WalletMessage::Tip(told) = rig.ask(wallet, WalletMessage::GetTip(4)) else {
        panic!("no tip");
    };
    assert!(told.pending_changes > before);
    for (key, count) in [(payment.outputs[1].key, 1), (OutputKey([9; 32]), 0)] {
        let ask = WalletMessage::GetPending(GetPending { request: 5, key });
        let WalletMessage::Pending(pending) = rig.ask(wallet, ask) else {
            panic!("no answer");
        };
        assert_eq!((pending.request, pending.transactions.len()), (5, count));
    }
    // Of many keys at once each transaction is told once.
    let mut keys: Vec<OutputKey> = payment.outputs.iter().map(|output| output.key).collect();
    keys.push(OutputKey([9; 32]));
    for (keys, count) in [(&keys[..], 1), (&keys[keys.len() - 1..], 0), (&[], 0)] {
        let ask = WalletMessage::GetPendingOfMany(GetPendingOfMany::new(6, keys));
        let WalletMessage::Pending(pending) = rig.ask(wallet, ask) else {
            panic!("no answer");
        };
        assert_eq!((pending.request, pending.transactions.len()), (6, count));
    }
}

#[test]
fn a_long_history_comes_in_pages_without_gaps_and_with_proofs_that_hold() {
    let mut forge = Forge::new();
    let payments: Vec<_> = (0..7).map(|at| forge.payment(at)).collect();
    let first = forge.mine(forge.genesis(), &payments);
    let tip = *forge.chain(first, 700).last().unwrap();
    let mut rig = Rig::new(&forge);
    let peer = rig.peer();
    rig.sync(peer, &forge, tip);
    let wallet = wallet(&mut rig);
    // Key 0 is paid by genesis, by every coinbase and by every payment.
    let key = forge.world.key(0);
    let entries = whole_history(&mut rig, wallet, key);
    assert_eq!(entries.len(), 1 + 701 + 7);
    assert!(entries.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(whole_history(&mut rig, wallet, OutputKey([9; 32])), []);
    let beyond = TxPosition { height: u32::MAX, transaction: u32::MAX };
    assert!(!page(&mut rig, wallet, key, beyond).more);
}

#[test]
fn a_history_is_that_of_the_moment_at_which_it_is_read() {
    let mut forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let (peer, wallet) = (rig.peer(), wallet(&mut rig));
    let key = forge.world.key(0);
    let first = forge.mine(forge.genesis(), &[]);
    rig.sync(peer, &forge, first);
    let ask = WalletMessage::GetHistory(GetHistory { request: 1, key, from: START });
    let message = Box::new(Message::Wallet(ask));
    let event = crate::Event::Message { peer: wallet, message };
    let effects = rig.machine.handle(rig.now, event).unwrap();
    let question = effects.into_iter().find_map(|effect| match effect {
        Effect::Read { peer, question } if peer == wallet => Some(question),
        _ => None,
    });
    let later = forge.chain(first, 2)[1];
    rig.sync(peer, &forge, later);
    let outcome = question.unwrap().answer().map_err(Arc::new);
    let effects = rig.settle(crate::Event::Read { peer: wallet, outcome });
    let answer = crate::tests::rig::sent(&effects, wallet).pop();
    let Some(Message::Wallet(WalletMessage::History(history))) = answer else { panic!() };
    assert_eq!((history.tip, history.tip_height), (later, 3));
    // Trouble with the disk is ours: the node stops.
    let outcome = Err(Arc::new(StoreError::Stopped));
    let trouble = rig.machine.handle(rig.now, crate::Event::Read { peer: wallet, outcome });
    assert!(matches!(trouble, Err(MachineError::Read(_))));
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let mut rig = Rig::new(&Forge::new());
    let wallet = wallet(&mut rig);
    let pending = Pending { request: 1, transactions: Vec::new() };
    rig.tell(wallet, Message::Wallet(WalletMessage::Pending(pending)));
    assert!(!rig.is_open(wallet));
}

proptest! {
    #[test]
    fn a_history_is_that_of_the_best_chain_after_any_reorganization(
        lengths in (1usize..6, 1usize..6, 1usize..6),
    ) {
        let mut forge = Forge::new();
        let mut rig = Rig::new(&forge);
        let (peer, wallet) = (rig.peer(), wallet(&mut rig));
        let key = forge.world.key(0);
        for (at, length) in (0u32..).zip([lengths.0, lengths.1, lengths.2]) {
            let payment = forge.payment(at);
            let first = forge.mine(forge.genesis(), &[payment]);
            let end = *forge.chain(first, length).last().unwrap();
            rig.sync(peer, &forge, end);
            let path = forge.path(rig.tip());
            let entries = whole_history(&mut rig, wallet, key);
            let blocks: Vec<_> = entries.iter().skip(1).map(|entry| entry.block).collect();
            // The first block pays it twice, by its coinbase and its payment.
            prop_assert_eq!(&blocks[1..], &path[..]);
            prop_assert_eq!(blocks[0], path[0]);
        }
    }
}

#[test]
fn connections_of_wallets_and_their_payments_are_counted() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    rig.peer();
    assert_eq!(rig.machine.tally(), Tally::default());
    let wallet = wallet(&mut rig);
    let payment = forge.payment(0);
    for _ in 0..20 {
        submit(&mut rig, wallet, payment_bytes(&payment));
    }
    let expected = Tally { wallet_connections: 1, payments_submitted: 20, ..Tally::default() };
    assert_eq!(rig.machine.tally(), expected);
    rig.join("8.8.8.8:2", Role::Wallet);
    assert_eq!(rig.machine.tally().wallet_connections, 2);
}
