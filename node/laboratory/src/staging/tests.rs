//! Tests of `staging`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::experiment::set;
use crate::scenarios::load;

fn staged(scenario: &str, settings: &[(&str, &str)], seed: u64) -> Scenario {
    let mut table = load(scenario).unwrap();
    for (key, value) in settings {
        set(&mut table, key, value).unwrap();
    }
    stage(&Experiment::read(&table).unwrap(), seed).unwrap()
}

/// Nodes that the first one can reach over connections that somebody makes.
fn reached(nodes: &[NodePlan]) -> usize {
    let mut reached = BTreeSet::from([0]);
    loop {
        let before = reached.len();
        for (node, plan) in nodes.iter().enumerate() {
            for other in &plan.dials {
                if reached.contains(&node) || reached.contains(other) {
                    reached.extend([node, *other]);
                }
            }
        }
        if reached.len() == before {
            return before;
        }
    }
}

proptest! {
    #[test]
    fn every_network_hangs_together_and_nobody_dials_itself_or_one_twice(
        nodes in 1usize..40, links in 1usize..9, seed: u64,
        topology in prop::sample::select(vec!["mesh", "ring", "random"]),
    ) {
        let (count, links_text) = (nodes.to_string(), links.to_string());
        let settings = [
            ("nodes", &*count), ("links", &*links_text), ("topology", topology),
            ("starting_bits", "20"),
        ];
        let scenario = staged("calm", &settings, seed);
        prop_assert_eq!(reached(&scenario.nodes), nodes);
        for (node, plan) in scenario.nodes.iter().enumerate() {
            let different: BTreeSet<_> = plan.dials.iter().collect();
            prop_assert_eq!(different.len(), plan.dials.len());
            prop_assert!(!plan.dials.contains(&node));
        }
    }

    #[test]
    fn never_all_are_away_nobody_dies_twice_and_all_come_back(
        nodes in 1usize..9, every in 1u64..200, away in 1u64..600, seed: u64,
    ) {
        let (nodes_text, every, away) = (nodes.to_string(), every.to_string(), away.to_string());
        let settings =
            [("nodes", &*nodes_text), ("churn.every_s", &*every), ("churn.away_s", &*away)];
        let mut faults = staged("churn", &settings, seed).faults;
        // Who comes back in the same moment as somebody dies was planned earlier.
        faults.sort_by_key(|(at, fault)| (*at, matches!(fault, Fault::Stop(_))));
        let mut gone = BTreeSet::new();
        for (_, fault) in faults {
            match fault {
                Fault::Stop(node) => prop_assert!(gone.insert(node)),
                Fault::Start(node) => prop_assert!(gone.remove(&node)),
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert!(gone.len() < nodes);
        }
        prop_assert!(gone.is_empty());
    }

    #[test]
    fn the_same_seed_stages_the_same(seed: u64) {
        let (one, other) = (staged("churn", &[], seed), staged("churn", &[], seed));
        prop_assert_eq!((one.nodes, one.faults), (other.nodes, other.faults));
    }
}
