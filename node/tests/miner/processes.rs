//! Processes under test: each home has data of its own, and whatever runs is killed with it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use testkit::{HeldPort, PATIENCE, poll_until};

/// Waits until `holds`.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    poll_until(what, PATIENCE, || holds().then_some(()));
}

/// Where the system chooses the port.
pub const ANYWHERE: &str = "127.0.0.1:0";

/// A place for data, and the programs that use it.
pub struct Home {
    data: tempfile::TempDir,
    bootstrap: HeldPort,
}

impl Home {
    pub fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap(), bootstrap: HeldPort::any() }
    }

    /// Where the bootstrap node of this home listens, each time that it runs.
    pub fn bootstrap_address(&self) -> SocketAddr {
        self.bootstrap.address()
    }

    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lode"));
        command.args(arguments.split_whitespace());
        // Passes of devnets lie where temporary files do; others may run here.
        command.env("XDG_DATA_HOME", self.data.path()).env("TMPDIR", self.data.path());
        command.env_remove("LODE_BOOTSTRAP");
        command
    }

    /// Runs `lode` to its end: exit code, standard output, standard error.
    pub fn lode(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Asks the node at `address`; `Null` when it does not answer.
    pub fn ask(&self, address: &str, question: &str) -> Value {
        let (code, out, _) = self.lode(&format!("{question} --node {address} --json"));
        if code == 0 { serde_json::from_str(&out).unwrap() } else { Value::Null }
    }

    pub fn stop(&self, address: &str) {
        let (code, _, err) = self.lode(&format!("stop --node {address}"));
        assert_eq!(code, 0, "{err}");
    }

    /// The bootstrap node: it goes on with the network of this home, or makes it.
    pub fn bootstrap(&self) -> Running {
        self.bootstrap_at(&self.bootstrap_address().to_string(), "--difficulty 8")
    }

    /// A bootstrap node with a directory of its own, outside the usual place.
    pub fn bootstrap_in(&self, folder: &str, address: &str, flags: &str) -> Running {
        let directory = self.folder(folder);
        self.bootstrap_at(address, &format!("--data-dir {} {flags}", directory.display()))
    }

    /// A folder outside the usual place.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    fn bootstrap_at(&self, address: &str, flags: &str) -> Running {
        let mut running = self.start(&format!("bootstrap --listen {address} --json {flags}"));
        running.ready();
        running
    }

    /// A miner that asks the bootstrap node of this home.
    pub fn miner(&self, name: &str, flags: &str) -> Running {
        self.miner_at(name, ANYWHERE, flags)
    }

    pub fn miner_at(&self, name: &str, address: &str, flags: &str) -> Running {
        self.miner_of(&self.bootstrap_address().to_string(), name, address, flags)
    }

    /// A miner that asks another bootstrap node.
    pub fn miner_of(&self, bootstrap: &str, name: &str, address: &str, flags: &str) -> Running {
        self.start(&format!(
            "miner {name} --listen {address} --bootstrap {bootstrap} --json {flags}"
        ))
    }

    pub fn start(&self, arguments: &str) -> Running {
        Running::of(self.command(arguments))
    }

    /// The data directory of `name` on the only network that it joined.
    pub fn data_of(&self, name: &str) -> PathBuf {
        let networks = std::fs::read_dir(self.data.path().join("lode")).unwrap();
        let mut found = networks.map(|network| network.unwrap().path().join(name));
        found.find(|path| path.is_dir()).unwrap()
    }
}

/// A program that runs; killed when it is dropped.
pub struct Running {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
    ready: Option<Value>,
    errors: Arc<Mutex<String>>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Running {
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let errors = Arc::new(Mutex::new(String::new()));
        let (mut told, kept) = (child.stderr.take().unwrap(), Arc::clone(&errors));
        let listener = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = told.read(&mut bytes) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, out: Some(out), ready: None, errors, listener: Some(listener) }
    }

    /// Its number in the operating system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line, when it is there. What comes after it is read and left alone.
    pub fn ready(&mut self) -> Value {
        if let Some(ready) = &self.ready {
            return ready.clone();
        }
        let mut out = self.out.take().unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{line:?}: {error}; {}", self.errors()));
        assert_eq!(ready["event"], "ready");
        self.ready = Some(ready.clone());
        ready
    }

    /// Where it listens.
    pub fn address(&mut self) -> String {
        self.ready()["address"].as_str().unwrap().to_owned()
    }

    /// Standard error so far.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// The exit code of a program that ends by itself.
    pub fn end(&mut self) -> i32 {
        let mut code = None;
        until("the program ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        // Nothing of what it said is missing then.
        self.listener.take().unwrap().join().unwrap();
        code.and_then(|status| status.code()).unwrap()
    }

    /// As SIGKILL does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let process = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &process]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
