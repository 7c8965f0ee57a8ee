//! STAND-IN for the devnet: compiles, and says that it is not there.

use crate::cli::DevnetOptions;

/// How a devnet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All nodes agree.
    Good,
    /// Ctrl-C.
    Interrupted,
    /// They disagree.
    Bad,
}

/// Why a devnet did not start.
#[derive(Debug, thiserror::Error)]
#[error("not yet")]
pub struct DevnetError;

/// Runs a devnet to its end.
///
/// # Errors
/// Always.
pub fn run(_options: &DevnetOptions) -> Result<Ending, DevnetError> {
    Err(DevnetError)
}
