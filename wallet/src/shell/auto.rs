//! `--auto`: random payments until the program ends.

use std::sync::mpsc::SyncSender;
use std::thread;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::auto_payments::AutoPayments;
use crate::background::Background;
use crate::cli::{FeeChoice, SendOptions, WalletOptions};
use crate::commands::{CommandError, show};
use crate::keystore::KeystoreError;

/// Pays one of the known names after each pause. What cannot be paid is told and left out.
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
    let mut auto = AutoPayments::new(StdRng::from_seed(seed));
    loop {
        let pause = auto.next_pause();
        tell(lines, format!("next payment in {} s", pause.as_secs()));
        thread::sleep(pause);
        let known = background.ask(|session| {
            let available = session.standing().available;
            (session.payable_names(), available)
        })?;
        let (names, available) = known;
        let Some((name, amount, fee)) = auto.next_payment(&names, available) else {
            tell(lines, "nobody to pay yet, or too little to pay with".to_owned());
            continue;
        };
        let order = SendOptions {
            receiver: name.to_owned(),
            amount,
            fee: FeeChoice::Fixed(fee),
            explain: false,
            wait: false,
        };
        match background.ask(move |session| super::pay(session, &order))? {
            Ok((report, _)) if options.json => show(options, &report)?,
            Ok((report, Ok(()))) => tell(lines, report.to_string()),
            Ok((_, Err(error))) | Err(error) => tell(lines, format!("lode: {error}")),
        }
    }
}

/// Prints a line where the news are printed.
fn tell(lines: &SyncSender<String>, line: String) {
    // When nobody prints any more the program is about to end.
    let _ = lines.send(line);
}
