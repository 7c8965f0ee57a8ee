//! `Failure`: why a command failed, in words, and how the program ends by it.
//!
//! Only an error that says how it ends the program becomes a failure by `?`: one that is forgotten
//! here does not compile.

use std::fmt::Display;
use std::io;

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

// A node that panics ends the process itself, and shall do it by the same code.
const _: () = assert!(Exit::Panicked.code() as i32 == PANIC_EXIT_CODE);

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// For people: what happened, why, and what to do next.
    pub text: String,
    /// For programs.
    pub exit: Exit,
}

/// An error that says how the program ends by it. Its text names its causes.
pub trait EndsProgram: Display {
    /// How the program ends.
    fn exit(&self) -> Exit;
}

impl<E: EndsProgram> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { text: error.to_string(), exit: error.exit() }
    }
}

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The result cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct PrintError(pub io::Error);

/// The operating system refused threads.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ThreadsError(pub String);

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
