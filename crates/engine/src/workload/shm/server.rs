//! The other side inside the sandbox: the agent's own `shm-peer`, run as its application.

use crate::channel::{
    AgentChannel, AwaitOutcome, AwaitRequest, Condition, EndReply, Outcome, StartOutcome, StartRequest,
};
use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// The signal that ends a program.
const TERMINATE: u8 = 15;
/// How long it may take to end, and to say its last line.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The exit code that says that the device cannot be had.
const UNAVAILABLE: u8 = 3;
/// What helps then.
const HINT: &str = "use `ivshmem = \"plain\"` and `mapping = \"uncached\"` with a `waiting` that looks, or a guest's \
                    kernel that has what is missing: see `docs/backends/qemu.md`";

/// What it said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// How the memory is mapped inside.
    pub mapping: String,
    /// Processor time and time of the trips, by the sandbox's own clocks.
    pub trips: Option<(u64, u64)>,
    /// Rings that did not wake it.
    pub missed_rings: Option<u32>,
    /// Whether it has said that it is done.
    pub done: bool,
}

/// Starts it. It waits for its memory, and then for the session.
pub(super) fn start(agent: &mut AgentChannel, words: &[String], timeout: Duration) -> Result<(), Failure> {
    let argv = ["/proc/self/exe", "shm-peer"].iter().copied().chain(words.iter().map(String::as_str));
    let argv = argv.map(|word| word.as_bytes().to_vec()).collect();
    let deadline = Clock.after(timeout);
    let started = agent.start_app(&StartRequest { argv, ..StartRequest::default() }, deadline)?.reply.outcome;
    if matches!(started, StartOutcome::Started(_)) {
        return Ok(());
    }
    Err(Failure::new(FailureClass::Exec, format!("the other side in the sandbox: {started}")))
}

/// Waits until it has its memory. One that ended before says why at its end.
pub(super) fn ready(agent: &mut AgentChannel, clock: Clock, deadline: HostInstant) -> Result<(), Failure> {
    let timeout_ms = u32::try_from(clock.until(deadline).as_millis()).unwrap_or(u32::MAX);
    let condition = Condition::Line(b"ready".to_vec());
    let request = AwaitRequest { id: 0, condition, timeout_ms, period_us: 0 };
    let grace = HostInstant(deadline.0.saturating_add(END_PATIENCE.as_nanos() as u64));
    match agent.await_app(&request, grace)?.reply.outcome {
        AwaitOutcome::Met => Ok(()),
        AwaitOutcome::TimedOut => Err(Failure::new(FailureClass::Timeout, "the other side does not get its memory")),
        outcome => Err(Failure::new(FailureClass::Exec, format!("the other side: {outcome}"))),
    }
}

/// Waits for its last line if the session went well, ends it, and reads what it said.
pub(super) fn end(agent: &mut AgentChannel, clock: Clock, went_well: bool) -> Result<Said, Failure> {
    if went_well {
        let timeout_ms = END_PATIENCE.as_millis() as u32;
        let condition = Condition::Line(b"done".to_vec());
        let request = AwaitRequest { id: 0, condition, timeout_ms, period_us: 0 };
        let outcome = agent.await_app(&request, clock.after(2 * END_PATIENCE))?.reply.outcome;
        if outcome == AwaitOutcome::TimedOut {
            return Err(Failure::new(FailureClass::Timeout, "the other side does not say that it is done"));
        }
    }
    let reply = agent.end_app(TERMINATE, END_PATIENCE.as_millis() as u32, clock.after(3 * END_PATIENCE))?.reply;
    verdict(&reply)
}

fn verdict(reply: &EndReply) -> Result<Said, Failure> {
    let said = read(&String::from_utf8_lossy(&reply.stdout));
    // One that has said its last word may be ended before it ends by itself.
    if said.done && matches!(reply.outcome, Some(Outcome::Exited(0) | Outcome::Signalled(TERMINATE))) {
        return Ok(said);
    }
    let how = match reply.outcome {
        Some(outcome) => outcome.to_string(),
        None => "was never there".to_owned(),
    };
    let words = String::from_utf8_lossy(reply.stderr.trim_ascii()).chars().take(300).collect::<String>();
    if reply.outcome == Some(Outcome::Exited(UNAVAILABLE)) {
        // Who says it is named in front of it.
        let reason = words.split_once("shm-peer: ").map_or(words.as_str(), |(_, reason)| reason);
        let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        return Err(Failure::unavailable(reason, HINT));
    }
    let words = if words.is_empty() { words } else { format!(" and says: {}", words.escape_debug()) };
    Err(Failure::new(FailureClass::Exec, format!("the other side {how}{words}")))
}

/// Reads its lines; what is not understood is not believed.
fn read(text: &str) -> Said {
    let mut said = Said { mapping: "in a way it does not tell".to_owned(), ..Said::default() };
    for line in text.lines().take(100) {
        let words: Vec<&str> = line.split(' ').take(8).collect();
        match words[..] {
            ["ready", mapping @ ("write-back" | "write-combining" | "uncached")] => said.mapping = mapping.to_owned(),
            ["part", "trips" | "messages", "cpu_ns", cpu, "wall_ns", wall] => {
                said.trips = cpu.parse().ok().zip(wall.parse().ok());
            }
            ["missed_rings", count] => said.missed_rings = count.parse().ok(),
            ["done"] => said.done = true,
            _ => {}
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(outcome: Option<Outcome>, stdout: &str, stderr: &str) -> EndReply {
        EndReply {
            id: 1,
            outcome,
            killed: false,
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            user_us: 0,
            system_us: 0,
            peak_rss_bytes: 0,
        }
    }

    #[test]
    fn only_what_is_understood_is_believed() {
        let lines = "ready write-back\npart meeting cpu_ns 1 wall_ns 2\npart trips cpu_ns 5 wall_ns 9\nnonsense\nmissed_rings 3\ndone\n";
        let said = verdict(&reply(Some(Outcome::Exited(0)), lines, "")).unwrap();
        assert_eq!((said.mapping.as_str(), said.trips), ("write-back", Some((5, 9))));
        assert_eq!(said.missed_rings, Some(3));
        let strange = read("ready magic\npart trips cpu_ns -1 wall_ns x\npart trips cpu_ns\n");
        assert_eq!((strange.trips, strange.done, strange.mapping.starts_with("in a way")), (None, false, true));
    }

    #[test]
    fn a_device_that_cannot_be_had_says_what_is_missing() {
        let missing = "isodyne-agent: shm-peer: the guest's kernel has no VFIO\n";
        let failure = verdict(&reply(Some(Outcome::Exited(3)), "", missing)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Unavailable);
        assert_eq!(failure.message, "the guest's kernel has no VFIO");
        assert!(failure.hint.is_some_and(|hint| hint.contains("plain")));
    }

    #[test]
    fn a_side_that_ended_too_early_is_a_failure_in_its_own_words() {
        let failure = verdict(&reply(Some(Outcome::Exited(1)), "ready write-back\n", "shm-peer: waited in vain\n"));
        let failure = failure.unwrap_err();
        assert_eq!(failure.class, FailureClass::Exec);
        assert!(failure.message.ends_with("exited with code 1 and says: shm-peer: waited in vain"), "{failure}");
        assert!(verdict(&reply(Some(Outcome::Signalled(15)), "done\n", "")).is_ok());
        assert!(verdict(&reply(Some(Outcome::Signalled(15)), "", "")).is_err());
    }
}
