//! Keeping the state of a machine, and bringing it back.

use super::QemuLauncher;
use super::arguments::{self, Begin};
use super::config::{Config, Entry};
use super::kept::{KeptMachine, MEMORY, STATE};
use super::launch::{self, Kept};
use super::migration::{Form, StateFile};
use super::qmp::QmpError;
use super::sandbox::QemuSandbox;
use super::{migration, stub};
use crate::backend::snapshot::{MemoryBackend, Restorer, SnapshotKind, SnapshotOptions, Snapshots, Taken, files_of};
use crate::backend::{Place, Sandbox, chain, class_of};
use crate::lab::Lab;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use rustix::fs::{Mode, OFlags, open};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Launch, message)
}

fn failed(error: &QmpError) -> Failure {
    let class = match error {
        QmpError::Deadline(_) => FailureClass::Timeout,
        QmpError::Closed(_) => FailureClass::Crash,
        QmpError::Parse(_) => FailureClass::Protocol,
        QmpError::Refused { description, .. } if description.contains("No space left") => FailureClass::Enospc,
        _ => FailureClass::Launch,
    };
    Failure::new(class, chain(error))
}

/// What of a machine is neither in its state nor in its memory.
fn is_whole(config: &Config) -> Result<(), Failure> {
    if config.disk.is_some() {
        return Err(refused("a machine with an application's disk is not kept: the disk is not in its state"));
    }
    if config.ivshmem.is_some() {
        return Err(refused("a machine that shares memory by ivshmem is not kept: its peers are not in its state"));
    }
    Ok(())
}

impl Snapshots for QemuSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        options.refuse_what_only_containers_have("QEMU")?;
        is_whole(&self.config)?;
        let (form, memory) = match options.kind {
            SnapshotKind::Full => (Form::Stream, None),
            SnapshotKind::MappedRam(mapped) => (Form::MappedRam(mapped), None),
            SnapshotKind::Difference => return Err(refused("QEMU keeps whole states only")),
            SnapshotKind::Template => {
                let memory = self.memory.take().ok_or_else(|| {
                    refused(
                        "a template takes memory that is a file, and that no other machine shares: \
                         use `backend.qemu.memory_file = true`, and keep what came back from a template in full",
                    )
                })?;
                (Form::Template, Some(memory))
            }
        };
        let taken = self.keep(directory, form, memory.as_ref(), options.resume, deadline);
        self.memory = self.memory.take().or(memory);
        taken
    }
}

impl QemuSandbox {
    fn keep(
        &mut self,
        directory: &Path,
        form: Form,
        memory: Option<&super::memory::MemoryFile>,
        resume: bool,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        let unwritten = |error: io::Error| {
            Failure::new(class_of(&error), format!("the state cannot be written to {}: {error}", directory.display()))
        };
        // The agent listens, and neither its words nor the lab's are under way.
        self.agent.ping(deadline)?;
        let known = migration::known(&mut self.qmp, deadline).map_err(|error| failed(&error))?;
        if let Some(why) = known.lacks(form, self.qmp.version()) {
            return Err(refused(why));
        }
        let state = state_file(&directory.join(STATE), form)?;
        let asked = self.clock.now();
        let stop = self.qmp.send("stop", None).map_err(|error| failed(&error))?;
        self.stands_still = true;
        let (_, paused) = self.qmp.wait(&stop, deadline).map_err(|error| failed(&error))?;
        let mut written =
            migration::save(&mut self.qmp, &state, form, known, deadline).map_err(|error| failed(&error))?;
        if let Some(memory) = memory {
            memory.keep(&directory.join(MEMORY), resume).map_err(unwritten)?;
            written = self.clock.now();
        }
        let mut resumed = None;
        if resume {
            resumed = Some(migration::resume(&mut self.qmp, deadline).map_err(|error| failed(&error))?);
            self.stands_still = false;
        }
        let version = self.qmp.version();
        let kept = KeptMachine::of(&self.config, version, &self.name, form, directory);
        kept.and_then(|kept| kept.write(directory)).map_err(unwritten)?;
        Ok(Taken {
            asked,
            paused: Some(paused),
            written,
            resumed,
            running_says_hello: false,
            restored_says_hello: false,
            files: files_of(directory),
            engine: Vec::new(),
        })
    }
}

/// Makes the state's file. What goes past the page cache has a descriptor of its own.
fn state_file(path: &Path, form: Form) -> Result<StateFile, Failure> {
    let open = |options: &OpenOptions| options.open(path).map(OwnedFd::from);
    let file = open(OpenOptions::new().write(true).create_new(true).mode(0o600)).map_err(|error| {
        Failure::new(class_of(&error), format!("the state cannot be written to {}: {error}", path.display()))
    })?;
    let direct = match form {
        Form::MappedRam(mapped) if mapped.direct_io => {
            let opened = open(OpenOptions::new().write(true).custom_flags(OFlags::DIRECT.bits() as i32));
            Some(opened.map_err(|error| {
                refused(format!(
                    "{} cannot be written past the page cache: {error}: leave direct I/O out",
                    path.display()
                ))
            })?)
        }
        _ => None,
    };
    Ok(StateFile { file, direct })
}

impl Restorer for QemuLauncher {
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        if memory == MemoryBackend::Userfault {
            return Err(refused("QEMU takes its memory from the file only"));
        }
        is_whole(&self.config)?;
        let mut machine = KeptMachine::read(directory)?;
        machine.fits(&self.config)?;
        let missing = |path: &Path, error: io::Error| {
            Failure::new(FailureClass::Integrity, format!("{}: {error}", path.display()))
        };
        let open = |name: &str, flags: OFlags| -> Result<OwnedFd, Failure> {
            let path = directory.join(name);
            let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            open(&path, flags, Mode::empty()).map_err(|errno| missing(&path, errno.into()))
        };
        // QEMU opens the memory once more for reading and writing, and maps it so that nothing is written.
        let memory = machine.template.then(|| open(MEMORY, OFlags::RDWR)).transpose()?;
        let state = open(STATE, OFlags::RDONLY)?;
        if let Some(mapped) = &mut machine.mapped_ram {
            // The state may have come to another file system, which has only the ordinary way to it.
            mapped.direct_io &= open(STATE, OFlags::RDONLY | OFlags::DIRECT).is_ok();
        }
        let begin = Begin::Kept { template: machine.template, stub: self.stub(place)? };
        let argv = arguments::argv_from(&self.config, &begin, &self.tool.path, place);
        let kept = Kept { machine, state, memory };
        Ok(Box::new(launch::launch(&self.config, &argv, self.passt(), Some(kept), place, lab)?))
    }
}

impl QemuLauncher {
    /// A kernel that never runs, if the guest's was entered by PVH: any such kernel makes the same machine.
    fn stub(&self, place: &Place) -> Result<Option<PathBuf>, Failure> {
        if self.entry != Entry::Pvh {
            return Ok(None);
        }
        let path = place.directory.join("kernel");
        std::fs::write(&path, stub::pvh_kernel())
            .map_err(|error| Failure::new(class_of(&error), format!("failed to write {}: {error}", path.display())))?;
        Ok(Some(path))
    }
}
