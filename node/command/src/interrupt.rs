//! `Interrupt`: Ctrl-C and SIGTERM, noticed once; a second one ends the process at once. Whatever
//! runs long ends by it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, Builder};

use show::exit::Exit;

const NOTHING: u8 = 0;
const INTERRUPTED: u8 = 1;
const TERMINATED: u8 = 2;

/// How somebody asked the program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Whether somebody wants the program to end.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Listens for signals from now on. The first one unparks the thread that called this.
    ///
    /// # Errors
    /// The operating system's.
    pub fn listen() -> io::Result<Self> {
        Self::listen_and(|| ())
    }

    /// The same, and calls `first` at the first signal.
    ///
    /// # Errors
    /// The operating system's.
    pub fn listen_and(first: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let interrupt = Self::default();
        let seen = interrupt.clone();
        let listener = thread::current();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _inside = tokio.enter();
            Signals::new()?
        };
        Builder::new().name("signals".to_owned()).spawn(move || {
            tokio.block_on(async {
                let signal = signals.next().await;
                seen.0.store(signal, Ordering::Relaxed);
                first();
                listener.unpark();
                signals.next().await;
                std::process::exit(Exit::Interrupted.code().into());
            });
        })?;
        Ok(interrupt)
    }

    /// Whether a signal came.
    pub fn came(&self) -> bool {
        self.asked().is_some()
    }

    /// What came; `None` to go on.
    pub fn asked(&self) -> Option<Ask> {
        match self.0.load(Ordering::Relaxed) {
            NOTHING => None,
            INTERRUPTED => Some(Ask::Interrupt),
            _ => Some(Ask::Terminate),
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        // A system without Ctrl-C can only end the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INTERRUPTED
    }
}
