//! Specs read back, every field has bounds, and what is wrong is named.

use proptest::prelude::*;

use super::*;
use crate::amount::COIN;
use crate::samples;

fn any_spec() -> impl Strategy<Value = ChainSpec> {
    let names = ("[A-Za-z0-9 -]{1,32}", "[A-Z0-9]{1,8}", "[a-z]{1,16}");
    let pace = (1u32..=200, 0u32..=199, 1u32..=86_400, any::<bool>(), 24u32..=40_000);
    let money = (0u64..=COIN, 1u32..=1_000_000, 1u32..=10_000);
    let rest = (10_000u32..=4_000_000, 0u32..4_102_444_800);
    let allocations = prop::collection::vec((any::<[u8; 32]>(), 1..=100 * COIN), 0..20);
    (names, pace, money, rest, allocations).prop_map(
        |(names, pace, money, (block_bytes_max, genesis_time), allocations)| ChainSpec {
            coin_name: names.0,
            coin_symbol: names.1,
            address_prefix: names.2,
            starting_bits: pace.0,
            easiest_bits: 1 + pace.1 % pace.0,
            spacing_s: pace.2,
            retarget: if pace.3 { Retarget::Asert } else { Retarget::Fixed },
            half_life_s: pace.2 * pace.4,
            subsidy: Amount(money.0),
            halving_interval: money.1,
            maturity: money.2,
            block_bytes_max,
            genesis_time,
            allocations: allocations
                .into_iter()
                .map(|(key, units)| Allocation { key: OutputKey(key), amount: Amount(units) })
                .collect(),
        },
    )
}

/// Any numbers at all, as a caller that forgets the check might use them.
fn any_unchecked_spec() -> impl Strategy<Value = ChainSpec> {
    (any::<[u32; 8]>(), any::<u64>(), any::<String>(), any::<[u64; 2]>()).prop_map(
        |(numbers, subsidy, text, amounts)| ChainSpec {
            coin_name: text.clone(),
            coin_symbol: text.clone(),
            address_prefix: text,
            starting_bits: numbers[0],
            easiest_bits: numbers[1],
            spacing_s: numbers[2],
            half_life_s: numbers[3],
            subsidy: Amount(subsidy),
            halving_interval: numbers[4],
            maturity: numbers[5],
            block_bytes_max: numbers[6],
            genesis_time: numbers[7],
            allocations: amounts
                .map(|units| Allocation { key: OutputKey([1; 32]), amount: Amount(units) })
                .to_vec(),
            ..samples::spec()
        },
    )
}

proptest! {
    #[test]
    fn a_spec_reads_back_from_its_file(spec in any_spec()) {
        prop_assert_eq!(spec.check(), Ok(()));
        let text = spec.to_toml();
        prop_assert_eq!(ChainSpec::from_toml(&text), Ok(spec));
    }

    #[test]
    fn no_numbers_panic(spec in any_unchecked_spec()) {
        let _ = spec.check();
        let _ = spec.to_toml();
        let _ = (spec.hash(), spec.allocations_hash(), spec.future_limit_s());
        let _ = (spec.starting_target(), spec.easiest_target(), spec.subsidies_total());
    }

    #[test]
    fn no_text_panics(text in ".*") {
        prop_assert!(ChainSpec::from_toml(&text).is_err());
    }

    #[test]
    fn no_damaged_file_panics(at in any::<prop::sample::Index>(), byte in 0u8..128) {
        let mut bytes = samples::spec().to_toml().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Err(error) = ChainSpec::from_toml(&String::from_utf8(bytes).unwrap()) {
            let text = error.to_string();
            prop_assert!(text.lines().count() <= 2 && text.chars().count() < 500, "{}", text);
        }
    }
}

type Change = fn(&mut ChainSpec);

/// Every field with changes that bring it just outside of its bounds, and just inside.
const BOUNDS: &[(&str, &[Change], &[Change])] = &[
    (
        "coin_name",
        &[
            |spec| spec.coin_name.clear(),
            |spec| spec.coin_name = "a".repeat(33),
            |spec| spec.coin_name = "a\n".to_owned(),
            |spec| spec.coin_name = "\u{e9}".to_owned(),
        ],
        &[|spec| spec.coin_name = "a".repeat(32), |spec| spec.coin_name = "a-1 b".to_owned()],
    ),
    (
        "coin_symbol",
        &[
            |spec| spec.coin_symbol.clear(),
            |spec| spec.coin_symbol = "A".repeat(9),
            |spec| spec.coin_symbol = "abc".to_owned(),
        ],
        &[|spec| spec.coin_symbol = "A2345678".to_owned()],
    ),
    (
        "address_prefix",
        &[
            |spec| spec.address_prefix.clear(),
            |spec| spec.address_prefix = "a".repeat(17),
            |spec| spec.address_prefix = "lodE".to_owned(),
            |spec| spec.address_prefix = "lode1".to_owned(),
        ],
        &[|spec| spec.address_prefix = "a".repeat(16), |spec| spec.address_prefix = "z".into()],
    ),
    (
        "starting_bits",
        &[
            |spec| spec.starting_bits = 0,
            |spec| spec.starting_bits = 201,
            |spec| spec.starting_bits = u32::MAX,
        ],
        &[|spec| spec.starting_bits = 200],
    ),
    (
        "easiest_bits",
        &[|spec| spec.easiest_bits = 0, |spec| spec.easiest_bits = 9],
        &[|spec| spec.easiest_bits = 1, |spec| spec.easiest_bits = 8],
    ),
    (
        "spacing_s",
        &[
            |spec| spec.spacing_s = 0,
            |spec| spec.spacing_s = 86_401,
            |spec| spec.spacing_s = u32::MAX,
        ],
        &[
            |spec| spec.spacing_s = 1,
            |spec| (spec.spacing_s, spec.half_life_s) = (86_400, 24 * 86_400),
        ],
    ),
    (
        "half_life_s",
        &[|spec| spec.half_life_s = 239, |spec| spec.half_life_s = 0],
        &[|spec| spec.half_life_s = 240, |spec| spec.half_life_s = u32::MAX],
    ),
    ("halving_interval", &[|spec| spec.halving_interval = 0], &[|spec| spec.halving_interval = 1]),
    (
        "subsidy",
        &[
            |spec| spec.subsidy = Amount(u64::MAX),
            |spec| spec.subsidy = Amount(1_000_000 * COIN),
            |spec| (spec.subsidy, spec.halving_interval) = (Amount(COIN), u32::MAX),
        ],
        &[|spec| spec.subsidy = Amount::ZERO, |spec| spec.subsidy = Amount(500_000 * COIN)],
    ),
    (
        "maturity",
        &[|spec| spec.maturity = 0, |spec| spec.maturity = 10_001],
        &[|spec| spec.maturity = 1, |spec| spec.maturity = 10_000],
    ),
    (
        "block_bytes_max",
        &[|spec| spec.block_bytes_max = 9_999, |spec| spec.block_bytes_max = 4_000_001],
        &[|spec| spec.block_bytes_max = 10_000, |spec| spec.block_bytes_max = 4_000_000],
    ),
    (
        "genesis_time",
        &[|spec| spec.genesis_time = 4_102_444_800],
        &[|spec| spec.genesis_time = 4_102_444_799, |spec| spec.genesis_time = 0],
    ),
    (
        "allocations",
        &[|spec| spec.allocations = vec![spec.allocations[0]; 4097]],
        &[
            |spec| spec.allocations = vec![spec.allocations[0]; 4096],
            |spec| spec.allocations.clear(),
        ],
    ),
    ("allocations.amount", &[|spec| spec.allocations[1].amount = Amount::ZERO], &[]),
];

#[test]
fn a_field_out_of_bounds_is_named_and_its_last_value_inside_is_good() {
    for (name, outside, inside) in BOUNDS {
        for change in *outside {
            let mut spec = samples::spec();
            change(&mut spec);
            let error = spec.check().unwrap_err();
            assert!(matches!(error, SpecError::Field { field, .. } if field == *name), "{error}");
            assert!(error.to_string().starts_with(name));
            assert_eq!(error.to_string().lines().count(), 1);
        }
        for change in *inside {
            let mut spec = samples::spec();
            change(&mut spec);
            assert_eq!(spec.check(), Ok(()), "{name}");
        }
    }
}

#[test]
fn the_supply_reaches_all_money_and_not_a_unit_more() {
    let mut spec = ChainSpec { subsidy: Amount::ZERO, ..samples::spec() };
    spec.allocations.truncate(2);
    spec.allocations[0].amount = Amount(crate::amount::MAX_MONEY.0 - 1);
    spec.allocations[1].amount = Amount(1);
    assert_eq!(spec.check(), Ok(()));
    spec.allocations[1].amount = Amount(2);
    assert!(spec.check().is_err());
    spec.allocations[1].amount = Amount(1);
    (spec.subsidy, spec.halving_interval) = (Amount(1), 2);
    assert!(spec.check().is_err());
}

fn refused(from: &str, to: &str) -> String {
    let text = samples::spec().to_toml();
    assert!(text.contains(from), "{text}");
    ChainSpec::from_toml(&text.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_with_a_file_is_named_with_its_line() {
    let cases = [
        ("spacing_s = 10", "spacing_s = \"10\"", "line 6 (spacing_s = \"10\"): invalid type"),
        ("spacing_s = 10", "spacing_s = -1", "line 6 (spacing_s = -1): "),
        ("spacing_s = 10", "spacing_s = 4294967296", "line 6 (spacing_s = 4294967296): "),
        ("spacing_s = 10", "spacing = 10", "line 6 (spacing = 10): unknown field `spacing`"),
        ("spacing_s = 10\n", "", "missing field `spacing_s`"),
        ("spacing_s = 10", "spacing_s = 10\nspacing_s = 11", "line 7 (spacing_s = 11): duplicate"),
        ("spacing_s = 10", "spacing_s 10", "line 6 (spacing_s 10): "),
        ("spacing_s = 10", "spacing_s = 0", "spacing_s: got 0, expected 1 to 86400 seconds"),
        ("\"asert\"", "\"daily\"", "line 7 (retarget = \"daily\"): unknown variant"),
        (
            "subsidy = \"50.0",
            "subsidy = \"x50.0",
            "subsidy: got \"x50.00000000\", expected an amount",
        ),
        ("amount = \"100.", "amount = \"-100.", "allocations.amount: got \"-100.00000000\""),
        ("\"slode\"", "\"Slode\"", "address_prefix: got Slode, expected 1 to 16 lower-case"),
        ("\"slode\"", "\"other\"", "allocations.address: got \"slode1"),
        ("address = \"slode1p", "address = \"slode1q", "allocations.address: got \"slode1q"),
    ];
    for (from, to, expected) in cases {
        let error = refused(from, to);
        assert!(error.starts_with(expected), "{error}");
        assert!(error.lines().count() <= 2, "{error}");
    }
}

#[test]
fn a_file_without_allocations_is_a_network_without_allocations() {
    let spec = ChainSpec { allocations: Vec::new(), ..samples::spec() };
    let text = spec.to_toml().replace("allocations = []\n", "");
    assert!(!text.contains("allocations"));
    assert_eq!(ChainSpec::from_toml(&text), Ok(spec));
}

#[test]
fn every_field_counts_in_the_hash() {
    let changes: [fn(&mut ChainSpec); 15] = [
        |spec| spec.coin_name.push('x'),
        |spec| spec.coin_symbol.push('X'),
        |spec| spec.address_prefix.push('x'),
        |spec| spec.starting_bits += 1,
        |spec| spec.easiest_bits -= 1,
        |spec| spec.spacing_s += 1,
        |spec| spec.retarget = Retarget::Fixed,
        |spec| spec.half_life_s += 1,
        |spec| spec.subsidy.0 += 1,
        |spec| spec.halving_interval += 1,
        |spec| spec.maturity += 1,
        |spec| spec.block_bytes_max += 1,
        |spec| spec.genesis_time += 1,
        |spec| spec.allocations[0].amount.0 += 1,
        |spec| spec.allocations[0].key.0[0] ^= 1,
    ];
    let hashes: std::collections::BTreeSet<_> = changes
        .iter()
        .map(|change| {
            let mut spec = samples::spec();
            change(&mut spec);
            spec.hash()
        })
        .chain([samples::spec().hash()])
        .collect();
    assert_eq!(hashes.len(), changes.len() + 1);
    assert_eq!(samples::spec().encode()[..4], [1, 0, 0, 0]);
}

#[test]
fn targets_are_the_compact_roundings_of_their_zero_bits() {
    for bits in 1..=200 {
        let spec = ChainSpec { starting_bits: bits, easiest_bits: 1, ..samples::spec() };
        assert_eq!(spec.starting_target().zero_bits(), bits);
        let compact = spec.starting_target().to_compact();
        assert_eq!(compact.expand(), Ok(spec.starting_target()));
        assert!(spec.starting_target() <= spec.easiest_target());
    }
}
