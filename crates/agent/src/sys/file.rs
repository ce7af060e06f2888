//! File descriptors.

use super::{Errno, Result, call};
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use linux_raw_sys::general as k;

/// A descriptor that is closed when dropped. All of them are close-on-exec.
#[derive(Debug)]
pub(crate) struct Fd(i32);

impl Fd {
    /// Takes over a descriptor that a call has just returned.
    pub(super) fn from_answer(answer: usize) -> Self {
        Self(answer as i32)
    }

    pub(crate) fn number(&self) -> i32 {
        self.0
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            // SAFETY: the kernel writes at most the buffer's length into the buffer.
            match unsafe { call!(__NR_read, self.0, buffer.as_mut_ptr(), buffer.len()) } {
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize> {
        write(self.0, bytes)
    }

    /// Makes reads and writes return at once.
    pub(crate) fn set_nonblocking(&self) -> Result<()> {
        // SAFETY: plain numbers.
        let flags = unsafe { call!(__NR_fcntl, self.0, k::F_GETFL) }?;
        // SAFETY: plain numbers.
        unsafe { call!(__NR_fcntl, self.0, k::F_SETFL, flags | k::O_NONBLOCK as usize) }.map(drop)
    }

    /// An `ioctl` whose argument is a pointer.
    ///
    /// # Safety
    /// `argument` must be what the request reads or writes.
    pub(crate) unsafe fn ioctl<T>(&self, request: u32, argument: &mut T) -> Result<usize> {
        // SAFETY: the caller vouches for the argument.
        unsafe { call!(__NR_ioctl, self.0, request, &raw mut *argument) }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and not used after this.
        let _ = unsafe { call!(__NR_close, self.0) };
    }
}

/// Writes to a descriptor that need not be ours (standard error).
pub(crate) fn write(fd: i32, bytes: &[u8]) -> Result<usize> {
    loop {
        // SAFETY: the kernel reads at most the length of the bytes.
        match unsafe { call!(__NR_write, fd, bytes.as_ptr(), bytes.len()) } {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Reads from a descriptor that need not be ours (standard input).
pub(crate) fn read(fd: i32, buffer: &mut [u8]) -> Result<usize> {
    let borrowed = core::mem::ManuallyDrop::new(Fd(fd));
    borrowed.read(buffer)
}

/// Writes everything to a blocking descriptor.
pub(crate) fn write_all(fd: i32, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let written = write(fd, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// How to open a file.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    Read,
    ReadWrite,
    ReadWriteNonblocking,
}

pub(crate) fn open(path: &CStr, access: Access) -> Result<Fd> {
    let flags = k::O_CLOEXEC
        | match access {
            Access::Read => k::O_RDONLY,
            Access::ReadWrite => k::O_RDWR,
            Access::ReadWriteNonblocking => k::O_RDWR | k::O_NOCTTY | k::O_NONBLOCK,
        };
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_openat, k::AT_FDCWD, path.as_ptr(), flags, 0) }.map(Fd::from_answer)
}

/// Opens a path given as bytes.
pub(crate) fn open_bytes(path: &[u8], access: Access) -> Result<Fd> {
    open(&CString::new(path).map_err(|_| Errno::NOENT)?, access)
}

/// Opens a file that can only be written to.
pub(crate) fn open_to_write(path: &[u8]) -> Result<Fd> {
    let path = CString::new(path).map_err(|_| Errno::NOENT)?;
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_openat, k::AT_FDCWD, path.as_ptr(), k::O_CLOEXEC | k::O_WRONLY, 0) }.map(Fd::from_answer)
}

/// Makes a file, or empties the one that is there; it can be read and written.
pub(crate) fn create(path: &[u8]) -> Result<Fd> {
    let path = CString::new(path).map_err(|_| Errno::NOENT)?;
    let flags = k::O_CLOEXEC | k::O_RDWR | k::O_CREAT | k::O_TRUNC;
    // SAFETY: the path ends in a zero byte.
    unsafe { call!(__NR_openat, k::AT_FDCWD, path.as_ptr(), flags, 0o600) }.map(Fd::from_answer)
}

/// Makes a directory; one that is there already is no error.
pub(crate) fn create_directory(path: &[u8]) -> Result<()> {
    let path = CString::new(path).map_err(|_| Errno::NOENT)?;
    // SAFETY: the path ends in a zero byte.
    match unsafe { call!(__NR_mkdirat, k::AT_FDCWD, path.as_ptr(), 0o700) } {
        Ok(_) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Where a file stands.
pub(crate) fn offset(file: &Fd) -> Result<u64> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_lseek, file.number(), 0, k::SEEK_CUR) }.map(|offset| offset as u64)
}

/// Sets where a file stands.
pub(crate) fn seek(file: &Fd, offset: u64) -> Result<()> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_lseek, file.number(), offset, k::SEEK_SET) }.map(drop)
}

/// Reads until the buffer is full or there is no more.
pub(crate) fn read_full(file: &Fd, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(buffer.get_mut(filled..).unwrap_or_default())? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

/// The whole file, as a lock that only this process may write under.
fn whole(kind: u32) -> k::flock {
    // SAFETY: an all-zero value of this plain structure is valid: from the start, to whatever end.
    let mut lock: k::flock = unsafe { core::mem::zeroed() };
    lock.l_type = kind as _;
    lock
}

/// Locks a file for this process alone; fails at once if another one has it.
pub(crate) fn lock(file: &Fd) -> Result<()> {
    let lock = whole(k::F_WRLCK);
    // SAFETY: the kernel reads the structure.
    unsafe { call!(__NR_fcntl, file.number(), k::F_SETLK, &raw const lock) }.map(drop)
}

/// Gives a lock back.
pub(crate) fn unlock(file: &Fd) -> Result<()> {
    let lock = whole(k::F_UNLCK);
    // SAFETY: the kernel reads the structure.
    unsafe { call!(__NR_fcntl, file.number(), k::F_SETLK, &raw const lock) }.map(drop)
}

/// Which other process has locked a file.
pub(crate) fn locked_by(file: &Fd) -> Result<Option<i32>> {
    let mut lock = whole(k::F_WRLCK);
    // SAFETY: the kernel reads and writes the structure.
    unsafe { call!(__NR_fcntl, file.number(), k::F_GETLK, &raw mut lock) }?;
    Ok((lock.l_type as u32 != k::F_UNLCK).then_some(lock.l_pid))
}

/// Whether something lies at a path.
pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: the path ends in a zero byte; 0 asks whether it is there.
    unsafe { call!(__NR_faccessat, k::AT_FDCWD, path.as_ptr(), 0) }.is_ok()
}

/// Whether something lies at a path below a root that is not ours: no symbolic link leads out of it.
pub(crate) fn exists_in(root: &[u8], path: &[u8]) -> bool {
    let root = if root.is_empty() { b"/".as_slice() } else { root };
    let (Ok(root), Ok(path)) = (CString::new(root), CString::new(path)) else { return false };
    // SAFETY: the path ends in a zero byte.
    let directory = unsafe { call!(__NR_openat, k::AT_FDCWD, root.as_ptr(), k::O_PATH | k::O_CLOEXEC, 0) };
    let Ok(directory) = directory.map(Fd::from_answer) else { return false };
    let how =
        k::open_how { flags: u64::from(k::O_PATH | k::O_CLOEXEC), mode: 0, resolve: u64::from(k::RESOLVE_IN_ROOT) };
    // SAFETY: the kernel reads the path and the structure, whose size is given.
    let found =
        unsafe { call!(__NR_openat2, directory.number(), path.as_ptr(), &raw const how, size_of::<k::open_how>()) };
    found.map(Fd::from_answer).is_ok()
}

/// Reads a small file of the kernel's, at most `limit` bytes.
pub(crate) fn read_small(path: &[u8], limit: usize) -> Result<Vec<u8>> {
    let file = open_bytes(path, Access::Read)?;
    let mut bytes = alloc::vec![0; limit];
    let mut length = 0;
    while length < limit {
        match file.read(&mut bytes[length..])? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The names in a directory, without `.` and `..`.
pub(crate) fn names(path: &CStr) -> Result<Vec<Vec<u8>>> {
    let directory = open(path, Access::Read)?;
    let mut names = Vec::new();
    let mut buffer = alloc::vec![0_u8; 4096];
    loop {
        // SAFETY: the kernel writes at most the buffer's length.
        let length = unsafe { call!(__NR_getdents64, directory.number(), buffer.as_mut_ptr(), buffer.len()) }?;
        let mut rest = buffer.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Ok(names);
        }
        // Each entry: inode (8), offset (8), length of the entry (2), type (1), name and a zero byte.
        while let Some(&[low, high]) = rest.get(16..18) {
            let size = usize::from(u16::from_ne_bytes([low, high]));
            let Some((entry, after)) = rest.split_at_checked(size.max(1)) else { break };
            let name = CStr::from_bytes_until_nul(entry.get(19..).unwrap_or_default()).unwrap_or_default();
            if !matches!(name.to_bytes(), b"" | b"." | b"..") {
                names.push(name.to_bytes().to_vec());
            }
            rest = after;
        }
    }
}

/// A pipe: the end to read and the end to write.
pub(crate) fn pipe() -> Result<(Fd, Fd)> {
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two descriptors into the array.
    unsafe { call!(__NR_pipe2, ends.as_mut_ptr(), k::O_CLOEXEC) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// A copy of a descriptor, numbered 10 or more and so out of the way of the standard streams.
pub(crate) fn duplicate_high(fd: i32) -> Result<Fd> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_fcntl, fd, k::F_DUPFD_CLOEXEC, 10) }.map(Fd::from_answer)
}

/// Makes `number` a copy of `fd` that survives exec.
pub(crate) fn duplicate_to(fd: &Fd, number: i32) -> Result<()> {
    // SAFETY: plain numbers; the caller gives a number that no live `Fd` has.
    unsafe { call!(__NR_dup3, fd.number(), number, 0) }.map(drop)
}

/// Whether a descriptor is open.
pub(crate) fn is_open(fd: i32) -> bool {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_fcntl, fd, k::F_GETFD) }.is_ok()
}

/// Marks every descriptor from 3 on as close-on-exec, so that nothing a runtime left open reaches a command.
pub(crate) fn close_rest_on_exec() {
    const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;
    // SAFETY: plain numbers. A kernel without the call is no harm: our own descriptors are close-on-exec anyway.
    let _ = unsafe { call!(__NR_close_range, 3, u32::MAX, CLOSE_RANGE_CLOEXEC) };
}

/// Closes every descriptor but these two, the standard streams among them.
pub(crate) fn close_all_but(kept: [i32; 2]) {
    let (first, second) = (kept[0].min(kept[1]), kept[0].max(kept[1]));
    for (from, to) in [(0, first - 1), (first + 1, second - 1), (second + 1, i32::MAX)] {
        if from <= to {
            // SAFETY: plain numbers; whoever calls this has no use for any of them.
            let _ = unsafe { call!(__NR_close_range, from, to, 0) };
        }
    }
}

/// Gives the standard streams that are closed something to be: `path`, which every one of them is then open on.
pub(crate) fn fill_standard_streams(path: &CStr) {
    while (0..3).any(|fd| !is_open(fd)) {
        // The kernel gives the lowest free number, which is the stream that was closed.
        let Ok(fd) = open(path, Access::ReadWrite) else { return };
        let number = fd.number();
        core::mem::forget(fd);
        if number > 2 {
            return;
        }
        // SAFETY: plain numbers; a standard stream is to survive exec.
        let _ = unsafe { call!(__NR_fcntl, number, k::F_SETFD, 0) };
    }
}
