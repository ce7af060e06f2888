//! What only the first process of a machine does, and what the kernel says about itself.

use super::file::Fd;
use super::{Result, call};
use alloc::string::String;
use core::ffi::{CStr, c_char};
use linux_raw_sys::{general as k, system};

pub(crate) fn make_directory(path: &CStr) -> Result<()> {
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_mkdirat, k::AT_FDCWD, path.as_ptr(), 0o755) }.map(drop)
}

pub(crate) fn mount(kind: &CStr, target: &CStr, flags: u32, options: &CStr) -> Result<()> {
    mount_from(kind, kind, target, flags, options)
}

/// Mounts a block device.
pub(crate) fn mount_from(source: &CStr, kind: &CStr, target: &CStr, flags: u32, options: &CStr) -> Result<()> {
    // SAFETY: all strings end in a zero byte.
    unsafe { call!(__NR_mount, source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr()) }.map(drop)
}

/// Loads a kernel module from an open file; `compressed` lets the kernel unpack it.
pub(crate) fn load_module(file: &Fd, compressed: bool) -> Result<()> {
    const MODULE_INIT_COMPRESSED_FILE: u32 = 4;
    let flags = if compressed { MODULE_INIT_COMPRESSED_FILE } else { 0 };
    // SAFETY: the parameters are an empty string.
    unsafe { call!(__NR_finit_module, file.number(), c"".as_ptr(), flags) }.map(drop)
}

/// Writes everything that is dirty to disk.
pub(crate) fn sync() {
    // SAFETY: no arguments.
    let _ = unsafe { call!(__NR_sync) };
}

/// How a machine ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MachineEnd {
    #[default]
    PowerOff,
    Reboot,
    Halt,
}

/// Ends the machine; returns only if the kernel refuses.
pub(crate) fn end_machine(how: MachineEnd) {
    let command = match how {
        MachineEnd::PowerOff => k::LINUX_REBOOT_CMD_POWER_OFF,
        MachineEnd::Reboot => k::LINUX_REBOOT_CMD_RESTART,
        MachineEnd::Halt => k::LINUX_REBOOT_CMD_HALT,
    };
    // SAFETY: plain numbers.
    let _ = unsafe { call!(__NR_reboot, k::LINUX_REBOOT_MAGIC1, k::LINUX_REBOOT_MAGIC2, command, 0_usize) };
}

/// Tells Firecracker's boot timer that the machine's first program runs: the byte 123 at the beginning of a page of the
/// machine's physical memory. Its documentation fixes both.
pub(crate) fn ring_boot_timer(address: u64) -> Result<()> {
    const PAGE: usize = 4096;
    let memory = super::file::open(c"/dev/mem", super::file::Access::ReadWrite)?;
    let (protection, shared) = (k::PROT_READ | k::PROT_WRITE, k::MAP_SHARED);
    // SAFETY: a new mapping touches nothing that is there.
    let page = unsafe { call!(__NR_mmap, 0_usize, PAGE, protection, shared, memory.number(), address) }?;
    // SAFETY: the page has just been mapped for writing, and it is a device's: nobody else has a reference to it.
    unsafe { (page as *mut u8).write_volatile(123) };
    // SAFETY: the mapping is ours and not used after this.
    unsafe { call!(__NR_munmap, page, PAGE) }.map(drop)
}

/// The kernel's release and the machine's name.
pub(crate) fn kernel_identity() -> (String, String) {
    // SAFETY: an all-zero structure of byte arrays is valid.
    let mut names: system::new_utsname = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel writes the structure.
    let _ = unsafe { call!(__NR_uname, &raw mut names) };
    (text(&names.release), text(&names.machine))
}

fn text(field: &[c_char]) -> String {
    field.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte as u8)).collect()
}

/// A word of the kernel's random numbers.
pub(crate) fn random() -> u64 {
    let mut word = 0_u64;
    // SAFETY: the kernel writes the word.
    let _ = unsafe { call!(__NR_getrandom, &raw mut word, size_of::<u64>(), 0) };
    word
}
