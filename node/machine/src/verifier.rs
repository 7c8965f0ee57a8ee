//! `Verifier`: who checks lists of signatures.

use chain::key::SignatureCheck;

/// Verifies lists of signatures, on many threads or on the caller's; the answer is the same.
pub trait Verifier: Send {
    /// Position of the first check (lowest transaction, lowest input) that does not hold.
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize>;
}

/// Verifies one signature after the other on the caller's thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequentialVerifier;

impl Verifier for SequentialVerifier {
    fn first_invalid(&self, checks: &[SignatureCheck]) -> Option<usize> {
        first_invalid(checks)
    }
}

/// Position of the first check that does not hold, found on the caller's thread.
pub fn first_invalid(checks: &[SignatureCheck]) -> Option<usize> {
    checks.iter().position(|check| !check.is_valid())
}
