//! What shared memory takes: mappings, futexes, event counters, descriptors that come through a socket.

use super::file::Fd;
use super::poll::{Moment, READABLE, interest, wait};
use super::{Errno, Result, call};
use alloc::vec::Vec;
use core::sync::atomic::AtomicU32;
use linux_raw_sys::{general as k, net};

/// Descriptors that one message may bring.
const MOST_DESCRIPTORS: usize = 8;

/// A shared mapping, for the rest of the process's life.
pub(crate) struct Mapping {
    pub(crate) base: *mut u8,
    pub(crate) length: usize,
}

/// Maps a file's first bytes, for reading and writing.
pub(crate) fn map(file: &Fd, length: usize) -> Result<Mapping> {
    // SAFETY: a fresh mapping touches nothing that exists.
    let answer = unsafe {
        call!(__NR_mmap, 0, length, k::PROT_READ | k::PROT_WRITE, k::MAP_SHARED | k::MAP_POPULATE, file.number(), 0)
    };
    Ok(Mapping { base: core::ptr::with_exposed_provenance_mut(answer?), length })
}

/// How long a file is.
pub(crate) fn length(file: &Fd) -> Result<usize> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_lseek, file.number(), 0, k::SEEK_END) }
}

/// Sleeps while a word has this value, at most until the moment. A word that has another one already, a signal and a wake
/// without a reason are no errors.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, until: Moment) -> Result<bool> {
    let left = until.ns_since(Moment::now());
    let timeout =
        k::__kernel_timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as i64 };
    // SAFETY: the kernel reads the word, which is mapped and aligned, and the timeout.
    match unsafe { call!(__NR_futex, word.as_ptr(), k::FUTEX_WAIT, value, &raw const timeout, 0, 0) } {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(true),
        Err(Errno::TIMEDOUT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Wakes one who sleeps on a word.
pub(crate) fn futex_wake(word: &AtomicU32) -> Result<()> {
    // SAFETY: the kernel only takes the address, which is mapped.
    unsafe { call!(__NR_futex, word.as_ptr(), k::FUTEX_WAKE, 1, 0, 0, 0) }.map(drop)
}

/// Adds one to an event counter.
pub(crate) fn signal_event(event: &Fd) -> Result<()> {
    match event.write(&1_u64.to_ne_bytes()) {
        // A full counter rings as well.
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Waits until an event counter is not 0, and takes it back to 0; false if the moment has passed.
pub(crate) fn take_event(event: &Fd, until: Moment) -> Result<bool> {
    let mut count = [0; 8];
    loop {
        match event.read(&mut count) {
            Ok(_) => return Ok(true),
            Err(Errno::AGAIN) => {
                if !wait(&mut [interest(event, READABLE)], until)? {
                    return Ok(false);
                }
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// Receives a message's descriptors.
pub(crate) fn receive_descriptors(socket: &Fd) -> Result<Vec<Fd>> {
    const HEADER: usize = size_of::<net::cmsghdr>();
    const CONTROL: usize = HEADER + 4 * MOST_DESCRIPTORS;
    /// The kernel's `iovec`, whose fields the bindings lack.
    #[repr(C)]
    struct Vector {
        base: *mut u8,
        length: usize,
    }
    #[repr(align(8))]
    struct Control([u8; CONTROL]);
    let (mut byte, mut control) = ([0_u8; 1], Control([0; CONTROL]));
    let mut vector = Vector { base: byte.as_mut_ptr(), length: 1 };
    let mut message = net::msghdr {
        msg_name: core::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: (&raw mut vector).cast(),
        msg_iovlen: 1,
        msg_control: control.0.as_mut_ptr().cast(),
        msg_controllen: CONTROL,
        msg_flags: 0,
    };
    // SAFETY: the kernel reads the header and writes the two buffers, whose lengths are given.
    unsafe { call!(__NR_recvmsg, socket.number(), &raw mut message, net::MSG_CMSG_CLOEXEC) }?;
    let filled = control.0.get(..message.msg_controllen).unwrap_or_default();
    // Length of the whole (8), level (4), type (4), then the descriptors.
    let descriptors = filled.get(HEADER..).unwrap_or_default();
    let kind = filled.get(12..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
    if kind != net::SCM_RIGHTS {
        return Ok(Vec::new());
    }
    let (numbers, _) = descriptors.as_chunks::<4>();
    Ok(numbers.iter().map(|number| Fd::from_answer(i32::from_ne_bytes(*number) as usize)).collect())
}

/// Keeps this process on one processor.
pub(crate) fn stay_on(processor: u32) -> Result<()> {
    let mut set = [0_u64; 16];
    let word = set.get_mut(processor as usize / 64).ok_or(Errno::INVAL)?;
    *word = 1 << (processor % 64);
    // SAFETY: the kernel reads the set, whose size is given.
    unsafe { call!(__NR_sched_setaffinity, 0, size_of_val(&set), set.as_ptr()) }.map(drop)
}

/// Lets others run.
pub(crate) fn yield_now() {
    // SAFETY: no arguments.
    let _ = unsafe { call!(__NR_sched_yield) };
}

/// Sleeps so long, in one call.
pub(crate) fn sleep_ns(time_ns: u64) {
    let time =
        k::__kernel_timespec { tv_sec: (time_ns / 1_000_000_000) as i64, tv_nsec: (time_ns % 1_000_000_000) as i64 };
    // SAFETY: the kernel reads the time. A signal makes the sleep shorter, which harms nobody.
    let _ = unsafe { call!(__NR_nanosleep, &raw const time, 0) };
}
