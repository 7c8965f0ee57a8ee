//! `miners`: whom the directory lists.

use std::fmt;

use serde::Serialize;
use show::columns::named;
use show::report::Report;
use wallet::session::Session;

use crate::cli::WalletOptions;

use super::{CommandError, Patience, opening, show};

/// The miners that are listed now.
#[derive(Debug, Serialize)]
pub(crate) struct MinersReport {
    miners: Vec<MinerLine>,
}

#[derive(Debug, Serialize)]
struct MinerLine {
    name: String,
    address: String,
}

impl Report for MinersReport {
    const COMMAND: &'static str = "wallet miners";
}

/// Asks the directory.
pub(crate) fn report(session: &mut Session) -> Result<MinersReport, CommandError> {
    let listed = session.listed_miners().ok_or_else(|| {
        CommandError::Unreachable("no bootstrap node answers, so nobody lists miners".to_owned())
    })?;
    let line = |miner: wire::directory::MinerEntry| MinerLine {
        name: miner.name,
        address: miner.address.to_string(),
    };
    Ok(MinersReport { miners: listed.into_iter().map(line).collect() })
}

impl fmt::Display for MinersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.miners.is_empty() {
            return f.write_str("no miner is listed yet");
        }
        for miner in &self.miners {
            writeln!(f, "{}", named(&miner.name, &miner.address))?;
        }
        Ok(())
    }
}

pub(super) fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let mut session = opening::opened(options, Patience::Seconds)?;
    show(options, &report(&mut session)?)
}
