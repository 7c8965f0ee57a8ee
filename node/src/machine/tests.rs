//! Tests of the machine as a whole: chains, restarts, time. The modules' own tests stand beside them.

mod branches;
pub(super) mod forge;
mod idle;
mod orders;
mod restart;
pub(super) mod rig;
