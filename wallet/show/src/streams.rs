//! Where text goes: results to standard output, progress and warnings to standard error.

use std::io::{self, Write};

/// Prints a result, with one end of line behind it; a reader that went away is no error.
///
/// # Errors
/// What the operating system says.
pub fn print_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n'));
    // Only what has left this process was printed.
    unless_nobody_reads(written.and_then(|()| out.flush()))
}

/// Prints a result of whole lines as it is; a reader that went away is no error.
///
/// # Errors
/// What the operating system says.
pub fn print(text: &str) -> io::Result<()> {
    unless_nobody_reads(io::stdout().lock().write_all(text.as_bytes()))
}

/// What came of writing to standard output, where a reader that went away is no error.
///
/// # Errors
/// What the operating system said, if it is anything else.
pub fn unless_nobody_reads(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Tells progress; if nobody reads it, nobody misses it.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
