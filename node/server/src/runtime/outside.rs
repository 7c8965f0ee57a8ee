//! `Outside`: carries out the machine's effects, and never waits while doing so.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{broadcast, oneshot};

use super::connection::Sockets;
use super::dialer::dial;
use super::disk::Disk;
use super::forwarding::{Forwarded, Forwarding};
use super::history::HistoryReader;
use super::lanes::PeerWork;
use super::outbound::Outbound;
use super::signatures::RayonVerifier;
use super::templates::Templates;
use machine::store::StoreError;
use machine::{Effect, Event, HistoryQuestion, Now, PeerId, Report};

/// A report of the machine with its place among all reports of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedReport {
    /// Counts up from zero without a gap; a receiver that finds one was too slow.
    pub number: u64,
    /// When the machine said it.
    pub now: Now,
    /// What it said.
    pub report: Report,
}

/// Everything that the machine's thread can reach.
pub(super) struct Outside {
    sockets: Arc<Sockets>,
    templates: Arc<Templates>,
    reports: broadcast::Sender<NumberedReport>,
    next_report: u64,
    tokio: tokio::runtime::Handle,
    connections: BTreeMap<PeerId, Arc<Outbound>>,
    forwarding: Forwarding,
    disk: Disk,
    histories: HistoryReader,
    verifier: RayonVerifier,
}

impl Outside {
    /// Without any connection.
    pub fn new(
        sockets: Arc<Sockets>,
        templates: Arc<Templates>,
        reports: broadcast::Sender<NumberedReport>,
        tokio: tokio::runtime::Handle,
        forwarding: Forwarding,
        (disk, histories, verifier): (Disk, HistoryReader, RayonVerifier),
    ) -> Self {
        let connections = BTreeMap::new();
        let next_report = 0;
        Self {
            sockets,
            templates,
            reports,
            next_report,
            tokio,
            connections,
            forwarding,
            disk,
            histories,
            verifier,
        }
    }

    /// Keeps the list of connections. False for an event that the machine shall not see: the
    /// connection is being closed, and only its end is still of interest.
    pub fn admit(&mut self, work: &mut PeerWork) -> bool {
        let Some(peer) = work.peer else {
            return true;
        };
        if let Some(outbound) = work.outbound.take() {
            self.connections.insert(peer, outbound);
        }
        if matches!(work.event, Event::Disconnected { .. }) {
            self.forwarding.done(peer);
            return self.connections.remove(&peer).is_some();
        }
        if matches!(work.event, Event::Connected { .. }) {
            return true;
        }
        let Some(outbound) = self.connections.get(&peer).filter(|outbound| outbound.is_open())
        else {
            return false;
        };
        // The queue may have filled since this was on its way; then it is told again later.
        !matches!(work.event, Event::Drained { .. }) || outbound.is_drained_or_will_tell()
    }

    /// Carries out `effects` in their order.
    pub fn carry_out(&mut self, now: Now, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { peer, frame } => {
                    if let Some(outbound) = self.connections.get(&peer) {
                        outbound.send(frame);
                    }
                }
                Effect::NotifyDrained { peer } => self.notify_drained(peer),
                Effect::Disconnect { peer, reason: _ } => {
                    if let Some(outbound) = self.connections.get(&peer) {
                        outbound.close();
                    }
                }
                Effect::Dial { address } => {
                    let dialing = dial(Arc::clone(&self.sockets), address);
                    self.sockets.tasks.spawn_on(dialing, &self.tokio);
                }
                Effect::Forward { peer, address, message } => {
                    let taken =
                        self.forwarding.pass_on(Forwarded { peer, address, message: *message });
                    if !taken && let Some(outbound) = self.connections.get(&peer) {
                        outbound.close();
                    }
                }
                Effect::Mine(template) => self.templates.set(template),
                Effect::Rest { tip } => self.templates.rest(tip),
                Effect::Write(writes) => self.disk.write(writes),
                Effect::Verify { id, checks } => {
                    let lanes = Arc::clone(&self.sockets.lanes);
                    self.verifier.verify_later(checks, move |first_invalid| {
                        lanes.push_own(Event::Verified { id, first_invalid });
                    });
                }
                Effect::Pause { peer } => self.forwarding.wait(peer),
                Effect::Resume { peer } => self.forwarding.done(peer),
                Effect::Read { peer, question } => self.read_history(peer, question),
                Effect::Report(report) => self.tell(now, report),
            }
        }
    }

    /// Tells a connection that its event is handled, unless a question of it is answered elsewhere:
    /// then it hears of it with the answer.
    pub fn say_handled(&mut self, peer: Option<PeerId>, handled: oneshot::Sender<()>) {
        self.forwarding.say_handled(peer, handled);
    }

    /// The answer to a forwarded question is on its way: its connection reads on.
    pub fn answered(&mut self, peer: PeerId) {
        self.forwarding.done(peer);
    }

    /// The machine knows how its last writes ended.
    pub fn written(&mut self) {
        self.disk.handled();
    }

    /// Waits for writes that are under way, and how they ended; `None` when there are none.
    pub fn wait_for_disk(&mut self) -> Option<Result<(), Arc<StoreError>>> {
        self.disk.wait()
    }

    /// The connections there are.
    #[cfg(test)]
    pub fn connections(&self) -> &BTreeMap<PeerId, Arc<Outbound>> {
        &self.connections
    }

    fn read_history(&mut self, peer: PeerId, question: HistoryQuestion) {
        let Some(outbound) = self.connections.get(&peer) else {
            return;
        };
        if self.histories.ask(peer, Arc::clone(outbound), question) {
            self.forwarding.wait(peer);
        } else {
            outbound.close();
        }
    }

    fn notify_drained(&self, peer: PeerId) {
        if let Some(outbound) = self.connections.get(&peer)
            && outbound.is_drained_or_will_tell()
        {
            let drained = Event::Drained { peer };
            self.sockets.lanes.push_peer(Some(peer), drained);
        }
    }

    fn tell(&mut self, now: Now, report: Report) {
        let numbered = NumberedReport { number: self.next_report, now, report };
        self.next_report += 1;
        // An error only says that nobody listens.
        let _ = self.reports.send(numbered);
    }
}
