//! `docs/nine-terminals.sh`, run as it is: nine panes in tmux that find each other.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use testkit::{HeldPort, PATIENCE, poll_until, poll_until_ok};
use wallet::wallet_directory::WalletDirectory;

use crate::network::alone;

const MINERS: [&str; 3] = ["Miner1", "Miner2", "Miner3"];
const WALLETS: [&str; 5] = ["Adam", "Bob", "Conor", "David", "Evan"];
const SESSION: &str = "nine-terminals-under-test";

/// A tmux server of its own, with its socket, and the data of what runs in it. Dropping it ends all
/// of that and nothing else.
struct Tmux {
    home: TempDir,
    /// The bootstrap node's, and those of the miners behind it.
    ports: Vec<HeldPort>,
}

impl Tmux {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), ports: HeldPort::row(4) }
    }

    /// A program that would find this server, and none that runs already.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("TMUX_TMPDIR", self.home.path()).env_remove("TMUX");
        command.env("SHELL", "/bin/sh").env_remove("LODE_BOOTSTRAP");
        command
    }

    fn run_script(&self) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/nine-terminals.sh");
        let mut command = self.command(script);
        command.env("LODE", env!("CARGO_BIN_EXE_lode")).env("DATA", self.home.path());
        command.env("SESSION", SESSION).env("PORT", self.ports[0].port.to_string());
        command.env("BOOTSTRAP_FLAGS", "--difficulty 10").output().unwrap()
    }

    /// What `tmux` answers.
    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.command("tmux").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until a pane shows `text`, wherever its lines are broken.
    fn wait_for(&self, pane: &str, text: &str) {
        poll_until_ok(&format!("{text:?} in pane {pane}"), PATIENCE, || {
            let shown = self.tmux(&["capture-pane", "-p", "-J", "-S", "-", "-t", pane]);
            if shown.contains(text) { Ok(()) } else { Err(shown) }
        });
    }

    /// Waits until the bootstrap node is connected with all three miners.
    fn wait_for_miners(&self) {
        let mut ask = self.command(env!("CARGO_BIN_EXE_lode"));
        ask.args(["miners", "--node", &self.ports[0].address().to_string()]);
        ask.env("XDG_DATA_HOME", self.home.path());
        poll_until_ok("all miners are connected", PATIENCE, || {
            let listed = String::from_utf8(ask.output().unwrap().stdout).unwrap();
            if MINERS.iter().all(|miner| listed.contains(miner)) { Ok(()) } else { Err(listed) }
        });
    }

    /// Opens what a wallet keeps, on the only network there is, when nobody else has it open.
    fn wallet(&self, name: &str) -> WalletDirectory {
        let mut networks = fs::read_dir(self.home.path().join("lode")).unwrap();
        let directory = networks.next().unwrap().unwrap().path().join(name);
        let what = format!("the wallet {name} is free");
        poll_until_ok(&what, PATIENCE, || WalletDirectory::open(&directory))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It ended by itself when its session did.
        let _ = self.command("tmux").arg("kill-server").output();
    }
}

/// Whether tmux is there. Where everything has to be tested, it must be.
fn tmux_is_missing() -> bool {
    let missing = Command::new("tmux").arg("-V").output().is_err();
    let must_be_there = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!missing || !must_be_there, "please install tmux: a test needs it");
    missing
}

#[test]
fn the_script_opens_nine_terminals_that_find_each_other_and_ends_them_with_their_window() {
    let _alone = alone();
    if tmux_is_missing() {
        eprintln!("not tested: there is no tmux here");
        return;
    }
    let tmux = Tmux::new();
    let output = tmux.run_script();
    assert!(output.status.success(), "{output:?}");
    let target = format!("={SESSION}");
    let panes = tmux.tmux(&["list-panes", "-s", "-t", &target, "-F", "#{pane_id}"]);
    let panes: Vec<&str> = panes.lines().collect();
    assert_eq!(panes.len(), 9);
    let [bootstrap, nodes_and_wallets @ ..] = panes.as_slice() else {
        panic!("there are nine");
    };
    tmux.wait_for(bootstrap, &format!("lode wallet Adam --bootstrap {}", tmux.ports[0].address()));
    for (pane, miner) in nodes_and_wallets.iter().zip(MINERS) {
        tmux.wait_for(pane, miner);
    }
    tmux.wait_for_miners();
    for pane in &nodes_and_wallets[3..] {
        tmux.wait_for(pane, "(Enter for none):");
        tmux.tmux(&["send-keys", "-t", pane, "Enter"]);
        tmux.wait_for(pane, "100.00000000 (pending, from the faucet)");
    }
    // It does not open them once more over the first ones.
    assert!(!tmux.run_script().status.success());

    tmux.tmux(&["kill-window", "-t", &target]);
    for name in WALLETS {
        drop(tmux.wallet(name));
    }
    let is_free = |held: &HeldPort| TcpListener::bind(held.address()).is_ok();
    poll_until("no node goes on without its terminal", PATIENCE, || {
        tmux.ports.iter().all(is_free).then_some(())
    });
}
