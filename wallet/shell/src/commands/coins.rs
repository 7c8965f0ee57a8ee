//! `coins`: the coins behind the balance.

use std::fmt;

use serde::Serialize;
use show::report::Report;
use wallet::history::Origin;
use wallet::session::Session;

use crate::cli::WalletOptions;

use super::{CommandError, opening, show};

/// The coins that no confirmed transaction spends.
#[derive(Debug, Serialize)]
pub(crate) struct CoinsReport {
    coins: Vec<CoinLine>,
}

#[derive(Debug, Serialize)]
struct CoinLine {
    txid: String,
    index: u32,
    amount: String,
    address: String,
    state: &'static str,
    height: Option<u32>,
    spent_by: Option<String>,
}

impl Report for CoinsReport {
    const COMMAND: &'static str = "wallet coins";
}

/// The coins as they are known now.
pub(crate) fn report(session: &Session) -> CoinsReport {
    let next_height = session.wallet().history().tip().height.saturating_add(1);
    let lines = session.wallet().history().coins().map(|coin| {
        let (state, height) = match coin.origin {
            _ if coin.spent_by.is_some() => ("reserved", None),
            Origin::Confirmed { height, matures } if matures <= next_height => {
                ("confirmed", Some(height))
            }
            Origin::Confirmed { height, .. } => ("immature", Some(height)),
            Origin::Pending { .. } => ("pending", None),
        };
        CoinLine {
            txid: coin.outpoint.txid.to_string(),
            index: coin.outpoint.index,
            amount: coin.output.amount.to_string(),
            address: session.network().spec.address(coin.output.key).to_string(),
            state,
            height,
            spent_by: coin.spent_by.map(|txid| txid.to_string()),
        }
    });
    CoinsReport { coins: lines.collect() }
}

impl fmt::Display for CoinsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.coins.is_empty() {
            return f.write_str("no coins");
        }
        for coin in &self.coins {
            writeln!(f, "{:>20}  {:<9}  {}:{}", coin.amount, coin.state, coin.txid, coin.index)?;
        }
        Ok(())
    }
}

pub(super) fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let session = opening::synced(options)?;
    show(options, &report(&session))
}
