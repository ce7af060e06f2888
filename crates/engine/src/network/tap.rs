//! Taps: the lab's end of a virtual machine's network card.

use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

const DEVICE: &str = "/dev/net/tun";
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;
const IFF_TAP: u16 = 0x0002;
/// Frames as they are, without a protocol number in front.
const IFF_NO_PI: u16 = 0x1000;
/// A header in front that lets both ends leave checksums and segmentation to each other, as virtio does.
const IFF_VNET_HDR: u16 = 0x4000;

/// Makes a tap in the namespace of this thread. It lives as long as its descriptor, whoever has it.
pub(super) fn create(name: &str) -> io::Result<OwnedFd> {
    let tap = rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| explain(errno.into()))?;
    let mut request = [0_u8; 40];
    let room = request.get_mut(..name.len()).filter(|room| room.len() < 16).ok_or(io::ErrorKind::InvalidInput)?;
    room.copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR).to_ne_bytes());
    // SAFETY: the request is as large as the kernel's structure, which this call reads and writes.
    if unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETIFF as _, request.as_mut_ptr()) } < 0 {
        return Err(explain(io::Error::last_os_error()));
    }
    Ok(tap)
}

/// Lets a tap live as long as its namespace, so that a monitor that knows its name can open it.
pub(super) fn persist(tap: &OwnedFd) -> io::Result<()> {
    // SAFETY: this call takes its argument as a plain number.
    if unsafe { libc::ioctl(tap.as_raw_fd(), TUNSETPERSIST as _, 1) } < 0 {
        return Err(explain(io::Error::last_os_error()));
    }
    Ok(())
}

fn explain(error: io::Error) -> io::Error {
    let advice = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => "load the kernel module `tun`",
        Some(libc::EACCES | libc::EPERM) => {
            "this takes root (CAP_NET_ADMIN) and, in a container, the device; QEMU has `network = \"user\"` for who has neither"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), format!("no tap from {DEVICE}: {error}; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |code| explain(io::Error::from_raw_os_error(code)).to_string();
        assert!(said(libc::EACCES).contains("/dev/net/tun") && said(libc::EPERM).contains("network = \"user\""));
        assert!(said(libc::ENOENT).contains("module `tun`"));
        assert!(!said(libc::EBUSY).contains("tap"));
    }
}
