//! Blocks among miners: whether the numbers are luck.

use super::chi_square_beyond;

/// Blocks a miner at least, on average, below which a chi-square test says nothing.
pub const BLOCKS_MIN: f64 = 5.0;

/// How probable numbers at least this uneven are when each miner finds blocks by its hashes:
/// Pearson's chi-square test over `(blocks found, blocks expected)` of each miner. `None` for fewer
/// than two miners that hashed, or too few blocks.
pub fn luck_p(miners: &[(u64, f64)]) -> Option<f64> {
    let hashing: Vec<(f64, f64)> = miners
        .iter()
        .filter(|(_, expected)| *expected > 0.0)
        .map(|(found, expected)| (*found as f64, *expected))
        .collect();
    let found: f64 = hashing.iter().map(|(found, _)| found).sum();
    let expected: f64 = hashing.iter().map(|(_, expected)| expected).sum();
    if hashing.len() < 2 || found < BLOCKS_MIN * hashing.len() as f64 {
        return None;
    }
    // Only how the blocks fall on the miners is judged, not how many there are.
    let scale = found / expected;
    let distance = |(found, expected): &(f64, f64)| {
        let due = expected * scale;
        (found - due) * (found - due) / due
    };
    let statistic: f64 = hashing.iter().map(distance).sum();
    Some(chi_square_beyond((hashing.len() - 1) as f64, statistic))
}
