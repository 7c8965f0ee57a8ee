//! The door to the kernels: names, trials, faults. Each kernel by itself stands in [`by_name`].

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::job::VERSIONS_MAX;
use crate::sha256::sha256d;
use crate::target::Target;

mod by_name;
mod reference;

/// Bitcoin's first header (2009); its nonce is 2083236893.
pub(crate) const GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000\
    000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

pub(crate) fn header_from_hex(hex: &str) -> [u8; 80] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

pub(super) fn headers() -> impl Strategy<Value = [u8; 80]> {
    prop::collection::vec(any::<u8>(), 80).prop_map(|bytes| bytes.try_into().unwrap())
}

#[test]
fn every_kernel_stops_where_it_is_told_to() {
    let job = Job::rolling(&[9; 80], Target::with_zero_bits(0), 0).unwrap();
    for kernel in Kernel::available() {
        let mut proposals = Vec::new();
        let nonces = Nonces { first: u32::MAX - 4, count: 5 };
        let end = kernel.scan(&job, nonces, &mut |at| {
            proposals.push(at);
            let enough = proposals.len() == VERSIONS_MAX + 5;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
    use faulty::Faulty;
    let lanes = (0..faulty::LANES).map(Faulty::BlindLane);
    let versions = (0..VERSIONS_MAX).map(Faulty::BlindVersion);
    let places = (0..faulty::LANES)
        .flat_map(|lane| (0..VERSIONS_MAX).map(move |index| Faulty::BlindPlace(lane, index)));
    for fault in places {
        assert!(Kernel(Backend::Faulty(fault)).self_test().is_err(), "{fault:?}");
    }
    for fault in lanes.chain(versions).chain([Faulty::LateByOne, Faulty::OneBitOnly, Faulty::Eager])
    {
        let faulty = Kernel(Backend::Faulty(fault));
        let refusal = KernelError::Faulty { name: "faulty" };
        assert_eq!(faulty.self_test(), Err(refusal.clone()), "{fault:?}");
        assert!(refusal.to_string().contains("the kernel faulty is refused"));
        let miner = crate::Miner::new(std::num::NonZeroUsize::MIN, faulty);
        assert_eq!(miner.unwrap_err().to_string(), refusal.to_string());
        let trials = trial::hold(&[faulty, Kernel::portable()]);
        assert_eq!(trials[0].rate, Err(refusal));
        assert_eq!(trial::fastest(&trials), Some(Kernel::portable()));
        assert_eq!(trial::fastest(&trials[..1]), None);
    }
}
