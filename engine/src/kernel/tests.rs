//! Every kernel this CPU has, by name, against the reference.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::sha256::sha256d;
use crate::target::Target;

/// Bitcoin's first header (2009); its nonce is 2083236893.
pub(crate) const GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000\
    000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

pub(crate) fn header_from_hex(hex: &str) -> [u8; 80] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

/// Every hit of a kernel among `nonces`, in the order of its proposals.
fn hits(kernel: Kernel, job: &Job, nonces: Nonces) -> Vec<(u32, usize)> {
    let mut hits = Vec::new();
    let end = kernel.scan(job, nonces, &mut |at| {
        if job.judge(nonces.first.wrapping_add(at.offset), at.version).is_some() {
            hits.push((at.offset, at.version));
        }
        ControlFlow::Continue(())
    });
    assert_eq!(end, ControlFlow::Continue(()), "{}", kernel.name());
    hits
}

/// The same from the reference alone, without any of the job's preparation.
fn reference_hits(
    header: &[u8; 80],
    target: Target,
    versions: &[u32],
    nonces: Nonces,
) -> Vec<(u32, usize)> {
    let mut hits = Vec::new();
    for offset in 0..nonces.count {
        for (index, version) in versions.iter().enumerate() {
            let mut attempt = *header;
            attempt[..4].copy_from_slice(&version.to_le_bytes());
            attempt[76..].copy_from_slice(&(nonces.first + offset).to_le_bytes());
            if target.is_met_by(&sha256d(&attempt)) {
                hits.push((offset, index));
            }
        }
    }
    hits
}

fn headers() -> impl Strategy<Value = [u8; 80]> {
    prop::collection::vec(any::<u8>(), 80).prop_map(|bytes| bytes.try_into().unwrap())
}

/// Ranges anywhere, often at both ends of the nonces and where a carry runs through all bytes.
fn ranges() -> impl Strategy<Value = Nonces> {
    let firsts = prop_oneof![
        any::<u32>(),
        Just(0),
        (0_u32..80).prop_map(|back| u32::MAX - back),
        (0_u32..40).prop_map(|back| 0x0100_0000 - back),
        (0_u32..40).prop_map(|back| 0x8000_0000 - back),
    ];
    (firsts, 0_u32..70).prop_map(|(first, count)| {
        let left = u64::from(u32::MAX - first) + 1;
        let count = u32::try_from(u64::from(count).min(left)).unwrap();
        Nonces { first, count }
    })
}

/// Targets that some of a few hundred attempts meet, bits below the leading ones at random.
fn targets() -> impl Strategy<Value = Target> {
    (0_u32..9, any::<[u8; 31]>()).prop_map(|(zeros, low)| {
        let mut bytes = [0; 32];
        bytes[..31].copy_from_slice(&low);
        bytes[31] = 0xff_u8.checked_shr(zeros).unwrap_or(0);
        Target::from_le_bytes(bytes)
    })
}

fn version_lists() -> impl Strategy<Value = Vec<u32>> {
    (1_usize..=8).prop_flat_map(|count| {
        prop::collection::hash_set(any::<u32>(), count).prop_map(|set| set.into_iter().collect())
    })
}

proptest! {
    #[test]
    fn every_kernel_finds_exactly_what_the_reference_finds(
        header in headers(), target in targets(), versions in version_lists(), nonces in ranges(),
    ) {
        let job = Job::with_versions(&header, target, &versions).unwrap();
        let expected = reference_hits(&header, target, &versions, nonces);
        for kernel in Kernel::available() {
            let found = hits(kernel, &job, nonces);
            prop_assert_eq!(&found, &expected, "{}", kernel.name());
            let first = kernel.first_hit(&job, nonces).map(|hit| (hit.at.offset, hit.at.version));
            prop_assert_eq!(first, expected.first().copied(), "{}", kernel.name());
        }
    }

    #[test]
    fn every_kernel_finds_the_best_attempt_of_a_range_wherever_it_lies(
        header in headers(), versions in version_lists(), nonces in ranges(),
    ) {
        prop_assume!(nonces.count > 0);
        let mut best = Target::from_le_bytes([0xff; 32]);
        let mut at = (0, 0);
        for offset in 0..nonces.count {
            for (index, version) in versions.iter().enumerate() {
                let mut attempt = header;
                attempt[..4].copy_from_slice(&version.to_le_bytes());
                attempt[76..].copy_from_slice(&(nonces.first + offset).to_le_bytes());
                let hash = sha256d(&attempt);
                if best.is_met_by(&hash) {
                    (best, at) = (Target::from_le_bytes(hash), (offset, index));
                }
            }
        }
        let job = Job::with_versions(&header, best, &versions).unwrap();
        for kernel in Kernel::available() {
            let hit = kernel.first_hit(&job, nonces).unwrap();
            prop_assert_eq!((hit.at.offset, hit.at.version), at, "{}", kernel.name());
            prop_assert_eq!(hit.hash, best.to_le_bytes());
            prop_assert_eq!(sha256d(&hit.header), hit.hash);
        }
    }
}

#[test]
fn every_kernel_finds_bitcoins_first_nonce_in_every_lane() {
    let header = header_from_hex(GENESIS);
    let job = Job::new(&header, Target::with_zero_bits(32));
    for kernel in Kernel::available() {
        for lane in 0..40 {
            let nonces = Nonces { first: 2_083_236_893 - lane, count: lane + 1 };
            let hit = kernel.first_hit(&job, nonces).unwrap();
            assert_eq!(hit.at, Proposal { offset: lane, version: 0 }, "{}", kernel.name());
            assert_eq!(hit.header, header);
            let before = Nonces { count: lane, ..nonces };
            assert!(kernel.first_hit(&job, before).is_none(), "{}", kernel.name());
        }
    }
}

#[test]
fn every_kernel_stops_where_it_is_told_to() {
    let job = Job::rolling(&[9; 80], Target::with_zero_bits(0), 0).unwrap();
    for kernel in Kernel::available() {
        let mut proposals = Vec::new();
        let nonces = Nonces { first: u32::MAX - 4, count: 5 };
        let end = kernel.scan(&job, nonces, &mut |at| {
            proposals.push(at);
            if proposals.len() == 13 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(end, ControlFlow::Break(()), "{}", kernel.name());
        let last = Proposal { offset: 1, version: 4 };
        assert_eq!(proposals.last(), Some(&last), "{}", kernel.name());
    }
}

#[test]
fn the_kernels_and_the_reference_have_the_same_constants() {
    let mut state = constants::INITIAL_STATE;
    let mut block = [0; 64];
    block[0] = 0x80;
    crate::sha256::compress256(&mut state, &block);
    let empty: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut again = constants::INITIAL_STATE;
    let mut block = [0; 64];
    block[..32].copy_from_slice(&empty);
    block[32] = 0x80;
    block[62] = 1;
    crate::sha256::compress256(&mut again, &block);
    let twice: Vec<u8> = again.iter().flat_map(|word| word.to_be_bytes()).collect();
    assert_eq!(twice, sha256d(b""));
}

#[test]
fn every_available_kernel_passes_its_self_test_and_answers_to_its_name() {
    for kernel in Kernel::available() {
        assert_eq!(Kernel::by_name(kernel.name()), Ok(kernel));
    }
    assert!(Kernel::available().contains(&Kernel::best()));
    assert_eq!(Kernel::trials().len(), Kernel::available().len());
}

#[test]
fn an_unknown_name_is_answered_with_the_names_there_are() {
    let error = Kernel::by_name("abacus").unwrap_err().to_string();
    assert!(error.contains("\"abacus\""), "{error}");
    for kernel in Kernel::available() {
        assert!(error.contains(kernel.name()), "{error}");
    }
}

#[test]
fn a_faulty_kernel_is_refused_by_name_and_the_next_best_is_used() {
    let faulty = Kernel(Backend::Faulty);
    let refusal = KernelError::Faulty { name: "faulty" };
    assert_eq!(faulty.self_test(), Err(refusal.clone()));
    assert!(refusal.to_string().contains("faulty"));
    let trials = trial::hold(&[faulty, Kernel::portable()]);
    assert_eq!(trials[0].rate, Err(refusal));
    assert_eq!(trial::fastest(&trials), Some(Kernel::portable()));
    assert_eq!(trial::fastest(&trials[..1]), None);
}
