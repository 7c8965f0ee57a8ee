//! Following: a miner is asked for its headers, page by page, until it has no more.

use std::cmp::Ordering;
use std::time::{Duration, Instant, SystemTime};

use chain::rules::header::TooEarly;
use client::node_client::{ClientError, NodeClient};
use wire::peer::HEADERS_MAX as PAGE_MAX;

use super::{Branch, HeaderChain, HeaderFault, Judged};

/// How long one miner is read before everybody else has a turn. What came by then and has more work
/// stays, so a chain of any length that begins behind the known one is read in the end, 2,000
/// headers in each answer. A branch must have more work before the time is over.
const READING_MAX: Duration = Duration::from_secs(5);

/// What becomes of a chain with exactly as much work as the known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfEqualWork {
    /// It is taken: the miner's own view matters, and nothing speaks against it.
    Take,
    /// The known one stays, as in a node.
    Leave,
}

/// How a miner is followed.
#[derive(Debug, Clone, Copy)]
pub struct Follow {
    /// What becomes of a chain of equal work.
    pub of_equal_work: OfEqualWork,
    /// This computer's clock, seconds since 1970.
    pub wall_s: u64,
    /// When to stop asking for more; one answer is always read.
    pub until: Instant,
}

/// Where a miner stands that answered in earnest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// All that it has is on the chain now.
    Whole,
    /// It has more than was read in time; the chain is longer than before.
    Partly,
    /// It is on another branch, which has no more work than the chain.
    Lighter,
    /// It has a block from the future by this computer's clock.
    Early(TooEarly),
}

/// Why a miner could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The conversation failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What it shows cannot be.
    #[error(transparent)]
    Fault(#[from] HeaderFault),
}

impl Follow {
    /// By this computer's clock.
    pub fn now(of_equal_work: OfEqualWork) -> Self {
        // A clock before 1970 finds every block too early, and says so.
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { of_equal_work, wall_s: wall.as_secs(), until: Instant::now() + READING_MAX }
    }

    /// The same, and no longer than until then.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until: self.until.min(until), ..self }
    }
}

impl HeaderChain {
    /// Reads the miner's headers that are not known. The chain of most work is the chain
    /// afterwards: what it had, or the miner's.
    ///
    /// # Errors
    /// [`FollowError`]; what was read before and has more work stays.
    pub fn follow(
        &mut self,
        client: &mut NodeClient,
        follow: Follow,
    ) -> Result<Followed, FollowError> {
        let mut branch: Option<Branch> = None;
        loop {
            let locator = self.locator();
            let ahead = branch.iter().map(|branch| branch.end.hash);
            let hashes = ahead.chain(locator.iter().map(|block| block.hash)).collect();
            let page = client.headers(hashes)?;
            let is_last = page.len() < PAGE_MAX;
            let judged = self.judge(branch.take(), &locator, &page, follow.wall_s)?;
            let Judged { branch: judged, early } = judged;
            match self.compare(&judged) {
                Ordering::Greater => self.adopt(judged),
                _ => branch = Some(judged),
            }
            if let Some(early) = early {
                return Ok(Followed::Early(early));
            }
            if is_last {
                break;
            }
            if Instant::now() >= follow.until {
                let is_lighter = branch.is_some();
                return Ok(if is_lighter { Followed::Lighter } else { Followed::Partly });
            }
        }
        let Some(branch) = branch.filter(|branch| !branch.headers.is_empty()) else {
            return Ok(Followed::Whole);
        };
        let is_equal = self.compare(&branch) == Ordering::Equal;
        if is_equal && follow.of_equal_work == OfEqualWork::Take {
            self.adopt(branch);
            return Ok(Followed::Whole);
        }
        Ok(Followed::Lighter)
    }
}
