//! A text of the kernel's that is opened once and read in place, again and again.

use rustix::io::{Errno, pread};
use std::fs::File;
use std::io;
use std::path::Path;

/// More than this the beginning of no counter needs.
pub(crate) const BUFFER_BYTES: usize = 4096;

/// An open file whose text the kernel makes anew at each reading from its beginning. Neither a reading nor what is made of
/// it looks up a path or allocates.
#[derive(Debug)]
pub(crate) struct LiveFile(File);

impl LiveFile {
    /// Opens it.
    ///
    /// # Errors
    /// The host's answer.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self(File::open(path)?))
    }

    /// The beginning of its text, as far as the buffer goes.
    ///
    /// # Errors
    /// The host's answer; of a process that has ended `ESRCH`.
    pub fn bytes<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
        let length = pread(&self.0, &mut *buffer, 0)?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// As [`LiveFile::bytes`], as far as it is UTF-8, which every counter is.
    pub fn text<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(buffer).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_anew_each_time_and_cut_at_the_buffer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "first").unwrap();
        let live = LiveFile::open(&path).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(live.text(&mut buffer), Some("first"));
        std::fs::write(&path, "second and long").unwrap();
        assert_eq!(live.text(&mut buffer), Some("second a"));
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(live.text(&mut buffer), None);
        assert_eq!(live.bytes(&mut buffer), Ok(&b"\xff"[..]));
        assert!(LiveFile::open(directory.path().join("b")).is_err());
    }
}
