//! A sample under the monitor: everything that the lab starts meanwhile, and the sandbox's cgroup.

use crate::backend::Place;
use crate::host::cgroup::PARENT;
use crate::lab::Lab;
use crate::monitor::{Monitor, MonitorOptions, Observed, Shares, Subject};
use crate::workload::Attempt;
use isodyne_core::failure::{Failure, FailureClass};
use std::time::Duration;

/// The name in front of the metrics.
const SUBJECT: &str = "sandbox";

/// Takes a sample and looks at its sandbox meanwhile. The series becomes a log of the sample, totals and peaks become
/// metrics beside the monitor's own cost. Shares of memory are not read: that would hold up the sandbox.
pub(super) fn observed(lab: &Lab, place: &Place, rate_hz: u32, take: impl FnOnce() -> Attempt) -> Attempt {
    let subject = Subject::new_children_of(SUBJECT, std::process::id());
    let subject = subject.with_cgroup(&format!("/{PARENT}/{}", place.name));
    let options = MonitorOptions { rate_hz, shares: Shares::Never, pressure_every: Duration::ZERO };
    let monitor = match Monitor::start(&lab.host.cgroups, vec![subject], options) {
        Ok(monitor) => monitor,
        Err(error) => return Attempt { failure: Some(failure(&error)), ..Attempt::default() },
    };
    let mut attempt = take();
    if let Err(error) = monitor.stop().and_then(|observed| keep(&observed, place, &mut attempt)) {
        // What went wrong before stands.
        attempt.failure.get_or_insert_with(|| failure(&error));
    }
    attempt
}

fn keep(observed: &Observed, place: &Place, attempt: &mut Attempt) -> std::io::Result<()> {
    attempt.metrics.extend(observed.metrics());
    std::fs::write(place.log("monitor"), observed.csv())
}

fn failure(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureClass::Launch, format!("the sample could not be monitored: {}", crate::backend::chain(error)))
}
