//! Encodings read back and nothing else does; txid, wtxid and signed messages cover what they
//! should.

use proptest::prelude::*;

use super::*;
use crate::hash::from_hex;
use crate::rules;
use crate::samples::{self, any_transaction, coin, outpoint, output, sign, transfer};
use crate::utxo::Coin;

/// A signed transfer of two inputs with what it spends.
fn signed(genesis: BlockHash) -> (Transfer, Vec<Output>) {
    let spent = vec![output(1, 700), output(1, 800)];
    let mut signed = transfer(&[outpoint(0), outpoint(1)], &[output(2, 1000), output(3, 400)]);
    signed.lock_height = 3;
    sign(&mut signed, &spent, 1, genesis);
    (signed, spent)
}

/// Whether a block at height 5 could hold `bytes`, given the coins that `spent` are.
fn is_accepted(bytes: &[u8], spent: &[Output], genesis: BlockHash) -> bool {
    let Ok(Transaction::Transfer(transfer)) = Transaction::decode(bytes) else {
        return false;
    };
    let coins: Vec<Option<Coin>> = transfer
        .inputs
        .iter()
        .map(|input| {
            let found = (0u32..).zip(spent).find(|(at, _)| outpoint(*at) == input.outpoint);
            found.map(|(_, spent)| coin(*spent))
        })
        .collect();
    if rules::transaction::check_alone(&transfer).is_err()
        || rules::transaction::check_in_context(&transfer, &coins, 5, 10).is_err()
    {
        return false;
    }
    let outputs: Vec<Output> = coins.iter().flatten().map(|coin| coin.output).collect();
    signature_checks(&transfer, &outputs, genesis, 0).iter().all(SignatureCheck::is_valid)
}

#[test]
fn every_single_bit_flip_of_a_signed_transfer_is_refused() {
    let genesis = samples::network().genesis_hash();
    let (transfer, spent) = signed(genesis);
    let bytes = transfer.encode();
    assert!(is_accepted(&bytes, &spent, genesis));
    for flip in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[flip / 8] ^= 1 << (flip % 8);
        assert!(!is_accepted(&flipped, &spent, genesis), "bit {flip}");
    }
}

#[test]
fn a_signature_for_another_network_is_refused() {
    let genesis = samples::network().genesis_hash();
    let (transfer, spent) = signed(genesis);
    for flip in 0..256 {
        let mut other = genesis;
        other.0[flip / 8] ^= 1 << (flip % 8);
        assert!(!is_accepted(&transfer.encode(), &spent, other));
    }
}

#[test]
fn a_lie_about_an_amount_or_key_spent_makes_the_signature_worthless() {
    let genesis = samples::network().genesis_hash();
    let (transfer, spent) = signed(genesis);
    for position in 0..spent.len() {
        let mut lie = spent.clone();
        lie[position].amount = Amount(spent[position].amount.0 + 1);
        let checks = signature_checks(&transfer, &lie, genesis, 0);
        assert!(checks.iter().all(|check| !check.is_valid()));
        let mut lie = spent.clone();
        lie[position].key = output(4, 1).key;
        let checks = signature_checks(&transfer, &lie, genesis, 0);
        assert!(checks.iter().all(|check| !check.is_valid()));
    }
}

#[test]
fn the_signatures_of_two_inputs_cannot_be_swapped() {
    let genesis = samples::network().genesis_hash();
    let (mut transfer, spent) = signed(genesis);
    let first = transfer.inputs[0].signature;
    transfer.inputs[0].signature = transfer.inputs[1].signature;
    transfer.inputs[1].signature = first;
    assert!(!is_accepted(&transfer.encode(), &spent, genesis));
}

#[test]
fn checks_name_their_transaction_and_input() {
    let genesis = samples::network().genesis_hash();
    let (transfer, spent) = signed(genesis);
    let named: Vec<_> = signature_checks(&transfer, &spent, genesis, 8)
        .iter()
        .map(|check| (check.transaction, check.input))
        .collect();
    assert_eq!(named, [(8, 0), (8, 1)]);
}

#[test]
#[should_panic(expected = "an output for each input")]
fn no_signature_is_left_out_by_a_list_that_is_too_short() {
    let genesis = samples::network().genesis_hash();
    let (transfer, spent) = signed(genesis);
    let _ = signature_checks(&transfer, &spent[..1], genesis, 0);
}

/// Written by hand, so that no change of the layout goes unseen.
#[test]
fn bytes_and_hashes_of_a_transfer_are_pinned() {
    let mut transfer = transfer(&[outpoint(5)], &[output(2, 1000)]);
    transfer.lock_height = 3;
    transfer.inputs[0].signature = Signature([0xcd; 64]);
    let expected = [
        "01",
        "01",
        &"ab".repeat(32),
        "05000000",
        "01",
        "e803000000000000",
        "4d4b6cd1361032ca9bd2aeb9d900aa4d45d9ead80ac9423374c451a7254d0766",
        "03000000",
        &"cd".repeat(64),
    ]
    .concat();
    assert_eq!(crate::hash::to_hex(&transfer.encode()), expected);
    let unsigned = from_hex(&expected[..expected.len() - 128]).unwrap();
    assert_eq!(transfer.txid(), Txid(sha256d(&unsigned)));
    assert_eq!(transfer.wtxid(), Wtxid(sha256d(&transfer.encode())));
}

#[test]
fn lengths_that_cannot_be_true_are_refused_without_allocating() {
    let coinbase = [&[0; 37][..], &[0xff; 9]].concat();
    let inputs = [&[1][..], &[0xff; 9]].concat();
    let outputs = [&[1, 0][..], &[0xff; 9]].concat();
    for bytes in [coinbase, inputs, outputs] {
        let impossible = DecodeError::ImpossibleCount { claimed: u64::MAX, possible: 0 };
        assert_eq!(Transaction::decode(&bytes), Err(impossible));
        // Also with bytes behind it, of which a list could be made.
        let longer = [bytes, vec![0; 1000]].concat();
        assert!(matches!(
            Transaction::decode(&longer),
            Err(DecodeError::ImpossibleCount { claimed: u64::MAX, possible: 1..=25 })
        ));
    }
}

#[test]
fn sizes_in_a_longer_form_and_unknown_kinds_are_refused() {
    let mut bytes = transfer(&[outpoint(0)], &[output(1, 1)]).encode();
    bytes.splice(1..2, [0xfd, 1, 0]);
    assert_eq!(Transaction::decode(&bytes), Err(DecodeError::NonMinimalSize(1)));
    for kind in 2..=255 {
        bytes[0] = kind;
        assert_eq!(Transaction::decode(&bytes), Err(DecodeError::UnknownKind(kind)));
    }
}

#[test]
fn the_shortest_transactions_have_the_lengths_that_the_merkle_tree_relies_on() {
    let coinbase = samples::coinbase(1, 1).encode();
    assert_eq!(coinbase.len(), COINBASE_BYTES_MIN);
    let transfer = transfer(&[outpoint(0)], &[output(1, 1)]);
    assert_eq!(transfer.encode().len(), TRANSFER_BYTES_MIN);
    assert_eq!(transfer.encoded_bytes(), TRANSFER_BYTES_MIN);
}

#[test]
fn long_lists_read_back_with_every_form_of_size() {
    for count in [0xfc, 0xfd, 0xffff, 0x1_0000] {
        let outputs = vec![output(1, 1); count];
        let long = transfer(&[outpoint(0)], &outputs);
        let bytes = long.encode();
        assert_eq!(bytes.len(), long.encoded_bytes());
        assert_eq!(Transaction::decode(&bytes), Ok(Transaction::Transfer(long)));
    }
}

proptest! {
    #[test]
    fn a_transaction_reads_back_and_no_cut_or_longer_form_of_it_does(
        transaction in any_transaction(),
        extra in prop::collection::vec(any::<u8>(), 1..9),
    ) {
        let bytes = transaction.encode();
        let decoded = Transaction::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Ok(&transaction));
        for cut in 0..bytes.len() {
            let refused = matches!(
                Transaction::decode(&bytes[..cut]),
                Err(DecodeError::Truncated { .. } | DecodeError::ImpossibleCount { .. })
            );
            prop_assert!(refused, "cut to {} bytes", cut);
        }
        let longer = [&bytes[..], &extra].concat();
        prop_assert_eq!(
            Transaction::decode(&longer),
            Err(DecodeError::TrailingBytes(extra.len()))
        );
    }

    #[test]
    fn bytes_that_decode_are_the_only_ones_of_their_transaction(
        transaction in any_transaction(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = transaction.encode();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(decoded) = Transaction::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn no_bytes_panic_and_none_are_64_long(
        kind in 0u8..2,
        bytes in prop::collection::vec(prop_oneof![Just(0u8), 0u8..4, any::<u8>()], 63),
    ) {
        let bytes = [&[kind][..], &bytes].concat();
        prop_assert!(Transaction::decode(&bytes).is_err());
    }

    #[test]
    fn txids_ignore_signatures_and_wtxids_do_not(
        transaction in any_transaction(),
        flip in 0usize..512,
    ) {
        let Transaction::Transfer(transfer) = &transaction else {
            prop_assert_eq!(transaction.txid().0, transaction.wtxid().0);
            return Ok(());
        };
        prop_assert_eq!(transfer.encoded_bytes(), transfer.encode().len());
        prop_assert_eq!(transaction.txid(), transfer.txid());
        prop_assert_eq!(transaction.wtxid(), transfer.wtxid());
        let mut other = transfer.clone();
        if let Some(input) = other.inputs.first_mut() {
            input.signature.0[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(other.txid(), transfer.txid());
            prop_assert_ne!(other.wtxid(), transfer.wtxid());
        }
        other.lock_height ^= 1;
        prop_assert_ne!(other.txid(), transfer.txid());
    }
}
