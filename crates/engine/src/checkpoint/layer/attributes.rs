//! Extended attributes of files, by path or by descriptor.

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// The most that all attributes of a file may take.
const LIMIT: usize = 1 << 20;
/// What an overlay keeps for itself.
const OVERLAYS: [&str; 2] = ["trusted.overlay.", "user.overlay."];

fn is_overlays(name: &str) -> bool {
    OVERLAYS.iter().any(|prefix| name.starts_with(prefix))
}

/// Reads a value whose length is asked for first; what grew in between is asked for again.
fn sized(mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Vec<u8>> {
    loop {
        let length = match read(&mut []) {
            Ok(length) => length,
            // File systems without attributes have none.
            Err(Errno::OPNOTSUPP | Errno::NODATA) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        };
        if length > LIMIT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its attributes are larger than 1 MiB"));
        }
        let mut value = vec![0; length];
        match read(&mut value) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(Errno::RANGE) => {}
            Err(Errno::NODATA) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The attributes of a file, without those that an overlay keeps for itself. A link is not followed.
pub(super) fn of(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let names = sized(|buffer| llistxattr(path, buffer))?;
    let mut all = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if !is_overlays(name) {
            all.push((name.to_owned(), sized(|buffer| lgetxattr(path, name, buffer))?));
        }
    }
    all.sort();
    Ok(all)
}

/// The value of one attribute, if it is there.
pub(super) fn value(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    let length = lgetxattr(path, name, &mut value).ok()?;
    value.get(..length).map(<[u8]>::to_vec)
}

/// Sets an attribute. A link is not followed.
pub(super) fn set(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(lsetxattr(path, name, value, XattrFlags::empty())?)
}
