//! `Contacts`: whom names mean to this wallet, pinned on disk at the first use.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use chain::address::Address;
use chain::key::OutputKey;
use serde::{Deserialize, Serialize};
use wire::directory::is_name;
use wire::look_alikes::skeleton;

use client::durable_file;

/// Most contacts of one wallet: more than anybody pays, and a bound on the file.
pub const CONTACTS_MAX: usize = 4096;

/// Longest file that is read: each contact takes some 150 bytes.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Where a contact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactSource {
    /// The user wrote it down: no directory is asked about it.
    Added,
    /// The directory said so at the first payment; should it ever say otherwise, that is an error.
    Directory,
}

/// Who is paid under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name as typed first.
    pub name: String,
    /// Who is paid.
    pub key: OutputKey,
    /// Who said so.
    pub source: ContactSource,
}

/// The contacts of one wallet on one network. Case makes no other name.
#[derive(Debug)]
pub struct Contacts {
    path: PathBuf,
    prefix: String,
    /// By name in lower case.
    by_name: BTreeMap<String, Contact>,
}

/// Why contacts cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactsError {
    /// The operating system failed us.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is not as it was written. It is what protects from changed keys, so it is not
    /// passed over.
    #[error("{} is damaged ({reason}): repair it or move it away, then pin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a name.
    #[error("{0:?} is no name: write 1 to 32 letters, digits, - or _")]
    NoName(String),
    /// Nobody has that name here.
    #[error("there is no contact {0:?}; `contacts` lists them")]
    Unknown(String),
    /// The name means somebody else.
    #[error("{name} is {known} here already: remove that contact first, if {name} told you to")]
    Other {
        /// The name.
        name: String,
        /// Whom it means.
        known: Address,
    },
    /// No more contacts fit into the file.
    #[error("{CONTACTS_MAX} contacts are the most: remove one first")]
    Full,
}

#[derive(Serialize, Deserialize)]
struct File {
    v: u32,
    contacts: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    address: String,
    source: ContactSource,
}

impl Contacts {
    /// The contacts in the file at `path`, none when there is no file. Addresses have `prefix`.
    ///
    /// # Errors
    /// [`ContactsError::Io`], [`ContactsError::Damaged`].
    pub fn load(path: &Path, prefix: &str) -> Result<Self, ContactsError> {
        let damaged = |reason: String| ContactsError::Damaged { path: path.into(), reason };
        let mut contacts =
            Self { path: path.to_owned(), prefix: prefix.to_owned(), by_name: BTreeMap::new() };
        let bytes = match durable_file::read_limited(path, FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(contacts),
            Err(source) => {
                return Err(ContactsError::Io { action: "read", path: path.into(), source });
            }
            Ok(bytes) => bytes,
        };
        let file: File =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        for Line { name, address, source } in file.contacts {
            let key = Address::parse(&address, prefix)
                .map_err(|error| damaged(format!("{name:?}: {error}")))?
                .key;
            if !is_name(&name) {
                return Err(damaged(format!("{name:?} is no name")));
            }
            let contact = Contact { name: name.clone(), key, source };
            contacts.by_name.insert(name.to_ascii_lowercase(), contact);
        }
        Ok(contacts)
    }

    /// Whom `name` means, in any case of its letters.
    pub fn get(&self, name: &str) -> Option<&Contact> {
        self.by_name.get(&name.to_ascii_lowercase())
    }

    /// Who has `key`.
    pub fn name_of(&self, key: &OutputKey) -> Option<&str> {
        let known = self.by_name.values().find(|contact| contact.key == *key);
        known.map(|contact| contact.name.as_str())
    }

    /// A contact that somebody called `name` would be taken for; `name` is no contact, and `key` is
    /// who has it. Whoever is paid under two names is nobody else.
    pub fn look_alike(&self, name: &str, key: &OutputKey) -> Option<&Contact> {
        if self.get(name).is_some() {
            return None;
        }
        let skeleton_of_name = skeleton(name);
        let is_alike =
            |known: &&Contact| known.key != *key && skeleton(&known.name) == skeleton_of_name;
        self.by_name.values().find(is_alike)
    }

    /// All contacts, by name.
    pub fn all(&self) -> impl Iterator<Item = &Contact> {
        self.by_name.values()
    }

    /// Writes a contact down; one that is known already changes nothing.
    ///
    /// # Errors
    /// [`ContactsError`]; nothing is changed then. A name that means somebody else is never
    /// overwritten.
    pub fn add(
        &mut self,
        name: &str,
        key: OutputKey,
        source: ContactSource,
    ) -> Result<(), ContactsError> {
        if !is_name(name) {
            return Err(ContactsError::NoName(name.chars().take(40).collect()));
        }
        match self.get(name) {
            Some(known) if known.key == key => return Ok(()),
            Some(known) => {
                let known = Address { prefix: self.prefix.clone(), key: known.key };
                return Err(ContactsError::Other { name: name.to_owned(), known });
            }
            None if self.by_name.len() >= CONTACTS_MAX => return Err(ContactsError::Full),
            None => {}
        }
        let mut changed = self.by_name.clone();
        let contact = Contact { name: name.to_owned(), key, source };
        changed.insert(name.to_ascii_lowercase(), contact);
        self.save(changed)
    }

    /// Forgets a contact.
    ///
    /// # Errors
    /// [`ContactsError`]; nothing is changed then.
    pub fn remove(&mut self, name: &str) -> Result<Contact, ContactsError> {
        let mut changed = self.by_name.clone();
        let Some(removed) = changed.remove(&name.to_ascii_lowercase()) else {
            return Err(ContactsError::Unknown(name.chars().take(40).collect()));
        };
        self.save(changed)?;
        Ok(removed)
    }

    fn save(&mut self, changed: BTreeMap<String, Contact>) -> Result<(), ContactsError> {
        let line = |contact: &Contact| Line {
            name: contact.name.clone(),
            address: Address { prefix: self.prefix.clone(), key: contact.key }.to_string(),
            source: contact.source,
        };
        let file = File { v: 1, contacts: changed.values().map(line).collect() };
        let text = serde_json::to_vec_pretty(&file).expect("texts always serialize");
        durable_file::replace(&self.path, &text).map_err(|source| ContactsError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })?;
        self.by_name = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> OutputKey {
        OutputKey([byte; 32])
    }

    proptest! {
        #[test]
        fn contacts_are_there_again_and_a_name_never_changes_its_meaning_silently(
            steps in prop::collection::vec(("[a-dA-D]", any::<bool>(), 0u8..3), 0..12),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("contacts.json");
            let mut expected: BTreeMap<String, u8> = BTreeMap::new();
            for (name, adds, byte) in steps {
                let mut contacts = Contacts::load(&path, "dlode").unwrap();
                let lower = name.to_ascii_lowercase();
                if adds {
                    let added = contacts.add(&name, key(byte), ContactSource::Added);
                    let known = *expected.entry(lower).or_insert(byte);
                    prop_assert_eq!(added.is_ok(), known == byte);
                } else {
                    let removed = contacts.remove(&name).is_ok();
                    prop_assert_eq!(removed, expected.remove(&lower).is_some());
                }
            }
            let contacts = Contacts::load(&path, "dlode").unwrap();
            let found: Vec<(String, OutputKey)> =
                contacts.all().map(|known| (known.name.to_ascii_lowercase(), known.key)).collect();
            let expected: Vec<(String, OutputKey)> =
                expected.into_iter().map(|(name, byte)| (name, key(byte))).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_damaged_file_is_told_and_not_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("contacts.json");
        let wrong = r#"{"v":1,"contacts":[{"name":"Bob","address":"x","source":"added"}]}"#;
        for text in ["", "{", r#"{"v":1}"#, wrong] {
            fs::write(&path, text).unwrap();
            let loaded = Contacts::load(&path, "dlode");
            assert!(matches!(loaded, Err(ContactsError::Damaged { .. })), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_no_contact() {
        let directory = tempfile::tempdir().unwrap();
        let mut contacts = Contacts::load(&directory.path().join("c"), "dlode").unwrap();
        for wrong in ["", "two words", "\u{e4}", &"x".repeat(33)] {
            let added = contacts.add(wrong, key(1), ContactSource::Added);
            assert!(matches!(added, Err(ContactsError::NoName(_))), "{wrong}");
        }
        assert!(matches!(contacts.remove("Bob"), Err(ContactsError::Unknown(_))));
    }
}
