//! `Clock`: the only place of the node that reads the time of the machine it runs on.

use std::time::{Duration, Instant, SystemTime};

use machine::Now;

/// The two clocks of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic time is zero now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now { wall_s: self.wall_s(), monotonic: self.monotonic() }
    }

    /// Seconds since 1970; zero on a machine whose clock is set before that.
    pub fn wall_s(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Time since the start.
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}
