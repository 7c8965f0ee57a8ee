//! `wait`: until payments are in a block.

use std::fmt;
use std::time::Instant;

use chain::hash::Txid;
use serde::Serialize;
use show::report::Report;
use show::streams::note;
use wallet::history::MovementState;
use wallet::session::Session;

use crate::cli::{WaitOptions, WalletOptions};

use super::{CommandError, opening, show};

/// What was waited for.
#[derive(Debug, Serialize)]
pub(crate) struct WaitReport {
    transactions: Vec<WaitedLine>,
}

#[derive(Debug, Serialize)]
struct WaitedLine {
    txid: String,
    height: u32,
    confirmations: u32,
}

impl Report for WaitReport {
    const COMMAND: &'static str = "wallet wait";
}

impl fmt::Display for WaitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transactions.is_empty() {
            return f.write_str("nothing waits");
        }
        for line in &self.transactions {
            let (height, count) = (line.height, line.confirmations);
            writeln!(f, "block {height}, {count} confirmations, tx {}", line.txid)?;
        }
        Ok(())
    }
}

pub(super) fn run(options: &WalletOptions, order: &WaitOptions) -> Result<(), CommandError> {
    let mut session = opening::synced(options)?;
    let txids = match order.txid {
        Some(txid) => vec![txid],
        None => pending(&session),
    };
    show(options, &wait(&mut session, txids, order.confirmations)?)
}

/// All that waits now.
fn pending(session: &Session) -> Vec<Txid> {
    let movements = session.wallet().history().movements();
    let waiting = movements.filter(|movement| movement.state == MovementState::Pending);
    waiting.map(|movement| movement.txid).collect()
}

/// Polls until every one of `txids` has `confirmations`. Ctrl-C ends it; nothing is lost then.
///
/// # Errors
/// [`CommandError::Refused`] for a payment that can never confirm.
pub(crate) fn wait(
    session: &mut Session,
    txids: Vec<Txid>,
    confirmations: u32,
) -> Result<WaitReport, CommandError> {
    loop {
        let lines: Option<Vec<WaitedLine>> =
            txids.iter().map(|txid| line(session, *txid, confirmations)).collect();
        if let Some(transactions) = lines {
            return Ok(WaitReport { transactions });
        }
        if let Some(txid) = txids.iter().find(|txid| session.is_conflicted(txid)) {
            return Err(CommandError::Refused(format!(
                "tx {txid} can never confirm: its coin was spent by another transaction"
            )));
        }
        std::thread::sleep(session.next_poll(Instant::now()));
        session.poll(Instant::now());
        session.take_events().iter().for_each(|event| note(&event.to_string()));
    }
}

fn line(session: &Session, txid: Txid, confirmations: u32) -> Option<WaitedLine> {
    let history = session.wallet().history();
    let movement = history.movements().find(|movement| movement.txid == txid)?;
    let MovementState::Confirmed { position, .. } = movement.state else {
        return None;
    };
    let have = history.tip().height.saturating_sub(position.height) + 1;
    let line = WaitedLine { txid: txid.to_string(), height: position.height, confirmations: have };
    (have >= confirmations).then_some(line)
}
