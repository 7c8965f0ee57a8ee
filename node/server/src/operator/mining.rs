//! How a node mines, as the view that is told of it.

use engine::Rates;
use machine::views::{self, HashRate, MinerLuck, MiningView};

use crate::runtime::Mining;

/// What `mining` came to.
pub fn mining_view(mining: &Mining) -> MiningView {
    let luck = &mining.luck;
    MiningView {
        hash_rate: HashRate {
            hashes: luck.hashes,
            rates: rates(mining.rates),
            threads: mining.threads.iter().copied().map(rates).collect(),
        },
        luck: MinerLuck {
            luck: views::Luck::of(luck.found, luck.expected, luck.wasted),
            expected_time_s: mining.expected_time_s(),
            chance_by_now: luck.chance_by_now(),
        },
    }
}

fn rates(rates: Rates) -> views::Rates {
    let Rates { ten_s, sixty_s, fifteen_min, max } = rates;
    views::Rates { ten_s, sixty_s, fifteen_min, max }
}
