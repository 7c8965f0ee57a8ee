//! `Plan`: what a devnet will be, worked out from the command line before anything is started.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chain::amount::{Amount, COIN};
use chain::genesis::Network;
use chain::key::{OutputKey, SecretKey};
use chain::spec::{Allocation, ChainSpec, Retarget, SpecError};
use client::data_directory::{PinError, pin, pinned_network};
use engine::{EngineError, Kernel};
use wallet::accounts::Account;
use wallet::seed::{DEVNET_PREFIX, Seed};

use super::difficulty::calibrate;
use crate::options::{DevnetOptions, Difficulty};
use command::founding::{Contradiction, Wishes, apply, contradiction, default_spec};
use command::kernel_choice;
use command::words::MIN_TXS_DEFAULT;
use server::directory::faucet;

/// Genesis is always of this second (2026-01-01), so that a seed names one genesis. The chain is
/// late from its first block on, and ASERT forgets that at its floor.
const GENESIS_TIME: u32 = 1_767_225_600;

/// Seconds between blocks.
const SPACING_S: u32 = 5;

/// Coins of every wallet in genesis.
const WALLET_COINS: u64 = 100;

/// Payouts of the faucet: outsiders come to a devnet in small numbers.
const FAUCET_OUTPUTS: usize = 100;

/// The faucet's key comes from the devnet's seed and this name.
const FAUCET_NAME: &str = "faucet";

/// Each wallet has a thread and a connection.
const WALLETS_MAX: usize = 64;

/// The first wallets have the names of the original system's.
const WALLET_NAMES: [&str; 5] = ["Adam", "Bob", "Conor", "David", "Evan"];

/// Wallets of a new devnet.
const WALLETS: usize = 5;

/// A miner that will be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MinerPlan {
    /// Its name.
    pub name: String,
    /// Who its blocks pay.
    pub payout: OutputKey,
    /// Threads that mine.
    pub threads: NonZeroUsize,
}

/// A wallet that is funded in genesis.
#[derive(Debug, Clone)]
pub(super) struct WalletPlan {
    /// Its name.
    pub name: String,
    /// Its keys.
    pub seed: Seed,
}

/// Everything that is decided before anything is started.
#[derive(Debug)]
pub(super) struct Plan {
    /// The spec with its genesis.
    pub network: Arc<Network>,
    /// What `--difficulty auto` came to, in words; `None` where difficulty was told.
    pub calibrated: Option<String>,
    /// The miners.
    pub miners: Vec<MinerPlan>,
    /// The wallets.
    pub wallets: Vec<WalletPlan>,
    /// Key of the faucet, for whoever joins.
    pub faucet: SecretKey,
    /// How the miners hash.
    pub kernel: Kernel,
    /// Pending transactions that make a block worth mining.
    pub min_txs: usize,
    /// A transaction that waited this long is mined alone.
    pub max_wait: Option<Duration>,
    /// Pause of a wallet between two payments; `None` makes no payments.
    pub pause: Option<RangeInclusive<Duration>>,
    /// The seed of all accounts.
    pub seed: u64,
    /// Where the bootstrap node listens.
    pub listen: SocketAddr,
    /// Where to stop.
    pub until_height: Option<u32>,
}

/// Why a command line makes no devnet.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// One wallet that shall pay.
    #[error("--wallets: one wallet has nobody to pay; give 2 or more, or --no-traffic")]
    LonelyWallet,
    /// The flags make a spec that breaks a bound.
    #[error("these flags make no network: {0}")]
    Spec(#[from] SpecError),
    /// The spec file cannot be read, or a field of it is out of bounds.
    #[error("{}: {problem}", path.display())]
    SpecFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The directory holds another network.
    #[error(
        "{} holds a devnet with {contradiction} or give another \
         --data-dir",
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
        "{} holds a devnet with allocations for other wallets: give the --seed and --wallets that \
         it was made with, or another --data-dir",
        directory.display()
    )]
    OtherWallets {
        /// The directory.
        directory: PathBuf,
    },
    /// The spec in the directory cannot be read or written.
    #[error("{0}")]
    Pin(#[from] PinError),
    /// The hash rate cannot be measured.
    #[error("--difficulty auto: {0}")]
    Calibration(#[from] EngineError),
}

impl Plan {
    /// The devnet that `options` ask for; the one in `root`, if there is one already.
    ///
    /// # Errors
    /// [`PlanError`] names the flag or the field that is wrong.
    pub(super) fn new(options: &DevnetOptions, root: &Path) -> Result<Self, PlanError> {
        let given = options.spec.as_deref().map(given_spec).transpose()?;
        let kept = match pinned_network(root) {
            Ok(network) => Some(network.spec),
            Err(PinError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let wallets = wallets(options, kept.as_ref());
        if wallets.len() == 1 && !options.no_traffic {
            return Err(PlanError::LonelyWallet);
        }
        let base = given.or_else(|| kept.clone()).unwrap_or_else(|| new_spec(options.seed));
        let (kernel, miners) = (kernel_choice::choose(options.kernel), miners(options));
        let mut spec = spec(options, base, &wallets);
        let calibrated = match (options.difficulty, &kept) {
            (Some(Difficulty::Auto), None) => {
                let threads = miners.iter().map(|miner| miner.threads.get()).sum();
                Some(calibrate(&mut spec, kernel, threads)?)
            }
            (Some(Difficulty::Auto), Some(kept)) => {
                Some(format!("difficulty: {} bits, as the kept network has", kept.starting_bits))
            }
            _ => None,
        };
        if let Some(kept) = &kept {
            refuse_contradiction(options, kept, &spec, root)?;
        }
        let network = Arc::new(Network::new(spec)?);
        pin(root, &network)?;
        let min_txs = if options.no_traffic { 0 } else { MIN_TXS_DEFAULT };
        Ok(Self {
            network,
            calibrated,
            miners,
            wallets,
            faucet: faucet_secret(options.seed),
            kernel,
            min_txs: options.min_txs.unwrap_or(min_txs),
            max_wait: options.max_wait,
            pause: (!options.no_traffic).then(|| options.pause.clone()),
            seed: options.seed,
            listen: options.listen,
            until_height: options.until_height,
        })
    }
}

/// The retarget as the spec file names it.
pub(super) fn retarget_name(retarget: Retarget) -> &'static str {
    match retarget {
        Retarget::Asert => "asert",
        Retarget::Fixed => "fixed",
    }
}

/// The wallets; as many as genesis pays, where there is one already.
fn wallets(options: &DevnetOptions, kept: Option<&ChainSpec>) -> Vec<WalletPlan> {
    let all = (0..WALLETS_MAX).map(|index| wallet(options.seed, index));
    let paid = |spec: &ChainSpec| {
        let matches = all.clone().zip(&spec.allocations);
        matches.take_while(|(wallet, paid)| *paid == &allocation(wallet)).count()
    };
    let wanted = options.wallets.map(|count| count as usize);
    let count = wanted.or_else(|| kept.map(paid).filter(|paid| *paid > 0)).unwrap_or(WALLETS);
    all.clone().take(count).collect()
}

fn wallet(seed: u64, index: usize) -> WalletPlan {
    let known = WALLET_NAMES.get(index).copied();
    let name = known.map_or_else(|| format!("Wallet{}", index + 1), str::to_owned);
    WalletPlan { seed: Seed::devnet(seed, &name), name }
}

/// What genesis pays a wallet.
fn allocation(wallet: &WalletPlan) -> Allocation {
    let key = Account::new(&wallet.seed).receive_key(0);
    Allocation { key, amount: Amount(WALLET_COINS * COIN) }
}

/// The miners, which share the threads that this computer has for mining.
fn miners(options: &DevnetOptions) -> Vec<MinerPlan> {
    let threads = options.threads.unwrap_or_else(engine::default_threads);
    let plan = |(number, threads)| {
        let name = format!("miner{number}");
        let payout = Account::new(&Seed::devnet(options.seed, &name)).receive_key(0);
        MinerPlan { name, payout, threads }
    };
    (1..).zip(shares(threads, options.miners as usize)).map(plan).collect()
}

/// `threads` in even shares, one at least; the first ones take what cannot be divided.
fn shares(threads: NonZeroUsize, miners: usize) -> impl Iterator<Item = NonZeroUsize> {
    let (each, rest) = (threads.get() / miners, threads.get() % miners);
    let share = move |index| each + usize::from(index < rest);
    (0..miners).map(move |index| NonZeroUsize::new(share(index)).unwrap_or(NonZeroUsize::MIN))
}

/// The numbers in the file that `--spec` names.
fn given_spec(path: &Path) -> Result<ChainSpec, PlanError> {
    let wrong = |problem: String| PlanError::SpecFile { path: path.to_owned(), problem };
    let text = fs::read_to_string(path)
        .map_err(|error| wrong(format!("cannot be read ({error}); give another --spec")))?;
    let spec = ChainSpec::from_toml(&text).map_err(|error| wrong(error.to_string()))?;
    if spec.address_prefix != DEVNET_PREFIX {
        let got = &spec.address_prefix;
        let problem = format!("address_prefix: got {got}, a devnet's is {DEVNET_PREFIX}");
        return Err(wrong(problem));
    }
    Ok(spec)
}

/// The spec that the flags describe; what no flag says is as in `spec`. The wallets come first in
/// genesis, and whoever else `spec` pays after them.
fn spec(options: &DevnetOptions, spec: ChainSpec, wallets: &[WalletPlan]) -> ChainSpec {
    let wishes = Wishes {
        coin: options.coin.clone(),
        difficulty: match options.difficulty {
            Some(Difficulty::Bits(bits)) => Some(bits),
            Some(Difficulty::Auto) | None => None,
        },
        retarget: options.retarget,
        spacing_s: options.spacing_s,
    };
    let mut spec = apply(&wishes, spec);
    let funded: Vec<Allocation> = wallets.iter().map(allocation).collect();
    let others = spec.allocations.iter().filter(|entry| !funded.contains(entry)).copied();
    let others: Vec<Allocation> = others.collect();
    spec.allocations = funded.into_iter().chain(others).collect();
    spec
}

/// A new devnet, whose genesis pays the faucet.
fn new_spec(seed: u64) -> ChainSpec {
    let mut spec = default_spec(DEVNET_PREFIX, SPACING_S, GENESIS_TIME);
    let key = faucet_secret(seed).output_key();
    spec.allocations = faucet::allocations(key, FAUCET_OUTPUTS).collect();
    spec
}

/// The key of the faucet; like all of a devnet's, anybody can compute it.
fn faucet_secret(seed: u64) -> SecretKey {
    let account = Account::new(&Seed::devnet(seed, FAUCET_NAME));
    let secret = account.secret(&account.receive_key(0));
    secret.expect("an account has the secrets of its first keys")
}

/// Names the first field in which the network of `directory` is another than the one asked for.
fn refuse_contradiction(
    options: &DevnetOptions,
    kept: &ChainSpec,
    wanted: &ChainSpec,
    directory: &Path,
) -> Result<(), PlanError> {
    let directory = directory.to_owned();
    match contradiction(kept, wanted, options.spec.is_some()) {
        Some(contradiction) => Err(PlanError::Contradiction { directory, contradiction }),
        None if kept.allocations == wanted.allocations => Ok(()),
        None => Err(PlanError::OtherWallets { directory }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        options: DevnetOptions,
    }

    fn options(arguments: &str) -> DevnetOptions {
        let words = ["devnet"].into_iter().chain(arguments.split_whitespace());
        Words::parse_from(words).options
    }

    fn plan(arguments: &str, root: &Path) -> Result<Plan, PlanError> {
        Plan::new(&options(arguments), root)
    }

    #[test]
    fn a_difficulty_is_where_the_chain_starts_and_the_easiest_there_is() {
        let root = tempfile::tempdir().unwrap();
        let spec = plan("--difficulty 5x", root.path()).unwrap().network.spec.clone();
        assert_eq!((spec.starting_bits, spec.easiest_bits), (20, 20));
    }

    #[test]
    fn without_traffic_the_miners_do_not_wait_for_payments() {
        let min_txs = |arguments| {
            let root = tempfile::tempdir().unwrap();
            plan(arguments, root.path()).unwrap().min_txs
        };
        assert_eq!(min_txs("--no-traffic"), 0);
        assert_eq!(min_txs("--no-traffic --min-txs 2"), 2);
        assert_eq!(min_txs(""), 4);
    }

    #[test]
    fn a_kept_network_is_taken_up_with_what_no_flag_says() {
        let root = tempfile::tempdir().unwrap();
        let first = plan("--wallets 3 --spacing 9s --coin Gold:AU", root.path()).unwrap();
        let again = plan("", root.path()).unwrap();
        assert_eq!(first.network, again.network);
        assert_eq!(again.wallets.len(), 3);
        // Some of the wallets may rest; none can be added.
        assert_eq!(plan("--wallets 2", root.path()).unwrap().wallets.len(), 2);
        assert!(matches!(plan("--wallets 4", root.path()), Err(PlanError::OtherWallets { .. })));
    }

    #[test]
    fn the_spec_file_of_a_devnet_makes_the_same_network_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = plan("--difficulty 9", here.path()).unwrap();
        let file = here.path().join("spec.toml");
        let second = plan(&format!("--spec {}", file.display()), there.path()).unwrap();
        assert_eq!(first.network, second.network);
    }

    #[test]
    fn a_spec_file_of_another_kind_of_network_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("other.toml");
        fs::write(&file, testkit::samples::network(8).spec.to_toml()).unwrap();
        let refused = plan(&format!("--spec {}", file.display()), root.path());
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("address_prefix"), "{said}");
    }

    proptest! {
        #[test]
        fn the_miners_share_all_threads_and_each_has_one(
            miners in 1usize..=16,
            threads in 1usize..64,
        ) {
            let all = NonZeroUsize::new(threads).unwrap();
            let shares: Vec<usize> = shares(all, miners).map(NonZeroUsize::get).collect();
            prop_assert_eq!(shares.len(), miners);
            prop_assert_eq!(shares.iter().sum::<usize>(), threads.max(miners));
            prop_assert!(shares[0] - shares[miners - 1] <= 1);
        }
    }
}
