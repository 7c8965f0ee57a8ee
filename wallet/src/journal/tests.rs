//! Tests of the journal: what was written down is there, whatever happens in between.

use std::fs;

use chain::amount::Amount;
use chain::key::{OutputKey, Signature};
use chain::transaction::{Input, OutPoint, Output, Transfer};
use proptest::prelude::*;

use super::*;

const GENESIS: BlockHash = BlockHash([7; 32]);

fn payment(number: u64) -> SignedPayment {
    let output = Output { amount: Amount(number + 1), key: OutputKey([3; 32]) };
    let transfer = Transfer {
        inputs: vec![Input {
            outpoint: OutPoint { txid: Txid([5; 32]), index: 1 },
            signature: Signature([9; 64]),
        }],
        outputs: vec![output; 1 + (number % 3) as usize],
        lock_height: 0,
    };
    SignedPayment {
        txid: transfer.txid(),
        transfer,
        spent: vec![Output { amount: Amount(1_000_000), key: OutputKey([4; 32]) }],
        receiver: output.key,
        amount: output.amount,
        fee: Amount(number),
    }
}

/// A journal of `count` payments, every second one handed over.
fn written(path: &Path, count: u64) -> Vec<RecordedPayment> {
    let (mut journal, _) = Journal::open(path, GENESIS).unwrap();
    let record = |number| {
        let payment = payment(number);
        journal.append(&payment).unwrap();
        let handed_over = number % 2 == 0;
        if handed_over {
            journal.mark_handed_over(payment.txid).unwrap();
        }
        RecordedPayment { payment, handed_over }
    };
    (0..count).map(record).collect()
}

proptest! {
    #[test]
    fn cut_off_anywhere_the_records_before_are_there_and_new_ones_can_follow(
        count in 0u64..5,
        cut in any::<prop::sample::Index>(),
        zeros in 0usize..200,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("payments");
        let written = written(&path, count);
        let whole = fs::read(&path).unwrap();
        let cut = HEADER_BYTES + cut.index(whole.len() - HEADER_BYTES + 1);
        let mut torn = whole[..cut].to_vec();
        torn.resize(cut + zeros, 0);
        fs::write(&path, torn).unwrap();
        let (mut journal, read) = Journal::open(&path, GENESIS).unwrap();
        prop_assert!(read.len() <= written.len());
        for (read, written) in read.iter().zip(&written) {
            prop_assert_eq!(&read.payment, &written.payment);
            prop_assert!(!read.handed_over || written.handed_over);
        }
        if cut == whole.len() {
            prop_assert_eq!(&read, &written);
        }
        journal.append(&payment(99)).unwrap();
        let (_, again) = Journal::open(&path, GENESIS).unwrap();
        prop_assert_eq!(again.len(), read.len() + 1);
        prop_assert_eq!(&again.last().unwrap().payment, &payment(99));
    }

    #[test]
    fn any_flipped_bit_before_the_last_record_is_damage_and_nothing_is_cut_off(
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("payments");
        written(&path, 2);
        let before_last = fs::metadata(&path).unwrap().len();
        let (mut journal, _) = Journal::open(&path, GENESIS).unwrap();
        journal.append(&payment(2)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[place.index(before_last as usize)] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let opened = Journal::open(&path, GENESIS).map(|_| ());
        prop_assert!(
            matches!(opened, Err(JournalError::Damaged { .. } | JournalError::Foreign { .. })),
            "{opened:?}"
        );
        prop_assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let mut journal = header(GENESIS);
        journal.extend_from_slice(&bytes);
        let _ = read_records(&journal);
    }
}

#[test]
fn the_payments_of_another_network_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payments");
    written(&path, 1);
    let foreign = Journal::open(&path, BlockHash([8; 32]));
    assert!(matches!(foreign, Err(JournalError::Foreign { .. })));
}

#[test]
fn a_beginning_that_was_cut_off_is_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payments");
    fs::write(&path, &header(GENESIS)[..20]).unwrap();
    assert!(matches!(Journal::open(&path, GENESIS), Err(JournalError::Foreign { .. })));
}
