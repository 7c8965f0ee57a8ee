//! How rarely a process with nothing to do is on a processor.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use client::data_directory::pinned_network;
use testkit::test_node::{hello, receive};
use wire::Message;
use wire::frame::Phase;

use crate::processes::{Home, until};

/// Neighbors that say hello and then nothing.
const QUIET_PEERS: u64 = 8;

/// For so long one looks, after as long for everything to come to rest: visits of a relay to
/// the directory lie in it.
const LOOK: Duration = Duration::from_secs(12);

/// Times that a thread of the process gave its processor away.
fn voluntary_switches(process: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let switches = tasks.filter_map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).ok()?;
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count?.trim().parse::<u64>().ok()
    });
    switches.sum()
}

fn pass(time: Duration) {
    let started = Instant::now();
    until("time passes", || started.elapsed() >= time);
}

#[test]
#[cfg(target_os = "linux")]
fn a_relay_with_eight_quiet_neighbors_switches_at_most_twice_a_second() {
    let home = Home::new();
    let _bootstrap = home.bootstrap();
    let mut relay = home.miner("Relay", "--threads 0");
    relay.ready();
    let network = pinned_network(&home.data_of("Relay")).unwrap();
    let address = relay.address();
    let neighbors: Vec<TcpStream> = (0..QUIET_PEERS)
        .map(|number| {
            let mut stream = TcpStream::connect(&address).unwrap();
            let mut greeting = hello(&network);
            greeting.nonce = number + 1;
            testkit::test_node::send(&mut stream, &Message::Hello(Box::new(greeting)));
            let theirs = receive(&mut stream, Phase::Handshake);
            assert!(matches!(theirs, Some(Message::Hello(_))), "{theirs:?}");
            stream
        })
        .collect();
    pass(LOOK);
    let before = voluntary_switches(relay.id());
    pass(LOOK);
    let switches = voluntary_switches(relay.id()) - before;
    assert!(switches <= 2 * LOOK.as_secs(), "{switches} in {} s", LOOK.as_secs());
    let peers = home.ask(&address, "peers")["peers"].as_array().unwrap().len() as u64;
    assert!(peers >= QUIET_PEERS, "{peers} are still connected");
    drop(neighbors);
}
