//! `balance`: what the wallet has.

use std::fmt;

use serde::Serialize;

use chain::amount::Amount;
use show::columns::amount;
use show::report::Report;
use wallet::session::{Session, Standing};

use crate::cli::WalletOptions;

use super::{CommandError, opening, show};

/// What the wallet has; amounts as decimal strings.
#[derive(Debug, Serialize)]
pub(crate) struct BalanceReport {
    symbol: String,
    confirmed: String,
    immature: String,
    pending_in: String,
    pending_out: String,
    from_faucet: String,
    available: String,
    height: Option<u32>,
}

impl Report for BalanceReport {
    const COMMAND: &'static str = "wallet balance";
}

/// The balance as it is known now.
pub(crate) fn report(session: &Session) -> BalanceReport {
    let Standing { balance, promised, from_faucet, available, height, .. } = session.standing();
    let promised = promised.unwrap_or_default();
    let pending_in = balance.pending_in.checked_add(promised).unwrap_or(balance.pending_in);
    BalanceReport {
        symbol: session.network().spec.coin_symbol.clone(),
        confirmed: balance.confirmed.to_string(),
        immature: balance.immature.to_string(),
        pending_in: pending_in.to_string(),
        pending_out: balance.pending_out.to_string(),
        from_faucet: from_faucet.unwrap_or_default().to_string(),
        available: available.to_string(),
        height,
    }
}

/// One line: what the banner of the shell says.
pub(crate) fn line(session: &Session) -> String {
    let report = report(session);
    let mut parts = vec![format!("{} {}", report.confirmed, report.symbol)];
    let zero = Amount::ZERO.to_string();
    if report.from_faucet != zero {
        parts.push(format!("{} (pending, from the faucet)", report.from_faucet));
    } else if report.pending_in != zero {
        parts.push(format!("+{} (pending)", report.pending_in));
    }
    if report.pending_out != zero {
        parts.push(format!("-{} (pending)", report.pending_out));
    }
    if report.immature != zero {
        parts.push(format!("+{} (immature)", report.immature));
    }
    parts.join("  ")
}

impl fmt::Display for BalanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zero = Amount::ZERO.to_string();
        let line = |of: &str, what: &str| amount(of, &self.symbol, what);
        writeln!(f, "{}", line(&self.confirmed, "confirmed"))?;
        if self.immature != zero {
            writeln!(f, "{}", line(&self.immature, "mined, not mature yet"))?;
        }
        if self.pending_in != zero {
            let origin = if self.from_faucet == zero { "" } else { ", from the faucet" };
            writeln!(f, "{}", line(&self.pending_in, &format!("(pending{origin})")))?;
        }
        if self.pending_out != zero {
            writeln!(f, "{}", line(&format!("-{}", self.pending_out), "(pending)"))?;
        }
        f.write_str(&line(&self.available, "available to pay"))
    }
}

pub(super) fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let session = opening::synced(options)?;
    show(options, &report(&session))
}
