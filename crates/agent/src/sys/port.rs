//! The input/output ports of a machine.

use super::file::{self, Access};
use super::{Result, call};
use linux_raw_sys::general as k;

/// Writes a byte to a port, if the machine has ports and lets us: by the one instruction, or by the kernel's device where
/// the instruction is not let through.
///
/// Some nested machines grant the permission and then do not honour it: KVM on an emulated AMD processor tells its monitor
/// that the task register is busy, and gets it back in that state, by which the emulated processor does not find the
/// permissions of ports. The kernel's own writes need no permission.
pub(crate) fn write_port(port: u16, byte: u8) {
    if !by_instruction(port, byte) {
        // A kernel without the device (Debian's cloud kernel), or one that is locked down: nobody hears the byte.
        let _ = by_device(port, byte);
    }
}

/// The fastest way; says whether the instruction went through.
#[cfg(target_arch = "x86_64")]
fn by_instruction(port: u16, byte: u8) -> bool {
    // SAFETY: plain numbers.
    let granted = unsafe { call!(__NR_ioperm, port, 1, 1) }.is_ok();
    granted && goes_through(port, byte)
}

/// Writes to a port that the kernel should have allowed, and says whether the processor has let it through.
#[cfg(target_arch = "x86_64")]
fn goes_through(port: u16, byte: u8) -> bool {
    let before = passed_over::begin();
    let mut fault = 0_u64;
    // SAFETY: writing to a port touches no memory of ours. A fault is passed over by a handler that changes nothing but the
    // place to go on at and the register named here.
    unsafe {
        core::arch::asm!("out dx, al", in("dx") port, in("al") byte, inout("rcx") fault, options(nostack, preserves_flags));
    }
    passed_over::end(before);
    fault == 0
}

#[cfg(not(target_arch = "x86_64"))]
fn by_instruction(_: u16, _: u8) -> bool {
    false
}

/// By a device node of our own, which goes at once: this runs before the machine's devices are mounted.
fn by_device(port: u16, byte: u8) -> Result<()> {
    const NODE: &core::ffi::CStr = c"/.port";
    // Character device 1:4, for ever.
    const PORTS: usize = 1 << 8 | 4;
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_mknodat, k::AT_FDCWD, NODE.as_ptr(), k::S_IFCHR | 0o600, PORTS) }?;
    let opened = file::open(NODE, Access::ReadWrite);
    // SAFETY: the path ends in a zero byte.
    let _ = unsafe { call!(__NR_unlinkat, k::AT_FDCWD, NODE.as_ptr(), 0) };
    let opened = opened?;
    // SAFETY: the kernel reads one byte.
    unsafe { call!(__NR_pwrite64, opened.number(), &raw const byte, 1, port) }.map(drop)
}

/// Faults of one instruction of one byte, passed over.
#[cfg(target_arch = "x86_64")]
mod passed_over {
    use crate::sys::call;
    use linux_raw_sys::general as k;

    /// The kernel's `sigaction`: handler, flags, restorer, mask.
    type Action = [usize; 4];
    const SIGNAL_SET_BYTES: usize = 8;

    // The handler goes on behind the instruction, `out dx, al`, which has one byte, and leaves a one in rcx: rcx and the
    // instruction pointer stand at 152 and 168 of the context that the third argument points to. The kernel wants a way
    // back from handlers (call 15, rt_sigreturn).
    core::arch::global_asm!(
        ".globl isodyne_pass_over",
        "isodyne_pass_over:",
        "mov qword ptr [rdx + 152], 1",
        "add qword ptr [rdx + 168], 1",
        "ret",
        ".globl isodyne_return_from_signal",
        "isodyne_return_from_signal:",
        "mov eax, 15",
        "syscall",
    );

    unsafe extern "C" {
        fn isodyne_pass_over();
        fn isodyne_return_from_signal();
    }

    /// From now on; gives what was before.
    pub(super) fn begin() -> Action {
        let handler = isodyne_pass_over as *const () as usize;
        let restorer = isodyne_return_from_signal as *const () as usize;
        let flags = (k::SA_SIGINFO | k::SA_RESTORER) as usize;
        exchange([handler, flags, restorer, 0])
    }

    /// As before.
    pub(super) fn end(before: Action) {
        exchange(before);
    }

    fn exchange(new: Action) -> Action {
        let mut old: Action = [0; 4];
        // SAFETY: the kernel reads the new action and writes the old one; the handler is sound for the one instruction
        // that runs meanwhile.
        let _ = unsafe { call!(__NR_rt_sigaction, k::SIGSEGV, new.as_ptr(), old.as_mut_ptr(), SIGNAL_SET_BYTES) };
        old
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    #[test]
    fn a_fault_is_passed_over_and_told() {
        // No permission was asked for, so that it faults whoever runs this.
        assert!(!super::goes_through(0xe9, b'I'));
        assert!(!super::goes_through(0xe9, b'I'), "the handler is set each time");
    }
}
