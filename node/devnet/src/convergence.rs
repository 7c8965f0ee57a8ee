//! `Convergence`: watches the nodes' tips until all of them are one, and breaks ties that would
//! last.
//!
//! Two blocks of equal work at the last height would leave the nodes apart for ever once nobody
//! mines any more. So all miners but one, the *tie-breaker*, rest one block below the goal: the
//! block at the goal comes from one miner alone. Where the nodes stay apart all the same, the
//! tie-breaker mines one block more.

use std::time::Duration;

use machine::Tip;

/// Tips that differ and have not moved for this long will not come together by themselves: news
/// crosses loopback in milliseconds.
const TIE_PATIENCE: Duration = Duration::from_secs(1);

/// After a signal the nodes get this long to come to one tip.
pub(super) const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Where one node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The end of its best chain.
    pub tip: Tip,
    /// Whether its coins are those of the tip, and it knows no better chain.
    pub settled: bool,
}

/// What follows from a look at all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every node has the same tip, at the goal or above.
    Agreed(Tip),
    /// The nodes are still apart, or below the goal.
    Waiting,
    /// The nodes are stuck on different tips: the tie-breaker shall mine up to this height.
    BreakTie(u32),
}

/// Watches for all nodes to have one tip at a height or above.
#[derive(Debug)]
pub(super) struct Convergence {
    goal: u32,
    last: Vec<Standing>,
    /// When a tip moved last.
    moved: Duration,
}

impl Convergence {
    /// Watches for a tip at height `goal` or above.
    pub(super) fn at(goal: u32) -> Self {
        Self { goal, last: Vec::new(), moved: Duration::ZERO }
    }

    /// Looks at every node; `now` is monotonic.
    pub(super) fn observe(&mut self, standings: Vec<Standing>, now: Duration) -> Progress {
        if self.last != standings {
            self.last = standings;
            self.moved = now;
        }
        let Some(first) = self.last.first() else {
            return Progress::Waiting;
        };
        let settled = self.last.iter().all(|standing| standing.settled);
        let highest = self.last.iter().map(|standing| standing.tip.height).max().unwrap_or(0);
        if !settled || highest < self.goal {
            return Progress::Waiting;
        }
        if self.last.iter().all(|standing| standing.tip == first.tip) {
            return Progress::Agreed(first.tip);
        }
        if now.saturating_sub(self.moved) < TIE_PATIENCE {
            return Progress::Waiting;
        }
        Progress::BreakTie(highest.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use chain::hash::BlockHash;
    use proptest::prelude::*;

    use super::*;

    fn standing(block: u8, height: u32) -> Standing {
        Standing { tip: Tip { hash: BlockHash([block; 32]), height }, settled: true }
    }

    const LATER: Duration = Duration::from_secs(10);

    #[test]
    fn one_tip_at_the_goal_is_agreement_and_one_below_is_not() {
        let mut convergence = Convergence::at(5);
        let all = |block, height| vec![standing(block, height); 3];
        assert_eq!(convergence.observe(all(4, 4), LATER), Progress::Waiting);
        let agreed = Progress::Agreed(standing(5, 5).tip);
        assert_eq!(convergence.observe(all(5, 5), LATER), agreed);
    }

    #[test]
    fn a_node_that_is_still_on_its_way_is_waited_for() {
        let mut convergence = Convergence::at(1);
        let mut standings = vec![standing(7, 1); 2];
        standings[1].settled = false;
        assert_eq!(convergence.observe(standings, LATER), Progress::Waiting);
    }

    #[test]
    fn a_tie_that_does_not_move_is_broken_by_one_more_block_and_not_before() {
        let mut convergence = Convergence::at(5);
        let tie = vec![standing(1, 5), standing(2, 5), standing(2, 5)];
        assert_eq!(convergence.observe(tie.clone(), LATER), Progress::Waiting);
        let almost = LATER + TIE_PATIENCE - Duration::from_nanos(1);
        assert_eq!(convergence.observe(tie.clone(), almost), Progress::Waiting);
        let patient = LATER + TIE_PATIENCE;
        assert_eq!(convergence.observe(tie, patient), Progress::BreakTie(6));
        let moved = vec![standing(1, 5), standing(2, 5), standing(1, 5)];
        assert_eq!(convergence.observe(moved, patient), Progress::Waiting);
    }

    proptest! {
        #[test]
        fn nodes_agree_only_when_all_have_the_same_block(
            tips in prop::collection::vec((0u8..3, 0u32..4), 1..5),
            goal in 0u32..4,
        ) {
            let standings: Vec<_> =
                tips.iter().map(|(block, height)| standing(*block, *height)).collect();
            let progress = Convergence::at(goal).observe(standings.clone(), Duration::ZERO);
            let same = standings.iter().all(|one| *one == standings[0]);
            let agreed = same && standings[0].tip.height >= goal;
            prop_assert_eq!(matches!(progress, Progress::Agreed(_)), agreed);
        }
    }
}
