//! Hashes, blocks against hashes, and what the chain tells of everybody's.

use serde::{Deserialize, Serialize};
use statistics::arrivals::found_interval;
use statistics::{Interval, arrivals};

/// How a node mines and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MiningView {
    /// Hashes, and how many a second.
    #[serde(flatten)]
    pub hash_rate: HashRate,
    /// What its hashes came to.
    #[serde(flatten)]
    pub luck: MinerLuck,
}

/// How fast a node mines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashRate {
    /// Header attempts since the start.
    pub hashes: u64,
    /// Of all threads together.
    #[serde(flatten)]
    pub rates: Rates,
    /// Of each thread.
    pub threads: Vec<Rates>,
}

/// Hashes per second over windows that end now; `None` where it has not run for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Over the last 10 seconds.
    pub ten_s: Option<u64>,
    /// Over the last 60 seconds.
    pub sixty_s: Option<u64>,
    /// Over the last 15 minutes.
    pub fifteen_min: Option<u64>,
    /// The highest over any 10 seconds.
    pub max: Option<u64>,
}

/// Blocks against hashes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Luck {
    /// Blocks found, those of lost branches among them.
    pub found: u64,
    /// Blocks expected of the hashes, each at the difficulty it was made for.
    pub expected: f64,
    /// Where `found` lies with a chance of 95 %: the lower end.
    pub expected_low: f64,
    /// The upper end.
    pub expected_high: f64,
    /// Hashes made for a template after another node's block had replaced it.
    pub wasted: u64,
}

/// Blocks of one miner against its hashes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MinerLuck {
    /// Up to now.
    #[serde(flatten)]
    pub luck: Luck,
    /// Seconds to a block on average, at the rate of the last ten; `None` while nothing is
    /// searched.
    pub expected_time_s: Option<f64>,
    /// The chance that a block would have been found by now, counted from its last one.
    pub chance_by_now: f64,
}

/// The hash rate of a whole network as the last blocks of its chain tell it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NetworkRate {
    /// Hashes per second, without bias; `None` below three blocks.
    pub network_rate: Option<f64>,
    /// Its 95 % interval: the lower end.
    pub network_rate_low: Option<f64>,
    /// The upper end.
    pub network_rate_high: Option<f64>,
    /// Gaps between blocks that it is taken from.
    pub network_gaps: u64,
}

impl Luck {
    /// So many blocks found where so many were expected, with so many hashes wasted.
    pub fn of(found: u64, expected: f64, wasted: u64) -> Self {
        let Interval { low, high } = found_interval(expected);
        Self { found, expected, expected_low: low, expected_high: high, wasted }
    }
}

impl From<Option<arrivals::NetworkRate>> for NetworkRate {
    fn from(told: Option<arrivals::NetworkRate>) -> Self {
        Self {
            network_rate: told.map(|told| told.rate),
            network_rate_low: told.map(|told| told.interval.low),
            network_rate_high: told.map(|told| told.interval.high),
            network_gaps: told.map_or(0, |told| told.gaps),
        }
    }
}
