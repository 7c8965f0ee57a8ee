//! `Owner`: whose an address is. Whatever is counted, limited or barred by address goes by it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one customer of a provider has at least: an address of IPv4 (in either form), a /64 of
/// IPv6. The programs of this computer are one owner, whichever loopback address they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(IpAddr);

impl Owner {
    /// Whose this address is.
    pub fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            ip if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            ip => ip,
        })
    }

    /// The first of its addresses, which stands for it.
    pub fn address(self) -> IpAddr {
        self.0
    }

    /// Whether it is this computer, for which no rule about addresses holds.
    pub fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn addresses_have_one_owner_exactly_when_no_provider_sells_them_apart(
            (one, other) in (any::<IpAddr>(), any::<IpAddr>()),
            low in any::<u64>(),
        ) {
            let owner = Owner::of(one);
            prop_assert_eq!(Owner::of(owner.address()), owner);
            prop_assert_eq!(owner.is_loopback(), one.to_canonical().is_loopback());
            match one.to_canonical() {
                IpAddr::V4(ip) => {
                    prop_assert_eq!(Owner::of(IpAddr::V6(ip.to_ipv6_mapped())), owner);
                    let other_ip = other.to_canonical();
                    let is_here = other_ip.is_loopback() && ip.is_loopback();
                    prop_assert_eq!(Owner::of(other) == owner, other_ip == ip || is_here);
                }
                // In the lowest /64 are loopback and the mapped form of IPv4, each of its own kind.
                IpAddr::V6(ip) if ip.to_bits() >> 64 == 0 => {}
                IpAddr::V6(ip) => {
                    let near = Ipv6Addr::from(ip.to_bits() >> 64 << 64 | u128::from(low));
                    let far = Ipv6Addr::from(ip.to_bits() ^ 1 << 64);
                    prop_assert_eq!(Owner::of(IpAddr::V6(near)), owner);
                    prop_assert_ne!(Owner::of(IpAddr::V6(far)), owner);
                }
            }
        }
    }
}
