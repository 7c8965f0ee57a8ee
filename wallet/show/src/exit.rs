//! How programs end: the code that tells a script what kind of thing went wrong.

use std::process::ExitCode;

/// How a program ends. The numbers are its exit codes, the same in every program of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked for.
    Ok = 0,
    /// Something else went wrong.
    Other = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A rule, a miner or too little money refused it.
    Refused = 3,
    /// Nobody answers.
    Unreachable = 4,
    /// The data directory is locked or damaged.
    Directory = 5,
    /// The passphrase is missing or wrong.
    Passphrase = 6,
    /// Another network was meant.
    WrongNetwork = 7,
    /// A payment was made and could not be shown: repeated, it is the same payment.
    PaidNotShown = 8,
    /// The program itself is wrong.
    Panicked = 70,
    /// Ctrl-C, as a shell reports it.
    Interrupted = 130,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_scripts_rely_on() {
        let said = [
            (Exit::Ok, 0),
            (Exit::Other, 1),
            (Exit::Usage, 2),
            (Exit::Refused, 3),
            (Exit::Unreachable, 4),
            (Exit::Directory, 5),
            (Exit::Passphrase, 6),
            (Exit::WrongNetwork, 7),
            (Exit::PaidNotShown, 8),
            (Exit::Panicked, 70),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in said {
            assert_eq!(exit.code(), code);
            assert_eq!(ExitCode::from(exit), ExitCode::from(code));
        }
    }
}
