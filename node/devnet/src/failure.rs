//! How a devnet that failed ends the program.

use command::failure::EndsProgram;
use show::exit::Exit;

use super::{DevnetError, PlanError};

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
