//! The subject inside: started, told what to hold, and asked.

use crate::channel::{
    AgentChannel, Answered, AwaitOutcome, AwaitRequest, Condition, ExecRequest, StartOutcome, StartRequest,
};
use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use isodyne_subject::spec::Spec;
use std::collections::BTreeMap;

/// What an answer has at most, in bytes: the subject is not trusted.
const ANSWER_BYTES: u32 = 16 << 10;
/// What an answer has at most, in lines.
const ANSWER_LINES: usize = 200;
/// How much longer the lab waits for an answer than the agent waits for what it is asked about.
const LONGER_NS: u64 = 2_000_000_000;

/// What the subject answered, by name.
pub(super) type Facts = BTreeMap<String, u64>;

/// One subject, in whatever sandbox it is at the moment.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    name: String,
    pub(super) spec: Spec,
}

impl Subject {
    /// A subject with a name of its own, where sandboxes share the names of sockets.
    pub(super) fn new(name: &str, spec: Spec) -> Self {
        Self { name: name.to_owned(), spec }
    }

    /// Starts it and has it take its state; in the background if the sandbox's one application is another.
    pub(super) fn start(
        &self,
        agent: &mut AgentChannel,
        directory: &str,
        background: bool,
        deadline: HostInstant,
    ) -> Result<Answered<Facts>, Failure> {
        let serve = if background { "start" } else { "serve" };
        let argv = ["/proc/self/exe", "subject", serve, &self.name, directory];
        let argv: Vec<Vec<u8>> = argv.map(|word| word.as_bytes().to_vec()).to_vec();
        if background {
            agent.exec(&request(argv, Vec::new(), deadline), later(deadline))?.succeeded()?;
        } else {
            let started = agent.start_app(&StartRequest { argv, ..StartRequest::default() }, deadline)?.reply.outcome;
            if !matches!(started, StartOutcome::Started(_)) {
                return Err(Failure::new(FailureClass::Exec, format!("the subject in the sandbox: {started}")));
            }
            let condition = Condition::Line(b"listening".to_vec());
            let timeout_ms = milliseconds(deadline);
            let said =
                agent.await_app(&AwaitRequest { id: 0, condition, timeout_ms, period_us: 0 }, later(deadline))?;
            if said.reply.outcome != AwaitOutcome::Met {
                let message = format!("the subject in the sandbox does not listen: {:?}", said.reply.outcome);
                return Err(Failure::new(FailureClass::Exec, message));
            }
        }
        self.ask(agent, &format!("prepare {}", self.spec.words()), deadline)
    }

    /// Asks; a subject that is not there, or that has another state than the question takes, is a failure of `exec`.
    pub(super) fn ask(
        &self,
        agent: &mut AgentChannel,
        question: &str,
        deadline: HostInstant,
    ) -> Result<Answered<Facts>, Failure> {
        let argv = ["/proc/self/exe", "subject", "ask", &self.name].map(|word| word.as_bytes().to_vec()).to_vec();
        let executed = agent.exec(&request(argv, question.as_bytes().to_vec(), deadline), later(deadline))?;
        executed.succeeded()?;
        let reply = read(&executed.reply.stdout)?;
        Ok(Answered { reply, asked: executed.asked, at: executed.at })
    }
}

fn request(argv: Vec<Vec<u8>>, stdin: Vec<u8>, deadline: HostInstant) -> ExecRequest {
    ExecRequest { id: 0, argv, env: Vec::new(), stdin, timeout_ms: milliseconds(deadline), output_limit: ANSWER_BYTES }
}

fn milliseconds(deadline: HostInstant) -> u32 {
    u32::try_from(Clock.until(deadline).as_millis()).unwrap_or(u32::MAX).max(1)
}

fn later(deadline: HostInstant) -> HostInstant {
    HostInstant(deadline.0.saturating_add(LONGER_NS))
}

/// Reads `ok` and lines of a name and a number.
fn read(answer: &[u8]) -> Result<Facts, Failure> {
    let garbage = || Failure::new(FailureClass::Protocol, "the subject's answer is none");
    let text = std::str::from_utf8(answer).map_err(|_| garbage())?;
    let lines = text.strip_prefix("ok\n").ok_or_else(garbage)?.lines();
    let read = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    let facts: Option<Facts> = lines.take(ANSWER_LINES).map(read).collect();
    facts.ok_or_else(garbage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_names_and_numbers() {
        assert_eq!(read(b"ok\nticks 5\nwrites 18446744073709551615\n").unwrap()["writes"], u64::MAX);
        assert!(read(b"ok\n").unwrap().is_empty());
        for garbage in [b"".as_slice(), b"error no\n", b"ok\nticks\n", b"ok\nticks -1\n", b"ok\n\xff 1\n", b"ok"] {
            assert_eq!(read(garbage).unwrap_err().class, FailureClass::Protocol, "{garbage:?}");
        }
    }
}
