//! What the reference finds: plain SHA-256d of whole headers, with no table, no midstate and no
//! schedule in common with any kernel.

use std::ops::ControlFlow;

use super::*;

/// All attempts of a range with their hashes, in order of position.
pub(super) struct Range {
    pub(super) header: [u8; 80],
    pub(super) versions: Vec<u32>,
    pub(super) nonces: Nonces,
    pub(super) hashes: Vec<[u8; 32]>,
}

impl Range {
    pub(super) fn new(header: [u8; 80], versions: Vec<u32>, nonces: Nonces) -> Range {
        let mut hashes = Vec::new();
        for offset in 0..nonces.count {
            for version in &versions {
                let mut attempt = header;
                attempt[..4].copy_from_slice(&version.to_le_bytes());
                attempt[76..].copy_from_slice(&(nonces.first + offset).to_le_bytes());
                hashes.push(sha256d(&attempt));
            }
        }
        Range { header, versions, nonces, hashes }
    }

    /// The attempts whose hashes are `of_interest`.
    fn attempts(&self, of_interest: impl Fn(&[u8; 32]) -> bool) -> Vec<Proposal> {
        let found = self.hashes.iter().enumerate().filter(|(_, hash)| of_interest(hash));
        found
            .map(|(position, _)| Proposal {
                offset: (position / self.versions.len()) as u32,
                version: position % self.versions.len(),
            })
            .collect()
    }

    /// The hashes, the best first.
    pub(super) fn ranked(&self) -> Vec<[u8; 32]> {
        let mut hashes = self.hashes.clone();
        hashes.sort_by(|one, other| one.iter().rev().cmp(other.iter().rev()));
        hashes
    }

    /// Whether `kernel` proposes exactly the attempts whose top word may meet `target`, and judges
    /// exactly those hits that do, in order. Returns the number of hits.
    pub(super) fn check(&self, kernel: Kernel, target: Target) -> Result<usize, String> {
        let job = Job::with_versions(&self.header, target, &self.versions).unwrap();
        let (mut proposals, mut hits) = (Vec::new(), Vec::new());
        let _whole = kernel.scan(&job, self.nonces, &mut |at| {
            proposals.push(at);
            if job.judge(self.nonces.first.wrapping_add(at.offset), at.version).is_some() {
                hits.push(at);
            }
            ControlFlow::Continue(())
        });
        let top = |number: &[u8; 32]| {
            u32::from_le_bytes([number[28], number[29], number[30], number[31]]).leading_zeros()
        };
        let zeros = top(&target.to_le_bytes());
        let expected_proposals = self.attempts(|hash| top(hash) >= zeros);
        let expected_hits = self.attempts(|hash| target.is_met_by(hash));
        let first = kernel.first_hit(&job, self.nonces).map(|hit| hit.at);
        if proposals != expected_proposals || hits != expected_hits {
            let name = kernel.name();
            return Err(format!("{name}: {proposals:?}, expected {expected_proposals:?}"));
        }
        if first != expected_hits.first().copied() {
            return Err(format!("{}: {first:?} is not the first hit", kernel.name()));
        }
        Ok(hits.len())
    }
}

/// The number below; zero stays.
pub(super) fn one_below(target: Target) -> Target {
    let mut bytes = target.to_le_bytes();
    if bytes == [0; 32] {
        return target;
    }
    for byte in &mut bytes {
        *byte = byte.wrapping_sub(1);
        if *byte != 0xff {
            break;
        }
    }
    Target::from_le_bytes(bytes)
}
