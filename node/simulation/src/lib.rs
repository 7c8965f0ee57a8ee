//! The virtual-time body: a whole network of machines in one thread, replayed from one seed.
//!
//! An event queue over virtual nanoseconds takes the place of sockets, clocks and mining threads.
//! Nothing here knows a rule of consensus, relay or the memory pool: the [`World`] calls
//! [`Machine::handle`](machine::Machine::handle) and
//! [`next_wakeup`](machine::Machine::next_wakeup) and carries out the effects. Blocks are
//! found at drawn times and then really ground, so every rule of a real network is in force. The
//! same scenario with the same seed gives the same trace, byte for byte.

mod external_peer;
mod invariants;
mod links;
mod miner;
mod scenario;
mod selfish_miner;
mod test_wallet;
mod trace;
mod workshop;
mod world;

pub use external_peer::{ExternalPeer, ExternalPeerId};
pub use invariants::{Agreement, Violation, agreement, check_deeply};
pub use links::LinkConditions;
pub use miner::{attempts, grind};
pub use scenario::{Fault, NodePlan, Scenario, small_spec};
pub use test_wallet::TestWallet;
pub use workshop::Workshop;
pub use world::{DISK_WRITE, SimulationError, World};
