//! The state of a container: kept by CRIU through the runtime, and brought back in a second sandbox.
//!
//! What is kept lies in one directory: `images/`, `logs/`, `pre-dump-N/` for rounds before the freeze, and what a restore
//! has to know. The agent's pipes are the lab's: the runtime tells CRIU of them by their number, and gives the restored
//! container new ones, so that the agent goes on in the middle of its conversation.

use super::diagnose::log_path;
use super::launcher::{OciLauncher, command, open_log, path_of, refused, spawned, state_root, stdio_transport};
use super::sandbox::{OciSandbox, Parts};
use crate::backend::snapshot::{MemoryBackend, Restorer, SnapshotOptions, Snapshots, Taken, WasKept};
use crate::backend::{Place, Sandbox};
use crate::channel::AgentChannel;
use crate::checkpoint::criu;
use crate::checkpoint::kept::{self, Kept};
use crate::checkpoint::runtime::{DumpPlace, RuntimeProgram};
use crate::checkpoint::sandbox::Keeper;
use crate::lab::Lab;
use crate::network;
use crate::ownership::OwnedProcess;
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::KeptOptions;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long the runtime's `run` may take to end after its container was kept and ended.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Whether a runtime can have its containers kept: Debian's crun is built without CRIU, and gVisor keeps in its own way.
pub(super) fn is_possible(name: BackendName) -> bool {
    name == BackendName::Runc
}

impl OciSandbox {
    fn program(&self) -> RuntimeProgram {
        let runtime = &self.parts.runtime;
        let mut program = RuntimeProgram::of(&runtime.tool.path, &state_root(&self.parts.place));
        program.argv.extend(runtime.options.iter().cloned());
        program
    }
}

impl Snapshots for OciSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        if self.parts.init.is_some() {
            let message = "with `lifecycle = \"split\"` the container writes into a log of the host's, which CRIU cannot \
                           keep: use \"run\"";
            return Err(Failure::new(FailureClass::Launch, message));
        }
        let name = self.parts.place.name.clone();
        let keeper = Keeper {
            owner: &self.parts.owner,
            clock: self.parts.clock,
            program: self.program(),
            id: &name,
            log: &self.parts.log,
            deadline,
        };
        let bound = self.parts.bound.clone();
        let record = Kept { name: name.clone(), bound, announce: self.parts.channel.unannounced(), ..Kept::default() };
        let mut dumped = keeper.dump(directory, options, record)?;
        self.kept = WasKept::by(options);
        if !options.resume {
            // The `run` that stood between ends with its container.
            self.parts.process.wait(self.parts.clock.after(AFTERMATH));
            network::kept::left(&name, self.parts.network.as_ref());
        }
        if let Some(root) = &self.parts.root {
            keeper.layer(&mut dumped, || root.keep(&directory.join(kept::LAYER)))?;
        }
        keeper.taken(dumped, directory)
    }
}

impl OciLauncher {
    fn restore_process(
        &self,
        place: &Place,
        images: &Path,
        options: &KeptOptions,
        lab: &Lab,
    ) -> Result<OwnedProcess, Failure> {
        let mut program = RuntimeProgram::of(&self.runtime.tool.path, &state_root(place));
        program.argv.extend(self.runtime.options.iter().cloned());
        let dump = DumpPlace { images, work: &place.directory, parent: None };
        let argv = program.restore(&place.name, &place.directory, dump, None, options);
        let log = open_log(&log_path(place, self.runtime.name.as_str()))?;
        let mut restore: Command = command(&argv);
        restore.current_dir(&place.directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        lab.owner.spawn(restore).map_err(|error| refused(self.runtime.name.as_str(), &error))
    }
}

impl Restorer for OciLauncher {
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        memory.of_a_container()?;
        let kept = Kept::read(directory)?;
        let images = kept.ready(directory, &place.directory)?;
        let root = self.make_root(place, lab)?;
        if let Some(root) = &root {
            root.bring_back(&directory.join(kept::LAYER))?;
        }
        let network = network::kept::again(self.network, &kept.name, lab)?;
        let namespace = path_of(network.as_deref());
        self.runtime.write_bundle(place, &self.config(place, namespace.as_deref(), &kept.bound))?;
        let guard = lab.owner.own(self.runtime.resource(place));
        let mut process = self.restore_process(place, &images, &kept.options, lab)?;
        let stamps = vec![spawned(&process)];
        let transport = stdio_transport(&mut process, lab)?;
        let channel = AgentChannel::continued(Box::new(transport), lab.clock, kept.announce);
        let log = log_path(place, self.runtime.name.as_str());
        Ok(Box::new(OciSandbox::new(Parts {
            clock: lab.clock,
            owner: lab.owner.clone(),
            runtime: self.runtime.clone(),
            place: place.clone(),
            memory_bytes: self.memory_bytes,
            log,
            stamps,
            watcher: None,
            channel,
            process,
            calls_used: Vec::new(),
            init: None,
            network,
            bound: kept.bound,
            guard: Some(guard),
            root,
            restore_log: Some(place.directory.join(criu::RESTORE_LOG)),
        })))
    }
}
