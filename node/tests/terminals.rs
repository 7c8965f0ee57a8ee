//! The nine terminals: a bootstrap node, three miners and five wallets, each a process of its own
//! behind a pseudo-terminal, driven and read as a person would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

#[path = "terminals/network.rs"]
mod network;
#[path = "terminals/outsiders.rs"]
mod outsiders;
#[path = "terminals/script.rs"]
mod script;
#[path = "terminals/survival.rs"]
mod survival;
#[path = "terminals/terminal.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod terminal;
#[path = "terminals/walk_through.rs"]
mod walk_through;
