//! Tests of the machine as a whole: chains, restarts, time. Each module has its own beside it.

mod branches;
pub(super) mod forge;
mod idle;
mod orders;
mod restart;
pub(super) mod rig;
