//! What came of a devnet, for the last line of the output: read back from the nodes' directories.

use std::path::PathBuf;
use std::time::Duration;

use server::operator::mining_view;
use server::runtime::Mining;

use super::audit::Audit;
use super::mining_outcome::MiningOutcome;
use output::summary::{Invariants, Reason, Summary, SummaryNode};

/// A node that has stopped, and what it left.
pub(super) struct Audited {
    /// Its name.
    pub name: String,
    /// Where it keeps its chain.
    pub directory: PathBuf,
    /// What is there.
    pub audit: Audit,
}

/// What `first` and the `others` left after they had run for `elapsed`, with what their miners did,
/// the first one's first.
pub(super) fn summary(
    reason: Reason,
    (first, others): (&Audited, &[Audited]),
    (mining, elapsed): (&MiningOutcome, Duration),
) -> Summary {
    let invariants = invariants(first, others);
    let hashes = mining.together().hashes;
    let per_s = u128::from(hashes) * 1000 / elapsed.as_millis().max(1);
    let mined = mining.nodes.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let nodes = std::iter::once(first).chain(others).zip(mined);
    let end = &first.audit;
    Summary {
        reason,
        height: end.height,
        tip: end.tip.to_string(),
        supply: end.totals.supply.to_string(),
        burned: end.totals.burned.to_string(),
        transactions: end.transfers,
        blocks: end.height,
        agreed: invariants.same_tip && invariants.same_coins,
        invariants,
        hashes,
        hash_rate: u64::try_from(per_s).unwrap_or(u64::MAX),
        seconds: elapsed.as_secs(),
        luck: mining.summary(),
        nodes: nodes.map(|(node, mined)| summary_of_node(node, mined)).collect(),
    }
}

fn invariants(first: &Audited, others: &[Audited]) -> Invariants {
    let first = &first.audit;
    let others = || others.iter().map(|other| &other.audit);
    Invariants {
        same_tip: others().all(|other| other.tip == first.tip),
        same_coins: others().all(|other| other.totals == first.totals),
        supply_adds_up: first.supply_adds_up && others().all(|other| other.supply_adds_up),
    }
}

fn summary_of_node(node: &Audited, mined: Option<&Mining>) -> SummaryNode {
    let audit = &node.audit;
    SummaryNode {
        name: node.name.clone(),
        height: audit.height,
        tip: audit.tip.to_string(),
        utxo_hash: audit.totals.utxo_hash.to_string(),
        supply: audit.totals.supply.to_string(),
        directory: node.directory.clone(),
        mining: mined.map(mining_view),
    }
}

#[cfg(test)]
mod tests {
    use chain::amount::Amount;
    use chain::hash::{BlockHash, UtxoHash};
    use machine::store::Totals;
    use proptest::prelude::*;

    use super::*;

    fn audited((tip, coins, supply_adds_up): (u8, u8, bool)) -> Audited {
        let totals = Totals {
            utxo_hash: UtxoHash([coins; 32]),
            supply: Amount(50),
            burned: Amount::ZERO,
            coins: 1,
        };
        let tip = BlockHash([tip; 32]);
        let audit = Audit { tip, height: 3, totals, transfers: 2, supply_adds_up };
        Audited { name: format!("{tip}"), directory: PathBuf::new(), audit }
    }

    proptest! {
        #[test]
        fn nodes_agree_when_all_have_one_tip_and_one_set_of_coins(
            nodes in prop::collection::vec((0u8..2, 0u8..2, prop::bool::weighted(0.8)), 1..4),
        ) {
            let audits: Vec<Audited> = nodes.iter().copied().map(audited).collect();
            let (first, others) = audits.split_first().unwrap();
            let mining = MiningOutcome::default();
            let elapsed = (&mining, Duration::ZERO);
            let summary = summary(Reason::Interrupted, (first, others), elapsed);
            let same_tip = nodes.iter().all(|node| node.0 == nodes[0].0);
            let same_coins = nodes.iter().all(|node| node.1 == nodes[0].1);
            let supply_adds_up = nodes.iter().all(|node| node.2);
            let invariants = Invariants { same_tip, same_coins, supply_adds_up };
            prop_assert_eq!(summary.invariants, invariants);
            prop_assert_eq!(summary.agreed, same_tip && same_coins);
            prop_assert_eq!(invariants.hold(), summary.agreed && supply_adds_up);
            let told: Vec<&str> = summary.nodes.iter().map(|node| node.name.as_str()).collect();
            let names: Vec<&str> = audits.iter().map(|node| node.name.as_str()).collect();
            prop_assert_eq!(told, names);
        }
    }
}
