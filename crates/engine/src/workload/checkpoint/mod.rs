//! `checkpoint`: the state of a sandbox is kept, and brought back in another one, with proof.
//!
//! The subject inside holds what the lab knows (`crate::workload::checkpoint::subject`). Everything about it is proved before
//! its state is kept and after it has come back, under keys drawn for that moment, so that a reboot, a lost page or a flipped
//! bit is a failed sample and never a time. The sample's ledger goes from before the fork of the first sandbox over the cold
//! boot, the freeze, the dump and its syncing to the first right answer of the restored one.

mod base;
mod clones;
mod comeback;
mod native;
mod options;
mod outside;
mod page_cache;
mod proof;
mod storage;
mod subject;
mod told;

pub use options::CheckpointOptions;

use super::life::Life;
use super::{Attempt, app};
use crate::backend::snapshot::{SnapshotKind, Taken};
use crate::backend::{Launcher, Place, PrepareError, class_of};
use crate::channel::{AwaitOutcome, ExecRequest};
use crate::lab::Lab;
use crate::network::{AGENT_PORT, Family, Network};
use base::Base;
use clones::Cloning;
use comeback::{Back, Comeback};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::ready::Ready;
use isodyne_core::unit::HostInstant;
use isodyne_subject::spec::Spec;
use outside::{Outside, Question};
use proof::{Before, after_restore, fact};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use subject::Subject;

/// How long a sandbox may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// For how long the subject's ticks are looked at before anything is kept: what a gap is worth is what it is without a
/// freeze.
const QUIET: Duration = Duration::from_millis(250);
/// Answers behind the gap that show that a connection goes on, and how long they are waited for: TCP asks again ever less
/// often while nobody answers, so that the next question may take as long as the gap was.
const AFTER_COUNT: usize = 20;
const AFTER_PATIENCE: Duration = Duration::from_secs(10);

/// Whether the backend can keep a state at all.
///
/// # Errors
/// [`PrepareError::Unavailable`] if it cannot.
pub fn check(launcher: &dyn Launcher, backend: &str, options: &CheckpointOptions) -> Result<(), PrepareError> {
    if launcher.restorer().is_some() {
        if options.snapshot.kind == SnapshotKind::Difference && base::keeper_of_differences(launcher).is_none() {
            return Err(PrepareError::Unavailable {
                reason: format!("`{backend}` keeps no differences to an earlier state"),
                hint: "firecracker does; for containers there are `rounds`; or use `checkpoint.form = \"full\"`"
                    .to_owned(),
            });
        }
        return Ok(());
    }
    Err(PrepareError::Unavailable {
        reason: format!("`{backend}` keeps no states"),
        hint: "measure runc, podman, docker, qemu, firecracker or cloud-hypervisor".to_owned(),
    })
}

/// Takes one sample.
pub fn checkpoint(launcher: &dyn Launcher, place: &Place, lab: &Lab, options: &CheckpointOptions) -> Attempt {
    let mut life = match Life::begin(BenchmarkName::Checkpoint, lab, || launcher.launch(place, lab)) {
        Ok(life) => life,
        Err(failure) => return failure.into(),
    };
    let spec = Spec { nonce: [fastrand::u64(..), fastrand::u64(..)], ..options.spec };
    let cycle = Cycle { launcher, place, options, subject: Subject::new(&place.name, spec) };
    let mut progress = app::Progress::default();
    let worked = cycle.run(&mut life, &mut progress);
    life.end_after(worked, |life| {
        if let Some(application) = options.app.as_ref().filter(|_| !life.is_retired()) {
            app::end(life, place, application, &progress);
        }
    })
}

/// One sample's way from the cold boot to the restored state.
struct Cycle<'a> {
    launcher: &'a dyn Launcher,
    place: &'a Place,
    options: &'a CheckpointOptions,
    subject: Subject,
}

/// What is carried from the kept sandbox to the restored one.
struct Carried {
    before: Before,
    /// Keeps the network's addresses alive between the two.
    network: Option<Arc<dyn Network>>,
    /// Clients outside that go on asking, each with the name that its values begin with.
    outside: Vec<(&'static str, Outside)>,
}

/// How long it took to touch the memory.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// Until each tenth of it was touched.
    until_ns: [u64; 10],
    all_ns: u64,
    minor_faults: u64,
    major_faults: u64,
}

impl Cycle<'_> {
    fn run(&self, life: &mut Life<'_>, progress: &mut app::Progress) -> Result<(), Failure> {
        let lab = life.lab;
        self.boot(life, progress)?;
        let base = Base::keep(self, life)?;
        let mut carried = self.settle(life)?;
        let storage = Storage::make("kept", self.options.tmpfs, self.place, lab)?;
        let taken = self.keep(life, &storage)?;
        self.after_keeping(life, &mut carried, &taken)?;
        life.retire(STOP_PATIENCE)?;
        if let Some(base) = &base {
            base.complete(&storage, self, life)?;
        }
        let whole = base.as_ref().map_or(&storage, |base| &base.storage);
        let (cached, all) = self.options.page_cache.enforce(&whole.files()?)?;
        life.attempt.metrics.insert("restore_cached_bytes".to_owned(), cached as f64);
        life.attempt.proofs.push(format!("{cached} of {all} B kept lie in the page cache before the restore"));
        self.bring_back(life, whole, carried, &taken)?;
        let census = storage.census()?;
        told::census(&census, self.options, &self.subject.spec, &mut life.attempt);
        if self.options.clones > 0 {
            life.retire(STOP_PATIENCE)?;
        }
        storage.remove()?;
        base.map_or(Ok(()), |base| base.storage.remove())
    }

    fn deadline(&self, lab: &Lab) -> HostInstant {
        lab.clock.after(self.options.timeout)
    }

    /// From the fork to a subject that holds its state: the cold boot of the same sandbox, in the same sample.
    fn boot(&self, life: &mut Life<'_>, progress: &mut app::Progress) -> Result<(), Failure> {
        let (lab, options) = (life.lab, self.options);
        life.hello(life.after_origin(options.timeout))?;
        let deadline = self.deadline(lab);
        if let Some(application) = &options.app {
            app::start(life, application, deadline, progress)?;
        } else {
            let nonce = format!("{:016x}", fastrand::u64(..));
            let argv = ["/proc/self/exe", "echo", &nonce].map(|word| word.as_bytes().to_vec()).to_vec();
            let request = ExecRequest { argv, timeout_ms: 0, output_limit: 4096, ..ExecRequest::default() };
            let executed = life.sandbox.agent().exec(&request, deadline)?;
            executed.succeeded()?;
            if executed.reply.stdout != format!("{nonce}\n").as_bytes() {
                return Err(Failure::new(FailureClass::Integrity, "the first command did not give the nonce back"));
            }
            life.answered(MilestoneName::FirstExec, executed.asked, executed.at);
            life.metric("cold_ns", executed.at.ns_since(life.origin()));
        }
        let deadline = self.deadline(lab);
        let asked = lab.clock.now();
        let prepared = self.subject.start(life.sandbox.agent(), &options.directory, options.app.is_some(), deadline)?;
        life.answered(MilestoneName::Prepared, asked, prepared.at);
        life.metric("cold_ready_ns", prepared.at.ns_since(life.origin()));
        Ok(())
    }

    /// Proves the state before it is kept, and looks at what is there without a freeze.
    fn settle(&self, life: &mut Life<'_>) -> Result<Carried, Failure> {
        let lab = life.lab;
        let network = life.sandbox.network().filter(|_| self.options.outside);
        let before = proof::look(&self.subject, life.sandbox.agent(), self.deadline(lab))?;
        if let Some(touched) = self.touch(life)? {
            life.metric("touch_before_ns", touched.all_ns);
        }
        let mut outside = Vec::new();
        for (name, port, question) in self.questions().into_iter().filter(|_| network.is_some()) {
            let unreached = |error: std::io::Error| {
                Failure::new(FailureClass::Crash, format!("no connection to port {port} from outside: {error}"))
            };
            let Some(network) = &network else { continue };
            let stream = network.connect(port, Family::V4, self.deadline(lab)).map_err(unreached)?;
            outside.push((name, Outside::start(stream, question, lab.clock).map_err(unreached)?));
        }
        self.subject.ask(life.sandbox.agent(), "ticks forget", self.deadline(lab))?;
        std::thread::sleep(QUIET);
        let quiet = self.subject.ask(life.sandbox.agent(), "ticks forget", self.deadline(lab))?.reply;
        life.metric("quiet_gap_inside_ns", fact(&quiet, "largest_gap")?);
        Ok(Carried { before, network, outside })
    }

    /// What clients outside ask: the subject, and the user's own application if it speaks HTTP.
    fn questions(&self) -> Vec<(&'static str, u16, Question)> {
        let mut questions = vec![("outside", AGENT_PORT, Question::Nonce(self.subject.spec.nonce))];
        if let Some(Ready::Http { port, path, status }) = self.options.app.as_ref().map(|app| &app.ready) {
            questions.push(("http", *port, Question::Http { path: path.clone(), status: *status }));
        }
        questions
    }

    /// How long it takes to touch the memory, tenth by tenth, and how many faults it takes.
    fn touch(&self, life: &mut Life<'_>) -> Result<Option<Touched>, Failure> {
        let percent = self.options.touch_percent;
        if percent == 0 {
            return Ok(None);
        }
        let question = format!("touch {percent}");
        let facts = self.subject.ask(life.sandbox.agent(), &question, self.deadline(life.lab))?.reply;
        let mut touched = Touched::default();
        for (step, until) in touched.until_ns.iter_mut().enumerate() {
            touched.all_ns = touched.all_ns.saturating_add(fact(&facts, &format!("touch_{}", (step + 1) * 10))?);
            *until = touched.all_ns;
        }
        touched.minor_faults = fact(&facts, "minor_faults")?;
        touched.major_faults = fact(&facts, "major_faults")?;
        Ok(Some(touched))
    }

    /// Keeps the state and makes it durable.
    fn keep(&self, life: &mut Life<'_>, storage: &Storage) -> Result<Taken, Failure> {
        let lab = life.lab;
        let deadline = self.deadline(lab);
        // One that ends as its state is kept can tell nothing any more.
        let used = life.sandbox.usage();
        life.attempt.metrics.extend(used.into_iter().map(|(name, value)| (format!("cold_{name}"), value)));
        let power = life
            .sandbox
            .snapshots()
            .ok_or_else(|| Failure::new(FailureClass::Launch, "the sandbox has not the power to keep its state"))?;
        let taken = power.snapshot(&storage.directory, &self.options.snapshot, deadline)?;
        let sync_asked = lab.clock.now();
        storage.sync()?;
        let durable = lab.clock.now();
        if let Some(paused) = taken.paused {
            life.stamp(MilestoneName::Frozen, Some(taken.asked), paused, SignalName::Reply);
        }
        let asked = if taken.paused.is_some() { None } else { Some(taken.asked) };
        life.stamp(MilestoneName::Written, asked, taken.written, SignalName::Reply);
        life.stamp(MilestoneName::Durable, Some(sync_asked), durable, SignalName::Stamp);
        told::kept(&taken, sync_asked, durable, life);
        Ok(taken)
    }

    /// A sandbox that runs on is asked what it saw of the freeze, and proved.
    fn after_keeping(&self, life: &mut Life<'_>, carried: &mut Carried, taken: &Taken) -> Result<(), Failure> {
        if !self.options.snapshot.resume {
            return Ok(());
        }
        let deadline = self.deadline(life.lab);
        if taken.running_says_hello {
            life.sandbox.agent().begin_anew();
            life.sandbox.agent().hello(deadline)?;
        }
        let ticks = self.subject.ask(life.sandbox.agent(), "ticks", deadline)?.reply;
        life.metric("freeze_inside_ns", fact(&ticks, "largest_gap")?);
        hear(std::mem::take(&mut carried.outside), taken, taken.written, true, life)?;
        let shown = proof::whole(&self.subject, life.sandbox.agent(), &carried.before, deadline)?;
        life.attempt.proofs.push(format!("the sandbox that ran on holds its state ({} proofs)", shown.len()));
        Ok(())
    }

    /// Restores, waits for the first right answer, proves the rest, and only then tells times.
    fn bring_back(
        &self,
        life: &mut Life<'_>,
        storage: &Storage,
        carried: Carried,
        taken: &Taken,
    ) -> Result<(), Failure> {
        let (lab, options) = (life.lab, self.options);
        let place = self.place_of_restored()?;
        let Carried { before, network, outside } = carried;
        let comeback = Comeback {
            launcher: self.launcher,
            lab,
            options,
            storage,
            subject: &self.subject,
            before,
            hello_again: taken.restored_says_hello,
        };
        let Back { sandbox, asked, first_reply } = comeback.to(&place)?;
        let prepare_ns = sandbox.origin().ns_since(asked);
        life.succeed(sandbox);
        life.stamp(MilestoneName::FirstReply, Some(asked), first_reply, SignalName::Frame);
        life.total();
        let deadline = self.deadline(lab);
        let ticks = self.subject.ask(life.sandbox.agent(), "ticks", deadline).map_err(after_restore)?.reply;
        if !options.snapshot.resume {
            life.metric("outage_inside_ns", fact(&ticks, "largest_gap")?);
        }
        hear(outside, taken, first_reply, options.connections_come_back, life)?;
        drop(network);
        self.answers_again(life)?;
        let touched = self.touch(life).map_err(after_restore)?;
        let shown = proof::whole(&self.subject, life.sandbox.agent(), &before, deadline).map_err(after_restore)?;
        life.attempt.proofs.extend(shown);
        told::restored(first_reply.ns_since(asked), touched.as_ref(), life);
        life.metric("restore_prepare_ns", prepare_ns);
        if options.clones > 0 {
            life.retire(STOP_PATIENCE)?;
            Cloning { comeback, place: self.place }.measure(&mut life.attempt)?;
        }
        Ok(())
    }

    /// An application that listens must answer inside as it did before.
    fn answers_again(&self, life: &mut Life<'_>) -> Result<(), Failure> {
        let Some(application) = &self.options.app else { return Ok(()) };
        if !matches!(application.ready, Ready::Http { .. } | Ready::Tcp { .. }) {
            return Ok(());
        }
        let deadline = self.deadline(life.lab);
        let request = application.await_request(self.options.timeout);
        let waited = life.sandbox.agent().await_app(&request, deadline)?.reply;
        if waited.outcome != AwaitOutcome::Met {
            let message =
                format!("the application does not answer any more ({}): {:?}", application.ready, waited.outcome);
            return Err(proof::mismatch(message));
        }
        life.attempt.proofs.push(format!("the application answers again ({})", application.ready));
        Ok(())
    }

    fn place_of_restored(&self) -> Result<Place, Failure> {
        let place = Place {
            name: format!("{}-r", self.place.name),
            directory: self.place.directory.join("r"),
            log_prefix: self.place.log_prefix.with_file_name(format!(
                "{}-restored",
                self.place.log_prefix.file_name().unwrap_or_default().to_string_lossy()
            )),
            agent_patience_s: self.place.agent_patience_s,
        };
        DirBuilder::new().mode(0o700).create(&place.directory).map_err(|error| {
            Failure::new(class_of(&error), format!("cannot make {}: {error}", place.directory.display()))
        })?;
        Ok(place)
    }
}

/// Hears what the clients outside saw, once answers have come to them behind the gap.
fn hear(
    clients: Vec<(&'static str, Outside)>,
    taken: &Taken,
    back: HostInstant,
    must_survive: bool,
    life: &mut Life<'_>,
) -> Result<(), Failure> {
    let gap = Duration::from_nanos(back.ns_since(taken.asked));
    let deadline = life.lab.clock.after(AFTER_PATIENCE + gap);
    for (name, client) in clients {
        client.wait_for(AFTER_COUNT, back, deadline);
        told::outside(name, &client.end(), taken, back, must_survive, life)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
