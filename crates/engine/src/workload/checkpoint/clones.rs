//! Restores at once, from one kept state.

use super::proof::{self, Before, after_restore, fact};
use super::storage::Storage;
use super::subject::{Facts, Subject};
use super::{CheckpointOptions, STOP_PATIENCE};
use crate::backend::{Launcher, Place, Sandbox};
use crate::lab::Lab;
use crate::workload::Attempt;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Barrier;

/// What one clone came to.
struct Clone {
    /// From its own t0 to its first right answer.
    restore_ns: u64,
    origin: HostInstant,
    first_reply: HostInstant,
    facts: Facts,
    usage: Vec<(String, f64)>,
}

/// What all of them share.
pub(super) struct Cloning<'a> {
    pub(super) launcher: &'a dyn Launcher,
    pub(super) place: &'a Place,
    pub(super) lab: &'a Lab,
    pub(super) options: &'a CheckpointOptions,
    pub(super) subject: &'a Subject,
    pub(super) before: Before,
    pub(super) storage: &'a Storage,
    pub(super) hello_again: bool,
}

impl Cloning<'_> {
    /// Restores as many as the plan says, at once: every one is proved, and only then are there times.
    pub(super) fn measure(&self, attempt: &mut Attempt) -> Result<(), Failure> {
        let count = usize::try_from(self.options.clones).unwrap_or(usize::MAX);
        // They begin together; what is looked at does not disturb those that are still on their way.
        let (begin, all_here) = (Barrier::new(count), Barrier::new(count));
        let done: Vec<Result<Clone, Failure>> = std::thread::scope(|scope| {
            let (begin, all_here) = (&begin, &all_here);
            let threads: Vec<_> =
                (0..count).map(|number| scope.spawn(move || self.one(number, begin, all_here))).collect();
            let died = || Failure::new(FailureClass::Crash, "the thread of a clone died");
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(died()))).collect()
        });
        let clones: Vec<Clone> = done.into_iter().collect::<Result<_, _>>()?;
        self.tell(&clones, attempt);
        Ok(())
    }

    fn place(&self, number: usize) -> Place {
        Place {
            name: format!("{}-c{number}", self.place.name),
            directory: self.place.directory.join(format!("c{number}")),
            log_prefix: self.place.log_prefix.with_file_name(format!(
                "{}-c{number}",
                self.place.log_prefix.file_name().unwrap_or_default().to_string_lossy()
            )),
            agent_patience_s: self.place.agent_patience_s,
        }
    }

    fn one(&self, number: usize, begin: &Barrier, all_here: &Barrier) -> Result<Clone, Failure> {
        let place = self.place(number);
        let made = DirBuilder::new().mode(0o700).create(&place.directory);
        begin.wait();
        let here = made
            .map_err(|error| Failure::new(crate::backend::class_of(&error), format!("no place for a clone: {error}")))
            .and_then(|()| self.first_reply(&place));
        all_here.wait();
        let (mut sandbox, mut clone) = here?;
        let proved = self.prove(sandbox.as_mut(), &mut clone);
        clone.usage = sandbox.usage();
        let proved = proved.map_err(|failure| sandbox.diagnose(failure));
        let stopped = sandbox.stop(self.lab.clock.after(STOP_PATIENCE));
        proved?;
        match stopped.survivors.first() {
            Some(survivor) => {
                Err(Failure::new(FailureClass::Leak, format!("after the stop of clone {number} {survivor}")))
            }
            None => Ok(clone),
        }
    }

    fn first_reply(&self, place: &Place) -> Result<(Box<dyn Sandbox>, Clone), Failure> {
        let (sandbox, origin, first_reply) = super::restore(
            self.launcher,
            self.storage,
            place,
            self.lab,
            self.options,
            self.subject,
            &self.before,
            self.hello_again,
        )?;
        let restore_ns = first_reply.ns_since(origin);
        let clone = Clone { restore_ns, origin, first_reply, facts: Facts::new(), usage: Vec::new() };
        Ok((sandbox, clone))
    }

    fn prove(&self, sandbox: &mut dyn Sandbox, clone: &mut Clone) -> Result<(), Failure> {
        let deadline = self.lab.clock.after(self.options.timeout);
        // What is random must be drawn before anything else tells the clones apart.
        clone.facts = self.subject.ask(sandbox.agent(), "facts", deadline).map_err(after_restore)?.reply;
        let _ = fact(&clone.facts, "random")?;
        proof::whole(self.subject, sandbox.agent(), &self.before, deadline).map(drop).map_err(after_restore)
    }

    fn tell(&self, clones: &[Clone], attempt: &mut Attempt) {
        let metrics = &mut attempt.metrics;
        let mut times: Vec<u64> = clones.iter().map(|clone| clone.restore_ns).collect();
        times.sort_unstable();
        let first = clones.iter().map(|clone| clone.origin.0).min().unwrap_or(0);
        let last = clones.iter().map(|clone| clone.first_reply.0).max().unwrap_or(0);
        metrics.insert("clones_ns".to_owned(), last.saturating_sub(first) as f64);
        // Type 1: the smallest value that half of them do not exceed.
        let middle = times.len().saturating_sub(1) / 2;
        metrics.extend(times.get(middle).map(|time| ("clone_p50_ns".to_owned(), *time as f64)));
        metrics.extend(times.last().map(|time| ("clone_max_ns".to_owned(), *time as f64)));
        // The sum over all of them: with pages that they share counted in parts, where the backend can tell.
        for name in ["pss_bytes", "private_bytes", "memory_bytes", "rss_bytes"] {
            let values: Vec<f64> = clones
                .iter()
                .filter_map(|clone| clone.usage.iter().find(|(known, _)| known == name).map(|(_, value)| *value))
                .collect();
            if values.len() == clones.len() {
                metrics.insert(format!("clones_{name}"), values.iter().sum());
            }
        }
        attempt.proofs.push(format!("{} clones at once, each with the whole state", clones.len()));
        attempt.proofs.extend(differences(&clones.iter().map(|clone| &clone.facts).collect::<Vec<_>>()));
    }
}

/// Whether the clones differ in what must differ, in words.
fn differences(all: &[&Facts]) -> Vec<String> {
    let words = [
        ("random", "random numbers of the kernel inside", true),
        ("boot_id", "identity of the boot", false),
        ("machine_id", "identity of the machine", false),
        ("host_name", "host name", false),
    ];
    let mut told = Vec::new();
    for (name, what, must) in words {
        let values: Vec<u64> = all.iter().filter_map(|facts| facts.get(name).copied()).collect();
        let distinct: BTreeSet<u64> = values.iter().copied().collect();
        if values.len() < all.len() || values.is_empty() {
            continue;
        }
        told.push(match distinct.len() {
            count if count == values.len() => format!("clones: the {what} differs in each"),
            1 if must => format!("clones: the {what} is THE SAME in all: they do not diverge"),
            1 => format!("clones: the {what} is the same in all"),
            count => format!("clones: the {what} has {count} values in {} clones", values.len()),
        });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_that_do_not_diverge_are_said_not_to() {
        let facts = |random, boot| -> Facts { [("random".to_owned(), random), ("boot_id".to_owned(), boot)].into() };
        let (one, other, third) = (facts(1, 9), facts(2, 9), facts(1, 8));
        let told = differences(&[&one, &other]).join("\n");
        assert!(told.contains("kernel inside differs in each") && told.contains("boot is the same in all"), "{told}");
        assert!(differences(&[&one, &one]).join("\n").contains("THE SAME in all"));
        assert!(differences(&[&one, &other, &third])[0].contains("2 values in 3 clones"));
        assert_eq!(differences(&[&Facts::new()]), [""; 0]);
    }
}
