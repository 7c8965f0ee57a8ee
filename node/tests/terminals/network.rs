//! `Network`: a bootstrap node, miners and wallets, each in a terminal of its own.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{HeldPort, PATIENCE, poll_until_ok};

use crate::terminal::Terminal;

/// Easy blocks: a few thousandths of a second of work, so that waiting is for the rules alone.
pub const DIFFICULTY_BITS: u64 = 10;

/// Where a network's data lies, and on which ports its nodes listen.
pub struct Network {
    home: TempDir,
    bootstrap: HeldPort,
    miners: Vec<HeldPort>,
}

impl Network {
    /// A network of `miners` that nobody has started yet.
    pub fn new(miners: usize) -> Self {
        let miners = (0..miners).map(|_| HeldPort::any()).collect();
        Self { home: tempfile::tempdir().unwrap(), bootstrap: HeldPort::any(), miners }
    }

    /// Where every node and wallet keeps its data.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the bootstrap node listens.
    pub fn bootstrap_address(&self) -> String {
        self.bootstrap.address().to_string()
    }

    /// Where miner `number`, counted from 1, listens.
    pub fn miner_address(&self, number: usize) -> String {
        self.miners[number - 1].address().to_string()
    }

    /// Starts the bootstrap node in a terminal.
    pub fn bootstrap(&self) -> Terminal {
        self.bootstrap_with("")
    }

    /// Starts the bootstrap node in a terminal, with more flags.
    pub fn bootstrap_with(&self, flags: &str) -> Terminal {
        let listen = self.bootstrap_address();
        let numbers = format!("--difficulty {DIFFICULTY_BITS} --retarget fixed --spacing 1s");
        Terminal::open(self.home(), &format!("bootstrap --listen {listen} {numbers} {flags}"))
    }

    /// Starts miner `number` in a terminal.
    pub fn miner(&self, number: usize, flags: &str) -> Terminal {
        let port = self.miners[number - 1].port;
        let bootstrap = self.bootstrap_address();
        let miner = format!("miner Miner{number} {port} --bootstrap {bootstrap} --threads 1");
        Terminal::open(self.home(), &format!("{miner} {flags}"))
    }

    /// Opens a wallet's shell in a terminal. A wallet that is new asks for a passphrase.
    pub fn wallet(&self, name: &str) -> Terminal {
        let bootstrap = self.bootstrap_address();
        Terminal::open(self.home(), &format!("wallet {name} --bootstrap {bootstrap}"))
    }

    /// Opens a new wallet's shell, without a passphrase.
    pub fn new_wallet(&self, name: &str) -> Terminal {
        let mut wallet = self.wallet(name);
        wallet.wait_for("(Enter for none): ");
        wallet.type_line("");
        wallet.wait_for(&format!("{name}> "));
        wallet
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &str) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_lode"))
            .args(arguments.split_whitespace())
            .env("XDG_DATA_HOME", self.home())
            .env("LODE_BOOTSTRAP", self.bootstrap_address())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// A node's answer to a question; `None` while it gives none.
    pub fn ask(&self, question: &str, node: &str) -> Option<Value> {
        let (code, out, _) = self.run(&format!("{question} --node {node} --json"));
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    }

    /// Asks a node again and again until `look` finds what it looks for in the answer.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the last answer.
    pub fn ask_until<T>(
        &self,
        (question, node): (&str, &str),
        look: impl Fn(&Value) -> Option<T>,
    ) -> T {
        poll_until_ok(&format!("{question} of {node}"), PATIENCE, || {
            let answer = self.ask(question, node);
            answer.as_ref().and_then(&look).ok_or(format!("{answer:?}"))
        })
    }

    /// Waits until the node answers at all.
    pub fn wait_for_status(&self, node: &str) {
        self.ask_until(("status", node), |_| Some(()));
    }

    /// Waits until the node's best chain has this height.
    pub fn wait_for_height(&self, node: &str, height: u64) {
        self.ask_until(("status", node), |status| {
            (status["height"].as_u64()? >= height).then_some(())
        });
    }
}

/// Networks that run side by side would take each other's time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
