//! `Names`: who is paid under which name. First come, first served; only the key that has a name
//! can change its record, and nobody else gets a name that looks like it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

use chain::hash::BlockHash;
use wire::directory::{NAMES_MAX as PAGE_NAMES_MAX, NameOutcome, NameRecord, is_name};
use wire::look_alikes::skeleton;

use crate::allowance::{AllowanceByAddress, Pace};

/// Names that are held: some 40 MB of memory.
pub const NAMES_MAX: usize = 100_000;

/// Records that one address may hand in: a classroom behind one address can begin at once.
const PACE: Pace = Pace { burst: 64, interval: Duration::from_secs(10) };

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is held from now on, once it is on disk.
    Keep,
    /// This is the answer, and nothing changes.
    Answer(NameOutcome),
}

/// The names of one network.
#[derive(Debug)]
pub struct Names {
    genesis: BlockHash,
    /// By the name in small letters.
    records: BTreeMap<String, NameRecord>,
    /// The skeleton of each name, and the name in small letters. Names of before there were
    /// skeletons stay, so several may share one.
    skeletons: BTreeSet<(String, String)>,
    handed_in: AllowanceByAddress,
}

impl Names {
    /// The names that were held before.
    pub fn new(genesis: BlockHash, records: Vec<NameRecord>) -> Self {
        let records: BTreeMap<String, NameRecord> =
            records.into_iter().map(|record| (folded(&record.name), record)).collect();
        let skeletons = records.keys().map(|name| (skeleton(name), name.clone())).collect();
        Self { genesis, records, skeletons, handed_in: AllowanceByAddress::default() }
    }

    /// The record of a name, in whatever case it is asked for.
    pub fn get(&self, name: &str) -> Option<&NameRecord> {
        if !is_name(name) {
            return None;
        }
        self.records.get(&folded(name))
    }

    /// The names behind `after`, a page of them, and whether more follow.
    pub fn page(&self, after: &str) -> (Vec<String>, bool) {
        let after = folded(after);
        let behind = (Bound::Excluded(after.as_str()), Bound::Unbounded);
        let mut names = self.records.range::<str, _>(behind).map(|(_, record)| &record.name);
        let page = names.by_ref().take(PAGE_NAMES_MAX).cloned().collect();
        (page, names.next().is_some())
    }

    /// Judges a record that came from `ip` and takes it when the answer is [`Verdict::Keep`].
    pub fn put(&mut self, now: Duration, ip: IpAddr, record: &NameRecord) -> Verdict {
        if self.get(&record.name) == Some(record) {
            return Verdict::Answer(NameOutcome::Held);
        }
        if self.handed_in.take(now, ip, PACE).is_err() {
            return Verdict::Answer(NameOutcome::Busy);
        }
        if let Some(reason) = self.fault(record) {
            return Verdict::Answer(NameOutcome::Refused { reason });
        }
        match self.get(&record.name) {
            Some(held) if held.key != record.key => {
                return Verdict::Answer(NameOutcome::Taken(held.clone()));
            }
            Some(held) if held.sequence >= record.sequence => {
                return Verdict::Answer(NameOutcome::Held);
            }
            None if self.records.len() >= NAMES_MAX => {
                return Verdict::Answer(NameOutcome::Busy);
            }
            Some(_) => {}
            None => {
                if let Some(other) = self.look_alike(record) {
                    let reason = format!("it looks like {other}, a name that somebody else has");
                    return Verdict::Answer(NameOutcome::Refused { reason });
                }
            }
        }
        let folded = folded(&record.name);
        self.skeletons.insert((skeleton(&folded), folded.clone()));
        self.records.insert(folded, record.clone());
        Verdict::Keep
    }

    /// A name of another key that would be taken for the record's.
    fn look_alike(&self, record: &NameRecord) -> Option<&str> {
        let skeleton = skeleton(&record.name);
        let from = (skeleton.clone(), String::new());
        let alike = self.skeletons.range(from..).take_while(|(other, _)| *other == skeleton);
        let mut held = alike.filter_map(|(_, name)| self.records.get(name));
        let other = held.find(|held| held.key != record.key)?;
        Some(&other.name)
    }

    fn fault(&self, record: &NameRecord) -> Option<String> {
        if !is_name(&record.name) {
            return Some("a name has 1 to 32 letters a-z, digits, - or _".to_owned());
        }
        if !record.key.is_spendable() {
            return Some("its key is no point of the curve: nobody could spend".to_owned());
        }
        let signed = record.is_valid(self.genesis);
        (!signed).then(|| "its key did not sign this record for this network".to_owned())
    }
}

/// The form in which names are compared.
pub fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
