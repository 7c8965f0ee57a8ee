//! The node as a pure state machine, its store, and a second opinion on what the store holds.
//!
//! Events in, effects out ([`Machine`]). Bodies drive it: one of sockets and threads, one of
//! virtual time, and every test. No socket, clock or thread is in sight of it.

mod address_book;
mod conduct;
mod deadline;
mod dispatch;
mod effect;
mod event;
mod flushing;
mod forwarding;
mod handshake;
mod header_tree;
mod history;
mod intake;
mod ledger;
mod machine;
pub mod mempool;
pub mod mining;
pub mod network_rate;
mod owner;
mod peers;
mod places;
mod publication;
mod relay;
pub mod replay;
mod requests;
mod serving;
pub mod store;
mod sync;
mod tally;
pub mod template;
#[cfg(test)]
mod tests;
mod verifications;
mod verifier;
pub mod views;
mod wallet_server;

pub use effect::{Effect, Report};
pub use event::{Direction, Event, Now, PROGRESS_BYTES, PROGRESS_INTERVAL, PeerId, VerificationId};
pub use header_tree::{HeaderEntry, HeaderId, HeaderRefusal, HeaderTree};
pub use history::HistoryQuestion;
pub use ledger::{Ledger, Tip};
pub use machine::{Machine, MachineConfig, MachineError, Surroundings};
pub use owner::Owner;
pub use peers::Peer;
pub use tally::Tally;
pub use template::TemplateId;
pub use verifier::{SequentialVerifier, Verifier, first_invalid};
