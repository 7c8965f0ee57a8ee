//! What this computer does: seeded searches by difficulty, its raw rate, the difficulty it needs.
//!
//! Only here, and in `commands` above, is time measured; what the numbers mean is worked out in
//! [`statistics`].

pub mod calibration;
pub mod energy;
pub mod levels;
pub mod processor_time;
pub mod raw_rate;
pub mod rounds;
pub mod scaling;
pub mod search;
