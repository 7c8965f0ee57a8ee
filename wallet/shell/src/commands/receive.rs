//! `receive`: the address to be paid at next.

use std::fmt;

use serde::Serialize;
use show::report::Report;
use wallet::session::Session;

use crate::cli::WalletOptions;

use super::{CommandError, opening, show};

/// Where to be paid.
#[derive(Debug, Serialize)]
pub(crate) struct ReceiveReport {
    name: String,
    address: String,
}

impl Report for ReceiveReport {
    const COMMAND: &'static str = "wallet receive";
}

/// The fresh address as it is known now.
pub(crate) fn report(session: &Session) -> ReceiveReport {
    let address = session.standing().address.to_string();
    ReceiveReport { name: session.name().to_owned(), address }
}

impl fmt::Display for ReceiveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

pub(super) fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let session = opening::synced(options)?;
    show(options, &report(&session))
}
