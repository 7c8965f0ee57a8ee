//! Blocks of a devnet against its hashes: who found how many, and whether that is luck.

use engine::Rates;
use machine::views;
use serde::Serialize;
use server::runtime::{Luck, Mining};
use statistics::Interval;
use statistics::arrivals::NetworkRate;
use statistics::shares::luck_p;

/// What the miners of a devnet and its chain tell, read before the nodes stop.
#[derive(Debug, Clone, Default)]
pub(super) struct MiningOutcome {
    /// One a node, in their order; `None` for a node that does not mine.
    pub nodes: Vec<Option<Mining>>,
    /// The hash rate that the chain tells.
    pub network: Option<NetworkRate>,
}

/// Blocks against hashes of all miners together.
#[derive(Debug, Serialize)]
pub(crate) struct SummaryLuck {
    /// Up to the end.
    #[serde(flatten)]
    pub luck: views::Luck,
    /// How probable it is that blocks fall on the miners as unevenly as they did.
    pub miners_p: Option<f64>,
    /// How fast the network is as its blocks tell it.
    #[serde(flatten)]
    pub network: views::NetworkRate,
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

impl SummaryLuck {
    /// The same for people: one line on blocks, one on the network's rate where it is known.
    pub(super) fn text(&self) -> String {
        let (luck, network) = (&self.luck, &self.network);
        let mut text = format!(
            "found {} blocks, {:.1} expected ({} to {} with 95 %)",
            luck.found, luck.expected, luck.expected_low, luck.expected_high
        );
        text += &match self.miners_p {
            Some(p) if p < 0.01 => format!("; unevenly among the miners, hardly luck (p {p:.1e})"),
            Some(p) => format!("; among the miners as luck has it (p {p:.2})"),
            None => String::new(),
        };
        if let (Some(rate), Some(low), Some(high)) =
            (network.network_rate, network.network_rate_low, network.network_rate_high)
        {
            text += &format!(
                "\n  {:.2} MH/s by the last {} gaps between blocks ({:.2} to {:.2} with 95 %)",
                rate / 1e6,
                network.network_gaps,
                low / 1e6,
                high / 1e6
            );
        }
        text
    }
}

/// How a node's own pool does, in a line for people.
pub(crate) fn mining_line(mining: &Mining) -> String {
    let luck = &mining.luck;
    let Rates { ten_s, sixty_s, fifteen_min, max } = mining.rates;
    let rates = [("10 s", ten_s), ("60 s", sixty_s), ("15 min", fifteen_min), ("max", max)];
    let known = rates.into_iter().filter_map(|(name, rate)| Some((name, rate?)));
    let mut parts: Vec<String> =
        known.map(|(name, rate)| format!("{:.1} MH/s {name}", rate as f64 / 1e6)).collect();
    if let Some(seconds) = mining.expected_time_s() {
        let chance = 100.0 * luck.chance_by_now();
        parts.push(format!("a block every {seconds:.1} s, by now with {chance:.0} %"));
    }
    let Interval { low, high } = luck.found_range();
    let (found, expected) = (luck.found, luck.expected);
    parts.push(format!("found {found}, expected {expected:.1} ({low} to {high})"));
    let wasted = 100.0 * luck.wasted as f64 / luck.hashes.max(1) as f64;
    parts.push(format!("{wasted:.2} % wasted"));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_leaves_out_what_is_not_known_yet() {
        let luck = Luck { hashes: 1000, wasted: 10, ..Luck::default() };
        let nothing = Mining { rates: Rates::default(), threads: Vec::new(), luck };
        assert_eq!(mining_line(&nothing), "found 0, expected 0.0 (0 to 0), 1.00 % wasted");
        let rates = Rates { ten_s: Some(5_000_000), ..Rates::default() };
        let luck = Luck { chance: 1e-7, expected: 2.0, expected_since: 0.7, found: 1, ..luck };
        assert_eq!(
            mining_line(&Mining { rates, threads: Vec::new(), luck }),
            "5.0 MH/s 10 s, a block every 2.0 s, by now with 50 %, found 1, expected 2.0 (0 to 5), \
             1.00 % wasted"
        );
    }

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
