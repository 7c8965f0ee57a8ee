//! Paths in JSON, which is UTF-8: not every path is.

use std::path::Path;

use serde::Serializer;

/// The path as text; what is none in it is replaced.
pub(super) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
