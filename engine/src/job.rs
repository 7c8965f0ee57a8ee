//! `Job`: a header made ready for searching, with the versions it may roll.

use std::ops::RangeInclusive;

use crate::midstate::{Midstate, Tail, tail};
use crate::sha256::sha256d;
use crate::target::Target;

/// The bits of the version that a miner may choose (BIP 320).
pub const VERSION_MASK: u32 = 0x1fff_e000;

/// Versions in one job at most. All kernels but `portable` make one message schedule for all of
/// them: with 32 versions instead of 8 they hash 1.6 to 4.3 % more, and with 64 up to a percent
/// more still (interleaved in one run, Emerald Rapids).
pub const VERSIONS_MAX: usize = 32;

/// Groups of [`VERSIONS_MAX`] versions that the sixteen free bits make.
pub const ROLLING_GROUPS: u32 = (1 << VERSION_MASK.count_ones()) / VERSIONS_MAX as u32;

/// A header made ready for searching: its target, its versions and its range of nonces.
///
/// Attempts are numbered. The position of an attempt is its nonce's offset in the range times the
/// number of versions, plus the version's index; the lowest position that meets the target is the
/// answer, whoever finds it.
#[derive(Clone, Debug)]
pub struct Job {
    header: [u8; 80],
    target: Target,
    versions: Vec<u32>,
    /// One for each version, in the same order.
    midstates: Vec<Midstate>,
    nonce_first: u32,
    /// Up to 2^32, so it does not fit the nonce's own type.
    nonce_count: u64,
}

/// A header that meets its job's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The header with its version and nonce filled in.
    pub header: [u8; 80],
    /// Its SHA-256d, as SHA-256 leaves it.
    pub hash: [u8; 32],
    /// The solution's position plus one: the attempts a single thread makes until it is found.
    pub attempts: u64,
}

/// Why a list of versions makes no job; the caller is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Too few or too many versions.
    #[error("a job has 1 to {VERSIONS_MAX} versions, got {got}")]
    VersionCount {
        /// The length of the list.
        got: usize,
    },
    /// A version that is listed twice would be searched twice.
    #[error("version {version:#010x} is listed twice")]
    VersionTwice {
        /// The version that stands there twice.
        version: u32,
    },
}

impl Job {
    /// A job with the header's own version only and all nonces. The header's nonce is ignored.
    pub fn new(header: &[u8; 80], target: Target) -> Job {
        Job::prepare(header, target, vec![version_of(header)])
    }

    /// A job with the [`VERSIONS_MAX`] versions of one `group` of the free bits ([`VERSION_MASK`]):
    /// group g holds the values from g times their number on. The other bits of the version stay
    /// as they are. `None` from [`ROLLING_GROUPS`] on: the versions have run out, and what is
    /// searched then is the caller's to say.
    pub fn rolling(header: &[u8; 80], target: Target, group: u32) -> Option<Job> {
        if group >= ROLLING_GROUPS {
            return None;
        }
        let fixed = version_of(header) & !VERSION_MASK;
        let first = group * VERSIONS_MAX as u32;
        let versions = (first..first + VERSIONS_MAX as u32)
            .map(|value| fixed | (value << VERSION_MASK.trailing_zeros()))
            .collect();
        Some(Job::prepare(header, target, versions))
    }

    /// A job with exactly these versions, in this order.
    ///
    /// # Errors
    ///
    /// When there are none, more than [`VERSIONS_MAX`], or one twice.
    pub fn with_versions(
        header: &[u8; 80],
        target: Target,
        versions: &[u32],
    ) -> Result<Job, JobError> {
        if !(1..=VERSIONS_MAX).contains(&versions.len()) {
            return Err(JobError::VersionCount { got: versions.len() });
        }
        for (index, &version) in versions.iter().enumerate() {
            if versions[..index].contains(&version) {
                return Err(JobError::VersionTwice { version });
            }
        }
        Ok(Job::prepare(header, target, versions.to_vec()))
    }

    /// The same job over these nonces only; an empty range makes a job that is exhausted at once.
    pub fn with_nonces(mut self, range: RangeInclusive<u32>) -> Job {
        self.nonce_first = *range.start();
        self.nonce_count =
            if range.is_empty() { 0 } else { u64::from(range.end() - range.start()) + 1 };
        self
    }

    /// The size of the whole space: nonces times versions.
    pub fn attempts(&self) -> u64 {
        self.nonce_count * self.versions.len() as u64
    }

    /// The header of the attempt at `position`, which is below [`Job::attempts`]; `None` beyond.
    pub fn header_at(&self, position: u64) -> Option<[u8; 80]> {
        if position >= self.attempts() {
            return None;
        }
        let versions = self.versions.len() as u64;
        let offset = u32::try_from(position / versions).expect("a job has at most 2^32 nonces");
        let index = usize::try_from(position % versions).expect("a remainder is below the count");
        Some(self.header_with(self.nonce_first.wrapping_add(offset), index))
    }

    /// The number of nonces, up to 2^32.
    pub(crate) fn nonce_count(&self) -> u64 {
        self.nonce_count
    }

    pub(crate) fn nonce_first(&self) -> u32 {
        self.nonce_first
    }

    pub(crate) fn midstates(&self) -> &[Midstate] {
        &self.midstates
    }

    pub(crate) fn tail(&self) -> Tail {
        tail(&self.header)
    }

    /// Attempts until a solution, rounded down to a power of two; 2^63 stands for all that are
    /// more.
    pub(crate) fn expected_attempts(&self) -> u64 {
        1 << self.target.zero_bits().min(63)
    }

    /// The bits of the digest's last word that must be zero before an attempt is worth proposing.
    pub(crate) fn last_word_zeros(&self) -> u32 {
        self.target.last_word_zeros()
    }

    /// What the reference says of one attempt: the header and its hash when it meets the target.
    pub(crate) fn judge(&self, nonce: u32, version_index: usize) -> Option<([u8; 80], [u8; 32])> {
        let header = self.header_with(nonce, version_index);
        let hash = sha256d(&header);
        self.target.is_met_by(&hash).then_some((header, hash))
    }

    fn header_with(&self, nonce: u32, version_index: usize) -> [u8; 80] {
        let mut header = with_version(&self.header, self.versions[version_index]);
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        header
    }

    fn prepare(header: &[u8; 80], target: Target, versions: Vec<u32>) -> Job {
        let midstates =
            versions.iter().map(|&version| Midstate::new(&with_version(header, version))).collect();
        Job { header: *header, target, versions, midstates, nonce_first: 0, nonce_count: 1 << 32 }
    }
}

fn version_of(header: &[u8; 80]) -> u32 {
    u32::from_le_bytes([header[0], header[1], header[2], header[3]])
}

fn with_version(header: &[u8; 80], version: u32) -> [u8; 80] {
    let mut header = *header;
    header[..4].copy_from_slice(&version.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const NEVER: Target = Target::from_le_bytes([0; 32]);

    #[test]
    fn rolling_covers_the_sixteen_free_bits_and_no_version_twice() {
        let mut header = [3; 80];
        header[..4].copy_from_slice(&0x3fff_ffff_u32.to_le_bytes());
        let mut seen = HashSet::new();
        for group in 0..ROLLING_GROUPS {
            for version in Job::rolling(&header, NEVER, group).unwrap().versions {
                assert_eq!(version & !VERSION_MASK, 0x3fff_ffff & !VERSION_MASK);
                assert!(seen.insert(version));
            }
        }
        assert_eq!(seen.len(), 1 << 16);
        assert!(Job::rolling(&header, NEVER, ROLLING_GROUPS).is_none());
        assert!(Job::rolling(&header, NEVER, u32::MAX).is_none());
    }

    #[test]
    fn group_g_holds_the_values_from_32_g() {
        let mut header = [0; 80];
        header[..4].copy_from_slice(&0x2000_0000_u32.to_le_bytes());
        let job = Job::rolling(&header, NEVER, 2).unwrap();
        assert_eq!(job.versions[0], 0x2000_0000 | (64 << 13));
        assert_eq!(job.versions[VERSIONS_MAX - 1], 0x2000_0000 | (95 << 13));
        assert_eq!(job.versions.len(), VERSIONS_MAX);
    }

    #[test]
    fn lists_of_versions_are_checked() {
        let of = |versions: &[u32]| Job::with_versions(&[0; 80], NEVER, versions).map(|_| ());
        assert_eq!(of(&[]), Err(JobError::VersionCount { got: 0 }));
        assert_eq!(
            of(&[0; VERSIONS_MAX + 1]),
            Err(JobError::VersionCount { got: VERSIONS_MAX + 1 })
        );
        assert_eq!(of(&[1, 2, 1]), Err(JobError::VersionTwice { version: 1 }));
        assert_eq!(of(&[1, 2, 3]), Ok(()));
    }

    #[test]
    fn the_space_has_as_many_attempts_as_nonces_times_versions() {
        let job = Job::new(&[0; 80], NEVER);
        assert_eq!(job.attempts(), 1 << 32);
        assert_eq!(job.clone().with_nonces(5..=5).attempts(), 1);
        assert_eq!(job.with_nonces(RangeInclusive::new(6, 5)).attempts(), 0);
        assert_eq!(Job::rolling(&[0; 80], NEVER, 0).unwrap().attempts(), 1 << 37);
    }

    proptest! {
        #[test]
        fn no_header_is_searched_twice(
            header: [u8; 76],
            first: u32,
            nonces in 1_u32..40,
            group in 0..ROLLING_GROUPS - 1,
        ) {
            let mut whole = [0; 80];
            whole[..76].copy_from_slice(&header);
            let range = first..=first.saturating_add(nonces);
            let mut seen = HashSet::new();
            for group in [group, group + 1] {
                let job = Job::rolling(&whole, NEVER, group).unwrap().with_nonces(range.clone());
                for position in 0..job.attempts() {
                    prop_assert!(seen.insert(job.header_at(position).unwrap()));
                }
                prop_assert_eq!(job.header_at(job.attempts()), None);
            }
        }
    }
}
