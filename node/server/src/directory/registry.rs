//! `Registry`: the miners that are listed now. It dials nobody: it says whom to dial back, and is
//! told how that went.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wire::directory::{MINERS_MAX, MinerEntry, Register, RegisterOutcome, Registered};

use machine::{Owner, PeerId};

/// Miners register again this often. Whoever was dialed back more recently is not dialed again.
pub const REFRESH: Duration = Duration::from_secs(10);

/// An entry without a refresh is listed this long: three refreshes and a margin.
pub const EXPIRY: Duration = Duration::from_secs(35);

/// Entries of one address, loopback excepted: as many nodes as a machine may connect as peers.
const PER_ADDRESS_MAX: usize = 8;

/// Addresses that are dialed back at once: more than connections that may ask, so only a flood of
/// wallets and nodes that register is told to come later.
const DIALS_MAX: usize = 128;

/// Of one address, loopback excepted.
const DIALS_PER_ADDRESS_MAX: usize = 4;

/// What becomes of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This is the answer.
    Answer(Registered),
    /// This address is to be dialed; [`Registry::dialed`] brings the answer.
    Dial(SocketAddr),
    /// It is being dialed already; the answer comes with that.
    Wait,
}

/// What came of dialing back.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialed {
    /// Everybody who waits for it, with the answer.
    pub answers: Vec<(PeerId, Registered)>,
    /// The name, when the list has an address that it had not before.
    pub listed: Option<String>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// When somebody of this network answered there.
    verified: Duration,
    /// When it leaves the list; none for one that stands for ever.
    expires: Option<Duration>,
}

/// The miners that are listed. All times are of the monotonic clock.
#[derive(Debug, Default)]
pub struct Registry {
    entries: BTreeMap<SocketAddr, Entry>,
    /// What is being dialed back, and who waits for it. Bounded by the number of connections, of
    /// which each has one question.
    dials: BTreeMap<SocketAddr, Vec<(PeerId, Register)>>,
}

impl Registry {
    /// Lists a miner of the same process for ever.
    pub fn fix(&mut self, miner: MinerEntry) {
        let entry = Entry { name: miner.name, verified: Duration::ZERO, expires: None };
        self.entries.insert(miner.address, entry);
    }

    /// Somebody at `source` wants to be listed: with a port of that very address and no other.
    pub fn register(
        &mut self,
        now: Duration,
        peer: PeerId,
        source: IpAddr,
        register: Register,
    ) -> Step {
        let request = register.request;
        let answer = |outcome| Step::Answer(Registered { request, outcome });
        if register.port == 0 {
            let reason = "port 0 is no port: say where you accept connections".to_owned();
            return answer(RegisterOutcome::Unreachable { reason });
        }
        let address = SocketAddr::new(source.to_canonical(), register.port);
        if let Some(entry) = self.entries.get_mut(&address)
            && (entry.expires.is_none() || now < entry.verified + REFRESH)
        {
            if entry.expires.is_some() {
                (entry.name, entry.expires) = (register.name, Some(now + EXPIRY));
            }
            return answer(listed());
        }
        if let Some(waiting) = self.dials.get_mut(&address) {
            waiting.push((peer, register));
            return Step::Wait;
        }
        if !self.has_room(address) || !self.may_dial(address.ip()) {
            return answer(RegisterOutcome::Busy);
        }
        self.dials.insert(address, vec![(peer, register)]);
        Step::Dial(address)
    }

    /// Dialing back has ended: with a node of this network, or with a reason why not.
    pub fn dialed(
        &mut self,
        now: Duration,
        address: SocketAddr,
        result: Result<(), String>,
    ) -> Dialed {
        let waiting = self.dials.remove(&address).unwrap_or_default();
        let name = waiting.last().map(|(_, register)| register.name.clone());
        let mut new = None;
        let outcome = match result {
            Ok(()) if self.has_room(address) => {
                let name = name.unwrap_or_default();
                let entry =
                    Entry { name: name.clone(), verified: now, expires: Some(now + EXPIRY) };
                new = self.entries.insert(address, entry).is_none().then_some(name);
                listed()
            }
            Ok(()) => RegisterOutcome::Busy,
            Err(reason) => {
                self.entries.remove(&address);
                RegisterOutcome::Unreachable { reason: format!("nobody at {address}: {reason}") }
            }
        };
        let answers = waiting.into_iter().map(|(peer, register)| {
            (peer, Registered { request: register.request, outcome: outcome.clone() })
        });
        Dialed { answers: answers.collect(), listed: new }
    }

    /// The miners to show; those on loopback only to loopback.
    pub fn miners(&self, now: Duration, to: IpAddr) -> Vec<MinerEntry> {
        let to_loopback = to.to_canonical().is_loopback();
        let current = self.entries.iter().filter(|(_, entry)| entry.is_current(now));
        current
            .filter(|(address, _)| to_loopback || !address.ip().is_loopback())
            .map(|(address, entry)| MinerEntry { name: entry.name.clone(), address: *address })
            .take(MINERS_MAX)
            .collect()
    }

    /// Forgets what has expired and says what that was.
    pub fn expire(&mut self, now: Duration) -> Vec<MinerEntry> {
        let expired = self.entries.extract_if(.., |_, entry| !entry.is_current(now));
        expired.map(|(address, entry)| MinerEntry { name: entry.name, address }).collect()
    }

    /// When the next entry expires; `None` while none does.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.entries.values().filter_map(|entry| entry.expires).min()
    }

    /// Whether another entry for `address` fits; what has expired may still take its place.
    fn has_room(&self, address: SocketAddr) -> bool {
        let owner = Owner::of(address.ip());
        let same_owner = |other: &&SocketAddr| Owner::of(other.ip()) == owner;
        let crowded = !owner.is_loopback()
            && self.entries.keys().filter(same_owner).count() >= PER_ADDRESS_MAX;
        self.entries.contains_key(&address) || (self.entries.len() < MINERS_MAX && !crowded)
    }

    fn may_dial(&self, ip: IpAddr) -> bool {
        let owner = Owner::of(ip);
        let same_owner = self.dials.keys().filter(|other| Owner::of(other.ip()) == owner).count();
        let crowded = !owner.is_loopback() && same_owner >= DIALS_PER_ADDRESS_MAX;
        self.dials.len() < DIALS_MAX && !crowded
    }
}

impl Entry {
    fn is_current(&self, now: Duration) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

fn listed() -> RegisterOutcome {
    let expires_in_s = u32::try_from(EXPIRY.as_secs()).expect("half a minute fits");
    RegisterOutcome::Listed { expires_in_s }
}

#[cfg(test)]
mod tests;
