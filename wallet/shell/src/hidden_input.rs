//! A line typed on the terminal that nobody sees. The terminal is afterwards as it was before,
//! unless a signal from outside ends the program meanwhile.

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
    let typed = type_in(prompt).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => HiddenInputError::Interrupted,
        io::ErrorKind::UnexpectedEof => HiddenInputError::End,
        _ => HiddenInputError::Io(error),
    })?;
    Ok(Zeroizing::new(typed))
}

#[cfg(unix)]
fn type_in(prompt: &str) -> io::Result<String> {
    keyboard::type_in(prompt)
}

#[cfg(not(unix))]
fn type_in(prompt: &str) -> io::Result<String> {
    rpassword::prompt_password(prompt)
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

    const CTRL_C: u8 = 3;

    pub(super) fn type_in(prompt: &str) -> io::Result<String> {
        // Standard input and output may lead elsewhere.
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let quiet = Quiet::begin(terminal.try_clone()?)?;
        let config = ConfigBuilder::new()
            .input_reader(Keyboard(terminal.try_clone()?))
            .output_writer(terminal.try_clone()?);
        let typed = rpassword::prompt_password_with_config(prompt, config.build());
        drop(quiet);
        // Enter, Ctrl-C and Ctrl-D were not shown either.
        writeln!(terminal)?;
        typed
    }

    /// A terminal that shows nothing and hands out every key. Dropping it sets the modes back.
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
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            // A terminal that is gone needs no modes.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
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
