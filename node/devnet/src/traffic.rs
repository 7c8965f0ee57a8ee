//! `Payers`: the devnet's wallets, each on its own thread, paying each other over real sockets.
//!
//! A wallet talks to one miner over a connection that is kept, and chooses another one when that
//! fails. Nothing that goes wrong between two payments is fatal: the wallet reads its history anew
//! and goes on.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use chain::amount::Amount;
use chain::genesis::Network;
use chain::key::OutputKey;
use client::directory_client::DirectoryClient;
use client::node_client::{ClientError, NodeClient, Timeouts};
use rand::rngs::ThreadRng;
use rand::seq::IndexedRandom;
use wallet::coin_selection::Fee;
use wallet::traffic::Traffic;
use wallet::wallet::{DevnetSeedRefused, SyncError, Wallet};
use wire::directory::{NameOutcome, NameRecord};
use wire::wallet::SubmitOutcome;

use super::plan::{Plan, WalletPlan};
use output::ready::ReadyWallet;

/// Loopback answers in milliseconds; what takes longer than this is given up.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), answer: Duration::from_secs(10) };

/// After a failure a wallet tries again this much later.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Longest sleep without a look at whether to stop.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// A wallet spends at most one part in this many on reading its history, which grows with every
/// payment. In between it pays with what it knows, its own change among it.
const SYNC_SHARE: u32 = 10;

/// Least fee of a payment: what nodes take at least for some ten kilobytes, more than any payment
/// here needs.
const FEE_MIN: Amount = Amount(10_000);

/// All wallets.
pub(super) struct Payers {
    payers: Vec<Payer>,
    pause: Option<RangeInclusive<Duration>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Why the wallets could not begin.
#[derive(Debug, thiserror::Error)]
#[error("wallet {name}: {source}")]
pub struct TrafficError {
    /// The wallet's name.
    pub name: String,
    /// What went wrong.
    pub source: PayerError,
}

/// What can go wrong for one wallet.
#[derive(Debug, thiserror::Error)]
pub enum PayerError {
    /// The conversation with the miner.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Reading the history.
    #[error("{0}")]
    Sync(#[from] SyncError),
    /// The directory does not take the wallet's name.
    #[error("its name is not taken: {0}")]
    Name(String),
    /// The network is no devnet.
    #[error("{0}")]
    Seed(#[from] DevnetSeedRefused),
    /// The operating system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// One wallet with its connection.
struct Payer {
    plan: WalletPlan,
    network: Arc<Network>,
    wallet: Wallet,
    miners: Vec<SocketAddr>,
    /// Its place among all wallets.
    number: usize,
    /// Where all wallets are paid, this one among them.
    keys: Vec<OutputKey>,
    client: Option<NodeClient>,
    next_sync: Instant,
}

impl Payers {
    /// Connects every wallet to one of `miners`, reads its history, and has the bootstrap node's
    /// directory hold its name, so that others can pay it.
    ///
    /// # Errors
    /// [`TrafficError`].
    pub(super) fn connect(
        plan: &Plan,
        bootstrap: SocketAddr,
        miners: &[SocketAddr],
    ) -> Result<Self, TrafficError> {
        let connecting = |wallet: &WalletPlan| {
            let connected = Payer::connect(wallet.clone(), &plan.network, miners);
            let connected = connected.and_then(|payer| payer.register(bootstrap).map(|()| payer));
            connected.map_err(|source| TrafficError { name: wallet.name.clone(), source })
        };
        // One after the other they would take a good part of a second.
        let mut payers = thread::scope(|scope| {
            let started: Vec<_> =
                plan.wallets.iter().map(|wallet| scope.spawn(move || connecting(wallet))).collect();
            let joined = started.into_iter().map(|thread| thread.join());
            joined
                .map(|thread| thread.expect("nothing in there panics"))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let keys: Vec<OutputKey> =
            payers.iter().map(|payer| payer.wallet.account().receive_key(0)).collect();
        for (number, payer) in payers.iter_mut().enumerate() {
            (payer.number, payer.keys) = (number, keys.clone());
        }
        let (stopping, threads) = (Arc::default(), Vec::new());
        Ok(Self { payers, pause: plan.pause.clone(), stopping, threads })
    }

    /// Names, addresses and what the miners say the wallets have.
    pub(super) fn accounts(&self) -> Vec<ReadyWallet> {
        let accounts = self.payers.iter().map(|payer| {
            let key = payer.wallet.account().receive_key(0);
            ReadyWallet {
                name: payer.plan.name.clone(),
                address: payer.network.spec.address(key).to_string(),
                balance: payer.wallet.balance().confirmed.to_string(),
                words: payer.plan.seed.words().to_string(),
            }
        });
        accounts.collect()
    }

    /// Lets the wallets pay, unless there shall be no traffic.
    ///
    /// # Errors
    /// [`TrafficError`]: the operating system refused a thread.
    pub(super) fn start(&mut self) -> Result<(), TrafficError> {
        let Some(pause) = self.pause.clone() else {
            return Ok(());
        };
        for mut payer in self.payers.drain(..) {
            let name = payer.plan.name.clone();
            let (pause, stopping) = (pause.clone(), Arc::clone(&self.stopping));
            let thread = Builder::new()
                .name(format!("wallet {name}"))
                .spawn(move || payer.run(&pause, &stopping))
                .map_err(|error| TrafficError { name, source: error.into() })?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// No payment is begun any more.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Waits for the wallets to end. Stop the nodes before: that ends every conversation.
    pub(super) fn join(self) {
        for thread in self.threads {
            // A wallet that panicked has told so; the nodes' chains do not depend on it.
            let _ = thread.join();
        }
    }
}

impl Payer {
    fn connect(
        plan: WalletPlan,
        network: &Arc<Network>,
        miners: &[SocketAddr],
    ) -> Result<Self, PayerError> {
        let mut payer = Self {
            wallet: Wallet::new(&plan.seed, Arc::clone(network))?,
            plan,
            network: Arc::clone(network),
            miners: miners.to_vec(),
            number: 0,
            keys: Vec::new(),
            client: None,
            next_sync: Instant::now(),
        };
        payer.sync()?;
        Ok(payer)
    }

    /// Puts the wallet's name into the directory.
    fn register(&self, bootstrap: SocketAddr) -> Result<(), PayerError> {
        let (name, account) = (&self.plan.name, self.wallet.account());
        let Some(secret) = account.secret(&account.receive_key(0)) else {
            return Ok(());
        };
        let genesis = self.network.genesis_hash();
        let record = NameRecord::sign(name, 1, genesis, &secret, &rand::random());
        let mut directory = DirectoryClient::connect(bootstrap, &self.network, TIMEOUTS)?;
        match directory.put_name(&record)? {
            NameOutcome::Held => Ok(()),
            NameOutcome::Taken(_) => Err(PayerError::Name("somebody else has it".to_owned())),
            NameOutcome::Refused { reason } => Err(PayerError::Name(reason)),
            NameOutcome::Busy => Err(PayerError::Name("the directory is busy".to_owned())),
        }
    }

    fn run(&mut self, pause: &RangeInclusive<Duration>, stopping: &AtomicBool) {
        let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let pause_ms = ms(pause.start())..=ms(pause.end());
        let mut traffic = Traffic::new(pause_ms, FEE_MIN, rand::rng());
        while !stopping.load(Ordering::Relaxed) {
            let rest = match self.step(&mut traffic) {
                Ok(()) => traffic.next_pause(),
                Err(_) => {
                    // Another miner may do better; the history is read anew with it.
                    self.client = None;
                    self.next_sync = Instant::now();
                    RETRY_PAUSE
                }
            };
            self.rest(rest, stopping);
        }
    }

    /// Makes one payment, if there is money for one.
    fn step(&mut self, traffic: &mut Traffic<ThreadRng>) -> Result<(), PayerError> {
        if self.client.is_none() || Instant::now() >= self.next_sync {
            self.sync()?;
        }
        let (available, wallets) = (self.wallet.available(), self.keys.len());
        let Some(planned) = traffic.next_payment_by(self.number, available, wallets) else {
            return Ok(());
        };
        let (receiver, fee) = (self.keys[planned.receiver], Fee::Fixed(planned.fee));
        let Ok(payment) = self.wallet.pay(receiver, planned.amount, fee, &mut rand::rng()) else {
            // What is free is not enough right now: look what has confirmed meanwhile.
            self.next_sync = Instant::now();
            return Ok(());
        };
        let mut client = self.take_client()?;
        let outcome = client.submit(&payment.transaction())?;
        self.client = Some(client);
        if let SubmitOutcome::Refused { .. } = outcome {
            // Nobody has it, so its coins are free again. What it builds on may have got lost.
            self.wallet.discard_unsent(payment.txid);
            self.sync()?;
            self.resend()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), PayerError> {
        let begun = Instant::now();
        let mut client = self.take_client()?;
        let synced = self.wallet.sync(&mut client);
        if !matches!(synced, Err(SyncError::Client(_))) {
            self.client = Some(client);
        }
        match synced {
            // The chain grows faster than the history can be read: the next time may be luckier.
            // So does one that is a block behind the miner before it, or has more headers to read.
            Ok(_)
            | Err(
                SyncError::TipMoves | SyncError::Behind { .. } | SyncError::StillReading { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
        self.next_sync = Instant::now() + begun.elapsed() * SYNC_SHARE;
        Ok(())
    }

    fn resend(&mut self) -> Result<(), PayerError> {
        let mut client = self.take_client()?;
        self.wallet.resend(&mut client)?;
        self.client = Some(client);
        Ok(())
    }

    /// The connection that is kept, or a new one to a miner chosen at random.
    fn take_client(&mut self) -> Result<NodeClient, PayerError> {
        if let Some(client) = self.client.take() {
            return Ok(client);
        }
        let nowhere = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let miner = self.miners.choose(&mut rand::rng()).copied().unwrap_or(nowhere);
        Ok(NodeClient::connect(miner, &self.network, TIMEOUTS)?)
    }

    /// Stays in conversation for `time`, so that the miner's pings are answered.
    fn rest(&mut self, time: Duration, stopping: &AtomicBool) {
        let end = Instant::now() + time;
        while !stopping.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now()).min(SLEEP_MAX);
            if left.is_zero() {
                return;
            }
            let stayed = self.client.as_mut().map(|client| client.stay(left));
            match stayed {
                Some(Ok(())) => {}
                Some(Err(_)) => self.client = None,
                None => thread::sleep(left),
            }
        }
    }
}
