//! Restores at once, from one kept state.

use super::STOP_PATIENCE;
use super::comeback::{Back, Comeback};
use super::proof::{self, after_restore};
use crate::backend::{Place, Sandbox};
use crate::clones::{CloneFacts, CloneReport, Told, clone_facts};
use crate::workload::Attempt;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Barrier;

/// What one clone came to.
struct Clone {
    /// From its own request to its first right answer.
    restore_ns: u64,
    asked: HostInstant,
    first_reply: HostInstant,
    facts: Option<CloneFacts>,
    usage: Vec<(String, f64)>,
}

/// What all of them share.
pub(super) struct Cloning<'a> {
    pub(super) comeback: Comeback<'a>,
    /// Where the sandbox that was kept was.
    pub(super) place: &'a Place,
}

impl Cloning<'_> {
    /// Restores as many as the plan says, at once: every one is proved, and only then are there times.
    pub(super) fn measure(&self, attempt: &mut Attempt) -> Result<(), Failure> {
        let count = usize::try_from(self.comeback.options.clones).unwrap_or(usize::MAX);
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
        let stopped = sandbox.stop(self.comeback.lab.clock.after(STOP_PATIENCE));
        proved?;
        match stopped.survivors.first() {
            Some(survivor) => {
                Err(Failure::new(FailureClass::Leak, format!("after the stop of clone {number} {survivor}")))
            }
            None => Ok(clone),
        }
    }

    fn first_reply(&self, place: &Place) -> Result<(Box<dyn Sandbox>, Clone), Failure> {
        let Back { sandbox, asked, first_reply } = self.comeback.to(place)?;
        let restore_ns = first_reply.ns_since(asked);
        let clone = Clone { restore_ns, asked, first_reply, facts: None, usage: Vec::new() };
        Ok((sandbox, clone))
    }

    fn prove(&self, sandbox: &mut dyn Sandbox, clone: &mut Clone) -> Result<(), Failure> {
        let deadline = self.comeback.lab.clock.after(self.comeback.options.timeout);
        // What is random must be drawn before anything else tells the clones apart.
        clone.facts = Some(clone_facts(sandbox.agent(), deadline).map_err(after_restore)?);
        proof::whole(self.comeback.subject, sandbox.agent(), &self.comeback.before, deadline)
            .map(drop)
            .map_err(after_restore)
    }

    fn tell(&self, clones: &[Clone], attempt: &mut Attempt) {
        let metrics = &mut attempt.metrics;
        let mut times: Vec<u64> = clones.iter().map(|clone| clone.restore_ns).collect();
        times.sort_unstable();
        let first = clones.iter().map(|clone| clone.asked.0).min().unwrap_or(0);
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
        let facts: Vec<CloneFacts> = clones.iter().filter_map(|clone| clone.facts.clone()).collect();
        let report = CloneReport::of(&facts);
        metrics.insert("clone_clock_lag_max_ns".to_owned(), report.clock_lag_most_ns as f64);
        metrics.extend(shared(&report));
        attempt.proofs.push(differences(&report));
    }
}

/// What at least two clones have in common: 1, or 0 if each has its own; nothing where one does not say.
fn shared(report: &CloneReport) -> impl Iterator<Item = (String, f64)> {
    let told = [
        ("clones_same_random_count", report.random),
        ("clones_same_boot_id_count", report.boot_id),
        ("clones_same_machine_id_count", report.machine_id),
        ("clones_same_name_count", report.hostname),
    ];
    told.into_iter().filter_map(|(name, told)| {
        let value = match told {
            Told::Same => 1.0,
            Told::Differs => 0.0,
            Told::Unknown => return None,
        };
        Some((name.to_owned(), value))
    })
}

/// Whether the clones differ in what must differ, in words: said, never taken for granted.
fn differences(report: &CloneReport) -> String {
    let random = match report.random {
        Told::Same => "is THE SAME in two of them: keys made in them would be the same".to_owned(),
        told => told.as_str().to_owned(),
    };
    format!(
        "clones: the kernel's randomness {random}; boot id: {}; machine id: {}; host name: {}",
        report.boot_id.as_str(),
        report.machine_id.as_str(),
        report.hostname.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_that_do_not_diverge_are_said_not_to() {
        let report = CloneReport {
            random: Told::Differs,
            boot_id: Told::Same,
            machine_id: Told::Unknown,
            hostname: Told::Same,
            clock_lag_most_ns: 0,
        };
        let told = differences(&report);
        let metrics: Vec<(String, f64)> = shared(&report).collect();
        let value = |name: &str| metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        assert_eq!((value("clones_same_random_count"), value("clones_same_boot_id_count")), (Some(0.0), Some(1.0)));
        assert_eq!(value("clones_same_machine_id_count"), None, "nobody knows");
        assert!(told.contains("randomness differs") && told.contains("boot id: same"), "{told}");
        assert!(differences(&CloneReport { random: Told::Same, ..report }).contains("THE SAME"));
    }
}
