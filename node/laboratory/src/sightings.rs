//! `Sightings`: who found which block when, and when the others had it, from what nodes reported.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chain::hash::BlockHash;
use machine::Report;
use simulation::Fault;

/// A block that somebody found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// By whom.
    pub node: usize,
    /// When.
    pub at: Duration,
    /// Its height.
    pub height: u32,
}

/// What nodes reported of blocks.
#[derive(Debug)]
pub(crate) struct Sightings {
    /// When nodes came (back): what was found before was not on its way to them.
    starts: Vec<(Duration, usize)>,
    /// All blocks that were found.
    pub found: BTreeMap<BlockHash, Found>,
    /// When a block was found, and how long it took to another node whose chain's end it became.
    pub journeys: Vec<(Duration, Duration)>,
    /// Times that a node left one branch for another.
    pub reorganizations: u64,
    /// Most blocks that a node left at once.
    pub depth_max: u32,
}

impl Sightings {
    /// Nothing so far, among nodes that begin at these times (and all at genesis).
    pub(crate) fn new(faults: &[(Duration, Fault)]) -> Self {
        let start = |(at, fault): &(Duration, Fault)| match fault {
            Fault::Start(node) => Some((*at, *node)),
            _ => None,
        };
        Self {
            starts: faults.iter().filter_map(start).collect(),
            found: BTreeMap::new(),
            journeys: Vec::new(),
            reorganizations: 0,
            depth_max: 0,
        }
    }

    /// Takes what a node reported.
    pub(crate) fn take(&mut self, at: Duration, node: usize, report: &Report) {
        match *report {
            Report::BlockFound { hash, height } => {
                self.found.insert(hash, Found { node, at, height });
            }
            Report::BlockConnected { hash, .. } => {
                let was_on_its_way = |found: &&Found| {
                    let came_later = |(start, who): &(Duration, usize)| {
                        *who == node && found.at < *start && *start <= at
                    };
                    found.node != node && !self.starts.iter().any(came_later)
                };
                if let Some(found) = self.found.get(&hash).filter(was_on_its_way) {
                    self.journeys.push((found.at, at.saturating_sub(found.at)));
                }
            }
            Report::Reorganized { disconnected, .. } => {
                self.reorganizations += 1;
                self.depth_max = self.depth_max.max(disconnected);
            }
            _ => {}
        }
    }

    /// Heights at which a block was found, and those of them at which more than one was.
    pub(crate) fn heights(&self) -> (u64, u64) {
        let (mut all, mut shared) = (BTreeSet::new(), BTreeSet::new());
        for found in self.found.values() {
            if !all.insert(found.height) {
                shared.insert(found.height);
            }
        }
        (all.len() as u64, shared.len() as u64)
    }

    /// The journeys that 50, 90 and 99 hundredths of all did not exceed, in milliseconds; of blocks
    /// that were found while all could reach all.
    pub(crate) fn journeys_ms(&self, apart: Option<(Duration, Duration)>) -> Option<[f64; 3]> {
        let was_apart = |at: Duration| apart.is_some_and(|(from, until)| from <= at && at < until);
        let counted = self.journeys.iter().filter(|(at, _)| !was_apart(*at));
        let journeys: Vec<f64> = counted.map(|(_, one)| one.as_secs_f64() * 1e3).collect();
        let at = |percent| statistics::quantile(&journeys, percent);
        (!journeys.is_empty()).then(|| [50, 90, 99].map(at))
    }
}

#[cfg(test)]
mod tests {
    use chain::amount::Amount;

    use super::*;

    fn hash(number: u8) -> BlockHash {
        BlockHash([number; 32])
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn found(sightings: &mut Sightings, at: u64, node: usize, number: u8, height: u32) {
        sightings.take(seconds(at), node, &Report::BlockFound { hash: hash(number), height });
    }

    fn connected(sightings: &mut Sightings, at: u64, node: usize, number: u8) {
        let report = Report::BlockConnected {
            hash: hash(number),
            height: 1,
            transactions: 1,
            fees: Amount(0),
            target_zero_bits: 8,
        };
        sightings.take(seconds(at), node, &report);
    }

    #[test]
    fn a_journey_is_from_the_finder_to_others_who_were_there() {
        let mut sightings = Sightings::new(&[(seconds(50), Fault::Start(2))]);
        found(&mut sightings, 10, 0, 1, 1);
        connected(&mut sightings, 10, 0, 1);
        connected(&mut sightings, 13, 1, 1);
        // It came later, and is told of what was found long ago; of the next one it hears at once.
        connected(&mut sightings, 51, 2, 1);
        found(&mut sightings, 60, 1, 2, 2);
        connected(&mut sightings, 64, 2, 2);
        assert_eq!(sightings.journeys_ms(None), Some([3000.0, 4000.0, 4000.0]));
        let apart = Some((seconds(55), seconds(65)));
        assert_eq!(sightings.journeys_ms(apart), Some([3000.0, 3000.0, 3000.0]));
    }

    #[test]
    fn heights_with_several_blocks_are_counted_once() {
        let mut sightings = Sightings::new(&[]);
        for (number, height) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3)] {
            found(&mut sightings, 1, 0, number, height);
        }
        assert_eq!(sightings.heights(), (3, 1));
    }
}
