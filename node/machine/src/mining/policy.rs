//! Mining policy: when a template is worth searching.

use std::time::Duration;

use chain::key::OutputKey;

/// When templates are made, and for whom. Who searches them is the body's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MiningPolicy {
    /// Pending transactions that make a block worth mining; with 0 it always is.
    pub min_txs: usize,
    /// A transaction that waited this long is worth a block alone, so that no payment is stranded;
    /// `None` waits for `min_txs` for ever.
    pub max_wait: Option<Duration>,
    /// Who is paid.
    pub payout: OutputKey,
}

/// What the miner shall do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MiningDecision {
    /// Search.
    Mine,
    /// Rest until this monotonic time, then decide again.
    RestUntil(Duration),
    /// Rest until a transaction comes.
    Rest,
}

/// Decides for `pending` transactions of which the oldest arrived at `oldest`; times are monotonic.
pub fn decide(
    policy: &MiningPolicy,
    pending: usize,
    oldest: Option<Duration>,
    now: Duration,
) -> MiningDecision {
    if pending >= policy.min_txs {
        return MiningDecision::Mine;
    }
    let due =
        oldest.zip(policy.max_wait).and_then(|(oldest, max_wait)| oldest.checked_add(max_wait));
    match due {
        Some(due) if due <= now => MiningDecision::Mine,
        Some(due) => MiningDecision::RestUntil(due),
        None => MiningDecision::Rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn policy(min_txs: usize, max_wait: Option<Duration>) -> MiningPolicy {
        MiningPolicy { min_txs, max_wait, payout: OutputKey([7; 32]) }
    }

    #[test]
    fn mining_starts_with_the_fourth_payment_and_not_before() {
        let four = policy(4, None);
        for pending in 0..4 {
            let oldest = (pending > 0).then_some(Duration::ZERO);
            assert_eq!(decide(&four, pending, oldest, seconds(1_000_000)), MiningDecision::Rest);
        }
        for pending in 4..8 {
            assert_eq!(decide(&four, pending, Some(seconds(9)), seconds(9)), MiningDecision::Mine);
        }
    }

    #[test]
    fn a_payment_that_waited_long_enough_is_mined_alone() {
        let patient = policy(4, Some(seconds(30)));
        let at = |now| decide(&patient, 1, Some(seconds(100)), now);
        assert_eq!(at(seconds(100)), MiningDecision::RestUntil(seconds(130)));
        assert_eq!(
            at(seconds(130) - Duration::from_nanos(1)),
            MiningDecision::RestUntil(seconds(130))
        );
        assert_eq!(at(seconds(130)), MiningDecision::Mine);
        assert_eq!(decide(&patient, 0, None, seconds(500)), MiningDecision::Rest);
    }

    #[test]
    fn no_minimum_mines_always() {
        assert_eq!(decide(&policy(0, None), 0, None, Duration::ZERO), MiningDecision::Mine);
    }

    #[test]
    fn a_wait_beyond_all_time_is_a_rest() {
        let endless = policy(4, Some(Duration::MAX));
        assert_eq!(decide(&endless, 1, Some(seconds(1)), seconds(2)), MiningDecision::Rest);
    }

    proptest! {
        #[test]
        fn whoever_rests_until_a_time_mines_at_it(
            pending in 1usize..4,
            max_wait in 0u64..50,
            oldest in 0u64..50,
            now in 50u64..100,
        ) {
            let policy = policy(4, Some(seconds(max_wait)));
            let at = |now| decide(&policy, pending, Some(seconds(oldest)), now);
            if let MiningDecision::RestUntil(due) = at(seconds(now)) {
                prop_assert!(due > seconds(now));
                prop_assert_eq!(at(due), MiningDecision::Mine);
            } else {
                prop_assert!(now >= oldest + max_wait);
            }
        }
    }
}
