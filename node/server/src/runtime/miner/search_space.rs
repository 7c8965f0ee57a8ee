//! The headers of one template that one lease holds, and the order in which they are searched.

use std::ops::RangeInclusive;

use chain::header::Header;
use engine::{ROLLING_GROUPS, VERSIONS_MAX};

use machine::template::{Lease, Template};

/// Attempts between two looks at the clock: 3 s of work for one thread of a fast kernel, 20 s of a
/// slow one.
const PART_ATTEMPTS: u32 = 1 << 27;

/// How much there is to search.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchSpace {
    /// Whose extra nonces.
    pub(super) lease: Lease,
    /// The last counter of an extra nonce.
    pub(super) counter_max: u32,
    /// Groups of versions under one extra nonce and one time.
    pub(super) groups: u32,
    /// The last nonce.
    pub(super) nonce_max: u32,
    /// Nonces that are searched between two looks at the clock.
    pub(super) nonces_at_once: u32,
}

impl SearchSpace {
    /// Everything that `lease` has. It is searched in parts, so that the time in the header stays
    /// close to the clock.
    pub(super) const fn of(lease: Lease) -> Self {
        Self {
            lease,
            counter_max: u32::MAX,
            groups: ROLLING_GROUPS,
            nonce_max: u32::MAX,
            nonces_at_once: PART_ATTEMPTS / VERSIONS_MAX as u32,
        }
    }
}

/// Goes through the headers of one template: nonces, then version groups, then time, then the extra
/// nonce. Under one extra nonce the time only rises, so no header comes twice.
pub(super) struct HeaderIterator<'a> {
    template: &'a Template,
    space: SearchSpace,
    /// Nonce zero, the group not filled in yet.
    header: Header,
    counter: u32,
    group: u32,
    nonce_first: u32,
    finished: bool,
}

/// One step of a [`HeaderIterator`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) header: Header,
    pub(super) extra_nonce: u64,
    pub(super) group: u32,
    pub(super) nonces: RangeInclusive<u32>,
}

impl<'a> HeaderIterator<'a> {
    pub(super) fn new(template: &'a Template, space: SearchSpace) -> Self {
        Self {
            template,
            space,
            header: template.header_with_extra_nonce(space.lease.extra_nonce(0)),
            counter: 0,
            group: 0,
            nonce_first: 0,
            finished: false,
        }
    }

    /// The next part, with the time of the clock where the template allows it.
    pub(super) fn next(&mut self, wall_s: u64) -> Option<Part> {
        if self.finished {
            return None;
        }
        let wall = u32::try_from(wall_s).unwrap_or(u32::MAX);
        let time = wall.min(self.template.time_max);
        if time > self.header.time {
            self.begin_time(time);
        }
        let more = self.space.nonces_at_once.saturating_sub(1);
        let nonce_last = self.nonce_first.saturating_add(more);
        let nonce_last = nonce_last.min(self.space.nonce_max);
        let part = Part {
            header: self.header,
            extra_nonce: self.space.lease.extra_nonce(self.counter),
            group: self.group,
            nonces: self.nonce_first..=nonce_last,
        };
        if nonce_last < self.space.nonce_max {
            self.nonce_first = nonce_last + 1;
        } else {
            self.begin_group();
        }
        Some(part)
    }

    fn begin_group(&mut self) {
        self.nonce_first = 0;
        self.group += 1;
        if self.group == self.space.groups {
            self.group = 0;
            if self.header.time < self.template.time_max {
                self.begin_time(self.header.time + 1);
            } else {
                self.begin_extra_nonce();
            }
        }
    }

    fn begin_time(&mut self, time: u32) {
        self.header.time = time;
        self.group = 0;
        self.nonce_first = 0;
    }

    fn begin_extra_nonce(&mut self) {
        if self.counter < self.space.counter_max {
            self.counter += 1;
            let extra_nonce = self.space.lease.extra_nonce(self.counter);
            self.header = self.template.header_with_extra_nonce(extra_nonce);
        } else {
            self.finished = true;
        }
    }
}
