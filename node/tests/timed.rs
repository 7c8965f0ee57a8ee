//! What is promised in seconds. Cargo runs this program by itself, and it runs one test at a time:
//! everywhere else a test asks only whether something happens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "timed/all_killed.rs"]
mod all_killed;
#[path = "timed/devnet.rs"]
mod devnet;
#[path = "timed/idle.rs"]
mod idle;
#[path = "timed/limit.rs"]
mod limit;
#[path = "timed/miners.rs"]
mod miners;
#[path = "terminals/network.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod network;
#[path = "miner/processes.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod processes;
#[path = "devnet/program.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod program;
#[path = "terminals/terminal.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod terminal;
#[path = "timed/terminals.rs"]
mod terminals;
