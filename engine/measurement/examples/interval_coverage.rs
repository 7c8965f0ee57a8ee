//! How many of the 95 % intervals of real searches hold the truth: 100 seeds, 8 to 14 bits, 300
//! searches each. It takes a minute or two: `cargo run --release -p lode-measurement --example
//! interval_coverage`.

use std::num::NonZeroUsize;

use engine::{Cancel, Kernel, Miner};
use measurement::levels::Findings;
use measurement::rounds::Plan;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let miner = Miner::new(NonZeroUsize::MIN, Kernel::best())?;
    let (mut holding, mut intervals, mut biased, mut strays) = (0, 0, 0, 0);
    for seed in 0..100 {
        let plan = Plan { bits: 8..=14, trials: 300, seed };
        let measured = plan.run(&miner, &Cancel::new(), |_| ());
        let findings = Findings::of(&measured).ok_or("no search came to its end")?;
        for level in &findings.levels {
            intervals += 1;
            holding += i32::from(level.attempts.contains(level.expected));
            strays += i32::from(level.ks >= level.ks_critical);
        }
        biased += i32::from(!findings.passed());
    }
    let share = 100.0 * f64::from(holding) / f64::from(intervals);
    println!("{holding} of {intervals} intervals hold the expected attempts ({share:.1} %)");
    println!("{biased} of 100 seeds called biased, {strays} levels beyond their critical distance");
    if (93.0..=97.0).contains(&share) { Ok(()) } else { Err("93 to 97 % were expected".into()) }
}
