//! The first process of a machine: it makes the machine usable, serves, and ends the machine.

use crate::options::BootOptions;
use crate::sys::file::{self, Access};
use crate::sys::machine::{self, MachineEnd};
use crate::sys::poll::{Moment, pause_us};
use crate::sys::port::write_port;
use crate::sys::{Errno, process, socket};
use crate::{Start, complain, serve};
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};
use isodyne_proto::ShutdownHow;
use linux_raw_sys::general as k;

/// The port of the debug console of QEMU and others; a machine without one ignores the write.
const DEBUG_PORT: u16 = 0xe9;

/// Where modules lie in the initramfs.
const MODULES: &[u8] = b"/lib/isodyne/";

/// Whether this process must end the machine instead of exiting, also when it panics.
static OWNS_THE_MACHINE: AtomicBool = AtomicBool::new(false);

/// Does everything. The first process must not return: the kernel would panic.
pub(crate) fn run(environment: &[&CStr]) -> ! {
    OWNS_THE_MACHINE.store(true, Ordering::Relaxed);
    let start = Start { environment, began: Moment::now() };
    // The host stamps this byte: it is the first thing of the agent that can be seen outside.
    write_port(DEBUG_PORT, b'I');
    mount_all();
    file::fill_standard_streams(c"/dev/console");
    let command_line = file::read_small(b"/proc/cmdline", 8192).unwrap_or_else(|errno| {
        complain(&format!("failed to read /proc/cmdline: {errno}"));
        Vec::new()
    });
    let options = BootOptions::parse(&command_line);
    if let Some(Err(errno)) = options.boot_timer.map(machine::ring_boot_timer) {
        complain(&format!("failed to reach the boot timer: {errno}"));
    }
    for name in &options.modules {
        if let Err(reason) = load(name) {
            complain(&reason);
        }
    }
    if let Err(errno) = socket::loopback_up() {
        complain(&format!("failed to bring loopback up: {errno}"));
    }
    for interface in &options.interfaces {
        if let Err(errno) = interface.configure() {
            complain(&format!("failed to configure {}: {errno}", String::from_utf8_lossy(&interface.name)));
        }
    }
    let end = match options.service().and_then(|service| serve::serve(&start, &service, true)) {
        Ok(ShutdownHow::Exit) => options.end,
        Ok(ShutdownHow::PowerOff) => MachineEnd::PowerOff,
        Ok(ShutdownHow::Reboot) => MachineEnd::Reboot,
        Err(reason) => {
            complain(&reason);
            options.end
        }
    };
    finish(end)
}

/// Ends the machine. If the kernel refuses one way, the others are tried; what remains is to do nothing.
fn finish(end: MachineEnd) -> ! {
    machine::sync();
    for how in [end, MachineEnd::Reboot, MachineEnd::PowerOff, MachineEnd::Halt] {
        machine::end_machine(how);
    }
    loop {
        pause_us(1_000_000);
    }
}

/// Ends after a panic, whichever kind of process this is.
pub(crate) fn after_panic() -> ! {
    if OWNS_THE_MACHINE.load(Ordering::Relaxed) && process::pid() == 1 {
        finish(MachineEnd::Reboot);
    }
    process::exit(101)
}

fn mount_all() {
    const SAFE: u32 = k::MS_NOSUID | k::MS_NODEV;
    let mounts: [(&CStr, &CStr, u32, &CStr); 7] = [
        (c"proc", c"/proc", SAFE | k::MS_NOEXEC, c""),
        (c"sysfs", c"/sys", SAFE | k::MS_NOEXEC, c""),
        (c"devtmpfs", c"/dev", k::MS_NOSUID, c"mode=0755"),
        (c"devpts", c"/dev/pts", k::MS_NOSUID | k::MS_NOEXEC, c"mode=0620,ptmxmode=0666"),
        (c"tmpfs", c"/dev/shm", SAFE, c"mode=1777"),
        (c"tmpfs", c"/run", SAFE, c"mode=0755"),
        (c"tmpfs", c"/tmp", SAFE, c"mode=1777"),
    ];
    for (kind, target, flags, options) in mounts {
        // A directory that is there already is as good; one that cannot be made fails the mount, which says so.
        let _ = machine::make_directory(target);
        match machine::mount(kind, target, flags, options) {
            // A kernel that mounts its devices itself.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(errno) => complain(&format!("failed to mount {}: {errno}", target.to_string_lossy())),
        }
    }
}

/// Loads one module of the initramfs. One that is built in or loaded already is as good.
fn load(name: &[u8]) -> Result<(), String> {
    let lossy = String::from_utf8_lossy(name);
    if name.contains(&b'/') {
        return Err(format!("`{lossy}` is no module: it takes the name of a file in /lib/isodyne"));
    }
    let path = CString::new([MODULES, name].concat()).map_err(|_| format!("`{lossy}` holds a zero byte"))?;
    let compressed = [b".xz".as_slice(), b".gz", b".zst"].iter().any(|ending| name.ends_with(ending));
    let loaded = file::open(&path, Access::Read).and_then(|file| machine::load_module(&file, compressed));
    match loaded {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(format!("failed to load module {lossy}: {errno}")),
    }
}
