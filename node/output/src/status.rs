//! The lines on how it goes; whoever runs nodes decides when they are told.

use engine::Rates;
use server::runtime::Mining;
use statistics::Interval;

use super::summary::SummaryLuck;

/// How a node does that is a process of its own.
pub fn node_line(height: u32, pending: usize, nodes: usize) -> String {
    let nodes = if nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
    format!("at height {height}, {pending} pending, {nodes} connected")
}

/// How a whole network does, in a line, in one more for each of its `miners`, and in one on luck.
/// `rate` is that of all of them over ten seconds, in hashes a second.
pub fn network_text<'a>(
    height: u32,
    pending: usize,
    rate: u64,
    miners: impl Iterator<Item = (&'a str, &'a Mining)>,
    luck: &SummaryLuck,
) -> String {
    let megahashes = rate as f64 / 1e6;
    let mut text = format!("at height {height}, {pending} pending, {megahashes:.1} MH/s over 10 s");
    for (name, mining) in miners {
        text += &format!("\n  {name:<9} {}", mining_line(mining));
    }
    text + "\n  " + &luck.text()
}

/// How a node's own pool does, in a line for people.
pub fn mining_line(mining: &Mining) -> String {
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
    use server::runtime::Luck;

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

    #[test]
    fn one_node_is_not_called_nodes() {
        assert_eq!(node_line(7, 2, 0), "at height 7, 2 pending, 0 nodes connected");
        assert_eq!(node_line(7, 2, 1), "at height 7, 2 pending, 1 node connected");
        assert_eq!(node_line(7, 2, 2), "at height 7, 2 pending, 2 nodes connected");
    }
}
