//! A payment that is killed at any moment and ordered again is made once. The long way is the
//! example `kill_send`, which this shares its rounds with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "kills/rounds.rs"]
mod rounds;

use std::process::Command;

#[test]
fn a_payment_that_is_killed_at_any_moment_and_ordered_again_is_made_once() {
    let wallet = || Command::new(env!("CARGO_BIN_EXE_lode-wallet"));
    let outcome = rounds::kill(24, 1, &wallet);
    assert!(outcome.kills >= 24 && outcome.ordered >= 6, "{outcome:?}");
    assert!(outcome.kills_after_handover < outcome.kills, "{outcome:?}");
}
