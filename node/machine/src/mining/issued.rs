//! `Issued`: the templates that went out on the tip, each of which may still be solved.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use chain::hash::BlockHash;

use crate::template::Template;

/// Templates on one tip that are remembered while somebody holds them. With a new one a second at
/// most, the oldest of so many is a quarter of an hour old.
const ISSUED_MAX: usize = 1024;

/// The templates of the latest tip. A solution brings its template along; here it is known again by
/// its place in memory, so that no other can be passed off as one of ours.
#[derive(Debug, Default)]
pub(super) struct Issued {
    /// What they build on.
    previous: Option<BlockHash>,
    /// Those that somebody may still hold, oldest first. A place in memory is not used again while
    /// a `Weak` points at it.
    templates: VecDeque<Weak<Template>>,
}

impl Issued {
    /// Remembers `template`, and forgets those of another tip.
    pub(super) fn add(&mut self, template: &Arc<Template>) {
        let previous = Some(template.header.previous);
        if self.previous != previous {
            self.previous = previous;
            self.templates.clear();
        }
        self.templates.retain(|issued| issued.strong_count() > 0);
        if self.templates.len() >= ISSUED_MAX {
            self.templates.pop_front();
        }
        self.templates.push_back(Arc::downgrade(template));
    }

    /// Whether this very template went out on the latest tip.
    pub(super) fn holds(&self, template: &Arc<Template>) -> bool {
        self.templates.iter().any(|issued| issued.as_ptr() == Arc::as_ptr(template))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.templates.len()
    }
}
