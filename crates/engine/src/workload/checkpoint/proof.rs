//! What shows that the state that came back is the one that was kept.
//!
//! Every question is asked under a key or challenge drawn after the restore, so that nobody can have the answer ready, and
//! the lab computes from the sample's own nonce what it must be.

use super::subject::{Facts, Subject};
use crate::channel::{AgentChannel, Answered};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_subject::content::Thing;
use isodyne_subject::{expect, mix};
use std::time::Duration;

/// How often a counter is looked at until it has gone on, and how long it is left alone in between.
const TICK_LOOKS: usize = 100;
const TICK_PAUSE: Duration = Duration::from_millis(10);

/// What was known of the subject right before its state was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// Ticks of its counter.
    pub(super) ticks: u64,
    /// Writes to the pages that do not stay.
    pub(super) writes: u64,
    /// Process numbers and beginnings of the whole family.
    pub(super) identity: u64,
}

pub(super) fn mismatch(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::RestoreMismatch, message)
}

/// A fact, or the failure that it is not there.
pub(super) fn fact(facts: &Facts, name: &str) -> Result<u64, Failure> {
    let missing = || Failure::new(FailureClass::Protocol, format!("the subject does not say `{name}`"));
    facts.get(name).copied().ok_or_else(missing)
}

/// Looks at the subject before its state is kept: everything is proved then as well, so that a mismatch afterwards is the
/// restore's.
pub(super) fn look(subject: &Subject, agent: &mut AgentChannel, deadline: HostInstant) -> Result<Before, Failure> {
    let nothing = Before::default();
    hello(subject, agent, &nothing, deadline)?;
    let identity = fact(&subject.ask(agent, "alive", deadline)?.reply, "identity")?;
    whole(subject, agent, &Before { identity, ..nothing }, deadline)?;
    let last = subject.ask(agent, "ticks", deadline)?.reply;
    let writes = fact(&subject.ask(agent, "hello 0", deadline)?.reply, "writes")?;
    Ok(Before { ticks: fact(&last, "ticks")?, writes, identity })
}

/// The first answer: the nonce is there, and the counters go on.
pub(super) fn hello(
    subject: &Subject,
    agent: &mut AgentChannel,
    before: &Before,
    deadline: HostInstant,
) -> Result<Answered<Facts>, Failure> {
    let challenge = fastrand::u64(..);
    let answered = subject.ask(agent, &format!("hello {challenge}"), deadline)?;
    first_answer(subject, &answered.reply, challenge, before)?;
    Ok(answered)
}

fn first_answer(subject: &Subject, facts: &Facts, challenge: u64, before: &Before) -> Result<(), Failure> {
    if fact(facts, "answer")? != mix::answer(subject.spec.nonce, challenge) {
        return Err(mismatch("what came back does not know the nonce that was in the memory"));
    }
    for (name, least) in [("ticks", before.ticks), ("writes", before.writes)] {
        let found = fact(facts, name)?;
        if found < least {
            return Err(mismatch(format!("the counter of {name} stands at {found}, and stood at {least} before")));
        }
    }
    Ok(())
}

/// Everything else: the counter goes on, processes and threads are the same ones and live, every byte of memory, every
/// offset, lock, pipe and connection, every file of the layer. One line each of what was shown.
pub(super) fn whole(
    subject: &Subject,
    agent: &mut AgentChannel,
    before: &Before,
    deadline: HostInstant,
) -> Result<Vec<String>, Failure> {
    let spec = &subject.spec;
    let mut shown = vec!["the nonce is in the memory".to_owned()];
    let ticks = fact(&subject.ask(agent, "ticks", deadline)?.reply, "ticks")?;
    let alive = subject.ask(agent, "alive", deadline)?.reply;
    same("processes that live", fact(&alive, "processes")?, spec.processes)?;
    same("threads that answer", fact(&alive, "threads")?, spec.processes * spec.threads)?;
    same("the processes' numbers and beginnings", fact(&alive, "identity")?, before.identity)?;
    if ticks < before.ticks {
        return Err(mismatch(format!("the counter stands at {ticks}, and stood at {} before", before.ticks)));
    }
    let later = next_tick(subject, agent, ticks, deadline)?;
    shown.push(format!("the counter goes on: {} before, {later} after", before.ticks));
    shown.push(format!("{} processes and {} threads, the same ones", spec.processes, spec.processes * spec.threads));
    subject.ask(agent, "pause", deadline)?;
    let key = fastrand::u64(..);
    let memory = subject.ask(agent, &format!("memory {key}"), deadline)?.reply;
    let writes = fact(&memory, "writes")?;
    same("pages that did not hold what was last written to them", fact(&memory, "stale")?, 0)?;
    same("the digest of the memory", fact(&memory, "memory")?, expect::memory(spec, key, writes))?;
    shown.push(format!("{} B of memory hold what they held", spec.pages * isodyne_subject::PAGE_BYTES as u64));
    objects(subject, agent, key, deadline, &mut shown)?;
    subject.ask(agent, "go", deadline)?;
    Ok(shown)
}

/// The counter's next stand; a tick takes a millisecond and more on a busy host.
fn next_tick(subject: &Subject, agent: &mut AgentChannel, ticks: u64, deadline: HostInstant) -> Result<u64, Failure> {
    for _ in 0..TICK_LOOKS {
        let later = fact(&subject.ask(agent, "ticks", deadline)?.reply, "ticks")?;
        if later > ticks {
            return Ok(later);
        }
        std::thread::sleep(TICK_PAUSE);
    }
    Err(mismatch(format!("the counter stands still at {ticks}")))
}

fn objects(
    subject: &Subject,
    agent: &mut AgentChannel,
    key: u64,
    deadline: HostInstant,
    shown: &mut Vec<String>,
) -> Result<(), Failure> {
    let spec = &subject.spec;
    let counts = [
        ("files", spec.files, "open files stand where they stood"),
        ("locks", spec.locks, "locks are held"),
        ("pipes", spec.pipes, "pipes hold their bytes"),
        ("connections", spec.connections, "TCP connections carry their bytes, there and back"),
        ("layer", spec.layer_files, "files of the layer hold their bytes"),
        ("bound", spec.bound, "directories of the host are mounted, with a file that is held open in each"),
    ];
    if counts.iter().all(|(_, count, _)| *count == 0) {
        return Ok(());
    }
    // A pipe that is empty or a connection that is gone is named by the subject itself.
    let facts = subject.ask(agent, &format!("objects {key}"), deadline).map_err(|failure| match failure.class {
        FailureClass::Exec => mismatch(failure.message),
        _ => failure,
    })?;
    let facts = facts.reply;
    for (name, count, words) in counts {
        let expected = match name {
            "files" => expect::files(spec, key),
            "locks" => count,
            "pipes" => expect::all_waiting(spec, Thing::Pipe, key),
            "connections" => expect::all_waiting(spec, Thing::Connection, key),
            "bound" => expect::bound(spec, key),
            _ => expect::layer(spec, key),
        };
        same(&format!("{count} {words}: the proof of it"), fact(&facts, name)?, expected)?;
        shown.extend((count > 0).then(|| format!("{count} {words}")));
    }
    Ok(())
}

fn same(what: &str, found: u64, expected: u64) -> Result<(), Failure> {
    if found == expected { Ok(()) } else { Err(mismatch(format!("{what}: {found}, and it must be {expected}"))) }
}

/// After a restore, a subject that is not there or holds nothing is a state that did not come back.
pub(super) fn after_restore(failure: Failure) -> Failure {
    match failure.class {
        FailureClass::Exec => Failure { class: FailureClass::RestoreMismatch, ..failure },
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_subject::spec::Spec;

    #[test]
    fn a_first_answer_must_know_the_nonce_and_go_on() {
        let subject = Subject::new("t", Spec { nonce: [1, 2], ..Spec::default() });
        let before = Before { ticks: 100, writes: 5, identity: 0 };
        let facts = |answer, ticks, writes| {
            [("answer", answer), ("ticks", ticks), ("writes", writes)]
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        };
        let right = mix::answer([1, 2], 77);
        let found = |facts: &Facts| first_answer(&subject, facts, 77, &before).map_err(|failure| failure.class);
        assert_eq!(found(&facts(right, 101, 5)), Ok(()));
        assert_eq!(found(&facts(mix::answer([1, 3], 77), 101, 5)), Err(FailureClass::RestoreMismatch));
        assert_eq!(found(&facts(right, 99, 5)), Err(FailureClass::RestoreMismatch));
        assert_eq!(found(&facts(right, 101, 4)), Err(FailureClass::RestoreMismatch));
        assert_eq!(found(&Facts::new()), Err(FailureClass::Protocol));
    }

    #[test]
    fn a_subject_that_is_gone_after_a_restore_is_a_mismatch() {
        let class = |class| after_restore(Failure::new(class, "")).class;
        assert_eq!(class(FailureClass::Exec), FailureClass::RestoreMismatch);
        assert_eq!(class(FailureClass::Timeout), FailureClass::Timeout);
    }
}
