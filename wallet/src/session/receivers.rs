//! Who is to be paid: contacts, then the directory, and nobody who only looks like one of them.

use chain::address::{Address, AddressError};
use chain::key::OutputKey;
use wire::directory::is_name;

use crate::contacts::ContactSource;

use super::Session;

/// Characters at either end of an address by which people know one again, so that a forger makes
/// these the same: two in a billion strangers have them by chance.
const KNOWN_BY_CHARACTERS: usize = 3;

/// Somebody who can be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Who is paid.
    pub key: OutputKey,
    /// The name that was given; none when an address was.
    pub name: Option<String>,
    /// The name is not pinned yet: show the address.
    pub is_first_use: bool,
}

/// Why a text means nobody who can be paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiverError {
    /// It looks like an address and is none of this network.
    #[error("{given:?} cannot be paid: {reason}{advice}", advice = advice(reason))]
    Address {
        /// What was given, cut to 100 characters.
        given: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// Nobody has the name.
    #[error("nobody here is called {name:?}: check the spelling, or pay the address instead")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The directory cannot be asked, and the name is not pinned.
    #[error("no bootstrap node answers, so nobody can say who {name} is: pay the address instead")]
    DirectoryUnreachable {
        /// The name.
        name: String,
    },
    /// It looks like somebody who is known, and is somebody else. Whoever is asked may mean it:
    /// [`Session::receiver_meant`].
    #[error(
        "NOT PAID: {given} looks like {known}, and is somebody else. If {given} is meant, say so \
         with --yes"
    )]
    LookAlike {
        /// Who was named: an address, or a name with its address behind it.
        given: String,
        /// Who is known, in the same form.
        known: String,
    },
    /// The directory names another key than the one that was paid before.
    #[error(
        "NOT PAID: {name} was {pinned} so far, and the directory now says {told}. Somebody may be \
         posing as {name}: ask them. If the new address is right, forget the old one with \
         `contacts remove {name}` and pay again"
    )]
    KeyChanged {
        /// The name.
        name: String,
        /// The address that was paid.
        pinned: String,
        /// The address that would be paid now.
        told: String,
    },
}

fn advice(reason: &AddressError) -> &'static str {
    match reason {
        AddressError::Malformed => "; copy it again, or ask for it again",
        AddressError::OtherNetwork { .. } => "; ask for an address of this network",
        AddressError::UnknownKind => "; ask for another one, or update this program",
    }
}

impl Session {
    /// Who is meant by a name or an address. Contacts come first, then the directory.
    ///
    /// # Errors
    /// [`ReceiverError`]; [`ReceiverError::LookAlike`] for somebody new who would be taken for
    /// somebody who is known.
    pub fn receiver(&mut self, given: &str) -> Result<Receiver, ReceiverError> {
        let receiver = self.receiver_meant(given)?;
        self.refuse_look_alike(&receiver)?;
        Ok(receiver)
    }

    /// Like [`Session::receiver`], for whoever is asked about [`Session::refuse_look_alike`]: what
    /// this returned is paid then, as the directory may say something else a moment later.
    ///
    /// # Errors
    /// [`ReceiverError`], but for [`ReceiverError::LookAlike`].
    pub fn receiver_meant(&mut self, given: &str) -> Result<Receiver, ReceiverError> {
        let given = given.trim();
        if !is_name(given) {
            let address = self.address(given)?;
            return Ok(Receiver { key: address.key, name: None, is_first_use: false });
        }
        let name = given.to_owned();
        let known = self.contacts.get(given).cloned();
        if let Some(known) = known.as_ref().filter(|known| known.source == ContactSource::Added) {
            return Ok(Receiver { key: known.key, name: Some(name), is_first_use: false });
        }
        let told = self.ask_directory(|directory| directory.name(given));
        match (known, told) {
            (Some(known), Some(Some(record))) if record.key != known.key => {
                let address = |key| self.network.spec.address(key).to_string();
                let (pinned, told) = (address(known.key), address(record.key));
                Err(ReceiverError::KeyChanged { name, pinned, told })
            }
            (Some(known), _) => {
                Ok(Receiver { key: known.key, name: Some(known.name), is_first_use: false })
            }
            (None, Some(Some(record))) => {
                Ok(Receiver { key: record.key, name: Some(record.name), is_first_use: true })
            }
            (None, Some(None)) => Err(ReceiverError::Unknown { name }),
            (None, None) => Err(ReceiverError::DirectoryUnreachable { name }),
        }
    }

    /// An address of this network.
    ///
    /// # Errors
    /// [`ReceiverError::Address`].
    pub fn address(&self, given: &str) -> Result<Address, ReceiverError> {
        Address::parse(given, &self.network.spec.address_prefix).map_err(|reason| {
            ReceiverError::Address { given: given.chars().take(100).collect(), reason }
        })
    }

    /// A name that is new is compared with the names that are pinned, an address with those that
    /// are pinned or were paid.
    ///
    /// # Errors
    /// [`ReceiverError::LookAlike`].
    pub fn refuse_look_alike(&self, receiver: &Receiver) -> Result<(), ReceiverError> {
        let known = match &receiver.name {
            Some(name) => self.contacts.look_alike(name, &receiver.key).map(|known| known.key),
            None => self.known_key_like(receiver.key),
        };
        let Some(known) = known else {
            return Ok(());
        };
        let address = |key| self.network.spec.address(key).to_string();
        let called = |name: Option<&str>, key| match name {
            Some(name) => format!("{name} ({})", address(key)),
            None => address(key),
        };
        Err(ReceiverError::LookAlike {
            given: called(receiver.name.as_deref(), receiver.key),
            known: called(self.contacts.name_of(&known), known),
        })
    }

    /// A key that was paid before or is a contact's, and has an address that begins and ends as
    /// that of `key`. Whoever is known is like nobody but himself.
    fn known_key_like(&self, key: OutputKey) -> Option<OutputKey> {
        let paid = self.wallet.payments().map(|(payment, _)| payment.receiver);
        let known: Vec<OutputKey> =
            self.contacts.all().map(|contact| contact.key).chain(paid).collect();
        if known.contains(&key) {
            return None;
        }
        let address = |key| self.network.spec.address(key);
        let ends = ends_of(&address(key));
        known.into_iter().find(|known| ends_of(&address(*known)) == ends)
    }
}

/// The characters by which people know an address again: behind what all addresses begin with, and
/// at the end.
fn ends_of(address: &Address) -> (String, String) {
    let text = address.to_string();
    // Prefix, separator and version are the same for everybody.
    let own = text.get(address.prefix.len() + 2..).unwrap_or_default();
    let first = own.chars().take(KNOWN_BY_CHARACTERS).collect();
    let last = own.chars().rev().take(KNOWN_BY_CHARACTERS).collect();
    (first, last)
}
