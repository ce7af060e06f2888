//! Bringing the pages of a restored machine when its guest touches them (userfaultfd).
//!
//! Firecracker connects to a socket of ours, sends one message that describes the guest's memory (JSON) with the
//! descriptor of its userfaultfd beside it, and from then on the kernel tells us which page is missing. Sources:
//! Firecracker's documentation of snapshots ("handling page faults"), and userfaultfd(2).

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// The longest description of a guest's memory that is read.
const DESCRIPTION_LIMIT: usize = 64 << 10;
/// The most regions that a guest's memory may have.
const REGIONS_MOST: usize = 64;
/// The largest page.
const PAGE_MOST: usize = 2 << 20;

/// The kernel's message about a missing page: 32 bytes, the event first, the address at 16.
const MESSAGE_BYTES: usize = 32;
const EVENT_PAGEFAULT: u8 = 0x12;
const EVENT_REMOVE: u8 = 0x15;
/// `_IOWR(0xAA, 0x03, struct uffdio_copy)`: 40 bytes.
const UFFDIO_COPY: libc::Ioctl = 0xc028_aa03_u32 as libc::Ioctl;

/// One part of the guest's memory, as Firecracker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it lies in Firecracker's address space.
    address: u64,
    /// Its length in bytes.
    size: u64,
    /// Where it lies in the file.
    offset: u64,
    /// The length of a page in bytes.
    page_size: u64,
}

/// A region as it is sent.
#[derive(Deserialize)]
struct Sent {
    base_host_virt_addr: u64,
    size: u64,
    offset: u64,
    page_size: Option<u64>,
    /// The older name of the same number, which is in bytes all the same. Some versions send both.
    page_size_kib: Option<u64>,
}

/// Reads Firecracker's description.
///
/// # Errors
/// One line on what is wrong.
pub fn parse(description: &[u8], file_bytes: u64) -> Result<Vec<Region>, String> {
    let sent: Vec<Sent> = serde_json::from_slice(description).map_err(|error| error.to_string())?;
    let region = |sent: Sent| Region {
        address: sent.base_host_virt_addr,
        size: sent.size,
        offset: sent.offset,
        page_size: sent.page_size.or(sent.page_size_kib).unwrap_or(0),
    };
    let regions: Vec<Region> = sent.into_iter().map(region).collect();
    if regions.is_empty() || regions.len() > REGIONS_MOST {
        return Err(format!("{} regions of memory", regions.len()));
    }
    for region in &regions {
        let page = region.page_size;
        let sound = page.is_power_of_two()
            && (4096..=PAGE_MOST as u64).contains(&page)
            && region.size.is_multiple_of(page)
            && region.address.is_multiple_of(page)
            && region.address.checked_add(region.size).is_some()
            && region.offset.checked_add(region.size).is_some_and(|end| end <= file_bytes);
        if !sound {
            return Err(format!("a region that cannot be: {region:?}"));
        }
    }
    Ok(regions)
}

/// Serves the pages of one machine from a thread, until it is dropped or the machine is gone.
#[derive(Debug)]
pub struct PageServer {
    stop: Arc<OwnedFd>,
    served: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl PageServer {
    /// Listens on a socket for the machine whose memory is in a file.
    ///
    /// # Errors
    /// If the socket cannot be made or the file cannot be read.
    pub fn start(socket: &Path, memory: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        let memory = File::open(memory)?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let served = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new().name("pages".to_owned()).spawn({
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            // A machine whose pages do not come stands still and runs into its deadline, which is told there.
            move || drop(serve(&listener, &memory, &stop, &served))
        })?;
        Ok(Self { stop, served, thread: Some(thread) })
    }

    /// How many pages were brought so far.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        // An eventfd takes any 8 bytes; the value only has to be non-zero.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until one of them is readable; `false` once it is time to stop.
fn wait(fd: &impl AsFd, stop: &OwnedFd) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(fd, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match poll(&mut fds, None::<&Timespec>) {
            Ok(_) => return Ok(fds[1].revents().is_empty()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn serve(listener: &UnixListener, memory: &File, stop: &OwnedFd, served: &AtomicU64) -> io::Result<()> {
    if !wait(listener, stop)? {
        return Ok(());
    }
    let (stream, _) = listener.accept()?;
    if !wait(&stream, stop)? {
        return Ok(());
    }
    let (description, faults) = receive(&stream)?;
    let regions = parse(&description, memory.metadata()?.len()).map_err(io::Error::other)?;
    rustix::io::ioctl_fionbio(&faults, true)?;
    let mut page = vec![0; PAGE_MOST];
    while wait(&faults, stop)? {
        let mut message = [0; MESSAGE_BYTES];
        match rustix::io::read(&faults, &mut message) {
            Ok(MESSAGE_BYTES) => {}
            Ok(0) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        match message[0] {
            EVENT_PAGEFAULT => {
                let address = u64::from_ne_bytes(message[16..24].try_into().unwrap_or_default());
                bring(&faults, &regions, memory, address, &mut page)?;
                served.fetch_add(1, Ordering::Relaxed);
            }
            // A balloon has given memory back: the kernel drops the pages, and later touches ask again.
            EVENT_REMOVE => {}
            _ => {}
        }
    }
    Ok(())
}

/// The description and the descriptor, which come in one message.
fn receive(stream: &impl AsFd) -> io::Result<(Vec<u8>, OwnedFd)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut text = vec![0; DESCRIPTION_LIMIT];
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut text)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    text.truncate(received.bytes);
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((text, descriptor.ok_or_else(|| io::Error::other("no descriptor came with the description of the memory"))?))
}

/// `struct uffdio_copy`.
#[repr(C)]
struct Copy {
    to: u64,
    from: u64,
    length: u64,
    mode: u64,
    copied: i64,
}

fn bring(faults: &OwnedFd, regions: &[Region], memory: &File, address: u64, page: &mut [u8]) -> io::Result<()> {
    let within = |region: &&Region| (region.address..region.address + region.size).contains(&address);
    let region = regions.iter().find(within).ok_or_else(|| io::Error::other("a fault outside of the memory"))?;
    let to = address & !(region.page_size - 1);
    let length = usize::try_from(region.page_size).unwrap_or(PAGE_MOST).min(page.len());
    let page = &mut page[..length];
    memory.read_exact_at(page, region.offset + (to - region.address))?;
    let mut copy = Copy { to, from: page.as_ptr() as u64, length: region.page_size, mode: 0, copied: 0 };
    // SAFETY: the request reads the structure and `length` bytes of our page, both of which live through the call, and
    // writes into the other process's memory, which its owner registered for that.
    let answer = unsafe { libc::ioctl(faults.as_raw_fd(), UFFDIO_COPY, &raw mut copy) };
    match answer {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // Somebody else was faster, or the memory is about to go.
            error if matches!(error.raw_os_error(), Some(libc::EEXIST | libc::EAGAIN | libc::ESRCH)) => Ok(()),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_checked_before_they_are_used() {
        let both = br#"[{"base_host_virt_addr":4096,"size":8192,"offset":0,"page_size":4096,"page_size_kib":4096}]"#;
        let newer = br#"[{"base_host_virt_addr":4096,"size":8192,"offset":0,"page_size":4096}]"#;
        assert_eq!(parse(newer, 8192).unwrap(), parse(both, 8192).unwrap());
        let older = br#"[{"base_host_virt_addr":4096,"size":8192,"offset":0,"page_size_kib":4096}]"#;
        assert_eq!(parse(older, 8192).unwrap(), parse(newer, 8192).unwrap());
        for (bad, file) in [
            ("[]", 8192),
            ("{", 8192),
            (r#"[{"base_host_virt_addr":4096,"size":8192,"offset":4096,"page_size":4096}]"#, 8192),
            (r#"[{"base_host_virt_addr":18446744073709547520,"size":8192,"offset":0,"page_size":4096}]"#, 8192),
            (r#"[{"base_host_virt_addr":4096,"size":8192,"offset":0,"page_size":3}]"#, 8192),
            (r#"[{"base_host_virt_addr":1,"size":8192,"offset":0,"page_size":4096}]"#, 8192),
        ] {
            assert!(parse(bad.as_bytes(), file).is_err(), "{bad}");
        }
    }
}
