//! Ctrl-C, SIGTERM and SIGHUP: the run ends cleanly and can be resumed.

use crate::ownership::Owner;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user has asked the run to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts to listen. At the first signal the live sandbox is ended, which wakes whoever waits for it; at the second
    /// the program ends at once with code 130 and leaves the rest to the guardian.
    ///
    /// # Errors
    /// If the host gives no signal handler or no thread.
    pub fn listen(owner: Owner) -> io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let asked = Arc::clone(&interrupt.asked);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                if asked.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                owner.abort();
            }
        })?;
        Ok(interrupt)
    }

    /// Whether the user has asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}
