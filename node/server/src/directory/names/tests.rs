//! Names against a plain model, and each reason to refuse one.

use chain::key::{OutputKey, SecretKey};
use proptest::prelude::*;
use wire::ByteString;

use super::*;

const GENESIS: BlockHash = BlockHash([9; 32]);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes([number + 1; 32]).unwrap()
}

fn record(name: &str, key: u8, sequence: u64) -> NameRecord {
    NameRecord::sign(name, sequence, GENESIS, &secret(key), &[0; 32])
}

fn names() -> Names {
    Names::new(GENESIS, Vec::new())
}

fn put(names: &mut Names, record: &NameRecord) -> Verdict {
    names.put(Duration::ZERO, HERE, record)
}

proptest! {
    #[test]
    fn the_first_key_has_a_name_in_every_case_and_its_highest_record_counts(
        puts in prop::collection::vec(("[aAbB]{1,2}", 0u8..3, 0u64..4), 1..40),
    ) {
        let mut names = names();
        let mut model: BTreeMap<String, (u8, NameRecord)> = BTreeMap::new();
        for (name, key, sequence) in puts {
            let new = record(&name, key, sequence);
            let verdict = put(&mut names, &new);
            match model.get(&name.to_lowercase()) {
                Some((owner, _)) if *owner != key => {
                    let Verdict::Answer(NameOutcome::Taken(held)) = verdict else {
                        panic!("{verdict:?}");
                    };
                    prop_assert_eq!(held.key, secret(*owner).output_key());
                }
                Some((_, held)) if held.sequence >= sequence => {
                    prop_assert_eq!(verdict, Verdict::Answer(NameOutcome::Held));
                }
                _ => {
                    prop_assert_eq!(verdict, Verdict::Keep);
                    model.insert(name.to_lowercase(), (key, new));
                }
            }
            for (folded, (_, expected)) in &model {
                prop_assert_eq!(names.get(folded), Some(expected), "shown as typed");
                prop_assert_eq!(names.get(&folded.to_uppercase()), Some(expected));
            }
        }
    }

    /// Names of few letters, so that many look alike; those that were held before stay what they
    /// were, alike or not.
    #[test]
    fn no_two_keys_have_names_that_look_alike_but_those_that_had_them_before(
        before in prop::collection::vec(("[oO0lI1_-]{1,3}", 0u8..3), 0..6),
        puts in prop::collection::vec(("[oO0lI1_-]{1,3}", 0u8..3), 1..40),
    ) {
        let records = before.iter().map(|(name, key)| record(name, *key, 1)).collect();
        let mut names = Names::new(GENESIS, records);
        for (name, key) in puts {
            let new = record(&name, key, 2);
            let held: Vec<NameRecord> = names.records.values().cloned().collect();
            let is_held = names.get(&name).is_some();
            let alike = |other: &NameRecord| skeleton(&other.name) == skeleton(&name);
            let stranger = held.iter().find(|other| alike(other) && other.key != new.key);
            match put(&mut names, &new) {
                Verdict::Answer(NameOutcome::Refused { reason }) => {
                    prop_assert!(!is_held && stranger.is_some(), "{}", name);
                    prop_assert!(reason.contains("looks like") && reason.len() < 400);
                }
                Verdict::Keep => prop_assert!(is_held || stranger.is_none(), "{}", name),
                _ => prop_assert!(is_held),
            }
            // Whoever was there is there still, under the same key.
            for other in held {
                prop_assert_eq!(names.get(&other.name).map(|found| found.key), Some(other.key));
            }
        }
    }

    #[test]
    fn a_record_with_any_bit_changed_is_refused(bit in 0usize..(32 + 8 + 64) * 8) {
        let mut record = record("Adam", 1, 7);
        let (byte, flip) = (bit / 8, 1u8 << (bit % 8));
        match byte {
            0..32 => record.key.0[byte] ^= flip,
            32..40 => record.sequence ^= 1 << (bit - 32 * 8),
            _ => record.signature.0[byte - 40] ^= flip,
        }
        let mut names = names();
        let verdict = put(&mut names, &record);
        let refused = matches!(verdict, Verdict::Answer(NameOutcome::Refused { .. }));
        prop_assert!(refused);
        prop_assert_eq!(names.get("Adam"), None);
    }
}

#[test]
fn names_that_are_none_other_networks_and_keys_off_the_curve_are_refused() {
    let mut foreign = record("Adam", 1, 1);
    foreign = NameRecord::sign(&foreign.name, 1, BlockHash([8; 32]), &secret(1), &[0; 32]);
    let nobody = NameRecord {
        name: "Adam".to_owned(),
        key: OutputKey([0xff; 32]),
        sequence: 1,
        signature: ByteString(vec![0; 64]),
    };
    let long = "a".repeat(33);
    for record in [
        foreign,
        nobody,
        record("", 1, 1),
        record("a b", 1, 1),
        record(&long, 1, 1),
        record("é", 1, 1),
    ] {
        let mut names = names();
        let verdict = put(&mut names, &record);
        assert!(matches!(verdict, Verdict::Answer(NameOutcome::Refused { .. })), "{record:?}");
        assert_eq!(names.get(&record.name), None);
    }
}

#[test]
fn one_address_hands_in_64_records_at_once_then_one_in_ten_seconds_and_loopback_any_number() {
    let mut names = names();
    let mut kept = |ip: &str, now, count: u8| {
        let mut put = |key| {
            names.put(
                now,
                ip.parse().unwrap(),
                &record(&format!("{ip}-{key}").replace([':', '.'], "_"), key, now.as_secs()),
            )
        };
        (0..count).filter(|key| put(*key) == Verdict::Keep).count()
    };
    assert_eq!(kept("9.9.9.9", Duration::ZERO, 100), 64);
    assert_eq!(kept("9.9.9.9", Duration::from_secs(30), 100), 3);
    assert_eq!(kept("9.9.9.8", Duration::ZERO, 10), 10);
    assert_eq!(kept("127.0.0.1", Duration::ZERO, 200), 200);
}

#[test]
fn pages_list_every_name_once_as_typed_in_the_order_of_small_letters() {
    for count in [0, 1, PAGE_NAMES_MAX - 1, PAGE_NAMES_MAX, PAGE_NAMES_MAX + 1, 3 * PAGE_NAMES_MAX]
    {
        let typed: Vec<String> = (0..count)
            .map(|number| format!("{}{number:05}", if number % 2 == 0 { "N" } else { "n" }))
            .collect();
        let key = secret(1).output_key();
        let held = typed.iter().map(|name| NameRecord {
            name: name.clone(),
            key,
            sequence: 1,
            signature: ByteString(Vec::new()),
        });
        let names = Names::new(GENESIS, held.collect());
        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed.last().cloned().unwrap_or_default();
            let (page, more) = names.page(&after);
            assert!(page.len() <= PAGE_NAMES_MAX);
            listed.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(listed, typed);
    }
}

#[test]
fn a_full_book_takes_no_new_name_but_still_new_records() {
    let key = secret(1).output_key();
    let held = (0..NAMES_MAX).map(|number| NameRecord {
        name: format!("n{number}"),
        key,
        sequence: 1,
        signature: ByteString(Vec::new()),
    });
    let mut names = Names::new(GENESIS, held.collect());
    assert_eq!(put(&mut names, &record("new", 1, 1)), Verdict::Answer(NameOutcome::Busy));
    assert_eq!(put(&mut names, &record("n5", 1, 2)), Verdict::Keep);
}

proptest! {
    #[test]
    fn pages_hold_every_name_once_in_order(count in 0usize..600, seed: u32) {
        let name = |number: usize| format!("n{:08x}", seed.wrapping_mul(number as u32 * 2 + 1));
        let one = record("x", 0, 1);
        let records = (0..count).map(|number| NameRecord { name: name(number), ..one.clone() });
        let names = Names::new(GENESIS, records.collect());
        let mut listed: Vec<String> = Vec::new();
        loop {
            let (page, more) = names.page(listed.last().map_or("", String::as_str));
            prop_assert!(page.len() <= PAGE_NAMES_MAX && (!more || page.len() == PAGE_NAMES_MAX));
            listed.extend(page);
            if !more {
                break;
            }
        }
        let expected: Vec<String> = names.records.keys().cloned().collect();
        prop_assert_eq!(listed, expected);
    }
}
