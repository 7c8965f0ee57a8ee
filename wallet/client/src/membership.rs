//! Membership of a network: what [`crate::joining`] chooses is pinned in the directory of the name.

use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Network;

use crate::data_directory::{
    PinError, Pinned, directories_of, network_directory, pin, pinned_directory,
    remember_bootstraps, without_spec,
};
use crate::joining::{Choice, Found, JoinError, JoinNews, JoinOrder, choose};

/// A network, and where its data lies.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The network.
    pub network: Arc<Network>,
    /// The data directory: it exists and is pinned.
    pub directory: PathBuf,
    /// The bootstrap node that handed out the spec now; none when the pinned one was taken.
    pub bootstrap: Option<SocketAddr>,
}

/// Finds the network and the directory. Waits as long as it takes: `pause` is called between two
/// rounds and may end it; `tell` hears the news.
///
/// # Errors
/// [`JoinError`].
pub fn join(
    order: &JoinOrder,
    tell: &mut dyn FnMut(JoinNews),
    pause: &mut dyn FnMut(Duration) -> ControlFlow<()>,
) -> Result<Joined, JoinError> {
    order.check()?;
    if order.data_dir.is_none() {
        let lost = without_spec(&order.home, &order.name).into_iter();
        lost.for_each(|directory| tell(JoinNews::WithoutSpec { directory }));
    }
    match choose(order, &pinned_of(order)?, tell, pause)? {
        Choice::Found(found) => settle(order, found),
        Choice::Pinned(pinned) => {
            // Used now, so that it is found first the next time.
            remember_bootstraps(&pinned.directory, &pinned.bootstraps)?;
            let (network, directory) = (Arc::clone(&pinned.network), pinned.directory.clone());
            Ok(Joined { network, directory, bootstrap: None })
        }
    }
}

/// The directories that may be gone on with, the last used first.
fn pinned_of(order: &JoinOrder) -> Result<Vec<Pinned>, JoinError> {
    let Some(directory) = &order.data_dir else {
        return Ok(directories_of(&order.home, &order.name));
    };
    match pinned_directory(directory) {
        Ok(pinned) => Ok(vec![pinned]),
        Err(PinError::Missing { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Pins the network that was found.
fn settle(order: &JoinOrder, found: Found) -> Result<Joined, JoinError> {
    let Found { written, address, network } = found;
    let directory = match &order.data_dir {
        Some(directory) => directory.clone(),
        None => network_directory(&order.home, &network).join(&order.name),
    };
    make_directory(&directory)?;
    pin(&directory, &network)?;
    remember_bootstraps(&directory, &[written])?;
    Ok(Joined { network, directory, bootstrap: Some(address) })
}

fn make_directory(directory: &Path) -> Result<(), JoinError> {
    fs::create_dir_all(directory)
        .map_err(|source| JoinError::Directory { directory: directory.to_owned(), source })
}

#[cfg(test)]
mod tests;
