//! Opening a wallet for a command: the network, the files, the key, and the first look at a miner.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use client::data_directory::data_home;
use client::joining::{JoinError, JoinNews, JoinOrder};
use client::membership::{Joined, join};
use rand::SeedableRng;
use rand::rngs::StdRng;
use show::streams::note;
use wallet::keystore::{self, KeyFile, KeystoreError, Stretching};
use wallet::seed::Seed;
use wallet::session::{Session, SessionOrder, WalletEvent};
use wallet::wallet_directory::WalletDirectory;
use zeroize::Zeroizing;

use crate::cli::{WalletCommand, WalletOptions};
use crate::passphrase::PassphraseSource;

use super::CommandError;

/// How long a single command waits for a bootstrap node or a miner.
const SINGLE_WAIT: Duration = Duration::from_secs(8);

/// Longest wait of a single command for a miner that goes on sending headers: enough for all that
/// are ever kept, and an end where one sends them drop by drop.
const CATCHING_UP_MAX: Duration = Duration::from_secs(600);

/// How long to wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Some seconds, then it is an error: for commands that do one thing.
    Seconds,
    /// As long as it takes, saying so: for the shell.
    Endless,
}

/// The network that the wallet is on, and its directory.
pub(crate) fn joined(options: &WalletOptions, patience: Patience) -> Result<Joined, CommandError> {
    // A directory that is named needs no home.
    let home = match options.data_dir {
        Some(_) => PathBuf::new(),
        None => data_home().map_err(JoinError::from)?,
    };
    let order = JoinOrder {
        name: options.name.clone(),
        bootstraps: options.bootstraps.clone(),
        home,
        data_dir: options.data_dir.clone(),
        genesis: options.genesis,
    };
    let until = Instant::now() + SINGLE_WAIT;
    let mut tell = |event| match event {
        JoinNews::WithoutSpec { directory } => note(&format!(
            "{} holds money or a chain and no sound spec.toml: put back that of another node of \
             the network",
            directory.display()
        )),
        JoinNews::Waiting { bootstraps } => {
            note(&format!(
                "waiting for the bootstrap node at {bootstraps}: start one with `lode bootstrap`, \
                 or say where it is with --bootstrap"
            ));
        }
        JoinNews::WithoutBootstrap { bootstraps, .. } => {
            note(&format!("no bootstrap node answers at {bootstraps}: going on without"));
        }
    };
    let mut pause = |pause| {
        if patience == Patience::Seconds && Instant::now() >= until {
            return ControlFlow::Break(());
        }
        std::thread::sleep(pause);
        ControlFlow::Continue(())
    };
    join(&order, &mut tell, &mut pause).map_err(|error| match error {
        JoinError::Interrupted => CommandError::Unreachable(format!(
            "no bootstrap node answers at {}: start one with `lode bootstrap`, or say where it is \
             with --bootstrap ADDR:PORT",
            order.bootstraps.join(", ")
        )),
        other => other.into(),
    })
}

/// The wallet, made when there is none yet. Nobody was talked to about it.
pub(crate) fn opened(options: &WalletOptions, patience: Patience) -> Result<Session, CommandError> {
    let joined = joined(options, patience)?;
    let files = open_files(&joined)?;
    match keystore::load(&files) {
        Ok(key_file) => begin(options, joined, files, key_file, None),
        Err(KeystoreError::Missing { .. }) if !may_create(options) => Err(missing(options)),
        Err(KeystoreError::Missing { .. }) => {
            let seed =
                Seed::generate().map_err(|error| KeystoreError::Encryption(error.to_string()))?;
            created(options, joined, files, &seed, true)
        }
        Err(error) => Err(error.into()),
    }
}

/// The wallet's files, locked; what a killed process left there is removed and said.
pub(super) fn open_files(joined: &Joined) -> Result<WalletDirectory, CommandError> {
    let files = WalletDirectory::open(&joined.directory)?;
    for path in &files.swept {
        note(&format!("removed {}: a killed process was writing it", path.display()));
    }
    Ok(files)
}

/// Whether a wallet may be made where there is none: not for a question of a program, which may
/// have the name wrong and would get a new wallet with coins of the faucet. A passphrase that is
/// given says that one is wanted.
fn may_create(options: &WalletOptions) -> bool {
    let begins_a_wallet =
        matches!(options.command, None | Some(WalletCommand::Send(_) | WalletCommand::Receive));
    begins_a_wallet || options.passphrase_file.is_some() || io::stdin().is_terminal()
}

/// There is no wallet, and none is made.
pub(super) fn missing(options: &WalletOptions) -> CommandError {
    let name = &options.name;
    CommandError::Refused(format!(
        "there is no wallet {name} yet: check the name, or make it with `lode wallet {name} receive`"
    ))
}

/// A new wallet of `seed`. One that is restored may have a history.
pub(crate) fn created(
    options: &WalletOptions,
    joined: Joined,
    files: WalletDirectory,
    seed: &Seed,
    is_fresh: bool,
) -> Result<Session, CommandError> {
    let name = &options.name;
    let source = PassphraseSource::of_flag(options.passphrase_file.as_ref());
    let passphrase = source.new_one(name)?;
    if passphrase.is_none() {
        note(&format!("{name} gets no passphrase: there is no terminal to ask for one"));
    }
    let passphrase = passphrase.unwrap_or_default();
    let network = &joined.network;
    let key_file = keystore::create(&files, network, seed, &passphrase, Stretching::DEFAULT)?;
    note(&format!(
        "new wallet {name} in {}; `lode wallet {name} words` shows the words that restore it",
        joined.directory.display()
    ));
    begin(options, joined, files, key_file, Some((passphrase, is_fresh)))
}

fn begin(
    options: &WalletOptions,
    joined: Joined,
    files: WalletDirectory,
    key_file: KeyFile,
    created: Option<(Zeroizing<String>, bool)>,
) -> Result<Session, CommandError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| KeystoreError::Encryption(error.to_string()))?;
    let is_protected = key_file.is_protected;
    let order = SessionOrder {
        name: options.name.clone(),
        bootstraps: options.bootstraps.clone(),
        network: joined.network,
        files,
        key_file,
        is_new: created.as_ref().is_some_and(|(_, is_fresh)| *is_fresh),
        rng: StdRng::from_seed(seed),
    };
    let mut session = Session::open(order, Instant::now())?;
    // What was found missing or cut, before anything is done.
    session.take_events().iter().for_each(|event| note(&event.to_string()));
    match created {
        Some((passphrase, _)) => session.unlock(&passphrase)?,
        None if shares_input(options) => {
            // The first line goes before all others, whether it is needed or not: read later, it
            // would be taken for a command.
            let first = PassphraseSource::StandardInput.existing(&options.name)?;
            session.unlock(if is_protected { &first } else { "" })?;
        }
        None if !is_protected => session.unlock("")?,
        None => {}
    }
    Ok(session)
}

/// Whether passphrase and commands come out of one pipe.
fn shares_input(options: &WalletOptions) -> bool {
    let source = PassphraseSource::of_flag(options.passphrase_file.as_ref());
    options.command.is_none() && source == PassphraseSource::StandardInput
}

/// How long a single command waits for a miner.
#[derive(Debug)]
struct SingleWait {
    begun: Instant,
    until: Instant,
}

impl SingleWait {
    fn new(now: Instant) -> Self {
        Self { begun: now, until: now + SINGLE_WAIT }
    }

    /// Whether it has been long enough. A first start may have many headers to read, and waits on
    /// while more come; blocks that are found meanwhile are no reason to.
    fn is_over(&mut self, now: Instant, is_catching_up: bool) -> bool {
        if is_catching_up {
            self.until = (now + SINGLE_WAIT).min(self.begun + CATCHING_UP_MAX);
        }
        now >= self.until
    }
}

/// The wallet, with a miner's history read. What happens meanwhile goes to standard error.
pub(crate) fn synced(options: &WalletOptions) -> Result<Session, CommandError> {
    let mut session = opened(options, Patience::Seconds)?;
    let mut reason = String::new();
    let mut wait = SingleWait::new(Instant::now());
    loop {
        session.poll(Instant::now());
        for event in session.take_events() {
            match event {
                WalletEvent::Waiting { reason: told } => reason = told,
                // A command that does one thing needs not say how it is done.
                WalletEvent::Connected { .. } | WalletEvent::Named { .. } => {}
                other => note(&other.to_string()),
            }
        }
        if session.is_synced() || session.standing().promised.is_some() {
            return Ok(session);
        }
        let is_catching_up = session.is_catching_up();
        if wait.is_over(Instant::now(), is_catching_up) {
            return Err(CommandError::Unreachable(if is_catching_up {
                let height = session.wallet().headers().tip().height;
                format!("headers are read up to height {height}, and there are more: try again")
            } else {
                format!(
                    "no miner answers ({reason}): start one with `lode miner NAME PORT`, or try \
                     again"
                )
            }));
        }
        std::thread::sleep(session.next_poll(Instant::now()));
    }
}

/// Asks for the passphrase if signing needs it.
pub(crate) fn unlock(options: &WalletOptions, session: &mut Session) -> Result<(), CommandError> {
    if session.is_locked() {
        let source = PassphraseSource::of_flag(options.passphrase_file.as_ref());
        session.unlock(&source.existing(&options.name)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_single_command_ends_whatever_it_reads(
            looks in prop::collection::vec((1u64..4_000, prop::bool::weighted(0.8)), 2_000),
        ) {
            let begun = Instant::now();
            let mut wait = SingleWait::new(begun);
            let (mut now, mut end) = (begun, begun + SINGLE_WAIT);
            for (step_ms, is_catching_up) in looks {
                prop_assert!(now < end, "it went on");
                now += Duration::from_millis(step_ms);
                if is_catching_up {
                    end = now + SINGLE_WAIT;
                }
                end = end.min(begun + CATCHING_UP_MAX);
                if wait.is_over(now, is_catching_up) {
                    prop_assert!(now >= end, "it gave up");
                    return Ok(());
                }
            }
            prop_assert!(false, "it never ended");
        }
    }
}
