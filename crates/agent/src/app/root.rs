//! The application's root in a machine: a block device that is mounted, and the kernel's file systems in it.

use crate::sys::machine::{make_directory, mount, mount_from};
use crate::sys::poll::{Moment, READABLE, interest, pause_us, wait};
use crate::sys::{Errno, Result, file, socket};
use alloc::ffi::CString;
use alloc::vec::Vec;
use isodyne_proto::StartRequest;
use linux_raw_sys::general as k;

/// Where a read-only root lies below its layer in memory.
const LOWER: &core::ffi::CStr = c"/.isodyne-lower";
const LAYER: &core::ffi::CStr = c"/.isodyne-layer";

/// How long the device may take to be there: a kernel without its driver never has one, and the host wants to know.
const DEVICE_PATIENCE_MS: u64 = 5_000;

/// Mounts what the request names; does nothing for a root that is there already.
pub(super) fn prepare(request: &StartRequest, until: Moment) -> Result<()> {
    if request.device.is_empty() {
        return Ok(());
    }
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::INVAL);
    let (device, kind, root) = (text(&request.device)?, text(&request.file_system)?, text(&request.root)?);
    wait_for(&device, until.min(Moment::after_ms(DEVICE_PATIENCE_MS)))?;
    make(&root)?;
    if request.read_only {
        make(LOWER)?;
        make(LAYER)?;
        mount_from(&device, &kind, LOWER, k::MS_RDONLY, c"")?;
        mount(c"tmpfs", LAYER, 0, c"mode=0755")?;
        make(c"/.isodyne-layer/upper")?;
        make(c"/.isodyne-layer/work")?;
        mount(
            c"overlay",
            &root,
            0,
            c"lowerdir=/.isodyne-lower,upperdir=/.isodyne-layer/upper,workdir=/.isodyne-layer/work",
        )?;
    } else {
        mount_from(&device, &kind, &root, 0, c"")?;
    }
    let safe = k::MS_NOSUID | k::MS_NODEV;
    let inside = [
        (c"proc", b"/proc".as_slice(), safe | k::MS_NOEXEC, c""),
        (c"sysfs", b"/sys", safe | k::MS_NOEXEC, c""),
        (c"devtmpfs", b"/dev", k::MS_NOSUID, c"mode=0755"),
        (c"devpts", b"/dev/pts", k::MS_NOSUID | k::MS_NOEXEC, c"mode=0620,ptmxmode=0666"),
        (c"tmpfs", b"/dev/shm", safe, c"mode=1777"),
        (c"tmpfs", b"/run", safe, c"mode=0755"),
        (c"tmpfs", b"/tmp", safe, c"mode=1777"),
    ];
    for (kind, place, flags, options) in inside {
        let target = text(&[request.root.as_slice(), place].concat())?;
        make(&target)?;
        mount(kind, &target, flags, options)?;
    }
    Ok(())
}

fn make(path: &core::ffi::CStr) -> Result<()> {
    match make_directory(path) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Waits for the device's node, which follows its driver by moments.
fn wait_for(device: &core::ffi::CStr, until: Moment) -> Result<()> {
    let notices = socket::device_notices();
    loop {
        if file::exists(device) {
            return Ok(());
        }
        if until.has_passed() {
            return Err(Errno::NODEV);
        }
        match &notices {
            Ok(notices) => {
                // A notice wakes the look; the bound covers one that was lost.
                let _ = wait(&mut [interest(notices, READABLE)], Moment::after_ms(50).min(until))?;
                let mut text: Vec<u8> = alloc::vec![0; 2048];
                while notices.read(&mut text).is_ok() {}
            }
            Err(_) => pause_us(5_000),
        }
    }
}
