//! ASERT against its published vectors and against a model that counts single bits.

mod independent;

use proptest::prelude::*;

use super::*;
use crate::samples::{self, any_target};

/// Height, parent's time and bits of an anchor.
type AnchorRow = (u64, i64, u32);
/// Height and time of a block, and the bits of the next one.
type Row = (u64, i64, u32);

/// Single rows of the published aserti3-2d test vectors (spacing 600 s, half-life 172,800 s, limit
/// 0x1d00ffff).
const PUBLISHED: &[(AnchorRow, &[Row])] = &[
    // run 1
    (
        (1, 0, 0x1d00_ffff),
        &[
            (2, 1200, 0x1d00_ffff),
            (3, 1800, 0x1d00_ffff),
            (4, 2400, 0x1d00_ffff),
            (7, 4200, 0x1d00_ffff),
            (9, 5400, 0x1d00_ffff),
            (10, 6000, 0x1d00_ffff),
            (11, 6600, 0x1d00_ffff),
        ],
    ),
    // run 2
    (
        (1, 0, 0x1a2b_3c4d),
        &[
            (2, 1200, 0x1a2b_3c4d),
            (3, 1800, 0x1a2b_3c4d),
            (4, 2400, 0x1a2b_3c4d),
            (7, 4200, 0x1a2b_3c4d),
            (9, 5400, 0x1a2b_3c4d),
            (10, 6000, 0x1a2b_3c4d),
            (11, 6600, 0x1a2b_3c4d),
        ],
    ),
    // run 3
    (
        (1, 0, 0x0101_0000),
        &[
            (2, 1200, 0x0101_0000),
            (3, 1800, 0x0101_0000),
            (4, 2400, 0x0101_0000),
            (7, 4200, 0x0101_0000),
            (9, 5400, 0x0101_0000),
            (10, 6000, 0x0101_0000),
            (11, 6600, 0x0101_0000),
        ],
    ),
    // run 4
    (
        (1, 0, 0x0101_0000),
        &[
            (2, 174_000, 0x0102_0000),
            (3, 347_400, 0x0104_0000),
            (34, 5_722_800, 0x0502_0000),
            (58, 9_884_400, 0x0802_0000),
            (114, 19_594_800, 0x0f02_0000),
            (170, 29_305_200, 0x1602_0000),
            (225, 38_842_200, 0x1d00_ffff),
            (226, 39_015_600, 0x1d00_ffff),
        ],
    ),
    // run 5
    (
        (1, 0, 0x1d00_ffff),
        &[
            (2, 0, 0x1d00_fec5),
            (290, 0, 0x1c7f_62c0),
            (9218, 0, 0x1900_fec5),
            (16130, 0, 0x1600_fec5),
            (32258, 0, 0x0f00_fec5),
            (48386, 0, 0x0800_fec5),
            (64226, 0, 0x0101_0000),
            (64514, 0, 0x0101_0000),
        ],
    ),
    // run 6
    (
        (1, 0, 0x1802_aee8),
        &[
            (2, 1200, 0x1802_aee8),
            (3, 1310, 0x1802_ad91),
            (144, 87370, 0x1802_b196),
            (252, 159_346, 0x1802_c5c6),
            (502, 302_957, 0x1802_b3c7),
            (752, 458_088, 0x1802_c233),
            (1000, 589_215, 0x1802_91e0),
            (1001, 589_738, 0x1802_91ad),
        ],
    ),
    // run 7
    (
        (1, 0, 0x1802_aee8),
        &[
            (2, 1200, 0x1802_aee8),
            (3, 1310, 0x1802_ad91),
            (144, 22262, 0x1802_1314),
            (252, 25796, 0x1801_9f60),
            (502, 29608, 0x1800_e710),
            (752, 31992, 0x177f_d0f4),
            (1000, 33360, 0x1746_c2cd),
            (1001, 33365, 0x1746_9789),
        ],
    ),
    // run 8
    (
        (1, 0, 0x1802_aee8),
        &[
            (2, 1200, 0x1802_aee8),
            (3, 1310, 0x1802_ad91),
            (73, 160_932, 0x1804_4ae2),
            (127, 503_376, 0x180e_e2f0),
            (252, 2_118_367, 0x191c_02ec),
            (377, 4_338_902, 0x1b02_5631),
            (500, 7_421_433, 0x1d00_ffff),
            (501, 7_462_933, 0x1d00_ffff),
        ],
    ),
    // run 9
    (
        (2_147_483_642, 1_234_567_290, 0x1802_aee8),
        &[
            (2_147_483_643, 1_234_568_190, 0x1802_ae16),
            (2_147_483_644, 1_234_568_490, 0x1802_ad44),
            (2_147_483_645, 1_234_568_790, 0x1802_ac71),
            (2_147_483_648, 1_234_569_690, 0x1802_a9fa),
            (2_147_483_650, 1_234_570_290, 0x1802_a858),
            (2_147_483_651, 1_234_570_590, 0x1802_a787),
            (2_147_483_652, 1_234_570_890, 0x1802_a6b7),
        ],
    ),
    // run 10
    (
        (9_223_372_036_854_775_802, 2_147_483_047, 0x1802_aee8),
        &[
            (9_223_372_036_854_775_803, 2_147_484_547, 0x1802_afbb),
            (9_223_372_036_854_775_804, 2_147_485_447, 0x1802_b08f),
            (9_223_372_036_854_775_805, 2_147_486_347, 0x1802_b166),
            (9_223_372_036_854_775_808, 2_147_489_047, 0x1802_b3e5),
            (9_223_372_036_854_775_810, 2_147_490_847, 0x1802_b592),
            (9_223_372_036_854_775_811, 2_147_491_747, 0x1802_b669),
            (9_223_372_036_854_775_812, 2_147_492_647, 0x1802_b73d),
        ],
    ),
    // run 11
    (
        (1, 0, 0x1802_aee8),
        &[
            (2, 1200, 0x1802_aee8),
            (3, 1496, 0x1802_ae12),
            (144, 39599, 0x1802_395e),
            (252, 74578, 0x1801_f91e),
            (502, 151_773, 0x1801_7941),
            (752, 224_349, 0x1801_1483),
            (1000, 293_956, 0x1800_c943),
            (1001, 293_713, 0x1800_c896),
        ],
    ),
    // run 12
    (
        (1, 10000, 0x1802_aee8),
        &[
            (2, 11200, 0x1802_aee8),
            (3, 11199, 0x1802_ad44),
            (1430, 9772, 0x1715_f861),
            (2502, 8700, 0x1701_a84b),
            (5002, 6200, 0x1601_0614),
            (7502, 3700, 0x1500_a1e8),
            (10000, 1202, 0x1364_7d71),
            (10001, 1201, 0x1364_3f64),
        ],
    ),
];

fn published_pace() -> Pace {
    Pace {
        spacing_s: 600,
        half_life_s: 172_800,
        limit: CompactTarget(0x1d00_ffff).expand().unwrap(),
    }
}

fn anchor((height, parent_time, bits): AnchorRow) -> Anchor {
    Anchor { height, parent_time, target: CompactTarget(bits).expand().unwrap() }
}

#[test]
fn asert_gives_the_published_bits() {
    for (from, rows) in PUBLISHED {
        for (height, time, bits) in *rows {
            let got = asert(&anchor(*from), *height, *time, &published_pace());
            assert_eq!(got, CompactTarget(*bits), "height {height} time {time} from {from:?}");
        }
    }
}

#[test]
fn the_model_gives_the_published_bits_too() {
    for (from, rows) in PUBLISHED {
        for (height, time, bits) in *rows {
            let got = independent::asert(&anchor(*from), *height, *time, &published_pace());
            assert_eq!(got, *bits, "height {height} time {time} from {from:?}");
        }
    }
}

#[test]
fn no_fraction_overflows_the_factor_and_it_never_falls() {
    let mut last = 0;
    for fraction in 0..1 << 16 {
        let factor = asert_factor(fraction);
        assert_eq!(factor, independent::factor(fraction));
        assert!(last <= factor && (1 << 16..=1 << 17).contains(&factor));
        last = factor;
    }
}

fn any_anchor() -> impl Strategy<Value = Anchor> {
    (any::<u64>(), any::<i64>(), any_target()).prop_map(|(height, parent_time, target)| Anchor {
        height,
        parent_time,
        target,
    })
}

fn any_pace() -> impl Strategy<Value = Pace> {
    (any::<u32>(), 1u32.., 0..256u32).prop_map(|(spacing_s, half_life_s, bits)| Pace {
        spacing_s,
        half_life_s,
        limit: CompactTarget::with_zero_bits(bits).expand().unwrap(),
    })
}

proptest! {
    #[test]
    fn asert_equals_the_model_wherever_it_is_asked(
        anchor in any_anchor(),
        height: u64,
        time: i64,
        pace in any_pace(),
    ) {
        let expected = CompactTarget(independent::asert(&anchor, height, time, &pace));
        prop_assert_eq!(asert(&anchor, height, time, &pace), expected);
    }

    #[test]
    fn asert_equals_the_model_near_its_schedule(
        anchor in any_anchor(),
        blocks in 0u64..2000,
        behind_s in -400_000i64..400_000,
        pace in any_pace(),
    ) {
        let anchor = Anchor {
            height: anchor.height >> 1,
            parent_time: anchor.parent_time >> 1,
            ..anchor
        };
        let height = anchor.height + blocks;
        let schedule_s = i64::from(pace.spacing_s) * i64::try_from(blocks + 1).unwrap();
        let time = anchor.parent_time + schedule_s + behind_s;
        let expected = CompactTarget(independent::asert(&anchor, height, time, &pace));
        prop_assert_eq!(asert(&anchor, height, time, &pace), expected);
    }

    #[test]
    fn next_bits_equals_the_model_with_its_anchors(
        starting_bits in 1u32..200,
        harder_by in 0u32..4,
        spacing_s in 1u32..700,
        half_lives in 24u32..200,
        steps in prop::collection::vec((-40i64..400, 0u32..12), 1..150),
    ) {
        let spec = ChainSpec {
            starting_bits: (starting_bits + harder_by).min(200),
            easiest_bits: starting_bits,
            spacing_s,
            half_life_s: half_lives * spacing_s,
            ..samples::spec()
        };
        let mut chain = vec![(spec.starting_target().to_compact(), spec.genesis_time)];
        let mut anchor = Anchor::genesis(&spec);
        for (percent, leap) in steps {
            let height = u32::try_from(chain.len() - 1).unwrap();
            let (_, time) = chain[chain.len() - 1];
            let bits = next_bits(&spec, &anchor, height, time);
            prop_assert_eq!(bits, CompactTarget(independent::next_bits(&spec, &chain)));
            // Mostly on schedule, now and then an idle half-life.
            let idle_s = if leap == 0 { i64::from(spec.half_life_s) } else { 0 };
            let step_s = i64::from(spacing_s) * percent / 100 + idle_s;
            let next_time = u32::try_from(i64::from(time) + step_s).unwrap();
            chain.push((bits, next_time));
            anchor = anchor.after(&spec, bits, height + 1, time);
        }
    }
}

#[test]
fn a_fixed_network_keeps_the_bits_of_genesis() {
    let spec = ChainSpec { retarget: Retarget::Fixed, starting_bits: 12, ..samples::spec() };
    let starting = spec.starting_target().to_compact();
    for time in [0, spec.genesis_time, u32::MAX] {
        assert_eq!(next_bits(&spec, &Anchor::genesis(&spec), 77, time), starting);
    }
}

#[test]
fn genesis_stays_its_own_anchor_though_it_has_no_parent() {
    let spec = samples::spec();
    let genesis = Anchor::genesis(&spec);
    let easiest = spec.easiest_target().to_compact();
    assert_eq!(genesis.after(&spec, easiest, 0, 12_345), genesis);
}

#[test]
fn idle_time_at_the_floor_is_forgotten() {
    let spec = samples::spec();
    let easiest = spec.easiest_target().to_compact();
    let anchor = Anchor::genesis(&spec);
    // A block after an idle day is at the floor, and becomes the anchor.
    let after_a_day = spec.genesis_time + 86_400;
    assert_eq!(next_bits(&spec, &anchor, 0, spec.genesis_time), easiest);
    let anchor = anchor.after(&spec, easiest, 1, spec.genesis_time);
    assert_eq!(next_bits(&spec, &anchor, 1, after_a_day), easiest);
    let anchor = anchor.after(&spec, easiest, 2, after_a_day);
    // From there on blocks that come too fast are harder at once.
    let mut height = 2;
    let mut anchor_now = anchor;
    let mut bits = easiest;
    while bits == easiest {
        bits = next_bits(&spec, &anchor_now, height, after_a_day + height);
        anchor_now = anchor_now.after(&spec, bits, height + 1, after_a_day + height);
        height += 1;
        assert!(height < 10, "a flood of easy blocks");
    }
}

/// Hash rate has no part in it: whoever stamps blocks as far ahead as the future limit allows gains
/// at most that much of a half-life.
#[test]
fn forward_stamps_ease_the_target_by_no_more_than_the_future_limit() {
    let spec = ChainSpec { starting_bits: 30, easiest_bits: 20, ..samples::spec() };
    let limit_s = spec.future_limit_s();
    let most = asert(
        &Anchor::genesis(&spec),
        0,
        i64::from(spec.genesis_time + limit_s + spec.spacing_s),
        &Pace::of(&spec),
    );
    let mut anchor = Anchor::genesis(&spec);
    let mut time = spec.genesis_time;
    for height in 0..5000 {
        let bits = next_bits(&spec, &anchor, height, time);
        assert!(bits.expand().unwrap() <= most.expand().unwrap(), "height {height}");
        anchor = anchor.after(&spec, bits, height + 1, time);
        let ahead_s = if height % 3 == 0 { limit_s } else { 0 };
        time = spec.genesis_time + (height + 1) * spec.spacing_s + ahead_s;
    }
}
