//! Lines typed on the terminal that nobody sees. The terminal is afterwards as it was before,
//! unless a signal from outside ends the program meanwhile. What was typed behind them is dropped:
//! it may be the rest of a secret that was pasted, and whoever reads next would show or obey it.

use std::io;

use zeroize::Zeroizing;

/// Why no line was typed.
#[derive(Debug, thiserror::Error)]
pub enum HiddenInputError {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-D.
    #[error("nothing was typed, so nothing was done")]
    End,
    /// There is no terminal, or it failed.
    #[error("cannot read from the terminal: {0}")]
    Io(io::Error),
}

/// Asks for a line and waits until it is typed.
///
/// # Errors
/// [`HiddenInputError`].
pub fn ask(prompt: &str) -> Result<Zeroizing<String>, HiddenInputError> {
    ask_on(prompt, &|_| None)
}

/// Asks for a line, and for further ones as long as `more` has another prompt for what was typed so
/// far. The lines come back with spaces between.
///
/// # Errors
/// [`HiddenInputError`].
pub fn ask_on(
    prompt: &str,
    more: &dyn Fn(&str) -> Option<String>,
) -> Result<Zeroizing<String>, HiddenInputError> {
    type_in(prompt, more).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => HiddenInputError::Interrupted,
        io::ErrorKind::UnexpectedEof => HiddenInputError::End,
        _ => HiddenInputError::Io(error),
    })
}

/// Asks by `ask` until there is enough.
fn gather(
    prompt: &str,
    more: &dyn Fn(&str) -> Option<String>,
    mut ask: impl FnMut(&str) -> io::Result<String>,
) -> io::Result<Zeroizing<String>> {
    let mut all = Zeroizing::new(ask(prompt)?);
    while let Some(prompt) = more(&all) {
        let line = Zeroizing::new(ask(&prompt)?);
        // Grown by hand, as a string that grows leaves its former self behind in memory.
        let mut longer = Zeroizing::new(String::with_capacity(all.len() + 1 + line.len()));
        longer.push_str(&all);
        longer.push(' ');
        longer.push_str(&line);
        all = longer;
    }
    Ok(all)
}

#[cfg(unix)]
fn type_in(prompt: &str, more: &dyn Fn(&str) -> Option<String>) -> io::Result<Zeroizing<String>> {
    keyboard::type_in(prompt, more)
}

#[cfg(not(unix))]
fn type_in(prompt: &str, more: &dyn Fn(&str) -> Option<String>) -> io::Result<Zeroizing<String>> {
    gather(prompt, more, |prompt| rpassword::prompt_password(prompt))
}

/// The keyboard of a Unix terminal. `rpassword` edits the line, but when it reads the terminal
/// itself it answers Ctrl-C with a signal that ends the program before the modes are set back.
#[cfg(unix)]
mod keyboard {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Read, Write};

    use rpassword::ConfigBuilder;
    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };
    use zeroize::Zeroizing;

    use super::gather;

    const CTRL_C: u8 = 3;

    /// How long nothing must come until a paste is over, in tenths of a second: it comes in one
    /// piece or in a few close behind each other, and nobody answers the next question so soon.
    const SILENCE_TENTHS: u8 = 1;

    /// Bytes that are dropped at most, far more than anybody pastes: input without end must not
    /// hold the program up for ever.
    const DROPPED_BYTES_MAX: usize = 1024 * 1024;

    pub(super) fn type_in(
        prompt: &str,
        more: &dyn Fn(&str) -> Option<String>,
    ) -> io::Result<Zeroizing<String>> {
        // Standard input and output may lead elsewhere.
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let quiet = Quiet::begin(terminal.try_clone()?)?;
        let ask = |prompt: &str| {
            let config = ConfigBuilder::new()
                .input_reader(Keyboard(terminal.try_clone()?))
                .output_writer(terminal.try_clone()?);
            let typed = rpassword::prompt_password_with_config(prompt, config.build());
            // Enter, Ctrl-C and Ctrl-D were not shown either.
            writeln!(&terminal)?;
            typed
        };
        let typed = gather(prompt, more, ask);
        let dropped = quiet.drop_what_follows();
        drop(quiet);
        dropped.and(typed)
    }

    /// A terminal that shows nothing and hands out every key. Dropping it sets the modes back, and
    /// drops what nobody has read.
    struct Quiet {
        terminal: File,
        before: Termios,
    }

    impl Quiet {
        fn begin(terminal: File) -> io::Result<Self> {
            let before = tcgetattr(&terminal)?;
            let mut modes = before.clone();
            modes.local_modes -=
                LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(&terminal, OptionalActions::Now, &modes)?;
            Ok(Self { terminal, before })
        }

        /// Reads until nothing more comes.
        fn drop_what_follows(&self) -> io::Result<()> {
            let mut modes = tcgetattr(&self.terminal)?;
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = SILENCE_TENTHS;
            tcsetattr(&self.terminal, OptionalActions::Now, &modes)?;
            let mut bytes = Zeroizing::new([0; 1024]);
            let mut dropped = 0;
            while dropped < DROPPED_BYTES_MAX {
                match (&self.terminal).read(bytes.as_mut_slice()) {
                    Ok(0) => break,
                    Ok(count) => dropped += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // A terminal that is gone has nothing more to say.
                    Err(_) => break,
                }
            }
            Ok(())
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            // With the modes goes what came in the last moment. A terminal that is gone needs none.
            let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        }
    }

    /// What is typed. Ctrl-C is an error of the kind `Interrupted`, which nothing else is here.
    struct Keyboard(File);

    impl Read for Keyboard {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            loop {
                return match self.0.read(bytes) {
                    Ok(count) if bytes[..count].contains(&CTRL_C) => {
                        Err(io::ErrorKind::Interrupted.into())
                    }
                    // A terminal that was closed: what was typed so far is no whole line.
                    Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
                    // A signal came, as when the window's size changes.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
            }
        }
    }
}
