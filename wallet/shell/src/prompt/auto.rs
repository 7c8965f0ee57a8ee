//! `--auto`: random payments until the program ends.

use std::ops::ControlFlow;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wallet::auto_payments::AutoPayments;
use wallet::keystore::KeystoreError;

use crate::background::Background;
use crate::cli::{FeeChoice, SendOptions, WalletOptions};
use crate::commands::{CommandError, Ordered, send, show_paid};

use super::Paid;

/// Pays one of the known names after each pause, as long as the session lives.
///
/// # Errors
/// [`CommandError`] when the session is gone.
pub(super) fn pay_for_ever(
    background: &Background,
    options: &WalletOptions,
    lines: &SyncSender<String>,
) -> Result<(), CommandError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| KeystoreError::Encryption(error.to_string()))?;
    let plan = AutoPayments::new(StdRng::from_seed(seed));
    let mut sleep = |pause| {
        thread::sleep(pause);
        ControlFlow::Continue(())
    };
    pay_as_planned(plan, background, options, lines, &mut sleep)
}

/// Pays as planned until `wait`, which is told each pause, says that it is enough. What cannot be
/// paid is told and left out.
fn pay_as_planned(
    mut plan: AutoPayments<impl Rng>,
    background: &Background,
    options: &WalletOptions,
    lines: &SyncSender<String>,
    wait: &mut dyn FnMut(Duration) -> ControlFlow<()>,
) -> Result<(), CommandError> {
    loop {
        let pause = plan.next_pause();
        tell(lines, format!("next payment in {} s", pause.as_secs()));
        if wait(pause).is_break() {
            return Ok(());
        }
        let known = background.ask(|session| {
            let available = session.standing().available;
            (session.payable_names(), available)
        })?;
        let (names, available) = known;
        let Some((name, amount, fee)) = plan.next_payment(&names, available) else {
            tell(lines, "nobody to pay yet, or too little to pay with".to_owned());
            continue;
        };
        let order = SendOptions {
            receiver: name.to_owned(),
            amount,
            fee: FeeChoice::Fixed(fee),
            id: None,
            yes: false,
            explain: false,
            wait: false,
        };
        let paid = background.ask(move |session| {
            let receiver = send::receiver(session, &order, |_| Ok(false))?;
            super::pay(session, &order, &receiver)
        })?;
        match paid {
            Ok(Paid { txid, report, checked }) => {
                match checked {
                    _ if options.json => show_paid(options, txid, Ordered::ByItself, &report)?,
                    Ok(()) => tell(lines, report.to_string()),
                    Err(error) => tell(lines, format!("lode: {error}")),
                }
                background.ask(move |session| session.note_told(txid))?;
            }
            Err(error) => tell(lines, format!("lode: {error}")),
        }
    }
}

/// Prints a line where the events are printed.
fn tell(lines: &SyncSender<String>, line: String) {
    // When nobody prints any more the program is about to end.
    let _ = lines.send(line);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::commands::opening::{self, Patience};
    use crate::commands::tests::Rig;

    /// Pays for Adam until `wait`, which is told how often it was asked before, says stop. Returns
    /// the pauses that were asked for, how it ended, and the lines it told.
    fn paid(
        rig: &Rig,
        mut wait: impl FnMut(usize, &Background) -> ControlFlow<()>,
    ) -> (Vec<Duration>, Result<(), CommandError>, Vec<String>) {
        let options = rig.options("");
        let session = opening::opened(&options, Patience::Seconds).unwrap();
        let (background, _events) = Background::start(session);
        // More than any test tells: nobody reads before the end.
        let (lines, told): (_, Receiver<String>) = sync_channel(1000);
        let mut pauses = Vec::new();
        let mut wait = |pause| {
            pauses.push(pause);
            wait(pauses.len() - 1, &background)
        };
        let plan = AutoPayments::new(StdRng::seed_from_u64(1));
        let end = pay_as_planned(plan, &background, &options, &lines, &mut wait);
        drop(lines);
        (pauses, end, told.into_iter().collect())
    }

    fn until(pauses: usize) -> impl FnMut(usize, &Background) -> ControlFlow<()> {
        move |before, _| {
            if before == pauses { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    fn count(told: &[String], part: &str) -> usize {
        told.iter().filter(|line| line.contains(part)).count()
    }

    #[test]
    fn a_payment_is_made_after_each_pause_of_5_to_60_s() {
        let rig = Rig::new("");
        let (pauses, end, told) = paid(&rig, until(20));
        end.unwrap();
        let range = Duration::from_secs(5)..=Duration::from_secs(60);
        assert!(pauses.len() == 21 && pauses.iter().all(|pause| range.contains(pause)));
        assert_eq!(rig.pending(), 20, "{told:?}");
        assert_eq!(count(&told, "to Bob"), 20, "{told:?}");
        let announced = format!("next payment in {} s", pauses[0].as_secs());
        assert_eq!(told[0], announced);
    }

    #[test]
    fn whoever_knows_nobody_goes_on_until_there_is_somebody() {
        let rig = Rig::new("");
        let mut names = std::mem::take(&mut rig.directory.lock().unwrap().names);
        let mut end = until(4);
        let (_, result, told) = paid(&rig, |before, background| {
            if before == 3 {
                rig.directory.lock().unwrap().names.append(&mut names);
            }
            end(before, background)
        });
        result.unwrap();
        assert_eq!(count(&told, "nobody to pay yet"), 3, "{told:?}");
        assert_eq!(rig.pending(), 1, "{told:?}");
    }

    #[test]
    fn a_payment_that_is_refused_is_told_and_the_next_one_is_made() {
        let rig = Rig::new("");
        rig.miner.lock().unwrap().refuses = Some("it is full".to_owned());
        let mut end = until(2);
        let (_, result, told) = paid(&rig, |before, background| {
            if before == 1 {
                rig.miner.lock().unwrap().refuses = None;
            }
            end(before, background)
        });
        result.unwrap();
        assert_eq!(count(&told, "it is full"), 1, "{told:?}");
        assert_eq!(count(&told, "sent "), 1, "{told:?}");
    }

    #[test]
    fn it_ends_when_the_session_is_gone() {
        let rig = Rig::new("");
        let (pauses, end, _) = paid(&rig, |before, background| {
            if before == 1 {
                background.ask(|_| panic!("a bug, planted")).unwrap_or(());
            }
            ControlFlow::Continue(())
        });
        assert!(matches!(end, Err(CommandError::SessionFailed(_))), "{end:?}");
        assert_eq!((pauses.len(), rig.pending()), (2, 1));
    }
}
