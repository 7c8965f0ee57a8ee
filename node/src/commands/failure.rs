//! `Failure`: why a command failed, in words, and how the program ends by it.
//!
//! Only an error that says how it ends the program becomes a failure by `?`: one that is forgotten
//! here does not compile.

use std::fmt::Display;
use std::io;

use chain::address::AddressError;
use chain::spec::SpecError;
use client::data_directory::PinError;
use client::joining::JoinError;
use machine::MachineError;
use machine::replay::ReplayError;
use machine::store::StoreError;
use server::directory::DirectoryError;
use server::runtime::{NodeFailure, PANIC_EXIT_CODE, StartError};
use shell::commands::{CommandError, exit_of_join, exit_of_key};
use show::exit::Exit;
use wallet::keystore::KeystoreError;

use super::bootstrap::BootstrapError;
use super::explain::NothingKnown;
use super::miner::PayoutError;
use super::questions::{FindError, QuestionError};
use crate::devnet::{DevnetError, PlanError};

// A node that panics ends the process itself, and shall do it by the same code.
const _: () = assert!(Exit::Panicked.code() as i32 == PANIC_EXIT_CODE);

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For people: what happened, why, and what to do next.
    pub text: String,
    /// For programs.
    pub exit: Exit,
}

/// An error that says how the program ends by it. Its text names its causes.
pub(crate) trait EndsProgram: Display {
    /// How the program ends.
    fn exit(&self) -> Exit;
}

impl<E: EndsProgram> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { text: error.to_string(), exit: error.exit() }
    }
}

impl Failure {
    /// Of a measurement, whose errors have many types. The first cause that says how ends the
    /// program, and what has no such cause is no more than another failure.
    pub(crate) fn of_measurement(error: &anyhow::Error) -> Self {
        let exit_of = |cause: &(dyn std::error::Error + 'static)| {
            let known = [
                exit::<UsageError>(cause),
                exit::<SpecError>(cause),
                exit::<StoreError>(cause),
                exit::<MachineError>(cause),
                exit::<StartError>(cause),
                exit::<NodeFailure>(cause),
            ];
            known.into_iter().flatten().next()
        };
        let exit = error.chain().find_map(exit_of).unwrap_or(Exit::Other);
        Self { text: error.to_string(), exit }
    }
}

fn exit<E: EndsProgram + std::error::Error + 'static>(
    cause: &(dyn std::error::Error + 'static),
) -> Option<Exit> {
    cause.downcast_ref::<E>().map(EndsProgram::exit)
}

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub String);

/// The result cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct PrintError(pub io::Error);

/// The operating system refused threads.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ThreadsError(pub String);

impl EndsProgram for UsageError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl EndsProgram for PrintError {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

impl EndsProgram for ThreadsError {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

impl EndsProgram for io::Error {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

impl EndsProgram for NothingKnown {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}

impl EndsProgram for SpecError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl EndsProgram for StoreError {
    fn exit(&self) -> Exit {
        match self {
            Self::ForeignNetwork { .. } => Exit::WrongNetwork,
            _ => Exit::Directory,
        }
    }
}

impl EndsProgram for PinError {
    fn exit(&self) -> Exit {
        match self {
            Self::OtherNetwork { .. } => Exit::WrongNetwork,
            _ => Exit::Directory,
        }
    }
}

impl EndsProgram for MachineError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Read(error) | Self::Write(error) => error.exit(),
        }
    }
}

impl EndsProgram for StartError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Pin(error) => error.exit(),
            Self::Machine(error) => error.exit(),
            Self::Listen { .. } | Self::Miner(_) | Self::Operator(_) | Self::Threads(_) => {
                Exit::Other
            }
        }
    }
}

impl EndsProgram for NodeFailure {
    fn exit(&self) -> Exit {
        match self {
            Self::Machine(error) => error.exit(),
            Self::Panicked(_) => Exit::Panicked,
        }
    }
}

impl EndsProgram for ReplayError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Invalid { .. } | Self::Body { .. } => Exit::Directory,
        }
    }
}

impl EndsProgram for DirectoryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Database(_) => Exit::Directory,
            Self::Thread(_) => Exit::Other,
        }
    }
}

impl EndsProgram for PayoutError {
    fn exit(&self) -> Exit {
        match self.source {
            AddressError::OtherNetwork { .. } => Exit::WrongNetwork,
            _ => Exit::Usage,
        }
    }
}

impl EndsProgram for BootstrapError {
    fn exit(&self) -> Exit {
        match self {
            Self::Spec(_)
            | Self::Contradiction { .. }
            | Self::OtherAllocations { .. }
            | Self::Several(_) => Exit::Usage,
            Self::NoHome(_) | Self::File { .. } | Self::FaucetKey(_) => Exit::Directory,
        }
    }
}

impl EndsProgram for PlanError {
    fn exit(&self) -> Exit {
        match self {
            Self::Pin(error) => error.exit(),
            Self::Calibration(_) => Exit::Other,
            Self::LonelyWallet
            | Self::Spec(_)
            | Self::SpecFile { .. }
            | Self::Contradiction { .. }
            | Self::OtherWallets { .. } => Exit::Usage,
        }
    }
}

impl EndsProgram for DevnetError {
    fn exit(&self) -> Exit {
        match self {
            Self::Plan(error) => error.exit(),
            Self::Start(error) => error.source.exit(),
            Self::Directory(error) => error.exit(),
            Self::Ended(error) => error.source.exit(),
            Self::Audit { source, .. } => source.exit(),
            Self::Traffic(_) | Self::System { .. } => Exit::Other,
        }
    }
}

impl EndsProgram for FindError {
    fn exit(&self) -> Exit {
        match self {
            Self::Several { .. } => Exit::Usage,
            Self::Pin(_) => Exit::Directory,
            Self::None | Self::NotThere { .. } | Self::NotInDirectory { .. } => Exit::Unreachable,
        }
    }
}

impl EndsProgram for QuestionError {
    fn exit(&self) -> Exit {
        match self {
            Self::Find(error) => error.exit(),
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
            Self::Unreadable(_) => Exit::Other,
        }
    }
}

impl EndsProgram for JoinError {
    fn exit(&self) -> Exit {
        exit_of_join(self)
    }
}

impl EndsProgram for KeystoreError {
    fn exit(&self) -> Exit {
        exit_of_key(self)
    }
}

impl EndsProgram for CommandError {
    fn exit(&self) -> Exit {
        self.exit()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_measurement_ends_by_its_first_cause_that_says_how_and_else_as_any_failure() {
        let stopped = Err::<(), _>(StoreError::Stopped).context("block 7").unwrap_err();
        let failure = Failure::of_measurement(&stopped);
        assert_eq!((failure.exit, &*failure.text), (Exit::Directory, "block 7"));
        let usage = anyhow::Error::from(UsageError("no such store".to_owned()));
        assert_eq!(Failure::of_measurement(&usage).exit, Exit::Usage);
        assert_eq!(Failure::of_measurement(&anyhow::anyhow!("too busy")).exit, Exit::Other);
    }
}
