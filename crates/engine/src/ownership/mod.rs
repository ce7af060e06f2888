//! Ownership: everything that a run makes has one owner that removes it, whatever ends the run.
//!
//! Three lines of defence, each for when the one before it cannot act:
//! 1. a guard per resource ([`Owned`]) removes it when dropped: normal ends, errors, panics, Ctrl-C;
//! 2. the guardian, a small process beside the lab, removes what is in the journal when the lab is killed;
//! 3. the sweep looks for the run's name on the host (`--resume`, the leak check) when the guardian was killed as well.

mod guardian;
mod home;
mod journal;
pub mod leak;
mod process;
mod resource;
mod sweep;

pub use guardian::guard;
pub use process::{ExitReport, OwnedProcess, SpawnError};
pub use resource::Resource;
pub use sweep::sweep;

pub(crate) use journal::make_scratch;
pub(crate) use resource::start_ticks;

use crate::clock::Clock;
use home::Home;
use journal::Journal;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The environment variable that marks every process of a run; the leak check looks for it.
pub const RUN_MARK: &str = "ISODYNE_RUN";

/// The prefix of every name that a run gives to something on the host.
pub fn name_prefix(run_id: &str) -> String {
    format!("isodyne-{run_id}")
}

/// The owner of everything that must not outlive the run. Clones share one state.
#[derive(Clone)]
pub struct Owner {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    run_id: String,
    next: AtomicU64,
    live: Mutex<BTreeMap<u64, Resource>>,
    /// Where containers of this run have been: asked at the end for any that is still there.
    homes: Mutex<BTreeSet<Home>>,
    journal: Option<Journal>,
}

impl Owner {
    /// An owner without a guardian: for tests, and for commands that start nothing that outlives them.
    pub fn new(clock: Clock, run_id: &str) -> Self {
        Self::with(clock, run_id, None)
    }

    /// An owner whose journal lies in `scratch`, which is made here, and is watched over by a guardian, `guardian` being the command that
    /// calls [`guard`] in a process of its own.
    ///
    /// # Errors
    /// If the directory exists already, the journal cannot be written or the guardian does not start.
    pub fn with_guardian(clock: Clock, run_id: &str, scratch: &Path, guardian: Command) -> io::Result<Self> {
        // Orphans of a sandbox (a shim, a container's init) come to the lab, which can wait for them.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self::with(clock, run_id, Some(Journal::open(scratch, guardian)?)))
    }

    fn with(clock: Clock, run_id: &str, journal: Option<Journal>) -> Self {
        let run_id = run_id.to_owned();
        let (live, homes) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { clock, run_id, next: AtomicU64::new(0), live, homes, journal }) }
    }

    /// The one function that starts a process: in a process group of its own, marked with the run's name.
    /// lab dies. Standard streams and environment are as the command says.
    ///
    /// Call it from a thread that lives as long as the process: the kernel ties the death signal to the thread.
    ///
    /// # Errors
    /// [`SpawnError`] names the program and says why it did not start.
    pub fn spawn(&self, mut command: Command) -> Result<OwnedProcess, SpawnError> {
        command.env(RUN_MARK, &self.shared.run_id);
        process::spawn(self, self.shared.clock, command)
    }

    /// Takes ownership of something by its name. Take it *before* it is made: then no moment is without an owner.
    pub fn own(&self, resource: Resource) -> Owned {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        if let Some(journal) = &self.shared.journal {
            journal.own(id, &resource);
        }
        self.live().insert(id, resource.clone());
        if let Some(home) = Home::of(&resource) {
            self.shared.homes.lock().unwrap_or_else(PoisonError::into_inner).insert(home);
        }
        Owned { id, resource, owner: self.clone() }
    }

    /// Ends every live sandbox from another thread (on Ctrl-C): process groups are killed, containers removed.
    /// Directories stay, since their owner still writes to them; its own clean-up removes them.
    pub fn abort(&self) {
        let resources: Vec<Resource> = self.live().values().rev().cloned().collect();
        for resource in resources.iter().filter(|resource| resource.is_alive_thing()) {
            // What cannot be removed now is tried again by its guard, which also reports it.
            let _ = resource.remove();
        }
    }

    /// The containers of this run that are still there, in every place where it has made one; one line each.
    pub fn containers(&self) -> Vec<String> {
        let homes = self.shared.homes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        homes.iter().flat_map(|home| home.containers(&name_prefix(self.run_id()))).collect()
    }

    /// Ends the guardian, once everything has been removed. Clones of the owner (a signal handler's) may live on.
    pub fn dismiss_guardian(&self) {
        if let Some(journal) = &self.shared.journal {
            journal.dismiss();
        }
    }

    /// The run's name.
    pub fn run_id(&self) -> &str {
        &self.shared.run_id
    }

    fn release(&self, id: u64) {
        if self.live().remove(&id).is_some()
            && let Some(journal) = &self.shared.journal
        {
            journal.release(id);
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<u64, Resource>> {
        self.shared.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard: removes its resource when dropped, unless it has been removed or given away before.
#[must_use]
pub struct Owned {
    id: u64,
    resource: Resource,
    owner: Owner,
}

impl Owned {
    /// Removes the resource now; on failure says what survives, and the leak check will find it.
    ///
    /// # Errors
    /// One line for people.
    pub fn remove(self) -> Result<(), String> {
        let removed = self.resource.remove();
        self.owner.release(self.id);
        std::mem::forget(self);
        removed
    }

    /// Says that the resource is already gone (or now belongs to the user): nothing is removed.
    pub fn release(self) {
        self.owner.release(self.id);
        std::mem::forget(self);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // A failure here cannot be returned; the leak check at the end of the run reports the survivor.
        let _ = self.resource.remove();
        self.owner.release(self.id);
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Owned").field(&self.resource).finish()
    }
}
