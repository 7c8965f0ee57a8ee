//! `Keyboard`: `lode` behind a pseudo-terminal whose modes can be looked at, also after its end.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use testkit::{PATIENCE, poll_until, poll_until_ok};

pub const CTRL_C: &str = "\u{3}";
pub const CTRL_D: &str = "\u{4}";

/// The program that is tested.
pub const LODE: &str = env!("CARGO_BIN_EXE_lode");

/// A program with a keyboard. Dropping it kills the program.
pub struct Keyboard {
    keys: Box<dyn Write + Send>,
    /// Everything that the program wrote.
    written: Arc<(Mutex<String>, Condvar)>,
    /// Where in it the answer to what was pressed last begins, or what was waited for last ends.
    seen: usize,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    modes_before: String,
    /// The system forgets the modes when the last user of this side is gone.
    slave: Option<Box<dyn SlavePty + Send>>,
    reader: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Starts `lode` with these words.
    pub fn open(arguments: &str) -> Self {
        let mut command = CommandBuilder::new(LODE);
        command.args(arguments.split_whitespace());
        Self::start(command)
    }

    /// Starts the system's own shell: it obeys whatever the programs in it leave unread.
    pub fn open_shell() -> Self {
        let mut command = CommandBuilder::new("/bin/sh");
        command.env("PS1", "$ ");
        command.env_remove("ENV");
        Self::start(command)
    }

    fn start(mut command: CommandBuilder) -> Self {
        let size = PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let modes_before = modes_of(&*pair.master);
        command.env("TERM", "xterm");
        command.env_remove("LODE_BOOTSTRAP");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let written = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let shared = Arc::clone(&written);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                // What these programs write here is ASCII.
                shared.0.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
                shared.1.notify_all();
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let (master, slave, reader) = (pair.master, Some(pair.slave), Some(reader));
        Self { keys, written, seen: 0, child, master, modes_before, slave, reader }
    }

    /// Presses keys; what was written before is not waited for any more.
    pub fn press(&mut self, keys: &str) {
        self.seen = self.written.0.lock().unwrap().len();
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for a question and answers it.
    pub fn answer(&mut self, question: &str, keys: &str) {
        self.wait_for(question);
        self.press(keys);
    }

    /// Waits until the program writes `text`, after the keys that were pressed last.
    ///
    /// # Panics
    /// When it does not come; with what came.
    pub fn wait_for(&mut self, text: &str) {
        let seen = self.seen;
        let written = self.written.0.lock().unwrap();
        let is_missing = |written: &mut String| !written[seen..].contains(text);
        let (written, waited) =
            self.written.1.wait_timeout_while(written, PATIENCE, is_missing).unwrap();
        assert!(!waited.timed_out(), "no {text:?} in {:?} of {written}", &written[seen..]);
        self.seen = seen + written[seen..].find(text).unwrap() + text.len();
    }

    /// Everything that the program wrote.
    pub fn shown(&self) -> String {
        self.written.0.lock().unwrap().clone()
    }

    /// The terminal's modes, in a form that can only be compared.
    pub fn modes(&self) -> String {
        modes_of(&*self.master)
    }

    /// Waits until the terminal has these modes.
    ///
    /// # Panics
    /// When it never has.
    pub fn wait_for_modes(&self, expected: &str) {
        poll_until_ok(expected, PATIENCE, || {
            let modes = self.modes();
            if modes == expected { Ok(()) } else { Err(modes) }
        });
    }

    /// Waits for the program's end: its exit code, or the signal that ended it.
    ///
    /// # Panics
    /// When it does not end, or the terminal's modes are not as they were before the program began.
    pub fn end(&mut self) -> Result<u32, String> {
        let status = poll_until("the program's end", PATIENCE, || self.child.try_wait().unwrap());
        assert_eq!(self.modes(), self.modes_before, "the terminal is left changed");
        // Without another user of the terminal the reader comes to an end.
        self.slave = None;
        self.reader.take().unwrap().join().unwrap();
        status.signal().map_or(Ok(status.exit_code()), |signal| Err(signal.to_owned()))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn modes_of(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}
