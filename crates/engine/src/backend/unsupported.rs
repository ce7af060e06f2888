//! Backends that Isodyne knows and cannot drive yet: they are named with the reason, never silently absent.

use super::{Backend, Launcher, PrepareError};
use crate::host::tools;
use crate::lab::Lab;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::fingerprint::KvmState;
use isodyne_core::probe::Probe;

/// A backend that this version does not drive.
pub struct Unsupported {
    name: BackendName,
}

impl Unsupported {
    /// Stands for `name`.
    pub fn new(name: BackendName) -> Self {
        Self { name }
    }

    fn missing(&self, lab: &Lab) -> (String, String) {
        let found = tools::find_tool(self.name.as_str());
        let kvm = match lab.host.fingerprint.kvm {
            KvmState::Works => None,
            KvmState::Absent => Some("needs /dev/kvm, which this host has not"),
            KvmState::Forbidden => Some("needs /dev/kvm, which this user may not open"),
            KvmState::Paravirtual => Some("needs KVM on hardware; /dev/kvm here is paravirtual"),
        };
        let binary = found.is_none().then(|| format!("no `{}` on PATH", self.name));
        let own = "this version of Isodyne does not drive it yet".to_owned();
        let reason = kvm.map(str::to_owned).into_iter().chain(binary).chain([own]).collect::<Vec<_>>().join("; ");
        let hint =
            "use qemu with machine = \"microvm\" for a microVM today; see CHANGELOG.md for what is planned".to_owned();
        (reason, hint)
    }
}

impl Backend for Unsupported {
    fn name(&self) -> BackendName {
        self.name
    }

    fn probe(&self, lab: &Lab) -> Probe {
        let version = tools::inspect_tool(self.name.as_str(), &["--version"]).and_then(|tool| tool.version);
        let (reason, hint) = self.missing(lab);
        Probe::Unavailable { reason, hint, version }
    }

    fn prepare(&self, _cell: &Cell, lab: &Lab) -> Result<Box<dyn Launcher>, PrepareError> {
        let (reason, hint) = self.missing(lab);
        Err(PrepareError::Unavailable { reason, hint })
    }
}
