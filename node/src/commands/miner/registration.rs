//! `Registration`: keeps the node listed at its bootstrap nodes, and hears from them who else is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chain::genesis::Network;
use client::data_directory::BOOTSTRAPS_MAX;
use client::directory_client::DirectoryClient;
use client::joining::resolve;
use client::node_client::{ClientError, Timeouts};
use wire::directory::RegisterOutcome;

use super::note;
use server::runtime::Handle;

/// How often a bootstrap node is visited, give or take a fifth, so that a network's miners do not
/// all come at once for ever.
const VISIT_INTERVAL: Duration = Duration::from_secs(10);
const JITTER_DIVISOR: u32 = 5;

/// How soon after a failure: a bootstrap node that is back is found within 2 s.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long a visit may take. The bootstrap node dials back before it answers.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), answer: Duration::from_secs(10) };

/// One thread for each bootstrap node.
pub(super) struct Registration {
    stop: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Registration {
    /// Begins to visit `bootstraps`, which may be away as long as they like.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(
        bootstraps: &[String],
        name: &str,
        port: u16,
        network: &Arc<Network>,
        handle: &Handle,
    ) -> io::Result<Self> {
        let (mut stop, mut threads) = (Vec::new(), Vec::new());
        for bootstrap in bootstraps.iter().take(BOOTSTRAPS_MAX) {
            let (sender, stopped) = channel();
            let visitor = Visitor {
                bootstrap: bootstrap.clone(),
                name: name.to_owned(),
                port,
                network: Arc::clone(network),
                handle: handle.clone(),
                said: Said::Nothing,
            };
            let thread = Builder::new().name("registration".to_owned());
            threads.push(thread.spawn(move || visitor.visit_until(&stopped))?);
            stop.push(sender);
        }
        Ok(Self { stop, threads })
    }

    /// Visits nobody any more. A visit that is going on is not waited for: it can harm nobody.
    pub fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            if thread.is_finished() {
                // Visits end in a value, whatever happens to them.
                let _ = thread.join();
            }
        }
    }
}

/// What people were told last, so that they are told once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    /// All is well (and worth a word only after trouble).
    Listed,
    /// What is wrong.
    Trouble(String),
}

struct Visitor {
    bootstrap: String,
    name: String,
    port: u16,
    network: Arc<Network>,
    handle: Handle,
    said: Said,
}

impl Visitor {
    fn visit_until(mut self, stopped: &Receiver<()>) {
        loop {
            let visited = self.visit();
            let wait = until_next_visit(visited.is_ok(), rand::random());
            self.tell(visited);
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Registers anew, so that no entry expires, and asks for the others.
    fn visit(&self) -> Result<RegisterOutcome, ClientError> {
        let mut last = ClientError::Closed;
        for address in resolve(&self.bootstrap).map_err(ClientError::Io)? {
            match self.visit_at(address) {
                Ok(outcome) => return Ok(outcome),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn visit_at(&self, address: SocketAddr) -> Result<RegisterOutcome, ClientError> {
        let mut client = DirectoryClient::connect(address, &self.network, TIMEOUTS)?;
        // The bootstrap node is a full node, too: a peer like the others.
        self.handle.tell_addresses(vec![address]);
        let outcome = client.register(&self.name, self.port)?;
        let miners = client.miners()?;
        self.handle.tell_addresses(miners.into_iter().map(|miner| miner.address).collect());
        Ok(outcome)
    }

    /// Tells what became of a visit.
    fn tell(&mut self, visited: Result<RegisterOutcome, ClientError>) {
        match visited {
            Ok(RegisterOutcome::Listed { .. }) => self.say(Said::Listed),
            Ok(RegisterOutcome::Unreachable { reason }) => self.say(Said::Trouble(format!(
                "it does not list this node, as port {} cannot be reached from there: {reason}",
                self.port
            ))),
            // Nothing is wrong here; the next visit tries again.
            Ok(RegisterOutcome::Busy) => {}
            Err(error) => self.say(Said::Trouble(trouble(&error))),
        }
    }

    fn say(&mut self, news: Said) {
        if self.said == news {
            return;
        }
        match (&self.said, &news) {
            (Said::Nothing, Said::Listed) => {}
            (Said::Trouble(_), Said::Listed) => {
                note(&format!("the bootstrap node at {} is back", self.bootstrap));
            }
            (_, Said::Trouble(what)) => note(&format!(
                "the bootstrap node at {}: {what}; going on without it",
                self.bootstrap
            )),
            (_, Said::Nothing) | (Said::Listed, Said::Listed) => {}
        }
        self.said = news;
    }
}

/// How long after a visit the next one begins; `draw` is uniform from zero to one.
fn until_next_visit(was_answered: bool, draw: f64) -> Duration {
    if !was_answered {
        return RETRY_INTERVAL;
    }
    let jitter = VISIT_INTERVAL / JITTER_DIVISOR;
    VISIT_INTERVAL - jitter + jitter.mul_f64(2.0 * draw)
}

/// What is wrong, in the same words for as long as it is the same.
fn trouble(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { .. } | ClientError::Closed | ClientError::TimedOut { .. } => {
            "it is lost".to_owned()
        }
        ClientError::WrongNetwork { difference } => {
            format!("it is on another network now ({difference})")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use server::directory::EXPIRY;

    proptest! {
        #[test]
        fn visits_are_8_to_12_s_apart_and_a_failed_one_is_made_again_after_one(draw in 0.0..1.0) {
            let wait = until_next_visit(true, draw);
            prop_assert!((Duration::from_secs(8)..Duration::from_secs(12)).contains(&wait));
            prop_assert!((wait.as_secs_f64() - (8.0 + 4.0 * draw)).abs() < 1e-6);
            prop_assert_eq!(until_next_visit(false, draw), Duration::from_secs(1));
        }

        #[test]
        fn no_entry_expires_though_a_visit_fails_as_late_as_it_can(draw in 0.0..1.0) {
            let longest = TIMEOUTS.connect + TIMEOUTS.answer;
            let again = until_next_visit(true, draw) + longest + until_next_visit(false, draw);
            prop_assert!(again + TIMEOUTS.answer < EXPIRY, "{:?}", again);
        }
    }
}
