//! The server inside the sandbox: the agent's own `net-serve`, run as its application.

use crate::channel::{
    AgentChannel, AwaitOutcome, AwaitRequest, Condition, EndReply, Outcome, StartOutcome, StartRequest,
};
use crate::clock::Clock;
use crate::network::AGENT_PORT;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use std::time::Duration;

/// The signal that ends the server.
const TERMINATE: u8 = 15;
/// How long it may take to end.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Starts the server; it listens when this returns, since it says its port then. It ends by itself after `life_s` seconds.
pub(super) fn start(agent: &mut AgentChannel, life_s: u32, deadline: HostInstant) -> Result<(), Failure> {
    let (port, life) = (AGENT_PORT.to_string(), life_s.to_string());
    let argv = ["/proc/self/exe", "net-serve", &port, &life].map(|word| word.as_bytes().to_vec()).to_vec();
    let started = agent.start_app(&StartRequest { argv, ..StartRequest::default() }, deadline)?.reply.outcome;
    if !matches!(started, StartOutcome::Started(_)) {
        return Err(Failure::new(FailureClass::Exec, format!("the server in the sandbox: {started}")));
    }
    let timeout_ms = u32::try_from(Clock.until(deadline).as_millis()).unwrap_or(u32::MAX).max(1);
    let said = Condition::Line(port.into_bytes());
    let request = AwaitRequest { id: 0, condition: said, timeout_ms, period_us: 0 };
    // The agent gives up at the same moment; its answer is still to come back.
    let waited = agent.await_app(&request, HostInstant(deadline.0.saturating_add(END_PATIENCE.as_nanos() as u64)))?;
    match waited.reply.outcome {
        AwaitOutcome::Met => Ok(()),
        AwaitOutcome::TimedOut => {
            Err(Failure::new(FailureClass::Timeout, "the server in the sandbox does not say that it listens"))
        }
        AwaitOutcome::Ended(_) | AwaitOutcome::NoApplication => end(agent, Clock),
    }
}

/// Ends the server; one that had ended by itself is a failure, with what it said.
pub(super) fn end(agent: &mut AgentChannel, clock: Clock) -> Result<(), Failure> {
    let patience_ms = END_PATIENCE.as_millis() as u32;
    let reply = agent.end_app(TERMINATE, patience_ms, clock.after(3 * END_PATIENCE))?.reply;
    verdict(&reply)
}

fn verdict(reply: &EndReply) -> Result<(), Failure> {
    let how = match reply.outcome {
        Some(Outcome::Signalled(TERMINATE)) => return Ok(()),
        Some(outcome) => outcome.to_string(),
        None => "was never there".to_owned(),
    };
    let said = String::from_utf8_lossy(reply.stderr.trim_ascii()).chars().take(200).collect::<String>();
    let said = if said.is_empty() { said } else { format!("; it says: {}", said.escape_debug()) };
    Err(Failure::new(FailureClass::Exec, format!("the server in the sandbox {how}{said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ended_by_itself_is_a_failure_in_its_own_words() {
        let reply = |outcome, stderr: &str| EndReply {
            id: 1,
            outcome,
            killed: false,
            stdout: Vec::new(),
            stderr: stderr.as_bytes().to_vec(),
            user_us: 0,
            system_us: 0,
            peak_rss_bytes: 0,
        };
        assert_eq!(verdict(&reply(Some(Outcome::Signalled(TERMINATE)), "")), Ok(()));
        let failure = verdict(&reply(Some(Outcome::Exited(1)), "net-serve on port 5201: in use\n")).unwrap_err();
        assert_eq!(failure.class, FailureClass::Exec);
        assert!(failure.message.ends_with("exited with code 1; it says: net-serve on port 5201: in use"), "{failure}");
        assert!(verdict(&reply(Some(Outcome::Signalled(9)), "")).is_err() && verdict(&reply(None, "")).is_err());
    }
}
