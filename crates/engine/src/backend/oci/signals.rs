//! What each runtime writes into its state directory while it makes a container, and which milestone that is.
//!
//! runc renames `state.json` into place when the container exists and waits to be started. Its init then holds
//! `exec.fifo` open for writing and, since that descriptor closes on exec, the close is the exec of the container's
//! program. crun renames `status` into place; a `run` of it makes no fifo, so there is no sign of the start. runsc writes
//! a `.state` file that says `created` and then `running`.

use crate::backend::notify::{Change, Meaning, Rule};
use isodyne_core::cell::BackendName;
use isodyne_core::ledger::MilestoneName;

/// The rules for a runtime's state directory before the container is made.
pub(crate) fn rules(runtime: BackendName, name: &str) -> Vec<Rule> {
    let enter = |rules| vec![Rule::of(name, Change::DirectoryMade, Meaning::Enter(rules))];
    match runtime {
        BackendName::Runc => {
            let mut rules = start_fifo();
            rules.push(Rule::of("state.json", Change::Renamed, Meaning::Milestone(MilestoneName::Created)));
            enter(rules)
        }
        BackendName::Crun => {
            enter(vec![Rule::of("status", Change::Renamed, Meaning::Milestone(MilestoneName::Created))])
        }
        _ => vec![Rule::of(format!("{name}_sandbox:{name}.state"), Change::Written, Meaning::Content(runsc_status))],
    }
}

/// The rules for the fifo that holds a created container back until it is started (runc and crun).
pub(crate) fn start_fifo() -> Vec<Rule> {
    let started = || Meaning::Milestone(MilestoneName::Started);
    vec![Rule::of("exec.fifo", Change::Written, started()), Rule::of("exec.fifo", Change::Removed, started())]
}

fn runsc_status(content: &[u8]) -> Option<MilestoneName> {
    let state: serde_json::Value = serde_json::from_slice(content).ok()?;
    match state.get("status")?.as_str()? {
        "created" => Some(MilestoneName::Created),
        "running" => Some(MilestoneName::Started),
        _ => None,
    }
}
