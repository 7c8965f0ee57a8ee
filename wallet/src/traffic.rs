//! `Traffic`: random payments between wallets, so that a small network has something to do.
//!
//! A plan and nothing more: it sleeps not and pays not. The same generator gives the same plan.

use std::ops::RangeInclusive;
use std::time::Duration;

use chain::amount::Amount;
use rand::{Rng, RngExt};

/// Plans random payments.
#[derive(Debug, Clone)]
pub struct Traffic<R> {
    pause_ms: RangeInclusive<u64>,
    fee_min: Amount,
    rng: R,
}

/// A payment to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedPayment {
    /// Position of the wallet that pays.
    pub payer: usize,
    /// Position of the wallet that is paid; never the payer's.
    pub receiver: usize,
    /// How much arrives.
    pub amount: Amount,
    /// What the miner gets; never more than the amount.
    pub fee: Amount,
}

impl<R: Rng> Traffic<R> {
    /// Pauses are uniform over `pause_ms` (milliseconds; an empty range means its start), fees over
    /// `fee_min` to ten times that.
    pub fn new(pause_ms: RangeInclusive<u64>, fee_min: Amount, rng: R) -> Self {
        Self { pause_ms, fee_min: fee_min.max(Amount(1)), rng }
    }

    /// How long to wait before the next payment. Uniform, so payments come at a steady rate, not in
    /// the bursts that independent arrivals would make.
    pub fn next_pause(&mut self) -> Duration {
        let end = (*self.pause_ms.end()).max(*self.pause_ms.start());
        Duration::from_millis(self.rng.random_range(*self.pause_ms.start()..=end))
    }

    /// A payment between two of the wallets, which have `available` to spend: the payer is any that
    /// can afford one, the receiver any other. `None` when nobody can, or nobody else is there.
    pub fn next_payment(&mut self, available: &[Amount]) -> Option<PlannedPayment> {
        let can_pay = |funds: &Amount| self.affordable_fee_max(*funds) >= Some(self.fee_min);
        let payers: Vec<usize> =
            (0..available.len()).filter(|index| can_pay(&available[*index])).collect();
        if payers.is_empty() {
            return None;
        }
        let payer = payers[self.rng.random_range(0..payers.len())];
        self.next_payment_by(payer, available[payer], available.len())
    }

    /// A payment by one of `wallets` wallets, which has `available` to spend: an amount of up to a
    /// tenth of it (so nobody is soon broke), but at least the fee. `None` when it cannot afford
    /// one, or nobody else is there.
    pub fn next_payment_by(
        &mut self,
        payer: usize,
        available: Amount,
        wallets: usize,
    ) -> Option<PlannedPayment> {
        let affordable = self.affordable_fee_max(available)?;
        if affordable < self.fee_min || payer >= wallets || wallets < 2 {
            return None;
        }
        let other = self.rng.random_range(0..wallets - 1);
        let receiver = if other < payer { other } else { other + 1 };
        let fee_max = self.fee_min.0.saturating_mul(10).min(affordable.0);
        let fee = self.rng.random_range(self.fee_min.0..=fee_max);
        // `fee` is at most half of `available`, so the amount never falls below the fee.
        let amount_max = (available.0 / 10).max(fee);
        let amount = self.rng.random_range(fee..=amount_max);
        Some(PlannedPayment { payer, receiver, amount: Amount(amount), fee: Amount(fee) })
    }

    /// The largest fee of a payment that is itself at least as large.
    fn affordable_fee_max(&self, available: Amount) -> Option<Amount> {
        (available.0 >= 2).then_some(Amount(available.0 / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    fn traffic(pause_ms: RangeInclusive<u64>, fee_min: u64, seed: u64) -> Traffic<ChaCha8Rng> {
        Traffic::new(pause_ms, Amount(fee_min), ChaCha8Rng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn every_planned_payment_can_be_afforded_and_goes_to_somebody_else(
            available in prop::collection::vec(prop_oneof![0u64..50, any::<u64>()], 0..8),
            fee_min in prop_oneof![0u64..30, any::<u64>()],
            seed: u64,
        ) {
            let available: Vec<Amount> = available.into_iter().map(Amount).collect();
            let mut traffic = traffic(1..=2, fee_min, seed);
            let fee_min = fee_min.max(1);
            let can_pay = |funds: &Amount| funds.0 / 2 >= fee_min;
            let expected = available.len() > 1 && available.iter().any(can_pay);
            let planned = traffic.next_payment(&available);
            prop_assert_eq!(planned.is_some(), expected);
            if let Some(planned) = planned {
                prop_assert_ne!(planned.payer, planned.receiver);
                prop_assert!(planned.receiver < available.len());
                prop_assert!(planned.fee.0 >= fee_min && planned.fee <= planned.amount);
                let cost = planned.amount.0.checked_add(planned.fee.0);
                prop_assert!(cost.is_some_and(|cost| cost <= available[planned.payer].0));
            }
        }

        #[test]
        fn pauses_stay_in_their_range_and_the_plan_depends_on_the_generator_alone(
            start: u64, length: u64, seed: u64,
        ) {
            let end = start.saturating_add(length);
            let mut one = traffic(start..=end, 1, seed);
            let mut same = traffic(start..=end, 1, seed);
            for _ in 0..8 {
                let pause = one.next_pause();
                prop_assert_eq!(pause, same.next_pause());
                let range = Duration::from_millis(start)..=Duration::from_millis(end);
                prop_assert!(range.contains(&pause));
            }
        }
    }

    #[test]
    fn everybody_pays_and_everybody_is_paid() {
        let mut traffic = traffic(0..=0, 10, 1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let planned = traffic.next_payment(&[Amount(1_000_000); 3]).unwrap();
            seen.insert((planned.payer, planned.receiver));
        }
        assert_eq!(seen.len(), 6);
    }
}
