//! Finds the nonce of a Bitcoin header: its first one as it is, then with versions to roll.

use engine::{Cancel, Job, Kernel, Miner, Outcome, Target, default_threads};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hex = "010000000000000000000000000000000000000000000000000000000000000000000000\
        3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d00000000";
    let mut header = [0; 80];
    for (at, byte) in header.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16)?;
    }
    let miner = Miner::new(default_threads(), Kernel::best())?;
    // Only the nonce moves: 32 zero bits, the lowest difficulty. A few seconds from the answer.
    let job = Job::new(&header, Target::with_zero_bits(32)).with_nonces(2_050_000_000..=u32::MAX);
    // The versions of a group share work, as BIP 320 lets miners roll them; 24 bits do here.
    let rolling = Job::rolling(&header, Target::with_zero_bits(24), 0).ok_or("no versions left")?;
    for job in [job, rolling] {
        if let Outcome::Found(found) = miner.search(&job, &Cancel::new()) {
            let hash: String = found.hash.iter().rev().map(|byte| format!("{byte:02x}")).collect();
            println!("{hash} after {} attempts", found.attempts);
        }
    }
    Ok(())
}
