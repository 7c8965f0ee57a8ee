//! The hash rate of a whole network, as the blocks of its best chain tell it.

use chain::header::Header;
use chain::target::CompactTarget;

use crate::Machine;
use statistics::arrivals::{NetworkRate, network_rate};

/// Gaps between blocks that are looked at: a hundred tell the rate to a fifth.
const GAPS_MAX: u32 = 100;

/// The rate behind the last blocks of the best chain; `None` for fewer than three blocks after
/// genesis, whose time is nobody's clock.
pub fn of_best_chain(machine: &Machine) -> Option<NetworkRate> {
    of_chain(machine.tip().height, |height| {
        let id = machine.ledger().at_height(height)?;
        Some(machine.tree().entry(id).header)
    })
}

fn of_chain(tip: u32, header_at: impl Fn(u32) -> Option<Header>) -> Option<NetworkRate> {
    let first = tip.saturating_sub(GAPS_MAX).max(1);
    let headers: Vec<Header> = (first..=tip).filter_map(header_at).collect();
    let gap = |pair: &[Header]| {
        let seconds = f64::from(pair[1].time) - f64::from(pair[0].time);
        Some((seconds, expected_hashes(pair[1].bits)?))
    };
    let gaps: Vec<(f64, f64)> = headers.windows(2).filter_map(gap).collect();
    network_rate(&gaps)
}

/// Hashes that a block of that difficulty is expected to take; `None` for bits that are no target.
pub fn expected_hashes(bits: CompactTarget) -> Option<f64> {
    Some(f64::from(bits.expand().ok()?.work().0))
}

#[cfg(test)]
mod tests {
    use chain::hash::{BlockHash, MerkleRoot};
    use proptest::prelude::*;

    use super::*;

    /// Genesis in an age of its own, then a block every `early_s` seconds at 8 bits, and from
    /// height 51 on one every `late_s` seconds at `bits`.
    fn header_at(height: u32, early_s: u32, late_s: u32, bits: u32) -> Option<Header> {
        let (early, late) = (height.min(50), height.saturating_sub(50));
        let time = 1_000_000 + early * early_s + late * late_s;
        Some(Header {
            version: 0,
            previous: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: if height == 0 { 5 } else { time },
            bits: CompactTarget::with_zero_bits(if late > 0 { bits } else { 8 }),
            nonce: 0,
        })
    }

    proptest! {
        #[test]
        fn the_last_hundred_gaps_tell_the_rate_and_no_other(
            early_s in 1u32..50,
            late_s in 1u32..50,
            bits in 1u32..60,
        ) {
            let found = of_chain(150, |height| header_at(height, early_s, late_s, bits)).unwrap();
            let rate = f64::from(bits).exp2() / f64::from(late_s);
            prop_assert_eq!(found.gaps, 100);
            prop_assert!((found.rate / (0.99 * rate) - 1.0).abs() < 1e-4, "{:?}", found);
            prop_assert!(found.interval.contains(rate));
        }

        #[test]
        fn the_age_of_genesis_is_no_gap(early_s in 1u32..50, tip in 3u32..50) {
            let found = of_chain(tip, |height| header_at(height, early_s, 1, 8)).unwrap();
            let gaps = f64::from(tip - 1);
            let rate = 256.0 / f64::from(early_s) * (gaps - 1.0) / gaps;
            prop_assert_eq!(found.gaps, u64::from(tip - 1));
            prop_assert!((found.rate / rate - 1.0).abs() < 1e-4, "{:?}", found);
        }
    }

    #[test]
    fn two_blocks_tell_nothing() {
        for tip in 0..=2 {
            assert_eq!(of_chain(tip, |height| header_at(height, 5, 5, 8)), None);
        }
    }
}
