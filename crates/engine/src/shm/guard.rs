//! Mappings of files that another program can cut short.
//!
//! Who touches a page that its file no longer has is ended by the kernel (SIGBUS), and so is who touches one for which
//! a full tmpfs has no room. Where a mapping is guarded, it is replaced by zeros of this program's own at the first such
//! access, and the session hears that the memory is gone: zeros are nonsense in its protocol, and no proof is made of
//! them. A bus error anywhere else ends the program as it did before.

use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The most mappings that are guarded at the same time.
const MOST: usize = 256;

/// One mapping. Only atomics: the handler of the signal reads it at any moment.
struct Slot {
    is_taken: AtomicBool,
    /// 0 while the slot is not in use.
    base: AtomicUsize,
    length: AtomicUsize,
    is_cut: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            base: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
        }
    }

    fn holds(&self, address: usize) -> bool {
        let base = self.base.load(Ordering::Acquire);
        base != 0 && address.checked_sub(base).is_some_and(|offset| offset < self.length.load(Ordering::Relaxed))
    }
}

static SLOTS: [Slot; MOST] = [const { Slot::new() }; MOST];
/// What was to be done about the signal before; an error number if the handler could not be set.
static BEFORE: OnceLock<Result<libc::sigaction, i32>> = OnceLock::new();

/// A guarded mapping. Dropped, it is so no longer: before it is unmapped.
#[derive(Debug)]
pub(crate) struct Guarded(usize);

impl Guarded {
    /// Guards a mapping that begins at `base`, for reading and writing, until this value is dropped. `None` where nobody
    /// can cut its file.
    ///
    /// # Safety
    /// The mapping must be the caller's own and stay until this value is dropped, and no Rust reference to any of its
    /// bytes may exist meanwhile, but to atomics: its contents may become zeros at any time.
    ///
    /// # Errors
    /// If the host refuses, or too many mappings are guarded.
    pub(crate) unsafe fn over(file: &impl AsFd, base: *mut c_void, length: usize) -> io::Result<Option<Self>> {
        if is_sealed(file) {
            return Ok(None);
        }
        BEFORE.get_or_init(install).map_err(io::Error::from_raw_os_error)?;
        let free =
            |slot: &Slot| slot.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let index = SLOTS.iter().position(free);
        let index = index.ok_or_else(|| io::Error::other(format!("more than {MOST} shared memories at one time")))?;
        let slot = &SLOTS[index];
        slot.is_cut.store(false, Ordering::Relaxed);
        slot.length.store(length, Ordering::Relaxed);
        slot.base.store(base.addr(), Ordering::Release);
        Ok(Some(Self(index)))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let slot = &SLOTS[self.0];
        slot.base.store(0, Ordering::Release);
        slot.is_taken.store(false, Ordering::Release);
    }
}

/// Whether nobody can cut this file short.
pub(crate) fn is_sealed(file: &impl AsFd) -> bool {
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}

/// Whether this address is in a guarded mapping that lost a page.
pub(crate) fn is_cut(address: usize) -> bool {
    SLOTS.iter().any(|slot| slot.holds(address) && slot.is_cut.load(Ordering::Acquire))
}

/// Sets the handler, and gives what was there before.
fn install() -> Result<libc::sigaction, i32> {
    let failed = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
    // SAFETY: zeros are a valid value of this plain structure, which the calls read and write as a whole. The handler does
    // only what a handler may do, and needs no more than the stack that the runtime keeps for handlers.
    unsafe {
        let (mut before, mut action): (libc::sigaction, libc::sigaction) = (std::mem::zeroed(), std::mem::zeroed());
        if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut before) != 0 {
            return Err(failed());
        }
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_bus_error;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // Who comes here in the meantime is ended as before: nothing is guarded yet.
        if libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) != 0 {
            return Err(failed());
        }
        Ok(before)
    }
}

/// Runs in the thread that touched the page. No allocation, no lock, no error number.
extern "C" fn on_bus_error(signal: c_int, information: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a valid structure, with an address for this signal.
    let (address, code) = unsafe { ((*information).si_addr().addr(), (*information).si_code) };
    let guarded = SLOTS.iter().find(|slot| slot.holds(address)).filter(|_| code == libc::BUS_ADRERR);
    if let Some(slot) = guarded {
        let base = std::ptr::with_exposed_provenance_mut(slot.base.load(Ordering::Acquire));
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: who guards a mapping owns all of it, and expects its contents to change.
        let replaced = unsafe {
            mmap_anonymous(base, slot.length.load(Ordering::Relaxed), ProtFlags::READ | ProtFlags::WRITE, flags)
        };
        if replaced.is_ok() {
            slot.is_cut.store(true, Ordering::Release);
            return;
        }
    }
    pass_on(signal, information, context);
}

/// Does what would have been done without this module.
fn pass_on(signal: c_int, information: *mut libc::siginfo_t, context: *mut c_void) {
    let before = BEFORE.get().and_then(|before| before.as_ref().ok());
    // SAFETY: the handler that was there is called as it wants to be; else the signal's default comes back, which ends the
    // program as soon as the access is tried again.
    unsafe {
        match before {
            Some(before) if before.sa_sigaction > libc::SIG_IGN && before.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute(before.sa_sigaction);
                handler(signal, information, context);
            }
            Some(before) if before.sa_sigaction > libc::SIG_IGN => {
                let handler: extern "C" fn(c_int) = std::mem::transmute(before.sa_sigaction);
                handler(signal);
            }
            _ => _ = libc::signal(signal, libc::SIG_DFL),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::shm::Memory;
    use std::fs::File;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    fn made(directory: &std::path::Path, pages: usize) -> (Memory, File) {
        let path = directory.join("region");
        let memory = Memory::create(&path, pages * 4096).unwrap();
        (memory, File::options().write(true).open(path).unwrap())
    }

    #[test]
    fn a_file_that_is_cut_becomes_zeros_and_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, file) = made(directory.path(), 4);
        let (other, _) = made(
            &{
                let path = directory.path().join("other");
                std::fs::create_dir(&path).unwrap();
                path
            },
            1,
        );
        let region = memory.region().unwrap();
        region.store_u64(0, 7).unwrap();
        region.store_u64(3 * 4096, 8).unwrap();
        file.set_len(4096).unwrap();
        // What is still there is as it was.
        assert_eq!((region.load_u64(0), super::is_cut(region.address())), (Some(7), false));
        assert_eq!((region.load_u64(3 * 4096), memory.is_cut()), (Some(0), true));
        assert_eq!((region.load_u64(0), region.store_u64(8, 9), region.load_u64(8)), (Some(0), Some(()), Some(9)));
        assert!(!other.is_cut());
        // Its place may be taken by a mapping that is whole.
        drop(memory);
        let (again, _) = made(directory.path(), 4);
        assert_eq!((again.region().unwrap().load_u64(8192), again.is_cut()), (Some(0), false));
    }

    #[test]
    fn every_copy_survives_it() {
        use isodyne_shm::copy::CopyBy;
        let directory = tempfile::tempdir().unwrap();
        for by in [CopyBy::Strings, CopyBy::Vectors, CopyBy::Past] {
            for reads in [false, true] {
                let (memory, file) = made(directory.path(), 32);
                file.set_len(5 * 4096).unwrap();
                let region = memory.region().unwrap().copying_by(by);
                let mut bytes = vec![3; 32 * 4096];
                let done = if reads { region.read(0, &mut bytes) } else { region.write(0, &bytes) };
                assert_eq!((done, memory.is_cut()), (Some(()), true), "{by:?} {reads}");
            }
        }
    }

    /// The program that the next test ends.
    #[test]
    fn a_bus_error_elsewhere() {
        if std::env::var_os("ISODYNE_TEST_BUS_ERROR").is_none() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (_memory, _) = made(directory.path(), 1);
        let file = File::options().create(true).truncate(true).read(true).write(true).open(directory.path().join("x"));
        // SAFETY: a new mapping touches nothing that is there.
        let base = unsafe {
            use rustix::mm::{MapFlags, ProtFlags, mmap};
            mmap(std::ptr::null_mut(), 4096, ProtFlags::READ, MapFlags::SHARED, file.unwrap(), 0).unwrap()
        };
        // SAFETY: the page is mapped; its file has none, so that the kernel ends this program.
        unsafe { base.cast::<u8>().read_volatile() };
    }

    #[test]
    fn a_bus_error_elsewhere_ends_the_program_as_before() {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "shm::guard::tests::a_bus_error_elsewhere"])
            .env("ISODYNE_TEST_BUS_ERROR", "1")
            .output()
            .unwrap();
        assert_eq!(run.status.signal(), Some(libc::SIGBUS), "{run:?}");
    }
}
