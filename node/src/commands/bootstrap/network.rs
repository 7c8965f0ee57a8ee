//! Which network a bootstrap node keeps: the one that lies there, or a new one. What holds money or
//! a chain is never written over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use chain::genesis::Network;
use chain::hash::{from_hex, to_hex};
use chain::key::{OutputKey, SecretKey};
use chain::spec::{ChainSpec, SpecError};
use client::data_directory::{
    NoHome, PinError, data_home, directories_of, network_directory, pin, pinned_network,
    precious_files, without_spec,
};
use client::durable_file;
use zeroize::Zeroizing;

use super::NAME;
use crate::cli::BootstrapOptions;
use crate::commands::network_of;
use command::failure::Failure;
use command::founding::{Contradiction, Wishes, apply, contradiction, default_spec};
use server::directory::{database_file, faucet};
use show::streams::note;

/// Prefix of addresses of a network that is made here.
const ADDRESS_PREFIX: &str = "tlode";

/// Seconds between blocks.
const SPACING_S: u32 = 10;

/// Payouts of the faucet: a hundred thousand coins, and a spec file of a hundred kilobytes.
const FAUCET_OUTPUTS: usize = 1000;

/// Holds the faucet's secret key as 64 hex digits.
const FAUCET_FILE: &str = "faucet.key";

/// Why no network was made or taken up.
#[derive(Debug, thiserror::Error)]
pub(in crate::commands) enum BootstrapError {
    /// The system does not say where data belongs.
    #[error(transparent)]
    NoHome(#[from] NoHome),
    /// The flags make a spec that breaks a bound.
    #[error("these flags make no network: {0}")]
    Spec(SpecError),
    /// The directory holds another network.
    #[error(
        "{} holds a network with {contradiction}, or give another \
         --data-dir for a new network",
        directory.display()
    )]
    Contradiction {
        /// The directory.
        directory: PathBuf,
        /// The field that differs.
        contradiction: Contradiction,
    },
    /// The directory holds a network that pays others.
    #[error(
        "{} holds a network with other allocations than --spec: give another --data-dir",
        directory.display()
    )]
    OtherAllocations {
        /// The directory.
        directory: PathBuf,
    },
    /// A network was made there, and its spec is gone or damaged.
    #[error(
        "{} holds a network ({}) and no sound spec.toml: put back that of another node of the \
         network, or say it with --spec FILE --data-dir {}; for a new network give another \
         --data-dir. Nothing was changed",
        directory.display(), file.display(), directory.display()
    )]
    SpecGone {
        /// The directory.
        directory: PathBuf,
        /// A file there that holds the network's money or chain.
        file: PathBuf,
    },
    /// The faucet's key is not the one that genesis pays.
    #[error(
        "{} is not the key that genesis pays: restore it, or move it away and go on without",
        _0.display()
    )]
    OtherFaucetKey(PathBuf),
    /// Several networks were made here.
    #[error("several networks were made here: say which with --data-dir, one of {}", list(_0))]
    Several(Vec<PathBuf>),
    /// A file of the data directory cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `make`, `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The faucet's key is none.
    #[error("{} is not 64 hex digits: restore it, or move it away and go on without", _0.display())]
    FaucetKey(PathBuf),
}

/// A network, where its data lies, and the key of its faucet, if it has one.
pub(super) struct Founded {
    pub network: Arc<Network>,
    pub directory: PathBuf,
    pub faucet: Option<SecretKey>,
    pub is_new: bool,
}

/// The network that the flags ask for: the one that lies there already, or a new one.
pub(super) fn found(options: &BootstrapOptions) -> Result<Founded, Failure> {
    let given = options.spec.as_deref().map(network_of).transpose()?;
    match place(options, given.as_ref())? {
        Place::Kept(directory, kept) => {
            refuse_contradiction(options, given.as_ref(), &kept, &directory)?;
            let faucet = read_faucet(&directory, &kept)?;
            say_what_is_gone(&directory, &kept, faucet.is_some());
            Ok(Founded { network: kept, directory, faucet, is_new: false })
        }
        Place::New(directory) => make(options, given, directory),
    }
}

/// Where a network lies or will lie.
enum Place {
    /// One was made there.
    Kept(PathBuf, Arc<Network>),
    /// Nothing is there; none for a directory that is named after the new network.
    New(Option<PathBuf>),
}

fn place(options: &BootstrapOptions, given: Option<&Network>) -> Result<Place, Failure> {
    if let Some(directory) = &options.data_dir {
        return Ok(kept_at(directory)?.unwrap_or_else(|| Place::New(Some(directory.clone()))));
    }
    let home = data_home().map_err(BootstrapError::from)?;
    if let Some(given) = given {
        let directory = network_directory(&home, given).join(NAME);
        return Ok(kept_at(&directory)?.unwrap_or(Place::New(None)));
    }
    let mut all = directories_of(&home, NAME);
    match all.len() {
        0 => match without_spec(&home, NAME).first() {
            Some(directory) => refuse_lost(directory).map(|()| Place::New(None)),
            None => Ok(Place::New(None)),
        },
        1 => {
            let only = all.remove(0);
            Ok(Place::Kept(only.directory, only.network))
        }
        _ => {
            let directories = all.into_iter().map(|pinned| pinned.directory).collect();
            Err(BootstrapError::Several(directories).into())
        }
    }
}

fn kept_at(directory: &Path) -> Result<Option<Place>, PinError> {
    match pinned_network(directory) {
        Ok(network) => Ok(Some(Place::Kept(directory.to_owned(), Arc::new(network)))),
        Err(PinError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a new network: the spec is pinned last, so that a crash before leaves none behind.
fn make(
    options: &BootstrapOptions,
    given: Option<Network>,
    directory: Option<PathBuf>,
) -> Result<Founded, Failure> {
    let secret = given.is_none().then(new_secret);
    let network = match given {
        Some(network) => network,
        None => {
            let faucet = secret.as_ref().map(|(_, secret)| secret.output_key());
            Network::new(new_spec(options, faucet)).map_err(BootstrapError::Spec)?
        }
    };
    let directory = match directory {
        Some(directory) => directory,
        None => {
            let home = data_home().map_err(BootstrapError::from)?;
            network_directory(&home, &network).join(NAME)
        }
    };
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| BootstrapError::File { action, path, source }
    };
    fs::create_dir_all(&directory).map_err(failed("make", &directory))?;
    if let Some((hex, _)) = &secret {
        let path = directory.join(FAUCET_FILE);
        refuse_lost(&directory)?;
        if fs::symlink_metadata(&path).is_ok() {
            let place = durable_file::move_aside(&path).map_err(failed("move", &path))?;
            note(&format!(
                "a faucet's key without a network lay in {}: moved to {}",
                path.display(),
                place.display()
            ));
        }
        durable_file::replace(&path, hex.as_bytes()).map_err(failed("write", &path))?;
    }
    pin(&directory, &network)?;
    // A key that lies there already may be that of a given spec.
    let faucet = read_faucet(&directory, &network)?;
    Ok(Founded { network: Arc::new(network), directory, faucet, is_new: true })
}

/// Refuses to make a network where another one's money or chain lies. A faucet's key alone is what
/// a kill leaves behind before the spec is pinned.
fn refuse_lost(directory: &Path) -> Result<(), Failure> {
    let mut precious = precious_files(directory);
    precious.retain(|path| !path.ends_with(FAUCET_FILE));
    match precious.into_iter().next() {
        Some(file) => {
            Err(BootstrapError::SpecGone { directory: directory.to_owned(), file }.into())
        }
        None => Ok(()),
    }
}

/// Files that a network which is gone on with had, and without which it does less.
fn say_what_is_gone(directory: &Path, network: &Network, has_faucet: bool) {
    let path = |name: &str| directory.join(name).display().to_string();
    let was_begun = precious_files(directory).iter().any(|path| !path.ends_with(FAUCET_FILE));
    if was_begun && !database_file(directory).exists() {
        let file = database_file(directory);
        note(&format!("{} is gone: put it back, or names are free again", file.display()));
    }
    // A network that was founded here pays one key only; a given spec need not.
    let mut keys = network.spec.allocations.iter().map(|allocation| allocation.key);
    let first = keys.next();
    if !has_faucet && first.is_some() && keys.all(|key| Some(key) == first) {
        let file = path(FAUCET_FILE);
        note(&format!("{file} is not there: put it back, or the faucet pays nobody"));
    }
}

/// A secret key, and how it is written down.
fn new_secret() -> (Zeroizing<String>, SecretKey) {
    loop {
        // All but one in 2^127 numbers are keys.
        let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
        if let Ok(secret) = SecretKey::from_bytes(*bytes) {
            return (Zeroizing::new(to_hex(bytes.as_slice()) + "\n"), secret);
        }
    }
}

fn new_spec(options: &BootstrapOptions, faucet: Option<OutputKey>) -> ChainSpec {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_1970.map_or(0, |time| time.as_secs());
    let genesis_time = u32::try_from(seconds).unwrap_or(u32::MAX);
    let mut spec = apply(&wishes(options), default_spec(ADDRESS_PREFIX, SPACING_S, genesis_time));
    if let Some(key) = faucet {
        spec.allocations = faucet::allocations(key, FAUCET_OUTPUTS).collect();
    }
    spec
}

fn wishes(options: &BootstrapOptions) -> Wishes {
    Wishes {
        coin: options.coin.clone(),
        difficulty: options.difficulty,
        retarget: options.retarget,
        spacing_s: options.spacing_s,
    }
}

/// Names the first field in which the network of `directory` is another than the one asked for.
fn refuse_contradiction(
    options: &BootstrapOptions,
    given: Option<&Network>,
    kept: &Network,
    directory: &Path,
) -> Result<(), BootstrapError> {
    let wanted = match given {
        Some(given) => given.spec.clone(),
        None => apply(&wishes(options), kept.spec.clone()),
    };
    let directory = directory.to_owned();
    if let Some(contradiction) = contradiction(&kept.spec, &wanted, given.is_some()) {
        return Err(BootstrapError::Contradiction { directory, contradiction });
    }
    if kept.spec.hash() != wanted.hash() {
        return Err(BootstrapError::OtherAllocations { directory });
    }
    Ok(())
}

/// The faucet's key; none when the directory has none.
fn read_faucet(directory: &Path, network: &Network) -> Result<Option<SecretKey>, BootstrapError> {
    /// 64 digits, and an editor's line end.
    const BYTES_MAX: u64 = 80;
    let path = directory.join(FAUCET_FILE);
    let bytes = match durable_file::read_limited(&path, BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BootstrapError::File { action: "read", path, source }),
    };
    let text = String::from_utf8(bytes).unwrap_or_default();
    let secret = from_hex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let secret = secret.and_then(|bytes| SecretKey::from_bytes(bytes).ok());
    let secret = secret.ok_or_else(|| BootstrapError::FaucetKey(path.clone()))?;
    let key = secret.output_key();
    if network.spec.allocations.iter().any(|allocation| allocation.key == key) {
        return Ok(Some(secret));
    }
    Err(BootstrapError::OtherFaucetKey(path))
}

fn list(directories: &[PathBuf]) -> String {
    /// So many fit in two lines.
    const SHOWN_MAX: usize = 4;
    let shown = directories.iter().take(SHOWN_MAX).map(|directory| directory.display().to_string());
    shown.collect::<Vec<_>>().join(", ")
}
