//! Named pipes that a monitor writes to as if they were files, so that what it writes is seen when it is written.

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Makes a pipe and opens the end that reads. It is open before there is a writer, so that no write waits or is refused.
///
/// # Errors
/// What the host says.
pub fn reader_at(path: &Path) -> io::Result<OwnedFd> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    Ok(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
}
