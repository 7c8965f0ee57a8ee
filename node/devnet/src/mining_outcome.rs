//! What the miners of a devnet did: who found how many blocks, and whether that is luck.

use machine::views;
use server::runtime::{Luck, Mining};
use statistics::arrivals::NetworkRate;
use statistics::shares::luck_p;

use output::summary::SummaryLuck;

/// What the miners of a devnet and its chain tell, read before the nodes stop.
#[derive(Debug, Clone, Default)]
pub(super) struct MiningOutcome {
    /// One a node, in their order; `None` for a node that does not mine.
    pub nodes: Vec<Option<Mining>>,
    /// The hash rate that the chain tells.
    pub network: Option<NetworkRate>,
}

impl MiningOutcome {
    /// All miners together.
    pub(super) fn together(&self) -> Luck {
        let all = self.nodes.iter().flatten().map(|mining| mining.luck);
        all.fold(Luck::default(), |sum, luck| Luck {
            hashes: sum.hashes + luck.hashes,
            wasted: sum.wasted + luck.wasted,
            found: sum.found + luck.found,
            expected: sum.expected + luck.expected,
            ..sum
        })
    }

    /// For the summary.
    pub(super) fn summary(&self) -> SummaryLuck {
        let luck = self.together();
        let miners: Vec<(u64, f64)> =
            self.nodes.iter().flatten().map(|one| (one.luck.found, one.luck.expected)).collect();
        SummaryLuck {
            luck: views::Luck::of(luck.found, luck.expected, luck.wasted),
            miners_p: luck_p(&miners),
            network: self.network.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::Rates;

    use super::*;

    fn miner(found: u64, expected: f64) -> Option<Mining> {
        let luck = Luck { hashes: 1000, wasted: 3, found, expected, ..Luck::default() };
        Some(Mining { rates: Rates::default(), threads: Vec::new(), luck })
    }

    #[test]
    fn miners_add_up_and_a_node_that_does_not_mine_counts_nothing() {
        let nodes = vec![None, miner(10, 11.0), miner(12, 11.0)];
        let summary = MiningOutcome { nodes, network: None }.summary();
        assert_eq!((summary.luck.found, summary.luck.expected, summary.luck.wasted), (22, 22.0, 6));
        assert!(summary.luck.expected_low < 22.0 && 22.0 < summary.luck.expected_high);
        assert!(summary.miners_p.unwrap() > 0.5);
        assert!(summary.text().contains("as luck has it"), "{}", summary.text());
    }

    #[test]
    fn a_miner_that_finds_far_more_than_its_hashes_are_worth_is_no_luck() {
        let nodes = vec![miner(60, 30.0), miner(5, 30.0)];
        let summary = MiningOutcome { nodes, network: None }.summary();
        assert!(summary.text().contains("hardly luck"), "{}", summary.text());
    }
}
