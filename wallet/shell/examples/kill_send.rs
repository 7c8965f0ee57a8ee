//! Kills a wallet at random moments of its payments and orders each again, as a script does, until
//! so many have died: every payment is made once.
//!
//! `cargo run --release -p lode-wallet-shell --example kill_send -- KILLS [SEED]`, 500 kills when
//! nothing is said. Network and directory are those of the tests, on loopback; the wallet is this
//! program itself, started anew for each payment. It ends with an error at the first payment that
//! is made twice or not at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test that takes long")]

#[path = "../tests/kills/rounds.rs"]
mod rounds;

use std::env;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Set for the processes that are wallets.
const IS_WALLET: &str = "LODE_KILL_SEND_WALLET";

fn main() -> ExitCode {
    if env::var_os(IS_WALLET).is_some() {
        return shell::commands::main();
    }
    let mut numbers = env::args().skip(1).map(|word| word.parse::<u64>().unwrap());
    let kills = u32::try_from(numbers.next().unwrap_or(500)).unwrap();
    let seed = numbers.next().unwrap_or(1);
    let program = env::current_exe().unwrap();
    let wallet = || {
        let mut command = Command::new(&program);
        command.env(IS_WALLET, "1");
        command
    };
    let begun = Instant::now();
    let outcome = rounds::kill(kills, seed, &wallet);
    println!(
        "{} kills, {} of them after the payment was handed over: each of {} payments was made \
         once, in {:.0} s",
        outcome.kills,
        outcome.kills_after_handover,
        outcome.ordered,
        begun.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}
