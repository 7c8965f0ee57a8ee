//! Words of the command line to values that one command alone takes; the others are those of
//! [`command::words`].

use client::data_directory::check_name;
use client::joining::check_address;
use wire::operator::BlockName;

/// Most threads of a kind: more than any computer has cores.
const THREADS_MAX: usize = 1024;

pub(super) fn node_name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

/// `HOST:PORT`, as the wallet takes it, too.
pub(super) fn bootstrap(text: &str) -> Result<String, String> {
    check_address(text).map(|()| text.to_owned())
}

pub(super) fn mining_threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads| *threads <= THREADS_MAX);
    threads.ok_or_else(|| format!("write a number up to {THREADS_MAX}"))
}

/// A height, or a block's hash.
pub(super) fn block_name(text: &str) -> Result<BlockName, String> {
    if let Ok(height) = text.parse() {
        return Ok(BlockName::Height(height));
    }
    let hash = text.parse().map(BlockName::Hash);
    hash.map_err(|_| "write a height like 12 or a block's 64 hex digits".to_owned())
}
