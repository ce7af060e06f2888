//! System calls without a C library: thin, typed, and each with its reason to be safe.

pub(crate) mod device;
pub(crate) mod file;
pub(crate) mod machine;
pub(crate) mod poll;
pub(crate) mod port;
pub(crate) mod process;
mod raw;
pub(crate) mod shared;
pub(crate) mod socket;
pub(crate) mod thread;

use core::fmt;
use linux_raw_sys::errno;

pub(crate) use raw::system_call;

/// The kernel's reason to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) u32);

pub(crate) type Result<T> = core::result::Result<T, Errno>;

impl Errno {
    pub(crate) const ACCES: Self = Self(errno::EACCES);
    pub(crate) const AGAIN: Self = Self(errno::EAGAIN);
    pub(crate) const BUSY: Self = Self(errno::EBUSY);
    pub(crate) const CONNREFUSED: Self = Self(errno::ECONNREFUSED);
    pub(crate) const EXIST: Self = Self(errno::EEXIST);
    pub(crate) const INTR: Self = Self(errno::EINTR);
    pub(crate) const INVAL: Self = Self(errno::EINVAL);
    pub(crate) const NETUNREACH: Self = Self(errno::ENETUNREACH);
    pub(crate) const NODEV: Self = Self(errno::ENODEV);
    pub(crate) const NOENT: Self = Self(errno::ENOENT);
    pub(crate) const NOTDIR: Self = Self(errno::ENOTDIR);
    pub(crate) const PERM: Self = Self(errno::EPERM);
    pub(crate) const TIMEDOUT: Self = Self(errno::ETIMEDOUT);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match *self {
            Self::ACCES | Self::PERM => "permission denied",
            Self::BUSY => "busy",
            Self::CONNREFUSED => "connection refused",
            Self::NETUNREACH => "network unreachable",
            Self::NODEV => "no such device",
            Self::NOENT | Self::NOTDIR => "not found",
            Self::TIMEDOUT => "timed out",
            Self(number) => return write!(f, "error number {number}"),
        };
        f.write_str(words)
    }
}

/// Reads the kernel's answer: the last 4095 values below zero are error numbers.
pub(crate) fn answer(raw: isize) -> Result<usize> {
    if (-4095..0).contains(&raw) { Err(Errno(raw.unsigned_abs() as u32)) } else { Ok(raw as usize) }
}

/// A call whose arguments are numbers and pointers that the line before it made.
macro_rules! call {
    ($number:ident $(, $argument:expr)* $(,)?) => {{
        let mut arguments = [0_usize; 6];
        let given = [$($argument as usize),*];
        arguments[..given.len()].copy_from_slice(&given);
        $crate::sys::answer($crate::sys::system_call(linux_raw_sys::general::$number, arguments))
    }};
}
pub(crate) use call;
