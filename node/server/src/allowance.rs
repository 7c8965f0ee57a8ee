//! `Allowance`: so much at once, then one at a time, by a clock that is told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use machine::Owner;

/// How fast something may be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often at once, after a rest.
    pub burst: u32,
    /// Then once in this time.
    pub interval: Duration,
}

/// What is left of one allowance. It is whole again `burst` intervals after it was used up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    /// When everything that was taken will have come back, by the monotonic clock.
    whole_at: Duration,
}

impl Allowance {
    /// Takes one, or says how long to wait for it.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Duration, pace: Pace) -> Result<(), Duration> {
        let back_at = self.whole_at.max(now) + pace.interval;
        let wait = back_at.saturating_sub(now + pace.interval * pace.burst);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.whole_at = back_at;
        Ok(())
    }

    fn is_whole(&self, now: Duration) -> bool {
        self.whole_at <= now
    }
}

/// An allowance for each of many.
#[derive(Debug)]
pub struct Allowances<K> {
    used: BTreeMap<K, Allowance>,
}

/// How many are remembered to have taken something; a further one has to wait.
const REMEMBERED_MAX: usize = 4096;

impl<K> Default for Allowances<K> {
    fn default() -> Self {
        Self { used: BTreeMap::new() }
    }
}

impl<K: Ord> Allowances<K> {
    /// Takes one for `who`, or says how long to wait for it.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Duration, who: K, pace: Pace) -> Result<(), Duration> {
        if self.used.len() >= REMEMBERED_MAX && !self.used.contains_key(&who) {
            self.used.retain(|_, allowance| !allowance.is_whole(now));
            if self.used.len() >= REMEMBERED_MAX {
                return Err(pace.interval);
            }
        }
        self.used.entry(who).or_default().take(now, pace)
    }
}

/// An allowance for each owner of addresses; loopback has no limit.
#[derive(Debug, Default)]
pub struct AllowanceByAddress {
    owners: Allowances<Owner>,
}

impl AllowanceByAddress {
    /// Takes one for `ip`, or says how long to wait for it.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Duration, ip: IpAddr, pace: Pace) -> Result<(), Duration> {
        let owner = Owner::of(ip);
        if owner.is_loopback() { Ok(()) } else { self.owners.take(now, owner, pace) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace { burst: 3, interval: Duration::from_secs(5) };

    proptest! {
        #[test]
        fn no_span_of_time_grants_more_than_a_burst_and_its_share(
            steps in prop::collection::vec(0u64..4000, 1..200),
        ) {
            let mut allowance = Allowance::default();
            let mut now = Duration::ZERO;
            let mut granted: Vec<Duration> = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                match allowance.take(now, PACE) {
                    Ok(()) => granted.push(now),
                    Err(wait) => {
                        let mut later = allowance;
                        prop_assert!(later.take(now + wait, PACE).is_ok(), "the wait is enough");
                        let just_before = now + wait - Duration::from_nanos(1);
                        let mut early = allowance;
                        prop_assert!(early.take(just_before, PACE).is_err(), "and is needed");
                    }
                }
            }
            for (at, first) in granted.iter().enumerate() {
                for (count, last) in (1u32..).zip(&granted[at..]) {
                    let share = (*last - *first).as_secs() / PACE.interval.as_secs();
                    prop_assert!(u64::from(count) <= u64::from(PACE.burst) + share);
                }
            }
        }
    }

    #[test]
    fn addresses_do_not_share_an_allowance_and_loopback_needs_none() {
        let mut all = AllowanceByAddress::default();
        let mut take = |ip: &str| all.take(Duration::ZERO, ip.parse().unwrap(), PACE).is_ok();
        for form in ["9.9.9.9", "::ffff:9.9.9.9", "9.9.9.9"] {
            assert!(take(form));
        }
        assert!(!take("::ffff:9.9.9.9"));
        assert!(take("9.9.9.10"));
        for ip in ["2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1:5::"] {
            assert!(take(ip));
        }
        assert!(!take("2001:db8:1:1:6::"));
        assert!((0..100).all(|_| take("127.0.0.1") && take("::1")));
    }

    #[test]
    fn the_addresses_remembered_are_bounded_and_forgotten_when_they_have_rested() {
        let mut all = AllowanceByAddress::default();
        let ip = |number: u32| IpAddr::from((0x0900_0000 + number).to_be_bytes());
        let max = u32::try_from(REMEMBERED_MAX).unwrap();
        for number in 0..max + 100 {
            let taken = all.take(Duration::ZERO, ip(number), PACE);
            assert_eq!(taken.is_ok(), number < max);
        }
        assert!(all.take(PACE.interval, ip(20_000), PACE).is_ok());
        assert_eq!(all.owners.used.len(), 1);
    }
}
