//! Tests of `experiment`.

use proptest::prelude::*;

use super::*;
use crate::scenarios::load;

fn partition() -> Table {
    load("partition").unwrap()
}

fn with(settings: &[(&str, &str)]) -> Result<Experiment, ExperimentError> {
    let mut table = partition();
    for (key, value) in settings {
        set(&mut table, key, value)?;
    }
    Experiment::read(&table)
}

#[test]
fn keys_are_set_where_they_stand_and_as_what_they_are() {
    let changed = with(&[
        ("nodes", "3"),
        ("until_s", "500"),
        ("topology", "ring"),
        ("retarget", "\"fixed\""),
        ("shares", "[2, 1, 1]"),
    ]);
    let changed = changed.unwrap();
    assert_eq!((changed.nodes, changed.topology), (3, Topology::Ring));
    assert_eq!(changed.partition.clone().unwrap().until_s, 500);
    assert_eq!(changed.retarget, Retarget::Fixed);
    // 2^12 hashes in ten seconds.
    assert_eq!(changed.hash_rates(), [204, 102, 102]);
}

#[test]
fn an_unknown_key_is_named_with_those_that_there_are() {
    for key in ["node", "partition", "partition.since", "scenario", "crowd.nodes", "a.b.c", ".", ""]
    {
        let error = with(&[(key, "1")]).unwrap_err();
        assert!(matches!(error, ExperimentError::UnknownKey { .. }), "{key}: {error}");
        assert!(error.to_string().contains("partition.from_s"), "{error}");
    }
}

#[test]
fn a_number_out_of_bounds_is_named_with_what_it_may_be() {
    let bad = [
        ("nodes", "0"),
        ("nodes", "1001"),
        ("duration_s", "0"),
        ("starting_bits", "25"),
        ("starting_bits", "7"),
        ("spacing_s", "200"),
        ("shares", "[1, 2]"),
        ("latency_ms", "600001"),
        ("loss_per_million", "1000001"),
        ("partition.nodes", "7"),
        ("partition.until_s", "601"),
        ("partition.from_s", "481"),
    ];
    for (key, value) in bad {
        let error = with(&[(key, value)]).unwrap_err();
        assert!(matches!(error, ExperimentError::OutOfBounds { .. }), "{key}: {error}");
    }
    let mut selfish = load("selfish").unwrap();
    for (key, value) in [("gamma", "nan"), ("gamma", "0.4"), ("share", "0.5"), ("blocks", "0")] {
        let mut changed = selfish.clone();
        set(&mut changed, key, value).unwrap();
        let error = Experiment::read(&changed).unwrap_err();
        assert!(matches!(error, ExperimentError::OutOfBounds { .. }), "{key}: {error}");
    }
    assert!(set(&mut selfish, "duration_s", "100").unwrap_err().to_string().contains("blocks"));
    for (key, value) in [("shares", "[2, 1]"), ("gamma", "0.5")] {
        set(&mut selfish, key, value).unwrap();
    }
    let unequal = Experiment::read(&selfish).unwrap_err().to_string();
    assert!(unequal.contains("equal nodes"), "{unequal}");
    for (key, value) in [("nodes", "many"), ("nodes", "-1"), ("topology", "star"), ("shares", "3")]
    {
        let error = with(&[(key, value)]).unwrap_err();
        assert!(matches!(error, ExperimentError::Malformed(_)), "{key}: {error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

proptest! {
    #[test]
    fn no_setting_panics(key in "[a-z_.]{0,12}|partition.[a-z_]{0,8}|nodes|shares", value: String) {
        let _ = with(&[(&key, &value)]);
    }

    #[test]
    fn all_nodes_together_hash_what_the_spacing_needs(
        shares in prop::collection::vec(1u64..50, 1..40), bits in 8u32..24, spacing in 1u32..600,
    ) {
        let text = format!("{shares:?}");
        let (nodes, bits_text) = (shares.len().to_string(), bits.to_string());
        let spacing_text = spacing.to_string();
        let experiment = with(&[
            ("nodes", &nodes), ("shares", &text), ("starting_bits", &bits_text),
            ("spacing_s", &spacing_text), ("partition.nodes", "1"),
        ]);
        match experiment {
            Ok(experiment) => {
                let rates = experiment.hash_rates();
                let sum: u64 = rates.iter().sum();
                let wanted = (1 << bits) / u64::from(spacing);
                // Each is rounded down to whole hashes.
                prop_assert!(sum <= wanted && wanted - sum <= rates.len() as u64);
                prop_assert!(rates.iter().all(|rate| *rate >= HASH_RATE_MIN));
            }
            Err(error) => {
                let is_said =
                    matches!(error, ExperimentError::OutOfBounds { key: "starting_bits", .. });
                prop_assert!(is_said, "{}", error);
            }
        }
    }
}
