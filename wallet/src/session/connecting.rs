//! Finding a miner, keeping the connection, and reading what changed.

use std::time::{Duration, Instant};

use client::directory_client::DirectoryClient;
use client::joining::resolve;
use client::node_client::{ClientError, NodeClient};
use wire::directory::MinerEntry;
use wire::wallet::ChainTip;

use crate::miner_choice::order_of_trial;
use crate::wallet::SyncError;

use super::{Connected, Session, TIMEOUTS, WalletEvent};

/// Pause after the first search that found nobody; it doubles up to [`PAUSE_MAX`].
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(125);

/// Longest pause between two searches: whoever starts is found within 2 s.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Looks in a row at a miner whose tip changes while it is read, or that is a block behind, before
/// another one is taken.
const LOOKS_MAX: u32 = 5;

impl Session {
    /// Takes any miner that answers when there is none and the time for a search has come.
    pub(super) fn connect_to_miner(&mut self, now: Instant) {
        if self.connected.is_some() || now < self.search.next {
            return;
        }
        let listed = self.listed_miners();
        let mut reason = match &listed {
            Some(listed) if listed.is_empty() => "the directory lists none yet".to_owned(),
            Some(_) => "none of those that are listed answers".to_owned(),
            None if self.bootstraps.is_empty() => "no bootstrap node is named".to_owned(),
            None => format!("no bootstrap node answers at {}", self.bootstraps.join(", ")),
        };
        self.search.listed.clone_from(&listed);
        let listed = listed.unwrap_or_default();
        for miner in order_of_trial(&listed, self.remembered.miners(), &mut self.rng) {
            if self.comparison.is_shunned(&miner.address, Instant::now()) {
                reason = format!("{} was left before, and is not asked again yet", miner.name);
                continue;
            }
            match NodeClient::connect(miner.address, &self.network, TIMEOUTS) {
                Ok(client) => {
                    self.adopt(client, miner);
                    return;
                }
                Err(error @ ClientError::WrongNetwork { .. }) => {
                    reason = format!("{}: {error}", miner.name);
                }
                Err(_) => {}
            }
        }
        if !std::mem::replace(&mut self.search.is_told, true) {
            self.tell(WalletEvent::Waiting { reason });
        }
        self.search.next = Instant::now() + self.search.pause;
        self.search.pause = (self.search.pause * 2).min(PAUSE_MAX);
    }

    fn adopt(&mut self, client: NodeClient, miner: MinerEntry) {
        let again = std::mem::replace(&mut self.search.was_connected, true);
        self.tell(WalletEvent::Connected {
            miner: miner.name.clone(),
            address: miner.address,
            again,
        });
        self.connected = Some(Connected { client, miner, is_catching_up: false });
        self.seen = None;
        self.broken_off = 0;
        self.search.is_told = false;
        self.search.pause = PAUSE_MIN;
    }

    /// The miners that are listed now; `None` when no directory answers. They are remembered.
    pub fn listed_miners(&mut self) -> Option<Vec<MinerEntry>> {
        let listed = self.ask_directory(|directory| directory.miners())?;
        if let Err(error) = self.remembered.remember(&listed) {
            self.tell(WalletEvent::NotKept { what: format!("the list of miners ({error})") });
        }
        Some(listed)
    }

    /// Asks the first bootstrap node that answers.
    pub(super) fn ask_directory<T>(
        &self,
        mut question: impl FnMut(&mut DirectoryClient) -> Result<T, ClientError>,
    ) -> Option<T> {
        let addresses = self.bootstraps.iter().flat_map(|written| resolve(written).ok());
        addresses.flatten().find_map(|address| {
            let mut directory = DirectoryClient::connect(address, &self.network, TIMEOUTS).ok()?;
            question(&mut directory).ok()
        })
    }

    /// Reads what changed and sends what waits. A miner that fails or lies is left.
    pub(super) fn look(&mut self, now: Instant) {
        let Some(mut connected) = self.connected.take() else {
            return;
        };
        let looked = self.look_at(&mut connected.client);
        connected.is_catching_up = matches!(looked, Err(SyncError::StillReading { .. }));
        match looked {
            // There is more to read; the next look goes on.
            Ok(()) | Err(SyncError::StillReading { .. }) => self.connected = Some(connected),
            Err(error) => self.leave(&connected.miner, &error, now),
        }
    }

    /// Whether the miner has more headers than could be read so far.
    pub fn is_catching_up(&self) -> bool {
        self.connected.as_ref().is_some_and(|connected| connected.is_catching_up)
    }

    pub(super) fn lose(&mut self, miner: &MinerEntry, reason: &str, now: Instant) {
        self.tell(WalletEvent::Lost { miner: miner.name.clone(), reason: reason.to_owned() });
        self.disconnect(now);
    }

    pub(super) fn disconnect(&mut self, now: Instant) {
        self.connected = None;
        self.seen = None;
        self.search.next = now;
    }

    /// A chain may change faster than it can be read, or be a block behind, but not for ever.
    fn is_patient(&mut self) -> bool {
        self.broken_off += 1;
        self.broken_off < LOOKS_MAX
    }

    fn look_at(&mut self, client: &mut NodeClient) -> Result<(), SyncError> {
        let tip = client.tip()?;
        let now = (tip.tip, tip.pending_changes);
        let at = ChainTip { hash: tip.tip, height: tip.height };
        if self.seen == Some(now) && self.wallet.is_current(at) {
            return Ok(());
        }
        let same_tip = self.seen.is_some_and(|(seen, _)| seen == tip.tip);
        let changes = match self.wallet.sync_from(client, tip) {
            Err(SyncError::TipMoves) if self.is_patient() => return Ok(()),
            // A block that another one has takes a moment to reach this one.
            Err(SyncError::Behind { height })
                if self.wallet.is_near(height) && self.is_patient() =>
            {
                return Ok(());
            }
            synced => synced?,
        };
        self.broken_off = 0;
        self.seen = Some(now);
        // The first look brings the whole past, which is no news.
        if std::mem::replace(&mut self.is_synced, true) {
            self.tell_changes(changes);
        }
        if !same_tip {
            self.resend(client)?;
        }
        Ok(())
    }
}
