//! The interactive shell: commands typed at a prompt, events printed above it.
//!
//! The session lives on its own thread and is asked; this one types and prints. With input that is
//! no terminal there is no prompt and no banner, and events go to standard error.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use chain::hash::Txid;
use show::ids;
use show::streams::{note, print_line};
use wallet::session::{Receiver as Payee, ReceiverError, Session, WalletEvent};

use crate::background::Background;
use crate::cli::{ContactChange, FeeChoice, SendOptions, WalletOptions, fee};
use crate::commands::opening::{self, Patience};
use crate::commands::{
    CommandError, Ordered, balance, coins, contacts, history, miners, receive, send, show,
    show_paid,
};
use crate::passphrase::PassphraseSource;
use input::{Answer, Input};
use send_line::SendLine;

mod auto;
mod input;
mod send_line;

/// What can be typed.
const HELP: &str = "\
send [RECEIVER AMOUNT [FEE]]    pay a name or an address; asks for what is left away; --fee FEE
                                does as well; --yes pays also who looks like somebody you know,
                                --id TEXT pays once, however often it is repeated
balance                         what you have
history                         every transaction that touched this wallet
receive                         the address to be paid at next
coins                           the coins behind the balance
contacts                        whom names mean; contacts add NAME ADDRESS, contacts remove NAME
miners                          the miners that the directory lists
help                            this
exit                            leave (Ctrl-D and Ctrl-C do, too)";

/// The words that begin a line, for completion.
const COMMANDS: [&str; 10] = [
    "send", "balance", "history", "receive", "coins", "contacts", "miners", "help", "exit", "quit",
];

/// How long the first look at a miner may take before the prompt comes anyway.
const FIRST_LOOK: Duration = Duration::from_millis(1500);

/// The same for input that is no terminal: nobody watches, and the first line may need a balance.
const FIRST_LOOK_PIPED: Duration = Duration::from_secs(8);

/// Lines on their way to the screen.
const LINES_MAX: usize = 64;

/// Whether the shell goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Prompt,
    Leave,
}

/// Runs the shell until `exit`, Ctrl-C, Ctrl-D or the end of the input.
///
/// # Errors
/// [`CommandError`] for what keeps the shell from beginning; what fails later is told in it.
pub fn run(options: &WalletOptions) -> Result<(), CommandError> {
    let is_terminal = Input::is_terminal();
    let mut session = opening::opened(options, Patience::Endless)?;
    if options.auto {
        opening::unlock(options, &mut session)?;
    }
    first_look(&mut session, if is_terminal { FIRST_LOOK } else { FIRST_LOOK_PIPED });
    if is_terminal && !options.json {
        print_line(&banner(&session))?;
    }
    session.take_events().iter().for_each(|event| note(&event.to_string()));
    let mut input = if is_terminal { Input::terminal(&session)? } else { Input::piped() };
    let (background, events) = Background::start(session);
    let lines = start_printer(&mut input, events)?;
    if options.auto && !is_terminal {
        return auto::pay_for_ever(&background, options, &lines);
    }
    if options.auto {
        let (payer, options, lines) = (background.clone(), options.clone(), lines.clone());
        thread::spawn(move || auto::pay_for_ever(&payer, &options, &lines));
    }
    let mut shell = Shell { options, background, input };
    let prompt = format!("{}> ", options.name);
    while let Answer::Line(line) = shell.input.ask_command(&prompt)? {
        match shell.obey(&line) {
            Ok(Next::Prompt) => {}
            Ok(Next::Leave) => break,
            // Whoever reads nothing must not go on paying.
            Err(error @ (CommandError::SessionFailed(_) | CommandError::PaidNotShown { .. })) => {
                return Err(error);
            }
            Err(CommandError::Interrupted) => {}
            Err(error) => note(&format!("lode: {error}")),
        }
    }
    shell.input.keep_history();
    Ok(())
}

/// Polls until a miner was looked at, or the time is over.
fn first_look(session: &mut Session, patience: Duration) {
    let until = Instant::now() + patience;
    loop {
        session.poll(Instant::now());
        let wait = session.next_poll(Instant::now());
        if session.is_synced() || Instant::now() + wait >= until {
            return;
        }
        thread::sleep(wait);
    }
}

fn banner(session: &Session) -> String {
    let spec = &session.network().spec;
    format!(
        "{} on {} (genesis {})\naddress  {}\nbalance  {}\n`help` lists the commands",
        session.name(),
        spec.coin_name,
        ids::genesis(&session.network().genesis_hash()),
        session.standing().address,
        balance::line(session),
    )
}

/// Everything that is told unasked goes through one thread, so that lines never mix.
fn start_printer(
    input: &mut Input,
    events: Receiver<WalletEvent>,
) -> Result<SyncSender<String>, CommandError> {
    let print = input.printer()?;
    let (lines, waiting) = sync_channel::<String>(LINES_MAX);
    let told = lines.clone();
    thread::spawn(move || {
        let mut lines = events.into_iter().map(|event| event.to_string());
        lines.try_for_each(|line| told.send(line))
    });
    thread::spawn(move || waiting.into_iter().for_each(print));
    Ok(lines)
}

struct Shell<'a> {
    options: &'a WalletOptions,
    background: Background,
    input: Input,
}

impl Shell<'_> {
    fn obey(&mut self, line: &str) -> Result<Next, CommandError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let options = self.options;
        match words.as_slice() {
            [] => {}
            ["exit" | "quit"] => return Ok(Next::Leave),
            ["help"] => print_line(HELP)?,
            ["balance"] => {
                show(options, &self.background.ask(|session| balance::report(session))?)?
            }
            ["history"] => {
                show(options, &self.background.ask(|session| history::report(session))?)?
            }
            ["receive"] => {
                show(options, &self.background.ask(|session| receive::report(session))?)?
            }
            ["coins"] => show(options, &self.background.ask(|session| coins::report(session))?)?,
            ["miners"] => show(options, &self.background.ask(miners::report)??)?,
            ["contacts"] => self.contacts(None)?,
            ["contacts", "add", name, address] => {
                let (name, address) = ((*name).to_owned(), (*address).to_owned());
                self.contacts(Some(ContactChange::Add { name, address }))?;
            }
            ["contacts", "remove", name] => {
                self.contacts(Some(ContactChange::Remove { name: (*name).to_owned() }))?;
            }
            ["send", rest @ ..] => return self.send(rest),
            [first, ..] if COMMANDS.contains(first) => {
                let reason = format!("{first} is not used like that: `help` shows how");
                return Err(CommandError::Usage(reason));
            }
            // What it was is not repeated: it may be a secret that went astray.
            _ => {
                let reason = "this line begins with no command: `help` lists them";
                return Err(CommandError::Usage(reason.to_owned()));
            }
        }
        Ok(Next::Prompt)
    }

    fn contacts(&mut self, wanted: Option<ContactChange>) -> Result<(), CommandError> {
        let report = self.background.ask(move |session| {
            if let Some(wanted) = wanted {
                contacts::change(session, &wanted)?;
            }
            Ok::<_, CommandError>(contacts::report(session))
        })??;
        show(self.options, &report)
    }

    fn send(&mut self, words: &[&str]) -> Result<Next, CommandError> {
        let Some((order, receiver)) = self.order(SendLine::of(words)?)? else {
            return Ok(Next::Prompt);
        };
        self.unlock()?;
        let Paid { txid, report, checked } =
            self.background.ask(move |session| pay(session, &order, &receiver))??;
        show_paid(self.options, txid, Ordered::ByLine, &report)?;
        checked?;
        self.background.ask(move |session| session.note_told(txid))?;
        Ok(Next::Prompt)
    }

    /// Asks for whatever was left away, one by one, and looks at each answer before the next
    /// question; `None` when Ctrl-C or Ctrl-D says that nothing shall be paid.
    fn order(&mut self, line: SendLine) -> Result<Option<(SendOptions, Payee)>, CommandError> {
        let (is_complete, yes) = (line.amount.is_some(), line.yes);
        let Some(receiver) = self.given_or_asked(line.receiver, "Receiver: ")? else {
            return Ok(None);
        };
        if receiver.is_empty() {
            return Err(CommandError::Usage("nobody is named, so nobody is paid".to_owned()));
        }
        let Some(payee) = self.payee(&receiver, yes)? else {
            return Ok(None);
        };
        let Some(amount) = self.given_or_asked(line.amount, "Amount: ")? else {
            return Ok(None);
        };
        let amount = amount.parse().map_err(|error| CommandError::Usage(format!("{error}")))?;
        self.background.ask(move |session| session.check_amount(amount))??;
        let given = line.fee.or_else(|| is_complete.then(String::new));
        let Some(typed) = self.given_or_asked(given, "Fee (Enter for auto): ")? else {
            return Ok(None);
        };
        let fee = if typed.is_empty() { Ok(FeeChoice::Auto) } else { fee(&typed) };
        let fee = fee.map_err(CommandError::Usage)?;
        let id = line.id;
        let (explain, wait) = (false, false);
        Ok(Some((SendOptions { receiver, amount, fee, id, yes, explain, wait }, payee)))
    }

    /// Looks who is meant by `named`, and asks about a look-alike where somebody can answer; `None`
    /// when nobody shall be paid. The directory is not asked again before the payment: whatever
    /// it says then, a yes was to this key.
    fn payee(&mut self, named: &str, yes: bool) -> Result<Option<Payee>, CommandError> {
        let owned = named.to_owned();
        let (payee, checked) = self.background.ask(move |session| {
            let payee = session.receiver_meant(&owned)?;
            let checked = session.refuse_look_alike(&payee);
            Ok::<_, ReceiverError>((payee, checked))
        })??;
        let Err(error) = checked else {
            return Ok(Some(payee));
        };
        if yes {
            return Ok(Some(payee));
        }
        if !self.input.can_answer() {
            return Err(error.into());
        }
        note(&format!("lode: {error}"));
        match self.input.ask(send::IS_MEANT)? {
            Answer::Line(answer) if send::is_yes(&answer) => Ok(Some(payee)),
            Answer::Line(_) | Answer::Interrupted | Answer::End => Ok(None),
        }
    }

    fn given_or_asked(
        &mut self,
        given: Option<String>,
        question: &str,
    ) -> Result<Option<String>, CommandError> {
        if given.is_some() {
            return Ok(given);
        }
        Ok(match self.input.ask(question)? {
            Answer::Line(line) => Some(line.trim().to_owned()),
            Answer::Interrupted | Answer::End => None,
        })
    }

    fn unlock(&mut self) -> Result<(), CommandError> {
        if self.background.ask(|session| session.is_locked())? {
            let source = PassphraseSource::of_flag(self.options.passphrase_file.as_ref());
            let passphrase = source.existing(&self.options.name)?;
            self.background.ask(move |session| session.unlock(&passphrase))??;
        }
        Ok(())
    }
}

/// A payment that was made.
struct Paid {
    txid: Txid,
    report: send::SendReport,
    /// Whether the miner took it.
    checked: Result<(), CommandError>,
}

/// Pays on the session's thread.
fn pay(session: &mut Session, order: &SendOptions, payee: &Payee) -> Result<Paid, CommandError> {
    let made = match send::resumed(session, order, payee)? {
        Some(made) => made,
        None => send::pay_new(session, order, payee)?,
    };
    let report = send::report(session, payee, &made, order.explain);
    Ok(Paid { txid: made.payment.txid, report, checked: send::check(&made) })
}

#[cfg(test)]
mod tests;
