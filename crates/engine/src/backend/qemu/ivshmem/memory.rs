//! The shared memory itself: an anonymous file that nobody can resize, and the host's mapping of it.

use super::is_size;
use crate::shm::guard::Guarded;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::ptr::NonNull;

/// Memory of a fixed size without a name. Its seals keep a peer from cutting it short under the others, which would kill
/// them at their next access.
#[derive(Debug)]
pub struct SealedMemory {
    file: OwnedFd,
    size_bytes: u64,
}

impl SealedMemory {
    /// Makes it; every byte is zero.
    ///
    /// # Errors
    /// If the size is none for the device (a power of two of 4 KiB to 64 GiB), or the host refuses.
    pub fn new(size_bytes: u64) -> io::Result<Self> {
        if !is_size(size_bytes) {
            let message = format!("{size_bytes} B is no size for shared memory: give a power of two, 4 KiB to 64 GiB");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let file = memfd_create("isodyne-ivshmem", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, size_bytes)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file, size_bytes })
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// A descriptor of one's own.
    ///
    /// # Errors
    /// If there are too many.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.file.try_clone()
    }

    /// Maps it here.
    ///
    /// # Errors
    /// If there is no address space for it.
    pub fn map(&self) -> io::Result<MappedMemory> {
        MappedMemory::new(&self.file, self.size_bytes)
    }
}

impl AsFd for SealedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A mapping of shared memory in this process: readable, writable, of ordinary cacheable memory.
#[derive(Debug)]
pub struct MappedMemory {
    base: NonNull<u8>,
    size_bytes: usize,
    /// Where the file could be cut short.
    guard: Option<Guarded>,
}

// SAFETY: it is an address and a length; what is done with the memory is its users' to make sound.
unsafe impl Send for MappedMemory {}
// SAFETY: as above.
unsafe impl Sync for MappedMemory {}

impl MappedMemory {
    /// Maps so many bytes of a file from its beginning.
    ///
    /// # Errors
    /// If the file is shorter, is no file in memory or on disk, or cannot be mapped.
    pub fn new(file: &impl AsFd, size_bytes: u64) -> io::Result<Self> {
        let found = u64::try_from(fstat(file)?.st_size).unwrap_or(0);
        if size_bytes == 0 || found < size_bytes {
            let message = format!("the shared memory has {found} B, and {size_bytes} B of it are to be mapped");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let length = usize::try_from(size_bytes).map_err(io::Error::other)?;
        // SAFETY: a new mapping, at an address of the kernel's choice, touches nothing that is there.
        let base = unsafe {
            mmap(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)
        }?;
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("the kernel mapped nothing"))?;
        let mut mapped = Self { base, size_bytes: length, guard: None };
        // SAFETY: the mapping is this value's own; its users expect others to write to it at any time.
        mapped.guard = unsafe { Guarded::over(file, base.as_ptr().cast(), length) }?;
        Ok(mapped)
    }

    /// Whether another program can cut it short. Whoever finds a page missing finds zeros from then on, in all of it.
    pub fn can_be_cut(&self) -> bool {
        self.guard.is_some()
    }

    /// Maps a whole file, which another program shares.
    ///
    /// # Errors
    /// As [`MappedMemory::new`].
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let size_bytes = file.metadata()?.len();
        Self::new(&file, size_bytes)
    }

    /// The first byte. Valid as long as this value lives; others write to it at any time, so only volatile or atomic
    /// accesses are sound.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The number of bytes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

impl Drop for MappedMemory {
    fn drop(&mut self) {
        drop(self.guard.take());
        // SAFETY: the mapping is this value's own, and whoever uses it holds this value.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_its_size_for_ever() {
        let memory = SealedMemory::new(1 << 20).unwrap();
        assert_eq!(fstat(&memory).unwrap().st_size, 1 << 20);
        assert_eq!(ftruncate(&memory, 4096), Err(rustix::io::Errno::PERM));
        assert_eq!(ftruncate(&memory, 1 << 21), Err(rustix::io::Errno::PERM));
        assert_eq!(fcntl_add_seals(&memory, SealFlags::WRITE), Err(rustix::io::Errno::PERM));
        for wrong in [0, 1, 2048, 3 << 20, 1 << 40] {
            assert!(SealedMemory::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_mappings_are_one_memory_and_none_is_larger_than_the_file() {
        let memory = SealedMemory::new(4096).unwrap();
        let (one, other) = (memory.map().unwrap(), memory.map().unwrap());
        // SAFETY: both mappings are 4096 bytes and nobody else has them.
        let seen = unsafe {
            one.base().as_ptr().add(4095).write_volatile(7);
            other.base().as_ptr().add(4095).read_volatile()
        };
        assert_eq!(seen, 7);
        assert!(MappedMemory::new(&memory, 8192).unwrap_err().to_string().contains("4096 B"));
        assert!(MappedMemory::new(&memory, 0).is_err());
    }
}
