//! Time: a machine with nothing to do is woken for its few timers and no more.

use std::time::Duration;

use super::forge::Forge;
use super::rig::{Rig, config, policy};
use crate::mining::MiningPolicy;

#[test]
fn an_idle_hour_takes_two_wake_ups_a_second_and_sends_nothing() {
    let forge = Forge::new();
    let mut rig = Rig::new(&forge);
    let before = rig.calls;
    let effects = rig.pass(Duration::from_secs(3600));
    assert!(rig.calls - before <= 2 * 3600 + 2, "{} calls", rig.calls - before);
    assert!(effects.is_empty(), "{effects:?}");
}

#[test]
fn an_idle_miner_that_waits_for_payments_is_not_restless_either() {
    let forge = Forge::new();
    let mut config = config();
    let max_wait = Some(Duration::from_secs(30));
    config.mining = Some(MiningPolicy { min_txs: 4, max_wait, ..policy(&forge) });
    let mut rig = Rig::with(&forge, config);
    let before = rig.calls;
    rig.pass(Duration::from_secs(3600));
    assert!(rig.calls - before <= 2 * 3600 + 2, "{} calls", rig.calls - before);
}

#[test]
fn a_chain_ahead_of_the_clock_makes_the_miner_wait_without_spinning() {
    let forge = Forge::new();
    let mut config = config();
    config.mining = Some(policy(&forge));
    let mut rig = Rig::with(&forge, config);
    // The clock steps back behind genesis.
    rig.now.wall_s = u64::from(forge.network.spec.genesis_time) - 10_000;
    let before = rig.calls;
    let effects = rig.pass(Duration::from_secs(600));
    assert!(rig.calls - before <= 2 * 600 + 10 * 60, "{} calls", rig.calls - before);
    assert!(matches!(super::rig::mine(&effects), Some(None)), "it rests");
}
