//! What copies of one kept state share that they should not: randomness, ids and the time. Shown, never taken for granted.

use crate::channel::{AgentChannel, ExecRequest};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The agent's own command.
const ARGV: [&str; 2] = ["/proc/self/exe", "identity"];
const OUTPUT_LIMIT: u32 = 4096;

/// What one sandbox says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CloneFacts {
    /// Bytes that the kernel calls random, in hexadecimal.
    pub random: Option<String>,
    /// A random id that the kernel has just made.
    pub uuid: Option<String>,
    /// The id of the kernel's boot.
    pub boot_id: Option<String>,
    /// The machine's id, if its root has one.
    pub machine_id: Option<String>,
    /// The machine's name.
    pub hostname: Option<String>,
    /// How far the sandbox's wall clock is behind the host's, in nanoseconds; negative if it is ahead.
    pub clock_lag_ns: i64,
    /// How sure that is: the time between question and answer, in nanoseconds.
    pub clock_lag_within_ns: u64,
}

/// Asks the agent. The wall clocks are the one thing that is compared between host and guest: what is measured is how
/// far apart they are, and never how long something took.
///
/// # Errors
/// That of the channel; class `protocol` if the agent does not say what it should.
pub fn clone_facts(agent: &mut AgentChannel, deadline: HostInstant) -> Result<CloneFacts, Failure> {
    let request = ExecRequest {
        id: 0,
        argv: ARGV.map(|word| word.as_bytes().to_vec()).to_vec(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout_ms: 0,
        output_limit: OUTPUT_LIMIT,
    };
    let executed = agent.exec(&request, deadline)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    executed.succeeded()?;
    let took_ns = executed.at.ns_since(executed.asked);
    read(&executed.reply.stdout, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), took_ns)
        .ok_or_else(|| Failure::new(FailureClass::Protocol, "the agent does not say who it is"))
}

/// `answered_ns` is the host's wall clock when the answer was there, `took_ns` after the question.
fn read(text: &[u8], answered_ns: u64, took_ns: u64) -> Option<CloneFacts> {
    let text = std::str::from_utf8(text).ok()?;
    let values: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let value = |key: &str| values.get(key).map(|value| (*value).to_owned());
    let guest_ns: u64 = values.get("realtime_ns")?.parse().ok()?;
    // In the middle between question and answer, as nothing better is known.
    let host_ns = answered_ns.saturating_sub(took_ns / 2);
    let lag = i128::from(host_ns) - i128::from(guest_ns);
    Some(CloneFacts {
        random: value("random"),
        uuid: value("uuid"),
        boot_id: value("boot_id"),
        machine_id: value("machine_id"),
        hostname: value("hostname"),
        clock_lag_ns: i64::try_from(lag).unwrap_or(if lag < 0 { i64::MIN } else { i64::MAX }),
        clock_lag_within_ns: took_ns,
    })
}

/// Whether copies tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Each has its own.
    Differs,
    /// At least two have the same.
    Same,
    /// At least one does not say.
    Unknown,
}

impl Told {
    /// As text shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::Same => "same",
            Self::Unknown => "unknown",
        }
    }
}

/// What copies of one state share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CloneReport {
    /// The kernel's randomness: the first draw after the restore, and the first id made of it. The same means that keys
    /// made in two copies are the same.
    pub random: Told,
    /// The id of the kernel's boot.
    pub boot_id: Told,
    /// The machine's id.
    pub machine_id: Told,
    /// The machine's name.
    pub hostname: Told,
    /// The furthest that any wall clock is from the host's, in nanoseconds.
    pub clock_lag_most_ns: u64,
}

impl CloneReport {
    /// Compares copies, of which there are at least two; fewer have nothing to differ from.
    pub fn of(copies: &[CloneFacts]) -> Self {
        let told = |value: fn(&CloneFacts) -> Option<&str>| {
            let values: Option<Vec<&str>> = copies.iter().map(value).collect();
            match values {
                Some(values) if values.len() > 1 => {
                    let different: BTreeSet<&str> = values.iter().copied().collect();
                    if different.len() == values.len() { Told::Differs } else { Told::Same }
                }
                _ => Told::Unknown,
            }
        };
        let random = match (told(|copy| copy.random.as_deref()), told(|copy| copy.uuid.as_deref())) {
            (Told::Same, _) | (_, Told::Same) => Told::Same,
            (Told::Unknown, other) | (other, _) => other,
        };
        Self {
            random,
            boot_id: told(|copy| copy.boot_id.as_deref()),
            machine_id: told(|copy| copy.machine_id.as_deref()),
            hostname: told(|copy| copy.hostname.as_deref()),
            clock_lag_most_ns: copies.iter().map(|copy| copy.clock_lag_ns.unsigned_abs()).max().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "realtime_ns 1000\nuptime_ns 5\nrandom ab\nuuid u-1\nboot_id b\nhostname h\n";

    #[test]
    fn what_the_agent_says_is_read() {
        let facts = read(TEXT.as_bytes(), 5000, 400).unwrap();
        assert_eq!((facts.clock_lag_ns, facts.clock_lag_within_ns), (3800, 400));
        assert_eq!((facts.random.as_deref(), facts.machine_id), (Some("ab"), None));
        assert_eq!(read(b"realtime_ns x\n", 1, 1), None);
        assert_eq!(read(b"\xff", 1, 1), None);
        assert_eq!(read(b"realtime_ns 9000\n", 5000, 0).unwrap().clock_lag_ns, -4000);
    }

    #[test]
    fn copies_that_share_anything_are_told() {
        let one = read(TEXT.as_bytes(), 5000, 400).unwrap();
        let mut other = CloneFacts { random: Some("cd".into()), uuid: Some("u-2".into()), ..one.clone() };
        let report = CloneReport::of(&[one.clone(), other.clone()]);
        assert_eq!((report.random, report.boot_id, report.machine_id), (Told::Differs, Told::Same, Told::Unknown));
        assert_eq!(report.clock_lag_most_ns, 3800);
        other.random = one.random.clone();
        assert_eq!(CloneReport::of(&[one.clone(), other]).random, Told::Same);
        assert_eq!(CloneReport::of(&[one]).random, Told::Unknown);
    }
}
