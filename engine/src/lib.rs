//! Finds the nonce: a header of 80 bytes and a target in, a nonce out.
//!
//! The engine knows no block, no network and no file. A [`Job`] is a header made ready for
//! searching, a [`Kernel`] is one way to hash on this CPU, and a [`Miner`] spreads a job over its
//! own threads until it is solved, exhausted or cancelled. The answer depends on the job alone,
//! never on the kernel or on the number of threads.
//!
//! ```
//! use engine::{Cancel, Job, Kernel, Outcome, Target};
//!
//! let job = Job::new(&[7; 80], Target::with_zero_bits(8));
//! let Outcome::Found(solution) = engine::search_alone(Kernel::portable(), &job, &Cancel::new())
//! else {
//!     unreachable!("one in 256 nonces solves this job");
//! };
//! assert_eq!(engine::sha256d(&solution.header), solution.hash);
//! assert_eq!(solution.hash[31], 0);
//! ```
//!
//! Any header of 80 bytes that is hashed by SHA-256d will do, with versions to roll or without;
//! `examples/mine_bitcoin_header.rs`:
//!
//! ```no_run
#![doc = include_str!("../examples/mine_bitcoin_header.rs")]
//! ```

mod cancel;
mod job;
mod kernel;
mod meter;
mod midstate;
mod search;
mod sha256;
mod target;

pub use cancel::Cancel;
pub use job::{Job, JobError, ROLLING_GROUPS, Solution, VERSION_MASK, VERSIONS_MAX};
pub use kernel::{Kernel, KernelError, Trial, cpu_features};
pub use meter::{Meter, MeterSnapshot, RateWindow, Rates};
pub use midstate::midstate;
pub use search::{
    EngineError, Miner, Outcome, WorkSpan, default_threads, search_all, search_alone,
};
pub use sha256::sha256d;
pub use target::Target;
