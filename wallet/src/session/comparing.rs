//! Comparing: what the chain looks like to other miners than the one that is talked to, and who is
//! left alone for a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::node_client::{ClientError, NodeClient, Timeouts};
use wire::directory::{MINERS_MAX, MinerEntry};

use crate::header_chain::{Follow, FollowError, OfEqualWork};
use crate::miner_choice::order_of_trial;
use crate::wallet::SyncError;

use super::{Session, WalletEvent};

/// Pause between two comparisons: so long at most a miner can keep back what others have.
const COMPARE_INTERVAL: Duration = Duration::from_secs(30);

/// Miners whose chains are read beside the one that is talked to: one honest one among three is
/// enough, and each costs it and us a connection.
const OTHERS_MAX: usize = 2;

/// How long one comparison may take before the rest waits for the next one, an answer that is under
/// way aside, and how long one miner gets: nobody waits for a balance because somebody else is slow
/// or has much to show.
const COMPARING_MAX: Duration = Duration::from_secs(3);
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_millis(500), answer: Duration::from_secs(2) };

/// How long a miner is left alone that said what cannot be, and one that is only slow or behind.
const PAUSE_OF_LIARS: Duration = Duration::from_secs(600);
const PAUSE_OF_THE_SLOW: Duration = Duration::from_secs(10);

/// With whom the chain is compared, and who is left alone.
#[derive(Debug)]
pub(super) struct Comparison {
    /// When the next one is due.
    next: Instant,
    /// Whether it was told that there is nobody to compare with.
    is_told: bool,
    /// Until when a miner is not asked. Holds no more addresses than a directory lists.
    shunned: BTreeMap<SocketAddr, Instant>,
}

impl Comparison {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, is_told: false, shunned: BTreeMap::new() }
    }

    pub(super) fn is_shunned(&self, address: &SocketAddr, now: Instant) -> bool {
        self.shunned.get(address).is_some_and(|until| now < *until)
    }

    fn shun(&mut self, address: SocketAddr, pause: Duration) {
        let now = Instant::now();
        self.shunned.retain(|_, until| now < *until);
        if self.shunned.len() < MINERS_MAX {
            self.shunned.insert(address, now + pause);
        }
    }
}

impl Session {
    /// Reads the headers of other miners when that is due: the chain of most work counts, whoever
    /// shows it.
    pub(super) fn compare(&mut self, now: Instant) {
        let Some(asked) = self.connected.as_ref().map(|connected| connected.miner.clone()) else {
            return;
        };
        if now < self.comparison.next {
            return;
        }
        self.comparison.next = now + COMPARE_INTERVAL;
        let mut compared = 0;
        let until = Instant::now() + COMPARING_MAX;
        for miner in self.others(&asked) {
            if compared == OTHERS_MAX || Instant::now() >= until {
                break;
            }
            compared += usize::from(self.follow_other(&miner, until));
        }
        if compared > 0 {
            self.comparison.is_told = false;
        } else if !std::mem::replace(&mut self.comparison.is_told, true) {
            self.tell(WalletEvent::NotCompared { miner: asked.name });
        }
    }

    /// Other miners than `asked`, in the order in which they are tried: those that are listed, and
    /// those that were once when no directory answers.
    fn others(&mut self, asked: &MinerEntry) -> Vec<MinerEntry> {
        let listed = match self.search.listed.take() {
            Some(listed) => Some(listed),
            None => self.listed_miners(),
        };
        let known = listed.as_deref().unwrap_or(self.remembered.miners());
        let mut order = order_of_trial(known, &[], &mut self.rng);
        let now = Instant::now();
        order.retain(|miner| {
            miner.address != asked.address && !self.comparison.is_shunned(&miner.address, now)
        });
        order
    }

    /// Whether the miner's headers were read in earnest, until then or to their end.
    pub(super) fn follow_other(&mut self, miner: &MinerEntry, until: Instant) -> bool {
        let Ok(mut client) = NodeClient::connect(miner.address, &self.network, TIMEOUTS) else {
            return false;
        };
        let follow = Follow::now(OfEqualWork::Leave).until(until);
        match self.wallet.headers_mut().follow(&mut client, follow) {
            Ok(_) => true,
            Err(error) => {
                if matches!(
                    error,
                    FollowError::Fault(_) | FollowError::Client(ClientError::Protocol(_))
                ) {
                    self.disbelieve(miner, error.to_string());
                }
                false
            }
        }
    }

    /// A miner that said what cannot be is named and left alone.
    pub(super) fn disbelieve(&mut self, miner: &MinerEntry, reason: String) {
        self.comparison.shun(miner.address, PAUSE_OF_LIARS);
        self.tell(WalletEvent::Disbelieved { miner: miner.name.clone(), reason });
    }

    /// Leaves the miner that was talked to, for as long as the reason asks for.
    pub(super) fn leave(&mut self, miner: &MinerEntry, error: &SyncError, now: Instant) {
        if error.is_lie() {
            self.disbelieve(miner, error.to_string());
            self.disconnect(now);
            return;
        }
        match error {
            SyncError::Behind { .. }
            | SyncError::Early(_)
            | SyncError::Client(ClientError::TimedOut { .. }) => {
                self.comparison.shun(miner.address, PAUSE_OF_THE_SLOW);
            }
            _ => {}
        }
        self.lose(miner, &error.to_string(), now);
    }
}
