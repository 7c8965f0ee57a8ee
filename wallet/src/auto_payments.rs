//! Random payments by one wallet: to whom, how much, and after which pause.

use std::time::Duration;

use chain::amount::Amount;
use rand::Rng;

use crate::traffic::{PlannedPayment, Traffic};

/// The shortest and the longest pause between two payments, in milliseconds.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 5_000..=60_000;

/// The least fee: some hundred bytes at the rate that nodes take at least. Fees go up to ten times
/// that, so that priorities differ.
const FEE_MIN: Amount = Amount(100_000);

/// The plan of one wallet that pays by itself. It sleeps not and pays not.
#[derive(Debug)]
pub struct AutoPayments<R> {
    traffic: Traffic<R>,
}

impl<R: Rng> AutoPayments<R> {
    /// The same generator gives the same plan.
    pub fn new(rng: R) -> Self {
        Self { traffic: Traffic::new(PAUSE_MS, FEE_MIN, rng) }
    }

    /// How long to wait before the next payment: uniform over 5 to 60 s.
    pub fn next_pause(&mut self) -> Duration {
        self.traffic.next_pause()
    }

    /// The next payment to one of `names` out of `available`; `None` when there is nobody to pay
    /// or too little to pay with.
    pub fn next_payment<'a>(
        &mut self,
        names: &'a [String],
        available: Amount,
    ) -> Option<(&'a str, Amount, Amount)> {
        // The payer stands before those who can be paid.
        let planned = self.traffic.next_payment_by(0, available, names.len() + 1)?;
        let PlannedPayment { receiver, amount, fee, .. } = planned;
        let name = names.get(receiver.checked_sub(1)?)?;
        Some((name, amount, fee))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    #[test]
    fn ten_thousand_pauses_are_within_5_to_60_s_and_32_5_s_on_average() {
        let mut auto = AutoPayments::new(ChaCha8Rng::seed_from_u64(1));
        let pauses: Vec<Duration> = (0..10_000).map(|_| auto.next_pause()).collect();
        let range = Duration::from_secs(5)..=Duration::from_secs(60);
        assert!(pauses.iter().all(|pause| range.contains(pause)));
        let mean = pauses.iter().sum::<Duration>().as_secs_f64() / 10_000.0;
        assert!((mean - 32.5).abs() <= 0.6, "{mean}");
    }

    #[test]
    fn everybody_is_paid_and_never_more_than_there_is() {
        let names: Vec<String> = ["Bob", "Cid", "Dan"].map(str::to_owned).to_vec();
        let mut auto = AutoPayments::new(ChaCha8Rng::seed_from_u64(2));
        let mut paid = BTreeSet::new();
        for _ in 0..200 {
            let available = Amount(10_000_000_000);
            let (name, amount, fee) = auto.next_payment(&names, available).unwrap();
            assert!(amount.0 + fee.0 <= available.0 && fee <= amount && fee >= FEE_MIN);
            paid.insert(name);
        }
        assert_eq!(paid.len(), 3);
        assert_eq!(auto.next_payment(&[], Amount(10_000_000_000)), None);
        assert_eq!(auto.next_payment(&names, Amount(100)), None);
    }
}
