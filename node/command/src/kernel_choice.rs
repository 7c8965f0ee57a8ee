//! Which kernel hashes: the one that was asked for, or the fastest that passed its self-test.

use engine::{Kernel, Trial};
use show::streams::note;

/// The kernel to hash with. Nobody asked for one: those that are refused here are named on
/// standard error, as the CPU, or what is wrong with it, makes the rest slower than it could be.
pub fn choose(asked: Option<Kernel>) -> Kernel {
    asked.unwrap_or_else(|| {
        refusals(Kernel::trials()).for_each(|refusal| note(&refusal));
        Kernel::best()
    })
}

fn refusals(trials: &[Trial]) -> impl Iterator<Item = String> {
    trials.iter().filter_map(|trial| Some(trial.rate.as_ref().err()?.to_string()))
}

#[cfg(test)]
mod tests {
    use engine::KernelError;

    use super::*;

    #[test]
    fn every_kernel_that_is_refused_is_named_and_no_other() {
        let kernel = Kernel::portable();
        let refused = |name| Trial { kernel, rate: Err(KernelError::Faulty { name }) };
        let trials = [Trial { kernel, rate: Ok(5) }, refused("avx2"), refused("sha-ni")];
        let told: Vec<String> = refusals(&trials).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("avx2 is refused") && told[1].contains("sha-ni is refused"));
    }

    #[test]
    fn who_asks_for_a_kernel_gets_it() {
        for kernel in Kernel::available() {
            assert_eq!(choose(Some(kernel)), kernel);
        }
        assert_eq!(choose(None), Kernel::best());
    }
}
