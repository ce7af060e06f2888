//! What KVM on this host means for a monitor that needs it.

use crate::backend::{PrepareError, program};
use crate::host::inspect_tool;
use crate::lab::Lab;
use isodyne_core::cell::Cell;
use isodyne_core::fingerprint::KvmState;
use isodyne_core::probe::{Probe, Tool};
use isodyne_core::sample::Accuracy;

/// Why KVM cannot be used here, and what would fix it; `None` if it works.
pub fn trouble(state: KvmState) -> Option<(&'static str, &'static str)> {
    Some(match state {
        KvmState::Works => return None,
        KvmState::Absent => {
            ("this host has no /dev/kvm", "use a host with hardware virtualisation, or qemu with `accel = \"tcg\"`")
        }
        KvmState::Forbidden => {
            ("this user may not open /dev/kvm", "add yourself to the group `kvm`, or use qemu with `accel = \"tcg\"`")
        }
        KvmState::Paravirtual => (
            "/dev/kvm is paravirtual here and runs no stock kernel",
            "use a host with hardware virtualisation, `make nested`, or qemu with `accel = \"tcg\"`",
        ),
    })
}

/// A monitor's program on a host whose KVM works, or why there is none.
///
/// # Errors
/// Reason and hint; with the program's version, if it is there.
pub fn find_monitor(lab: &Lab, program: &str, install_hint: &str) -> Result<Tool, Box<Probe>> {
    let tool = inspect_tool(program, &["--version"]);
    let missing = tool.is_none().then(|| missing(program));
    let (reason, hint) = match (trouble(lab.host.kvm()), &missing) {
        (Some((reason, hint)), Some(missing)) => (format!("{reason}; {missing}"), hint),
        (Some((reason, hint)), None) => (reason.to_owned(), hint),
        (None, Some(missing)) => (missing.clone(), install_hint),
        (None, None) => (String::new(), install_hint),
    };
    let version = tool.as_ref().and_then(|tool| tool.version.clone());
    tool.filter(|_| reason.is_empty())
        .ok_or_else(|| Box::new(Probe::Unavailable { reason, hint: hint.to_owned(), version }))
}

/// The monitor's program for a cell: the one that its plan names, or the one in PATH.
///
/// # Errors
/// [`PrepareError::Unavailable`] without KVM or program, [`PrepareError::Invalid`] for a named one that is none.
pub fn monitor_of(cell: &Cell, lab: &Lab, program: &str, install_hint: &str) -> Result<Tool, PrepareError> {
    let unavailable = |reason: String, hint: &str| PrepareError::Unavailable { reason, hint: hint.to_owned() };
    if let Some((reason, hint)) = trouble(lab.host.kvm()) {
        return Err(unavailable(reason.to_owned(), hint));
    }
    let tool = program::stated(cell)?.or_else(|| inspect_tool(program, &["--version"]));
    tool.ok_or_else(|| unavailable(missing(program), install_hint))
}

fn missing(program: &str) -> String {
    format!("there is no `{program}` on this host")
}

/// The class of what runs on this host's KVM: `nested` if the host is a guest itself.
pub fn accuracy(lab: &Lab) -> Accuracy {
    if lab.host.fingerprint.hypervisor.is_some() { Accuracy::Nested } else { Accuracy::Kvm }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_a_reason_and_a_way_out() {
        for state in [KvmState::Absent, KvmState::Forbidden, KvmState::Paravirtual] {
            let (reason, hint) = trouble(state).unwrap();
            assert!(reason.contains("/dev/kvm") && hint.contains("qemu"), "{reason}: {hint}");
        }
        assert_eq!(trouble(KvmState::Works), None);
    }
}
