//! Why a node mines or not, in words.

use machine::mining::MiningState;

/// The reason, as a sentence.
pub(super) fn reason(state: MiningState) -> String {
    match state {
        MiningState::Off => "this node does not mine".to_owned(),
        MiningState::Mining { height, transactions } => {
            format!("searches block {height} with {transactions} payments")
        }
        MiningState::FewPending { pending, min_txs, wait: None } => {
            format!("{pending} of {min_txs} payments are pending")
        }
        MiningState::FewPending { pending, min_txs, wait: Some(wait) } => {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            format!("{pending} of {min_txs} payments are pending, mines in {seconds} s")
        }
        MiningState::Walking => "is connecting a better chain".to_owned(),
        MiningState::NothingToMine => "the chain is ahead of the clock".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wait_is_told_in_seconds_that_have_not_passed_yet() {
        let few = |wait| MiningState::FewPending { pending: 1, min_txs: 2, wait };
        let wait = Some(Duration::from_millis(29_001));
        assert_eq!(reason(few(wait)), "1 of 2 payments are pending, mines in 30 s");
        assert_eq!(reason(few(None)), "1 of 2 payments are pending");
    }
}
