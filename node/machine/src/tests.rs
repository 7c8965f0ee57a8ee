//! Tests of the machine as a whole: chains, restarts, time.

mod branches;
mod conversation;
mod deadlines;
pub(super) mod forge;
mod idle;
mod orders;
mod restart;
pub(super) mod rig;
mod tables;
