//! How the errors of commands end the program.

use chain::address::AddressError;
use command::failure::EndsProgram;
use show::exit::Exit;

use super::bootstrap::BootstrapError;
use super::explain::NothingKnown;
use super::miner::PayoutError;
use super::questions::{FindError, QuestionError};

impl EndsProgram for NothingKnown {
    fn exit(&self) -> Exit {
        Exit::Other
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
            Self::NoHome(_)
            | Self::File { .. }
            | Self::FaucetKey(_)
            | Self::OtherFaucetKey(_)
            | Self::SpecGone { .. } => Exit::Directory,
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
