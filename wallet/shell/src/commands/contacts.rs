//! `contacts`: whom names mean to this wallet.

use std::fmt;

use serde::Serialize;
use show::columns::named;
use show::report::Report;
use wallet::contacts::ContactSource;
use wallet::session::Session;

use crate::cli::{ContactChange, WalletOptions};

use super::{CommandError, Patience, opening, show};

/// The pinned contacts.
#[derive(Debug, Serialize)]
pub(crate) struct ContactsReport {
    contacts: Vec<ContactLine>,
}

#[derive(Debug, Serialize)]
struct ContactLine {
    name: String,
    address: String,
    source: ContactSource,
}

impl Report for ContactsReport {
    const COMMAND: &'static str = "wallet contacts";
}

/// The contacts as they are pinned now.
pub(crate) fn report(session: &Session) -> ContactsReport {
    let lines = session.contacts().all().map(|contact| ContactLine {
        name: contact.name.clone(),
        address: session.network().spec.address(contact.key).to_string(),
        source: contact.source,
    });
    ContactsReport { contacts: lines.collect() }
}

/// Pins or forgets one.
pub(crate) fn change(session: &mut Session, change: &ContactChange) -> Result<(), CommandError> {
    match change {
        ContactChange::Add { name, address } => {
            let key = session.address(address)?.key;
            session.contacts_mut().add(name, key, ContactSource::Added)?;
        }
        ContactChange::Remove { name } => {
            session.contacts_mut().remove(name)?;
        }
    }
    Ok(())
}

impl fmt::Display for ContactsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.contacts.is_empty() {
            return f.write_str("no contacts yet: the first payment to a name pins it");
        }
        for contact in &self.contacts {
            writeln!(f, "{}", named(&contact.name, &contact.address))?;
        }
        Ok(())
    }
}

pub(super) fn run(
    options: &WalletOptions,
    wanted: Option<&ContactChange>,
) -> Result<(), CommandError> {
    let mut session = opening::opened(options, Patience::Seconds)?;
    if let Some(wanted) = wanted {
        change(&mut session, wanted)?;
    }
    show(options, &report(&session))
}
