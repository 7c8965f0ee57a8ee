//! `send`: paying somebody.

use std::fmt;
use std::io::{self, IsTerminal};

use chain::amount::Amount;
use serde::Serialize;
use show::report::Report;
use show::streams::note;
use wallet::coin_selection::{Fee, Method, Proposal, Selection};
use wallet::session::{Handover, Payment, Receiver, ReceiverError, Session};

use crate::cli::{FeeChoice, SendOptions, WalletOptions};

use super::{CommandError, Ordered, opening, show_paid, wait};

/// A payment that was made.
#[derive(Debug, Serialize)]
pub(crate) struct SendReport {
    txid: String,
    to: String,
    address: String,
    amount: String,
    fee: String,
    state: &'static str,
    miner: Option<String>,
    first_payment: bool,
    repeated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<SelectionReport>,
}

/// How the coins were selected.
#[derive(Debug, Serialize)]
struct SelectionReport {
    chosen: &'static str,
    candidates: Vec<CandidateLine>,
    left_alone: usize,
}

#[derive(Debug, Serialize)]
struct CandidateLine {
    method: &'static str,
    coins: Option<usize>,
    fee: Option<String>,
    change: Option<String>,
    waste: Option<String>,
}

impl Report for SendReport {
    const COMMAND: &'static str = "wallet send";
}

/// What was made of a payment.
pub(crate) fn report(
    session: &Session,
    receiver: &Receiver,
    made: &Payment,
    explain: bool,
) -> SendReport {
    let Payment { payment, selection, handover } = made;
    let address = session.network().spec.address(payment.receiver).to_string();
    let (state, miner) = match handover {
        Handover::Taken { miner } => ("pending", Some(miner.clone())),
        Handover::Confirmed { .. } => ("confirmed", None),
        Handover::Waiting => ("unsent", None),
        Handover::Refused { miner, .. } => ("refused", Some(miner.clone())),
    };
    SendReport {
        txid: payment.txid.to_string(),
        to: receiver.name.clone().unwrap_or_else(|| address.clone()),
        address,
        amount: payment.amount.to_string(),
        fee: payment.fee.to_string(),
        state,
        miner,
        first_payment: receiver.is_first_use,
        repeated: selection.is_none(),
        selection: selection.as_ref().filter(|_| explain).map(explained),
    }
}

fn explained(selection: &Selection) -> SelectionReport {
    let candidate = |method: Method, proposal: Option<&Proposal>| CandidateLine {
        method: name_of(method),
        coins: proposal.map(|proposal| proposal.coins.len()),
        fee: proposal.map(|proposal| proposal.fee.to_string()),
        change: proposal.and_then(|proposal| proposal.change).map(|change| change.to_string()),
        waste: proposal.map(|proposal| proposal.waste.to_string()),
    };
    let attempts = selection.attempts.iter();
    SelectionReport {
        chosen: name_of(selection.method),
        candidates: attempts
            .map(|attempt| candidate(attempt.method, attempt.proposal.as_ref()))
            .collect(),
        left_alone: selection.uneconomic.len(),
    }
}

fn name_of(method: Method) -> &'static str {
    match method {
        Method::BranchAndBound => "branch_and_bound",
        Method::RandomDraw => "random_draw",
        Method::LargestFirst => "largest_first",
    }
}

impl fmt::Display for SendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, to, fee, txid, .. } = self;
        if self.first_payment {
            writeln!(f, "{to} is {}: pinned, as this is the first payment to {to}", self.address)?;
        }
        if self.repeated {
            writeln!(f, "an earlier `send` made this payment: it is not made twice")?;
        }
        if let Some(selection) = &self.selection {
            write!(f, "{selection}")?;
        }
        if let ("refused", Some(miner)) = (self.state, &self.miner) {
            return write!(
                f,
                "signed {amount} to {to}, fee {fee}, not taken by {miner}; it is offered again, \
                 tx {txid}"
            );
        }
        write!(f, "sent {amount} to {to}, fee {fee}, ")?;
        if self.state == "confirmed" {
            return write!(f, "in a block already, tx {txid}");
        }
        match &self.miner {
            Some(miner) => write!(f, "to {miner} (pending), tx {txid}"),
            None => write!(f, "as soon as a miner answers, tx {txid}"),
        }
    }
}

impl fmt::Display for SelectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.candidates {
            let mark = if line.method == self.chosen { '*' } else { ' ' };
            let (Some(coins), Some(fee), Some(waste)) = (line.coins, &line.fee, &line.waste) else {
                writeln!(f, "{mark} {:<16}  found nothing", line.method)?;
                continue;
            };
            let change = line.change.as_deref().unwrap_or("none");
            let method = line.method;
            writeln!(
                f,
                "{mark} {method:<16}  coins {coins}, fee {fee}, change {change}, waste {waste}"
            )?;
        }
        match self.left_alone {
            0 => Ok(()),
            count => writeln!(f, "  left alone, as spending costs more than they bring: {count}"),
        }
    }
}

/// The fee that is meant.
pub(crate) fn fee_of(session: &Session, choice: FeeChoice) -> Fee {
    match choice {
        FeeChoice::Auto => session.fee_auto(),
        FeeChoice::Fixed(fee) => Fee::Fixed(fee),
    }
}

/// A payment that a miner refused is an error to whoever wanted it made.
pub(crate) fn check(made: &Payment) -> Result<(), CommandError> {
    match &made.handover {
        Handover::Refused { miner, reason } => Err(CommandError::Refused(format!(
            "{miner} does not take the payment ({reason}); its coins stay reserved and it is \
             offered again, tx {}",
            made.payment.txid
        ))),
        Handover::Taken { .. } | Handover::Confirmed { .. } | Handover::Waiting => Ok(()),
    }
}

/// Who is to be paid. Somebody new who looks like somebody known is paid only if `--yes` or an
/// answer says so.
pub(crate) fn receiver(
    session: &mut Session,
    order: &SendOptions,
    mut is_meant: impl FnMut(&ReceiverError) -> io::Result<bool>,
) -> Result<Receiver, CommandError> {
    // The directory is asked once: a yes is to the key that it is asked about.
    let receiver = session.receiver_meant(&order.receiver)?;
    match session.refuse_look_alike(&receiver) {
        Err(error) if !order.yes && !is_meant(&error)? => Err(error.into()),
        _ => Ok(receiver),
    }
}

/// What is asked about a look-alike.
pub(crate) const IS_MEANT: &str = "Pay nevertheless (yes, or Enter for no)? ";

/// Whether an answer to [`IS_MEANT`] is a yes. Everything else is none.
pub(crate) fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// Asks on the terminal; where there is none, nobody says yes.
fn ask_on_terminal(error: &ReceiverError) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    note(&error.to_string());
    eprint!("{IS_MEANT}");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

pub(super) fn run(options: &WalletOptions, order: &SendOptions) -> Result<(), CommandError> {
    let mut session = opening::synced(options)?;
    let receiver = receiver(&mut session, order, ask_on_terminal)?;
    let made = match resumed(&mut session, order, &receiver)? {
        Some(made) => made,
        None => {
            opening::unlock(options, &mut session)?;
            pay_new(&mut session, order, &receiver)?
        }
    };
    if order.explain && order.fee == FeeChoice::Auto {
        let rate = Amount(session.wallet().fee_rate_min());
        note(&format!("the fee is the least that is taken now, {rate} for 1000 bytes"));
    }
    let txid = made.payment.txid;
    show_paid(
        options,
        txid,
        Ordered::ByCommand,
        &report(&session, &receiver, &made, order.explain),
    )?;
    // A refused one stays the same payment, as it may still be taken.
    check(&made)?;
    let waited = order.wait.then(|| wait::wait(&mut session, vec![txid], 1)).transpose();
    if let Ok(Some(waited)) = &waited {
        show_paid(options, txid, Ordered::ByCommand, waited)?;
    }
    // Not before all of it was shown: until then the same order is the same payment.
    session.note_told(txid);
    waited.map(drop)
}

/// A payment of an earlier process that is the one ordered: of the same id, or, where none is
/// given, one that nobody was told of.
pub(crate) fn resumed(
    session: &mut Session,
    order: &SendOptions,
    receiver: &Receiver,
) -> Result<Option<Payment>, CommandError> {
    match &order.id {
        Some(id) => Ok(session.resume_named(id, receiver, order.amount)?),
        None => Ok(session.resume_unsent(receiver, order.amount)),
    }
}

/// Pays what no earlier process has paid.
pub(crate) fn pay_new(
    session: &mut Session,
    order: &SendOptions,
    receiver: &Receiver,
) -> Result<Payment, CommandError> {
    let fee = fee_of(session, order.fee);
    Ok(match &order.id {
        Some(id) => session.pay_once(id, receiver, order.amount, fee)?,
        None => session.pay(receiver, order.amount, fee)?,
    })
}
