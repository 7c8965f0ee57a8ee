//! `Leases`: hands out shares of the extra nonces, so that no two who search do the same work.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machine::template::Lease;

/// Leases that may be held at once: far more than a node has connections for.
pub const LEASES_MAX: usize = 4096;

/// The leases of one node. Clones hand out the same ones.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<Held>>);

/// A lease of one's own, until it is dropped.
#[derive(Debug)]
pub struct HeldLease {
    lease: Lease,
    leases: Leases,
}

#[derive(Debug, Default)]
struct Held {
    numbers: BTreeSet<u32>,
    /// The one that was handed out last. A number comes again as late as possible, for its last
    /// holder may have searched the template that is still the latest.
    last: u32,
}

impl Leases {
    /// A lease that nobody else holds and that is not the own pool's; `None` while [`LEASES_MAX`]
    /// are held.
    pub fn take(&self) -> Option<HeldLease> {
        let mut held = self.lock();
        if held.numbers.len() >= LEASES_MAX {
            return None;
        }
        loop {
            held.last = held.last.wrapping_add(1);
            let number = held.last;
            if Lease(number) != Lease::OWN && held.numbers.insert(number) {
                return Some(HeldLease { lease: Lease(number), leases: self.clone() });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for HeldLease {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.leases.lock().numbers.remove(&self.lease.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_two_leases_that_are_held_are_the_same_and_a_dropped_one_waits_its_turn(
            last in prop_oneof![Just(0), u32::MAX - 20..=u32::MAX, any::<u32>()],
            steps in prop::collection::vec(any::<Option<prop::sample::Index>>(), 1..200),
        ) {
            let leases = Leases::default();
            leases.lock().last = last;
            let (mut held, mut seen) = (Vec::<HeldLease>::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Some(index) if !held.is_empty() => {
                        held.swap_remove(index.index(held.len()));
                    }
                    _ => {
                        let lease = leases.take().unwrap();
                        prop_assert_ne!(*lease, Lease::OWN);
                        prop_assert!(seen.insert(*lease), "{:?} came twice", *lease);
                        held.push(lease);
                    }
                }
                prop_assert_eq!(leases.lock().numbers.len(), held.len());
            }
        }
    }

    #[test]
    fn a_number_that_is_still_held_is_passed_over_when_all_others_had_their_turn() {
        let leases = Leases::default();
        let first = leases.take().unwrap();
        leases.lock().last = u32::MAX - 1;
        let around: Vec<HeldLease> = (0..2).map(|_| leases.take().unwrap()).collect();
        assert_eq!([*first, *around[0], *around[1]], [Lease(1), Lease(u32::MAX), Lease(2)]);
    }

    #[test]
    fn only_so_many_are_handed_out_at_once() {
        let leases = Leases::default();
        let mut held: Vec<HeldLease> = (0..LEASES_MAX).map(|_| leases.take().unwrap()).collect();
        assert!(leases.take().is_none());
        held.pop();
        assert!(leases.take().is_some());
    }
}
