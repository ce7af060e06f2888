//! What KVM on this host means for a monitor that needs it.

use crate::lab::Lab;
use isodyne_core::fingerprint::KvmState;
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
