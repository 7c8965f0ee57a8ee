//! SHA-256 twice over: the plain-Rust reference, and the `sha2` crate's fast compression.
//!
//! The reference decides whether a hit is a hit, so it shares nothing with the kernels: even its
//! constants are computed here from their definition (FIPS 180-4, sections 4.2.2 and 5.3.3).

/// Bytes in one block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// The fractional parts of the cube roots of the first 64 primes.
const ROUND_CONSTANTS: [u32; 64] = root_fractions(3);

/// The fractional parts of the square roots of the first 8 primes.
const INITIAL_STATE: [u32; 8] = root_fractions(2);

/// SHA-256 of SHA-256 of `bytes`, in plain Rust: slow, short, and the judge of every kernel.
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    sha256(&sha256(bytes))
}

/// The `sha2` crate's compression of one block into `state`: it picks the best of its own
/// implementations for this CPU.
pub(crate) fn compress256(state: &mut [u32; 8], block: &[u8; BLOCK_BYTES]) {
    sha2::compress256(state, std::slice::from_ref(block.into()));
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut state = INITIAL_STATE;
    let mut blocks = bytes.chunks_exact(BLOCK_BYTES);
    for block in &mut blocks {
        compress(&mut state, block);
    }
    let rest = blocks.remainder();
    let mut padded = [0; 2 * BLOCK_BYTES];
    padded[..rest.len()].copy_from_slice(rest);
    padded[rest.len()] = 0x80;
    // One bit of padding and the length's eight bytes must fit behind the rest.
    let end = if rest.len() + 9 <= BLOCK_BYTES { BLOCK_BYTES } else { 2 * BLOCK_BYTES };
    let length_bits = (bytes.len() as u64).wrapping_mul(8);
    padded[end - 8..end].copy_from_slice(&length_bits.to_be_bytes());
    for block in padded[..end].chunks_exact(BLOCK_BYTES) {
        compress(&mut state, block);
    }
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// FIPS 180-4, section 6.2.2, word by word.
fn compress(state: &mut [u32; 8], block: &[u8]) {
    let mut schedule = [0_u32; 64];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for t in 16..64 {
        let (near, far) = (schedule[t - 2], schedule[t - 15]);
        let sigma1 = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
        let sigma0 = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
        schedule[t] = sigma1
            .wrapping_add(schedule[t - 7])
            .wrapping_add(sigma0)
            .wrapping_add(schedule[t - 16]);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for t in 0..64 {
        let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let temporary1 = h
            .wrapping_add(sum1)
            .wrapping_add(choice)
            .wrapping_add(ROUND_CONSTANTS[t])
            .wrapping_add(schedule[t]);
        let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let temporary2 = sum0.wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(temporary1));
        (d, c, b, a) = (c, b, a, temporary1.wrapping_add(temporary2));
    }
    for (word, worked) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(worked);
    }
}

/// The first 32 fractional bits of the `degree`-th roots of the first `COUNT` primes.
const fn root_fractions<const COUNT: usize>(degree: u32) -> [u32; COUNT] {
    let mut fractions = [0; COUNT];
    let mut found = 0;
    let mut candidate = 2_u128;
    while found < COUNT {
        if is_prime(candidate) {
            // The integer root of p * 2^(32 * degree) is the root of p with 32 fractional bits.
            let root = integer_root(candidate << (32 * degree), degree);
            fractions[found] = (root & 0xffff_ffff) as u32;
            found += 1;
        }
        candidate += 1;
    }
    fractions
}

const fn is_prime(candidate: u128) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= candidate {
        if candidate.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    true
}

/// The largest number whose `degree`-th power is at most `value`, found bit by bit.
const fn integer_root(value: u128, degree: u32) -> u128 {
    let mut root = 0_u128;
    // The largest prime needed is 311, whose square root has five bits before the point.
    let mut bit = 37;
    while bit > 0 {
        bit -= 1;
        let larger = root | (1 << bit);
        if larger.pow(degree) <= value {
            root = larger;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn published_digests_are_met() {
        // FIPS 180-4 examples, and the empty message.
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        for (message, digest) in [
            (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (&b"abc"[..], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (&long[..], "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        ] {
            assert_eq!(hex(&sha256(message)), digest);
        }
        let twice = "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50";
        assert_eq!(hex(&sha256d(b"hello")), twice);
    }

    proptest! {
        #[test]
        fn both_compressions_agree(mut state: [u32; 8], block in any::<[u8; 64]>()) {
            let mut theirs = state;
            compress(&mut state, &block);
            compress256(&mut theirs, &block);
            prop_assert_eq!(state, theirs);
        }

        #[test]
        fn messages_of_every_length_hash_as_they_should(
            message in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            use sha2::{Digest, Sha256};
            prop_assert_eq!(sha256(&message), <[u8; 32]>::from(Sha256::digest(&message)));
        }
    }
}
