//! Keeping a sandbox of the lab, whichever backend of containers it is of: the runtime's calls, the packing, the record.

use super::kept::{self, IMAGES, Kept, LOGS};
use super::runtime::{DumpPlace, RuntimeProgram};
use super::{CheckpointError, criu};
use crate::backend::oci::command::last_line;
use crate::backend::oci::diagnose::tail;
use crate::backend::oci::launcher::{command, open_log, refused};
use crate::backend::snapshot::{Engine, SnapshotKind, SnapshotOptions, Taken};
use crate::clock::Clock;
use crate::ownership::{ExitReport, OwnedProcess, Owner};
use isodyne_core::checkpoint::CheckpointClass;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::path::Path;
use std::process::Stdio;

/// The runtime and the container that it keeps.
pub(crate) struct Keeper<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) clock: Clock,
    pub(crate) program: RuntimeProgram,
    /// The container's name at the runtime.
    pub(crate) id: &'a str,
    /// The sandbox's log, which gets the runtime's complaints.
    pub(crate) log: &'a Path,
    pub(crate) deadline: HostInstant,
}

/// A sandbox whose images are written.
pub(crate) struct Dumped {
    asked: HostInstant,
    engine: Vec<(String, f64)>,
    record: Kept,
}

impl Dumped {
    /// One that a container engine has written in its own way.
    pub(crate) fn natively(asked: HostInstant, engine: Vec<(String, f64)>, record: Kept) -> Self {
        let record = Kept { engine: Engine::Native, ..record };
        Self { asked, engine, record }
    }
}

/// Refuses what CRIU does not have, before anything is done.
fn refuse(options: &SnapshotOptions) -> Result<(), Failure> {
    let refused = |message: String| Err(Failure::new(FailureClass::Launch, message));
    options.refuse_what_only_qemu_has("CRIU")?;
    if options.kind != SnapshotKind::Full {
        return refused("a container is kept whole: CRIU's differences are rounds before the freeze".to_owned());
    }
    if options.rounds > 0
        && let Err(reason) = criu::incremental()
    {
        return refused(reason);
    }
    Ok(())
}

/// Waits for a call of a runtime or an engine; what CRIU said if it failed.
pub(crate) fn finish(
    process: &mut OwnedProcess,
    criu_log: &Path,
    log: &Path,
    deadline: HostInstant,
) -> Result<ExitReport, CheckpointError> {
    let Some(exit) = process.wait(deadline) else {
        process.kill();
        let message = format!("`{}` did not end in time and was killed", process.program());
        return Err(CheckpointError::new(CheckpointClass::Timeout, message));
    };
    if exit.status.success() {
        return Ok(exit);
    }
    let said = last_line(&tail(log)).unwrap_or_else(|| exit.status.to_string());
    Err(criu::explain(criu_log, &said))
}

impl Keeper<'_> {
    /// One call of the runtime that writes images.
    fn call(&self, argv: &[String], work: &Path) -> Result<(HostInstant, ExitReport), Failure> {
        let mut dump = command(argv);
        dump.stdin(Stdio::null()).stdout(Stdio::null()).stderr(open_log(self.log)?);
        let mut process = self.owner.spawn(dump).map_err(|error| refused("the runtime", &error))?;
        let exit = finish(&mut process, &work.join(criu::DUMP_LOG), self.log, self.deadline)?;
        Ok((process.forked_at, exit))
    }

    /// The rounds, the dump, and the packing if asked. `record` says whom it was made of.
    pub(crate) fn dump(&self, directory: &Path, options: &SnapshotOptions, record: Kept) -> Result<Dumped, Failure> {
        refuse(options)?;
        let kept_options = kept::options_of(options);
        kept::make_directories(directory, options.rounds)?;
        let (images, work) = (directory.join(IMAGES), directory.join(LOGS));
        let mut first = None;
        let mut engine = Vec::new();
        for number in 1..=options.rounds {
            let round = directory.join(kept::round(number));
            let parent = (number > 1).then(|| format!("../{}", kept::round(number - 1)));
            let place = DumpPlace { images: &round, work: &work, parent: parent.as_deref() };
            let (at, exit) = self.call(&self.program.pre_dump(self.id, place, &kept_options), &work)?;
            first.get_or_insert(at);
            engine.push((format!("round_{number}_ns"), exit.at.ns_since(at) as f64));
        }
        let parent = (options.rounds > 0).then(|| format!("../{}", kept::round(options.rounds)));
        let place = DumpPlace { images: &images, work: &work, parent: parent.as_deref() };
        let (at, exit) = self.call(&self.program.dump(self.id, place, &kept_options), &work)?;
        engine.push(("runtime_ns".to_owned(), exit.at.ns_since(at) as f64));
        engine.extend(criu::total_ns(&work.join(criu::DUMP_LOG)).map(|ns| ("criu_total_ns".to_owned(), ns as f64)));
        engine.extend(criu::statistics(&work));
        let mut record = Kept { options: kept_options, ..record };
        if let Some(packing) = record.options.compression {
            let begin = self.clock.now();
            record.packed = kept::pack_images(&images, packing)?;
            engine.push(("pack_ns".to_owned(), self.clock.now().ns_since(begin) as f64));
        }
        Ok(Dumped { asked: first.unwrap_or(at), engine, record })
    }

    /// Writes the container's changes of its root, which takes its own time.
    pub(crate) fn layer(
        &self,
        dumped: &mut Dumped,
        write: impl FnOnce() -> Result<(), CheckpointError>,
    ) -> Result<(), Failure> {
        let begin = self.clock.now();
        write()?;
        dumped.engine.push(("layer_ns".to_owned(), self.clock.now().ns_since(begin) as f64));
        Ok(())
    }

    /// Writes the record: from then on it can be brought back.
    pub(crate) fn taken(&self, dumped: Dumped, directory: &Path) -> Result<Taken, Failure> {
        dumped.taken(directory, self.clock)
    }
}

impl Dumped {
    /// Writes the record, as [`Keeper::taken`] does.
    pub(crate) fn taken(self, directory: &Path, clock: Clock) -> Result<Taken, Failure> {
        let dumped = self;
        dumped.record.write(directory)?;
        Ok(Taken {
            asked: dumped.asked,
            paused: None,
            written: clock.now(),
            resumed: None,
            running_says_hello: false,
            restored_says_hello: false,
            files: kept::files_below(directory),
            engine: dumped.engine,
        })
    }
}
