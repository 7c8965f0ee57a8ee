//! `history`: every transaction that touched the wallet.

use std::fmt;

use chain::amount::Amount;
use serde::Serialize;
use show::report::Report;
use wallet::history::MovementState;
use wallet::session::Session;

use crate::cli::WalletOptions;

use super::{CommandError, opening, show};

/// The transactions, the oldest first, those that wait at the end.
#[derive(Debug, Serialize)]
pub(crate) struct HistoryReport {
    transactions: Vec<HistoryLine>,
}

#[derive(Debug, Serialize)]
struct HistoryLine {
    txid: String,
    state: &'static str,
    height: Option<u32>,
    confirmations: u32,
    time: Option<u32>,
    kind: &'static str,
    amount: String,
    fee: Option<String>,
    to: Option<String>,
}

impl Report for HistoryReport {
    const COMMAND: &'static str = "wallet history";
}

/// The history as it is known now.
pub(crate) fn report(session: &Session) -> HistoryReport {
    let history = session.wallet().history();
    let tip = history.tip().height;
    let lines = history.movements().map(|movement| {
        let (state, height, time) = match movement.state {
            MovementState::Confirmed { position, time, .. } => {
                ("confirmed", Some(position.height), Some(time))
            }
            MovementState::Pending => ("pending", None, None),
        };
        let gain = movement.received.checked_sub(movement.spent);
        let is_paid_out = movement.spent > Amount::ZERO;
        let (kind, amount, to) = match gain {
            Some(gain) if movement.coinbase && height == Some(0) => ("genesis", gain, None),
            Some(gain) if movement.coinbase => ("mined", gain, None),
            Some(gain) if !is_paid_out => ("received", gain, None),
            _ => {
                let (receiver, amount) = session.receiver_of(movement);
                ("sent", amount, Some(receiver))
            }
        };
        HistoryLine {
            txid: movement.txid.to_string(),
            state,
            height,
            confirmations: height.map_or(0, |height| tip.saturating_sub(height) + 1),
            time,
            kind,
            amount: amount.to_string(),
            fee: movement.fee.map(|fee| fee.to_string()),
            to,
        }
    });
    HistoryReport { transactions: lines.collect() }
}

impl fmt::Display for HistoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transactions.is_empty() {
            return f.write_str("nothing yet");
        }
        for line in &self.transactions {
            let place =
                line.height.map_or("pending".to_owned(), |height| format!("block {height}"));
            let sign = if line.kind == "sent" { '-' } else { '+' };
            write!(f, "{place:>12}  {sign}{:<18} {}", line.amount, line.kind)?;
            if let Some(to) = &line.to {
                write!(f, " to {to}")?;
            }
            if let Some(fee) = line.fee.as_ref().filter(|_| line.kind == "sent") {
                write!(f, ", fee {fee}")?;
            }
            writeln!(f, "  tx {}", line.txid)?;
        }
        Ok(())
    }
}

pub(super) fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let session = opening::synced(options)?;
    show(options, &report(&session))
}
