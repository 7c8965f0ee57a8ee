//! `Doorkeeper`: how fast each neighborhood of addresses may connect. Whoever connects faster finds
//! the door closed for a moment; that is no bar, and nobody else notices.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use machine::Owner;

use crate::allowance::{Allowances, Pace};

/// A classroom behind one address starts all its programs at once, each with a few connections; a
/// program that looks for a place again and again comes several times a second.
const PACE: Pace = Pace { burst: 256, interval: Duration::from_millis(50) };

/// Who connected how fast, by a clock that is told.
#[derive(Debug, Default)]
pub(super) struct Doorkeeper {
    used: Allowances<IpAddr>,
}

impl Doorkeeper {
    /// Whether a connection from this address may come in now. Programs of this computer always
    /// may: it could not tell a flood from whoever it should protect.
    pub fn admits(&mut self, ip: IpAddr, now: Duration) -> bool {
        let owner = Owner::of(ip);
        owner.is_loopback() || self.used.take(now, neighborhood(owner), PACE).is_ok()
    }
}

/// What is easily had together: a /24 of IPv4, a /64 of IPv6.
fn neighborhood(owner: Owner) -> IpAddr {
    match owner.address() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_neighborhood_connects_as_fast_as_its_pace_and_holds_up_nobody_else(
            pauses in prop::collection::vec(0u64..40, 300..600),
            is_v6 in any::<bool>(),
        ) {
            let mut door = Doorkeeper::default();
            let (mut now, mut admitted) = (Duration::ZERO, 0u64);
            for (at, pause) in (0u16..).zip(pauses) {
                now += Duration::from_millis(pause);
                let [high, low] = at.to_be_bytes();
                let flood: IpAddr = if is_v6 {
                    [0x2001, 0xdb8, 1, 1, at, 0, 0, 1].into()
                } else {
                    [9, 9, 9, low].into()
                };
                admitted += u64::from(door.admits(flood, now));
                prop_assert!(door.admits([8, high, low, 1].into(), now), "a stranger");
                prop_assert!(door.admits([127, 0, 0, 1].into(), now), "a program beside it");
            }
            let share = now.as_millis() as u64 / 50;
            prop_assert!(admitted <= 256 + share, "{admitted} in {now:?}");
            prop_assert!(admitted >= 256, "{admitted}");
        }
    }
}
