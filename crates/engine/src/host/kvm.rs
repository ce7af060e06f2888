//! What `/dev/kvm` is on this host.

use super::processor::Processor;
use super::root::HostRoot;
use isodyne_core::fingerprint::KvmState;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const KVM_GET_API_VERSION: libc::Ioctl = 0xAE00;
const KVM_CREATE_VM: libc::Ioctl = 0xAE01;
/// The only version there has been since Linux 2.6.22.
const KVM_API_VERSION: i32 = 12;

/// What `/dev/kvm` is, and the same in one line for people.
pub fn detect(root: &HostRoot, processor: &Processor) -> (KvmState, String) {
    let fd = match open(root.path("/dev/kvm"), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return (KvmState::Absent, "there is no /dev/kvm".to_owned()),
        Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
            return (KvmState::Forbidden, format!("this user may not open /dev/kvm: {errno}"));
        }
        Err(errno) => return (KvmState::Absent, format!("/dev/kvm does not open: {errno}")),
    };
    // SAFETY: this request takes no argument and touches no memory of ours; the descriptor is open.
    let version = unsafe { libc::ioctl(fd.as_raw_fd(), KVM_GET_API_VERSION, 0) };
    if version != KVM_API_VERSION {
        return (KvmState::Absent, format!("/dev/kvm is not a KVM of version {KVM_API_VERSION} (answer {version})"));
    }
    if cfg!(target_arch = "x86_64") && !processor.has("vmx") && !processor.has("svm") {
        let line = "/dev/kvm opens, but the processor shows neither vmx nor svm: a paravirtual KVM that stock kernels \
                    hang on";
        return (KvmState::Paravirtual, line.to_owned());
    }
    // SAFETY: as above; the argument is the machine type, 0 for the default.
    let machine = unsafe { libc::ioctl(fd.as_raw_fd(), KVM_CREATE_VM, 0) };
    if machine < 0 {
        let error = std::io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => (KvmState::Forbidden, format!("/dev/kvm creates no VM: {error}")),
            _ => (KvmState::Absent, format!("/dev/kvm opens, but creates no VM: {error}")),
        };
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
    drop(unsafe { OwnedFd::from_raw_fd(machine) });
    (KvmState::Works, "/dev/kvm opens and creates a VM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let (state, line) = detect(&HostRoot::under(directory.path()), &Processor::default());
        assert_eq!((state, line.as_str()), (KvmState::Absent, "there is no /dev/kvm"));
    }

    #[test]
    fn a_file_that_is_no_device_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("dev")).unwrap();
        std::fs::write(directory.path().join("dev/kvm"), "").unwrap();
        let (state, line) = detect(&HostRoot::under(directory.path()), &Processor::default());
        assert_eq!(state, KvmState::Absent, "{line}");
    }
}
