//! How soon a devnet is there, and its first block.

use std::time::{Duration, Instant};

use crate::limit::within;
use crate::program::Running;

/// A devnet as people start it, and how long it took until its ready line.
fn start(directory: &tempfile::TempDir) -> (Running, Duration) {
    let directory = directory.path().display();
    let mut devnet = Running::start(&format!("devnet --seed 7 --json --data-dir {directory}"));
    assert_eq!(devnet.line().unwrap()["event"], "ready");
    let took = devnet.started.elapsed();
    (devnet, took)
}

#[test]
fn a_devnet_is_ready_in_two_seconds() {
    within(Duration::from_secs(2), || start(&tempfile::tempdir().unwrap()).1);
}

#[test]
fn the_first_block_comes_five_seconds_after_it() {
    within(Duration::from_secs(5), || {
        let directory = tempfile::tempdir().unwrap();
        let (mut devnet, _) = start(&directory);
        let ready = Instant::now();
        while devnet.line().unwrap()["event"] != "block_found" {}
        ready.elapsed()
    });
}
