//! The lab: what one run shares between its sandboxes.

use crate::application::Images;
use crate::clock::Clock;
use crate::host::{HostFacts, cgroup};
use crate::ownership::{Owned, Owner, Resource, leak, make_scratch, name_prefix};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What one run shares between its sandboxes.
pub struct Lab {
    /// The one clock.
    pub clock: Clock,
    /// The owner of everything that must not outlive the run.
    pub owner: Owner,
    /// What this host is, as found once at the beginning.
    pub host: HostFacts,
    /// A private directory (0700, short path) for sockets and state; removed at the end.
    pub scratch: PathBuf,
    /// Where consoles and runtime logs of this run go.
    pub logs: PathBuf,
    /// The cache of kernels, initramfs and images.
    pub cache: PathBuf,
    /// A short random name of the run, in hexadecimal; every owned resource carries it.
    pub run_id: String,
    /// The invocation of the program within the run, from 0.
    pub session: u32,
    /// The applications' images of the run.
    pub(crate) images: Images,
    /// Keeps the lab's parent cgroup while the run goes on.
    parents_guard: Option<Owned>,
    /// Removes the scratch directory if [`Lab::close`] is never reached.
    scratch_guard: Option<Owned>,
}

/// What a lab is opened with.
#[derive(Debug)]
pub struct LabOptions<'a> {
    /// The run's name.
    pub run_id: &'a str,
    /// The invocation of the program within the run, from 0.
    pub session: u32,
    /// Where logs go.
    pub logs: &'a Path,
    /// The cache.
    pub cache: &'a Path,
    /// The command that runs [`crate::ownership::guard`]; the scratch directory is added as its last argument.
    /// `None` for commands that start nothing that outlives them.
    pub guardian: Option<Command>,
}

impl Lab {
    /// Opens a lab: looks at the host, makes the scratch directory, starts the guardian.
    ///
    /// # Errors
    /// If the scratch directory cannot be made or the guardian does not start.
    pub fn open(options: LabOptions<'_>) -> io::Result<Self> {
        let clock = Clock;
        let scratch = std::env::temp_dir().join(format!("{}-s{}", name_prefix(options.run_id), options.session));
        let owner = match options.guardian {
            Some(guardian) => Owner::with_guardian(clock, options.run_id, &scratch, guardian)?,
            None => {
                make_scratch(&scratch)?;
                Owner::new(clock, options.run_id)
            }
        };
        let host = HostFacts::gather();
        let parents = format!("{}-lab", name_prefix(options.run_id));
        let parents_guard = Some(owner.own(Resource::Cgroup(parents.clone())));
        cgroup::hold_parents(&host.cgroups, &parents);
        let scratch_guard = Some(owner.own(Resource::Directory(scratch.clone())));
        Ok(Self {
            clock,
            owner,
            host,
            scratch,
            logs: options.logs.to_owned(),
            cache: options.cache.to_owned(),
            run_id: options.run_id.to_owned(),
            session: options.session,
            images: Images::default(),
            parents_guard,
            scratch_guard,
        })
    }

    /// Removes the scratch directory and looks for anything that still carries the run's name, and for changes of what
    /// sandboxes may not have changed.
    ///
    /// Returns one line per survivor; empty is good.
    pub fn close(mut self) -> Vec<String> {
        // Stores of containers lie in the scratch directory, so that they are asked before it goes.
        let mut survivors: Vec<String> = self.owner.containers();
        for guard in [self.parents_guard.take(), self.scratch_guard.take()].into_iter().flatten() {
            survivors.extend(guard.remove().err());
        }
        survivors.extend(leak::survivors(&self.run_id, &self.scratch));
        survivors.extend(self.images.changed());
        self.owner.dismiss_guardian();
        cgroup::remove_empty_parents(&self.host.cgroups);
        survivors
    }
}
