//! Ctrl-C, SIGTERM and SIGHUP: the run ends cleanly and can be resumed.

use crate::ownership::Owner;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the user has asked the run to end.
#[derive(Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    owner: Arc<Mutex<Option<Owner>>>,
}

impl Interrupt {
    /// Starts to listen, as early as possible. At the first signal the live sandbox is ended, which wakes whoever waits
    /// for it; at the second the program ends at once with code 130 and leaves the rest to the guardian.
    ///
    /// # Errors
    /// If the host gives no signal handler or no thread.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let own = interrupt.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                if own.asked.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                // In a thread of its own: ending can take time, and a second signal must get through.
                let own = own.clone();
                std::thread::spawn(move || own.abort());
            }
        })?;
        Ok(interrupt)
    }

    /// Names the owner of what is to be ended at a signal.
    pub fn ends(&self, owner: Owner) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner);
    }

    /// Whether the user has asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    fn abort(&self) {
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(owner) = owner {
            owner.abort();
        }
    }
}
