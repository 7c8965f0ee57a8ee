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

/// What the payment of that number is called: every third one has no name.
fn id(number: u64) -> Option<PaymentId> {
    (!number.is_multiple_of(3)).then(|| format!("number {number}").parse().unwrap())
}

/// A journal of `count` payments, every second one handed over, every fourth one told.
fn written(path: &Path, count: u64) -> Vec<RecordedPayment> {
    let (mut journal, _) = Journal::open(path, GENESIS).unwrap();
    let record = |number| {
        let payment = payment(number);
        journal.append(&payment, id(number).as_ref()).unwrap();
        let (handed_over, told) = (number % 2 == 0, number % 4 == 0);
        if handed_over {
            journal.mark_handed_over(payment.txid).unwrap();
        }
        if told {
            journal.mark_told(payment.txid).unwrap();
        }
        let record = RecordedPayment::new(payment, id(number), false);
        RecordedPayment { handed_over, told, ..record }
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
        fs::write(&path, &torn).unwrap();
        let (mut journal, read) = Journal::open(&path, GENESIS).unwrap();
        prop_assert!(read.len() <= written.len());
        for (read, written) in read.iter().zip(&written) {
            prop_assert_eq!((&read.payment, &read.id), (&written.payment, &written.id));
            prop_assert!(!read.handed_over || written.handed_over);
            prop_assert!(!read.told || written.told);
        }
        if cut == whole.len() {
            prop_assert_eq!(&read, &written);
        }
        // Nothing that stood there is gone: it is in the journal or beside it.
        let whole = journal.end as usize;
        let kept = journal.cut().map(|cut| fs::read(&cut.kept).unwrap()).unwrap_or_default();
        prop_assert_eq!(&kept, &torn[whole..]);
        journal.append(&payment(99), None).unwrap();
        let (reopened, again) = Journal::open(&path, GENESIS).unwrap();
        prop_assert_eq!(reopened.cut(), None);
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
        journal.append(&payment(2), None).unwrap();
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
        let mut journal = header(GENESIS, VERSION);
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
    fs::write(&path, &header(GENESIS, VERSION)[..20]).unwrap();
    assert!(matches!(Journal::open(&path, GENESIS), Err(JournalError::Foreign { .. })));
}

#[test]
fn what_is_cut_off_is_kept_beside_what_was_cut_off_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payments");
    written(&path, 1);
    for number in 1..=3 {
        let mut file = durable_file::private().append(true).open(&path).unwrap();
        file.write_all(&[number; 10]).unwrap();
        let (journal, _) = Journal::open(&path, GENESIS).unwrap();
        let cut = journal.cut().unwrap();
        assert!(cut.bytes == 10 && cut.kept.ends_with(format!("payments.cut{number}")));
        assert_eq!(fs::read(&cut.kept).unwrap(), [number; 10]);
    }
}

/// A journal of before there were ids: what was handed over counted as told.
#[test]
fn an_older_journal_is_gone_on_with_and_older_programs_refuse_it_then() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payments");
    let mut older = header(GENESIS, VERSION_WITHOUT_IDS);
    for number in 0..3 {
        let payment = payment(number);
        let mut record = vec![SIGNED];
        payment.encode_to(&mut record);
        older.extend_from_slice(&framed(&record, older.len() as u64));
        if number != 1 {
            let taken = [&[HANDED_OVER][..], &payment.txid.as_bytes()[..]].concat();
            older.extend_from_slice(&framed(&taken, older.len() as u64));
        }
    }
    fs::write(&path, &older).unwrap();
    for _ in 0..2 {
        let (_, read) = Journal::open(&path, GENESIS).unwrap();
        let told: Vec<(bool, bool)> =
            read.iter().map(|record| (record.handed_over, record.told)).collect();
        assert_eq!(told, [(true, true), (false, false), (true, true)]);
        assert!(read.iter().all(|record| record.id.is_none()));
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.starts_with(&header(GENESIS, VERSION)));
        assert_eq!(bytes[HEADER_BYTES..], older[HEADER_BYTES..]);
    }
}
