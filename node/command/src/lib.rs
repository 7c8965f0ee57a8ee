//! What every command of `lode` needs: how it fails and ends, how it is interrupted, how words of
//! the command line become values, what the numbers of a new network are, which kernel hashes, and
//! where results go.

pub mod failure;
pub mod founding;
pub mod interrupt;
pub mod kernel_choice;
pub mod words;

use std::io;

use failure::PrintError;

/// Writes a result to standard output.
///
/// # Errors
/// It cannot be written, for another reason than that nobody reads it.
pub fn print(text: &str) -> Result<(), PrintError> {
    until_nobody_reads(show::streams::print(text))
}

/// No error where nobody reads what was `written`.
///
/// # Errors
/// It could not be written for another reason.
pub fn until_nobody_reads(written: io::Result<()>) -> Result<(), PrintError> {
    show::streams::unless_nobody_reads(written).map_err(PrintError)
}
