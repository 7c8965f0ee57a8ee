//! `Cancel`: one flag that stops a running search.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag shared by a search and whoever may stop it. Clones are the same flag; once up, it stays
/// up, so each job gets a flag of its own.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

/// Alone on its cache lines (CPUs fetch them in pairs): every worker reads it all the time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Flag(AtomicBool);

impl Cancel {
    /// A flag that is down.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Stops the search: each worker returns at its next batch.
    pub fn cancel(&self) {
        self.0.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is up. Relaxed: the flag carries no other data with it.
    pub fn is_cancelled(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }
}
