//! `Printer`: prints what all nodes report, in one stream.

use std::io::{self, Stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use super::network::{BOOTSTRAP, RunningNetwork};
use output::events::Line;
use output::terminal::{Scope, Terminal};
use server::runtime::NumberedReport;
use show::style::Style;

/// Events that may wait to be printed; beyond them the nodes' own queues fill, and then some are
/// left out and counted.
const EVENTS_MAX: usize = 4096;

/// Prints what the nodes report.
pub(super) struct Printer {
    terminal: Terminal<Stdout>,
    events: Receiver<NodeEvent>,
    forwarders: Vec<JoinHandle<()>>,
    /// Nobody reads any more.
    closed: bool,
}

/// What one node reports, or how many reports of it were left out.
struct NodeEvent {
    node: String,
    what: Result<NumberedReport, u64>,
}

impl Printer {
    /// Prints to standard output from now on what the nodes reported since their start.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub(super) fn of(network: &mut RunningNetwork, style: Style) -> io::Result<Self> {
        let (sender, events) = sync_channel(EVENTS_MAX);
        let mut forwarders = Vec::new();
        for node in &mut network.nodes {
            let (name, sender) = (node.name.clone(), sender.clone());
            let later = node.node.reports.resubscribe();
            let reports = std::mem::replace(&mut node.node.reports, later);
            let forwarder = Builder::new()
                .name(format!("events of {name}"))
                .spawn(move || forward(&name, reports, &sender))?;
            forwarders.push(forwarder);
        }
        // The bootstrap node mines nothing, so it is nobody's rival.
        let terminal = Terminal::new(io::stdout(), style, Scope::Network { chain_of: BOOTSTRAP });
        Ok(Self { terminal, events, forwarders, closed: false })
    }

    /// Whether nobody reads any more.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Prints one line.
    pub(super) fn line(&mut self, line: &Line<'_>) {
        self.closed |= self.terminal.line(line).is_err();
    }

    fn event(&mut self, event: &NodeEvent) {
        match &event.what {
            Ok(reported) => self.line(&Line::of(&event.node, reported)),
            Err(count) => self.line(&Line::Missed { node: &event.node, count: *count }),
        }
    }

    /// Prints what comes for about `time`.
    pub(super) fn events_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while !self.closed {
            let left = end.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) => self.event(&event),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => return thread::sleep(left),
            }
        }
    }

    /// Prints what is left once the nodes have stopped.
    pub(super) fn rest(&mut self) {
        while let Ok(event) = self.events.recv() {
            if !self.closed {
                self.event(&event);
            }
        }
        for forwarder in self.forwarders.drain(..) {
            // It only moves events; one that panicked has nothing left to move.
            let _ = forwarder.join();
        }
    }
}

fn forward(
    node: &str,
    mut reports: broadcast::Receiver<NumberedReport>,
    queue: &SyncSender<NodeEvent>,
) {
    loop {
        let what = match reports.blocking_recv() {
            Ok(reported) => Ok(reported),
            Err(broadcast::error::RecvError::Lagged(count)) => Err(count),
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if queue.send(NodeEvent { node: node.to_owned(), what }).is_err() {
            return;
        }
    }
}
