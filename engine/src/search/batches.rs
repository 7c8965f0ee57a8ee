//! The batches of a job: numbered, aligned runs of nonces that grow from small to full size.

use crate::job::{Job, Solution};
use crate::kernel::{Hit, Nonces};

/// Nonces in a job's first batch at most: an easy job ends before much work is wasted.
const FIRST_NONCES: u64 = 64;

/// How a job's nonces are cut. Batch 0 has the first size; from then on each batch starts at a
/// multiple of its size, which doubles until it is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches {
    /// Nonces of the job.
    nonces: u64,
    first: u64,
    full: u64,
}

/// Offsets into a job's nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) first: u64,
    pub(super) count: u32,
}

impl Batches {
    /// Cuts `nonces` into batches of up to `full` nonces, which is rounded to a power of two.
    pub(super) fn new(nonces: u64, full: u32) -> Batches {
        // Three quarters of a power of two and more become that power.
        let full = u64::from(full.max(1));
        let full = 1 << (full + full / 3).ilog2();
        Batches { nonces, first: full.min(FIRST_NONCES), full }
    }

    /// Nonces of a full batch.
    pub(super) fn full_nonces(&self) -> u64 {
        self.full
    }

    /// The batch of that number; `None` behind the last.
    pub(super) fn get(&self, number: u64) -> Option<Batch> {
        let doublings = u64::from((self.full / self.first).ilog2());
        let (first, size) = match number {
            0 => (0, self.first),
            _ if number <= doublings => (self.first << (number - 1), self.first << (number - 1)),
            _ => ((number - doublings).checked_mul(self.full)?, self.full),
        };
        let left = self.nonces.checked_sub(first).filter(|left| *left > 0)?;
        let count = u32::try_from(size.min(left)).expect("a full batch is far below 2^32 nonces");
        Some(Batch { first, count })
    }
}

impl Batch {
    /// Its nonces in `job`.
    pub(super) fn nonces(&self, job: &Job) -> Nonces {
        let offset = u32::try_from(self.first).expect("a job has at most 2^32 nonces");
        Nonces { first: job.nonce_first().wrapping_add(offset), count: self.count }
    }

    /// What a hit among its nonces is in `job`.
    pub(super) fn solution(&self, job: &Job, hit: Hit) -> Solution {
        let nonces_before = self.first + u64::from(hit.at.offset);
        let position = nonces_before * job.midstates().len() as u64 + hit.at.version as u64;
        Solution { header: hit.header, hash: hit.hash, attempts: position + 1 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_batches_double_from_64_nonces() {
        let batches = Batches::new(1 << 32, 1200);
        let sizes: Vec<u32> = (0..7).map(|number| batches.get(number).unwrap().count).collect();
        assert_eq!(sizes, [64, 64, 128, 256, 512, 1024, 1024]);
    }

    #[test]
    fn the_last_batch_ends_with_the_job() {
        let batches = Batches::new(1 << 32, 64);
        let last = batches.get((1 << 26) - 1).unwrap();
        assert_eq!(last.first + u64::from(last.count), 1 << 32);
        assert_eq!(batches.get(1 << 26), None);
        assert_eq!(batches.get(u64::MAX), None);
        assert_eq!(Batches::new(0, 64).get(0), None);
    }

    proptest! {
        #[test]
        fn batches_cover_every_nonce_once_and_are_aligned(
            nonces in 0_u64..100_000,
            full in 1_u32..5000,
        ) {
            let batches = Batches::new(nonces, full);
            let mut covered = 0;
            for number in 0.. {
                let Some(batch) = batches.get(number) else { break };
                prop_assert_eq!(batch.first, covered);
                prop_assert!(batch.count > 0);
                let size = u64::from(batch.count).next_power_of_two();
                prop_assert_eq!(batch.first % size, 0);
                covered += u64::from(batch.count);
            }
            prop_assert_eq!(covered, nonces);
        }
    }
}
