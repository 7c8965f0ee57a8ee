//! `Target`: the node that is attacked, its process and its log.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use chain::genesis::Network;
use client::data_directory::pinned_network;
use server::operator::pass::Pass;
use tempfile::TempDir;

/// How long a node that was started may take until it can be asked.
const START_MAX: Duration = Duration::from_secs(30);

/// Leading zero bits of the network that is started: an attacker mines a block in a moment.
const DIFFICULTY: &str = "8";

/// The node that is attacked.
pub(crate) struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its network.
    pub network: Arc<Network>,
    /// Where whoever runs it asks it.
    pub pass: Pass,
    /// Where it writes its log, if one may know.
    log: Option<PathBuf>,
    /// Of the node that was started here, until it is ended.
    started: Mutex<Option<Started>>,
    pid: u32,
}

struct Started {
    child: Child,
    _home: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may be gone already; either way nothing of it is wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Target {
    /// A node that runs already.
    pub(crate) fn running(
        address: SocketAddr,
        directory: &Path,
        log: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let network = Arc::new(pinned_network(directory)?);
        let pass = Pass::read(directory).context("no node runs there")?;
        let pid = pass.pid;
        Ok(Self { address, network, pass, log, started: Mutex::new(None), pid })
    }

    /// A bootstrap node of its own, in a directory of its own.
    pub(crate) fn start(program: Option<PathBuf>) -> anyhow::Result<Self> {
        let program = program.map_or_else(built_beside, Ok)?;
        let home = TempDir::new()?;
        let (directory, log) = (home.path().join("node"), home.path().join("log"));
        let file = File::create(&log)?;
        let child = Command::new(&program)
            .args(["bootstrap", "--listen", "127.0.0.1:0", "--difficulty", DIFFICULTY])
            .args(["--retarget", "fixed", "--json", "--data-dir"])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let started = Started { child, _home: home };
        let begun = Instant::now();
        let pass = loop {
            match Pass::read(&directory) {
                Ok(pass) => break pass,
                Err(_) if begun.elapsed() < START_MAX => thread::sleep(Duration::from_millis(20)),
                Err(error) => {
                    anyhow::bail!("the node is not up: {error}\n{}", fs::read_to_string(&log)?)
                }
            }
        };
        let network = Arc::new(pinned_network(&directory)?);
        let address = pass.address;
        let (log, pid) = (Some(log), started.child.id());
        Ok(Self { address, network, pass, log, started: Mutex::new(Some(started)), pid })
    }

    /// Ends the node if it was started here, though attackers still hold on to it.
    pub(crate) fn end(&self) {
        drop(self.started.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Bytes of memory that its process holds now.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))
            .context("the node is gone, or this is no Linux")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|rest| rest.split_whitespace().next());
        let kibibytes: u64 = kibibytes.context("no VmRSS: the node has ended")?.parse()?;
        Ok(kibibytes << 10)
    }

    /// Lines of its log so far; none where one may not know.
    pub(crate) fn log_lines(&self) -> anyhow::Result<usize> {
        let Some(log) = &self.log else { return Ok(0) };
        Ok(fs::read_to_string(log)?.lines().count())
    }
}

/// The program `lode` of the same build: `target/release/lode` for an example of a release build.
fn built_beside() -> anyhow::Result<PathBuf> {
    let own = env::current_exe()?;
    let build = own.parent().and_then(Path::parent).context("an example lies in a build folder")?;
    let program = build.join(format!("lode{}", env::consts::EXE_SUFFIX));
    anyhow::ensure!(program.exists(), "{} is missing: run cargo build first", program.display());
    Ok(program)
}
