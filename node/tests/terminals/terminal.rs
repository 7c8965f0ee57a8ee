//! `Terminal`: a program behind a pseudo-terminal, and what a person in front of it would see.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use testkit::{PATIENCE, poll_until_ok};

/// As long as a screen can be: nothing scrolls out of sight.
const ROWS: u16 = 1000;
const COLUMNS: u16 = 160;

/// Between two attempts to get an answer that is still to come.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What has arrived from the program.
struct Screen {
    picture: vt100::Parser,
    closed: bool,
}

/// A program with a keyboard and a screen. Dropping it kills the program.
pub struct Terminal {
    name: String,
    keyboard: Box<dyn Write + Send>,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    child: Box<dyn Child + Send + Sync>,
    /// The program gets a hang-up when this is closed.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts `lode` with these words, its data under `home`.
    pub fn open(home: &Path, arguments: &str) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_lode"));
        command.args(arguments.split_whitespace());
        command.env("XDG_DATA_HOME", home);
        command.env("TERM", "xterm");
        command.env_remove("LODE_BOOTSTRAP");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let screen = Screen { picture: vt100::Parser::new(ROWS, COLUMNS, 0), closed: false };
        let screen = Arc::new((Mutex::new(screen), Condvar::new()));
        let shared = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let read = output.read(&mut bytes).unwrap_or(0);
                let mut screen = shared.0.lock().unwrap();
                screen.picture.process(&bytes[..read]);
                screen.closed = read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        let keyboard = pair.master.take_writer().unwrap();
        let name = arguments.to_owned();
        Self { name, keyboard, screen, child, _master: pair.master }
    }

    /// Types a line and Enter.
    pub fn type_line(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Presses keys; `\u{3}` is Ctrl-C, `\u{4}` Ctrl-D.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Everything on the screen.
    pub fn shown(&self) -> String {
        self.screen.0.lock().unwrap().picture.screen().contents()
    }

    /// Waits until `look` finds what it looks for on the screen.
    ///
    /// # Panics
    /// After [`PATIENCE`], or when the program ends without showing it; with the screen.
    pub fn wait_until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        self.look_within(PATIENCE, look).unwrap_or_else(|| {
            let (name, shown) = (&self.name, self.shown());
            panic!("`lode {name}` did not show {what} within {PATIENCE:?}; its screen:\n{shown}")
        })
    }

    /// What `look` finds on the screen; `None` after `patience` or at the program's end.
    fn look_within<T>(&self, patience: Duration, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut screen = self.screen.0.lock().unwrap();
        loop {
            let found = look(&screen.picture.screen().contents());
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || left.is_zero() || screen.closed {
                return found;
            }
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }

    /// Waits until the screen shows `text` somewhere.
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?}"), |shown| shown.contains(text).then_some(()));
    }

    /// Types a line and waits for `answer` below it.
    pub fn ask(&mut self, line: &str, answer: &str) {
        self.ask_until(line, &format!("{answer:?}"), |below| below.contains(answer).then_some(()));
    }

    /// Types a line again and again until `answer` stands below it.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the screen.
    pub fn ask_again(&mut self, line: &str, answer: &str) {
        poll_until_ok(&format!("{answer:?} below {line:?}"), PATIENCE, || {
            let before = self.shown().trim_end().len();
            self.type_line(line);
            let found = self.look_within(ASK_AGAIN, |shown| {
                shown.get(before..).is_some_and(|below| below.contains(answer)).then_some(())
            });
            found.ok_or_else(|| self.shown())
        });
    }

    /// Types a line and waits until `look` finds what it looks for below it.
    pub fn ask_until<T>(&mut self, line: &str, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let before = self.shown().trim_end().len();
        self.type_line(line);
        self.wait_until(what, |shown| look(shown.get(before..).unwrap_or("")))
    }

    /// Waits for the end of the program and returns its exit code.
    pub fn exit_code(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }

    /// Kills the program as nobody can prevent.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    /// Types a line; says whether `look` found what it looks for before the program ended.
    pub fn obeys(&mut self, line: &str, look: impl Fn(&str) -> bool) -> bool {
        // Nobody reads the keyboard of a program that was killed.
        let _ = self.keyboard.write_all(format!("{line}\r").as_bytes());
        self.look_within(PATIENCE, |shown| look(shown).then_some(())).is_some()
    }

    /// The number of the program's process.
    pub fn process(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let process = self.process().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &process]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
