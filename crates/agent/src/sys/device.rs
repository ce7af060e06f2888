//! What driving a device from a program takes: its memory mapped, its registers, event counters for its interrupts.

use super::file::Fd;
use super::{Errno, Result, call};
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::ptr::NonNull;
use linux_raw_sys::general as k;

/// Maps a part of a file or device for reading and writing, for the rest of the process's life. Nothing is touched yet.
pub(crate) fn map(file: &Fd, offset: u64, length: usize) -> Result<NonNull<u8>> {
    let protection = k::PROT_READ | k::PROT_WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice, touches nothing that is there.
    let answer = unsafe { call!(__NR_mmap, 0, length, protection, k::MAP_SHARED, file.number(), offset) }?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(answer)).ok_or(Errno::INVAL)
}

/// Reads from a place in a file or device.
pub(crate) fn read_at(file: &Fd, bytes: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel writes at most the buffer's length into the buffer.
    unsafe { call!(__NR_pread64, file.number(), bytes.as_mut_ptr(), bytes.len(), offset) }
}

/// Writes to a place in a file or device.
pub(crate) fn write_at(file: &Fd, bytes: &[u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel reads at most the length of the bytes.
    unsafe { call!(__NR_pwrite64, file.number(), bytes.as_ptr(), bytes.len(), offset) }
}

/// An event counter at 0, whose reads do not block.
pub(crate) fn event_counter() -> Result<Fd> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_eventfd2, 0, k::O_CLOEXEC | k::O_NONBLOCK) }.map(Fd::from_answer)
}

/// An `ioctl` whose argument is a number.
pub(crate) fn ioctl_number(fd: &Fd, request: u32, number: usize) -> Result<usize> {
    // SAFETY: a plain number; the caller gives requests that take one.
    unsafe { call!(__NR_ioctl, fd.number(), request, number) }
}

/// An `ioctl` that reads a text and answers with a descriptor.
pub(crate) fn ioctl_descriptor(fd: &Fd, request: u32, text: &CStr) -> Result<Fd> {
    // SAFETY: the text ends in a zero byte, and the kernel only reads it.
    unsafe { call!(__NR_ioctl, fd.number(), request, text.as_ptr()) }.map(Fd::from_answer)
}

/// Where a symbolic link leads.
pub(crate) fn link_target(path: &[u8]) -> Result<Vec<u8>> {
    let path = CString::new(path).map_err(|_| Errno::NOENT)?;
    let mut target = alloc::vec![0; 1024];
    // SAFETY: the path ends in a zero byte, and the kernel writes at most the buffer's length.
    let length = unsafe { call!(__NR_readlinkat, k::AT_FDCWD, path.as_ptr(), target.as_mut_ptr(), target.len()) }?;
    target.truncate(length);
    Ok(target)
}

/// Gives this process mounts of its own: what it mounts from now on nobody else sees.
pub(crate) fn own_mounts() -> Result<()> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_unshare, k::CLONE_NEWNS) }?;
    super::machine::mount_from(c"none", c"none", c"/", k::MS_REC | k::MS_PRIVATE, c"")
}
