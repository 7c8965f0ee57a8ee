//! The lanes' algorithm in plain Rust: at an odd width, and at that of an instruction set which few
//! CPUs have.

use std::array::from_fn;

use proptest::prelude::*;

use super::*;
use crate::job::ROLLING_GROUPS;
use crate::kernel::Kernel;
use crate::target::Target;

/// Its operations stay calls: inlined, sixteen times 5,000 of them keep a compiler busy for
/// minutes.
#[derive(Clone, Copy)]
struct Plain<const COUNT: usize>([u32; COUNT]);

impl<const COUNT: usize> Lanes for Plain<COUNT> {
    const COUNT: u32 = COUNT as u32;

    #[inline(never)]
    fn splat(word: u32) -> Self {
        Plain([word; COUNT])
    }

    fn indices() -> Self {
        Plain(from_fn(|lane| lane as u32))
    }

    #[inline(never)]
    fn add(self, other: Self) -> Self {
        Plain(from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }

    #[inline(never)]
    fn and(self, other: Self) -> Self {
        Plain(from_fn(|lane| self.0[lane] & other.0[lane]))
    }

    #[inline(never)]
    fn xor(self, other: Self) -> Self {
        Plain(from_fn(|lane| self.0[lane] ^ other.0[lane]))
    }

    #[inline(never)]
    fn shift_left<const BITS: i32>(self) -> Self {
        Plain(self.0.map(|word| word << BITS))
    }

    #[inline(never)]
    fn shift_right<const BITS: i32>(self) -> Self {
        Plain(self.0.map(|word| word >> BITS))
    }

    fn zero_lanes(self) -> u32 {
        (0..COUNT).fold(0, |bits, lane| bits | u32::from(self.0[lane] == 0) << lane)
    }
}

type Propose<'a> = &'a mut dyn FnMut(Proposal) -> ControlFlow<()>;

fn proposals(scan: impl FnOnce(Propose) -> ControlFlow<()>) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    let _whole = scan(&mut |at| {
        proposals.push(at);
        ControlFlow::Continue(())
    });
    proposals
}

proptest! {
    #[test]
    fn rows_of_plain_words_propose_what_the_portable_kernel_proposes(
        seed: [u8; 32], first: u32, count in 0_u32..40, bits in 0_u32..9,
        group in 0..ROLLING_GROUPS,
    ) {
        let header = from_fn(|at| seed[at % 32].wrapping_add(at as u8));
        let job = Job::rolling(&header, Target::with_zero_bits(bits), group).unwrap();
        let nonces = Nonces { first, count: count.min(u32::MAX - first) };
        let expected = proposals(|propose| Kernel::portable().scan(&job, nonces, propose));
        for proposed in [
            proposals(|propose| scan::<Plain<3>>(&job, nonces, propose)),
            proposals(|propose| scan::<Plain<16>>(&job, nonces, propose)),
            proposals(|propose| overlapped::scan::<Plain<3>>(&job, nonces, propose)),
            proposals(|propose| overlapped::scan::<Plain<16>>(&job, nonces, propose)),
        ] {
            prop_assert_eq!(&proposed, &expected);
        }
    }
}
