//! Every kernel by its name against the reference: a module for each, so that a name filters them.
//!
//! A kernel that this CPU has and that detection does not offer fails its tests, so a CPU that has
//! it cannot pass without having run it. The CPU is asked behind the back of detection. Where an
//! emulator has fewer instruction sets than its CPU, choose by name. Valgrind's memcheck, which
//! knows neither AVX-512 nor the SHA extensions, takes some minutes for these two:
//!
//! ```text
//! export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --error-exitcode=1"
//! PROPTEST_CASES=16 cargo test -p lode-engine --lib -- --test-threads 1 \
//!     kernel::tests::by_name::portable kernel::tests::by_name::sse41
//! ```

use std::ops::ControlFlow;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::reference::{Range, one_below};
use super::*;

/// Leading zero bits of the targets that every kernel is compared at.
const BITS: std::ops::RangeInclusive<u32> = 4..=34;

/// Attempts that are compared at each number of bits.
const ATTEMPTS: u32 = 1 << 15;

/// Lanes of the widest kernel, twice.
const LANES: u32 = 32;

/// Bitcoin's block 125552 (2011), whose hash has 67 leading zero bits.
const BLOCK_125552: &str = "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a3080000\
    00000000e320b6c2fffc8d750423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a\
    42a14695";

macro_rules! kernels {
    ($($module:ident = $name:literal needs $features:expr;)*) => {
        const NAMES: &[&str] = &[$($name),*];

        $(mod $module {
            use super::*;

            fn kernel() -> Option<Kernel> {
                called($name, &$features)
            }

            proptest! {
                #[test]
                fn finds_exactly_what_the_reference_finds(
                    header in headers(), versions in version_lists(), nonces in ranges(),
                    target in targets(), rank: prop::sample::Index,
                ) {
                    finds_exactly(kernel(), Range::new(header, versions, nonces), target, rank)?;
                }
            }

            #[test]
            fn finds_all_hits_from_4_to_34_bits() {
                finds_all_hits(kernel());
            }

            #[test]
            fn finds_each_attempt_in_every_lane_with_few_and_with_all_versions() {
                finds_each_attempt(kernel());
            }

            #[test]
            fn finds_bitcoins_headers_in_every_lane() {
                finds_bitcoins_headers(kernel());
            }

            #[test]
            fn ends_with_the_last_nonce_and_does_not_wrap_around() {
                ends_with_the_last_nonce(kernel());
            }
        })*
    };
}

kernels! {
    portable = "portable" needs [];
    sse41 = "sse41" needs ["sse4_1"];
    avx2 = "avx2" needs ["avx2"];
    avx512 = "avx512" needs ["avx512f"];
    sha_ni = "sha-ni" needs ["sha_ni", "sse4_1"];
}

#[test]
fn no_kernel_is_left_out_here() {
    for kernel in Kernel::available() {
        assert!(NAMES.contains(&kernel.name()), "{} has no tests", kernel.name());
    }
}

/// The kernel of that name; `None` only where the CPU lacks what it needs.
fn called(name: &str, features: &[&str]) -> Option<Kernel> {
    let kernel = Kernel::available().into_iter().find(|kernel| kernel.name() == name);
    assert!(
        kernel.is_some() || features.iter().any(|feature| !cpu_has(feature)),
        "this CPU has {features:?}, but the kernel {name} was not run"
    );
    kernel
}

/// What the operating system says of the CPU, by the names that Linux gives the features.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn cpu_has(feature: &str) -> bool {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap();
    flags.split_whitespace().any(|flag| flag == feature)
}

/// Elsewhere there is nobody else to ask.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn cpu_has(feature: &str) -> bool {
    let ours = match feature {
        "sse4_1" => "sse4.1",
        "sha_ni" => "sha",
        other => other,
    };
    cpu_features().contains(&ours)
}

fn finds_exactly(
    kernel: Option<Kernel>,
    range: Range,
    target: Target,
    rank: prop::sample::Index,
) -> Result<(), TestCaseError> {
    let Some(kernel) = kernel else { return Ok(()) };
    range.check(kernel, target).map_err(TestCaseError::fail)?;
    if !range.hashes.is_empty() {
        // A target that is met with equality, down to the last bit, and the one below.
        let place = rank.index(range.hashes.len());
        let exact = Target::from_le_bytes(range.ranked()[place]);
        prop_assert_eq!(range.check(kernel, exact), Ok(place + 1));
        prop_assert_eq!(range.check(kernel, one_below(exact)), Ok(place));
    }
    Ok(())
}

/// A range for each number of bits, the same for all kernels.
static RANGES: LazyLock<Vec<(u32, Range)>> = LazyLock::new(|| {
    let range = |bits: u32| {
        let header =
            std::array::from_fn(|at| (bits as u8).wrapping_mul(37) ^ (at as u8).wrapping_mul(101));
        let versions = 1 + bits % VERSIONS_MAX as u32;
        let versions: Vec<u32> = (0..versions).map(|index| 0x2000_0000 | index << 13).collect();
        let count = ATTEMPTS.div_ceil(versions.len() as u32);
        // Off every row's grid; one in four runs into the end of the nonces.
        let first = if bits.is_multiple_of(4) { u32::MAX - count + 1 } else { bits * 0x0731_5a77 };
        (bits, Range::new(header, versions, Nonces { first, count }))
    };
    BITS.map(range).collect()
});

fn finds_all_hits(kernel: Option<Kernel>) {
    let Some(kernel) = kernel else { return };
    let mut hits = 0;
    for (bits, range) in RANGES.iter() {
        hits += range.check(kernel, Target::with_zero_bits(*bits)).unwrap();
        // The hard targets have no hit by chance. The second best attempt as a target: it is met
        // in all words, and one below it only the best is left.
        let exact = Target::from_le_bytes(range.ranked()[1]);
        assert_eq!(range.check(kernel, exact), Ok(2));
        assert_eq!(range.check(kernel, one_below(exact)), Ok(1));
    }
    // A sixteenth of the first range, half of that in the second, and so on.
    assert!(hits > 3500, "{} had {hits} hits to find", kernel.name());
}

fn finds_each_attempt(kernel: Option<Kernel>) {
    let Some(kernel) = kernel else { return };
    for count in (1..=8).chain([VERSIONS_MAX as u32]) {
        let versions = (0..count).map(|index| index << 13 | 0x3000_0001).collect();
        let first = 0x00ff_fff0 + count;
        let range = Range::new([count as u8; 80], versions, Nonces { first, count: LANES });
        for hash in &range.hashes {
            let hits = range.check(kernel, Target::from_le_bytes(*hash)).unwrap();
            assert!(hits > 0);
        }
    }
}

fn finds_bitcoins_headers(kernel: Option<Kernel>) {
    let Some(kernel) = kernel else { return };
    for (hex, zero_bits) in [(GENESIS, 43), (BLOCK_125552, 67)] {
        let header = header_from_hex(hex);
        let nonce = u32::from_le_bytes([header[76], header[77], header[78], header[79]]);
        let hash = Target::from_le_bytes(sha256d(&header));
        let targets = [32, 33, 34, zero_bits].map(Target::with_zero_bits);
        for target in targets.into_iter().chain([hash]) {
            let job = Job::new(&header, target);
            for lane in 0..LANES + 8 {
                let nonces = Nonces { first: nonce - lane, count: lane + 1 };
                let hit = kernel.first_hit(&job, nonces).unwrap();
                assert_eq!(hit.at, Proposal { offset: lane, version: 0 }, "{}", kernel.name());
                assert_eq!(hit.header, header);
                let before = Nonces { count: lane, ..nonces };
                assert!(kernel.first_hit(&job, before).is_none(), "{}", kernel.name());
            }
        }
        let harder = Job::new(&header, Target::with_zero_bits(zero_bits + 1));
        assert!(kernel.first_hit(&harder, Nonces { first: nonce, count: 1 }).is_none());
        let harder = Job::new(&header, one_below(hash));
        assert!(kernel.first_hit(&harder, Nonces { first: nonce, count: 1 }).is_none());
    }
}

fn ends_with_the_last_nonce(kernel: Option<Kernel>) {
    let Some(kernel) = kernel else { return };
    let job = Job::rolling(&[9; 80], Target::with_zero_bits(0), 0).unwrap();
    for count in 0..LANES + 8 {
        // All nonces up to the last; then as many from the first one on.
        for first in [u32::MAX - count + u32::from(count > 0), 0, 0xffff] {
            let mut proposals = Vec::new();
            let nonces = Nonces { first, count };
            let end = kernel.scan(&job, nonces, &mut |at| {
                proposals.push(at);
                ControlFlow::Continue(())
            });
            assert_eq!(end, ControlFlow::Continue(()));
            let versions = 0..VERSIONS_MAX;
            let expected: Vec<Proposal> = (0..count)
                .flat_map(|offset| {
                    versions.clone().map(move |version| Proposal { offset, version })
                })
                .collect();
            assert_eq!(proposals, expected, "{}", kernel.name());
        }
    }
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
    (1..=VERSIONS_MAX).prop_flat_map(|count| {
        prop::collection::hash_set(any::<u32>(), count).prop_map(|set| set.into_iter().collect())
    })
}
