//! The hash rate of a whole network, as the blocks of its best chain tell it.

use chain::difficulty::CompactTarget;

use crate::machine::Machine;
use crate::statistics::arrivals::{NetworkRate, network_rate};

/// Gaps between blocks that are looked at: a hundred tell the rate to a fifth.
const GAPS_MAX: u32 = 100;

/// The rate behind the last blocks of the best chain; `None` for fewer than three blocks after
/// genesis, whose time is nobody's clock.
pub fn of_best_chain(machine: &Machine) -> Option<NetworkRate> {
    let tip = machine.tip().height;
    let first = tip.saturating_sub(GAPS_MAX).max(1);
    let headers = (first..=tip).filter_map(|height| machine.ledger().at_height(height));
    let headers: Vec<(u32, CompactTarget)> = headers
        .map(|id| &machine.tree().entry(id).header)
        .map(|header| (header.time, header.bits))
        .collect();
    let gap = |pair: &[(u32, CompactTarget)]| {
        let seconds = f64::from(pair[1].0) - f64::from(pair[0].0);
        Some((seconds, expected_hashes(pair[1].1)?))
    };
    let gaps: Vec<(f64, f64)> = headers.windows(2).filter_map(gap).collect();
    network_rate(&gaps)
}

/// Hashes that a block of that difficulty is expected to take; `None` for bits that are no target.
pub fn expected_hashes(bits: CompactTarget) -> Option<f64> {
    Some(f64::from(bits.expand().ok()?.work().0))
}
