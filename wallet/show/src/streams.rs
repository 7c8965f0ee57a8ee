//! Where text goes: results to standard output, progress and warnings to standard error.

use std::io::{self, Write};

/// Prints a result, with one end of line behind it; a reader that went away is no error.
///
/// # Errors
/// What the operating system says.
pub fn print_line(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Tells progress; if nobody reads it, nobody misses it.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
