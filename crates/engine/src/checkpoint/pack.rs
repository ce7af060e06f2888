//! Packing the big files of a checkpoint, and unpacking them again.
//!
//! Zstandard is packed at the one level that the pure-Rust encoder has (its fastest), LZ4 in frames with checksums.

use super::CheckpointError;
use crate::backend::snapshot::Compression;
use isodyne_core::checkpoint::{CheckpointClass, Compressed};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Files below this size are left as they are: CRIU reads many small ones, and packing them gains nothing.
pub const WORTH_PACKING: u64 = 16 << 10;
/// The block that is read and written at once.
const BLOCK: usize = 1 << 20;

/// As the manifest names it; `None` for no packing.
pub fn named(compression: Compression) -> Option<Compressed> {
    match compression {
        Compression::None => None,
        Compression::Zstd => Some(Compressed::Zstd),
        Compression::Lz4 => Some(Compressed::Lz4),
    }
}

/// How a file is packed, by its name.
pub fn packing_of(name: &str) -> Option<Compressed> {
    [Compressed::Zstd, Compressed::Lz4].into_iter().find(|packing| name.ends_with(packing.suffix()))
}

/// A file that was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Where it is now.
    pub path: PathBuf,
    /// Its length before.
    pub unpacked_bytes: u64,
    /// Its length now.
    pub bytes: u64,
}

/// Passes on and remembers the first error: an encoder that cannot tell would panic on it or lose it.
struct Watched<T> {
    inner: T,
    error: Option<io::Error>,
    bytes: u64,
}

impl<T> Watched<T> {
    fn new(inner: T) -> Self {
        Self { inner, error: None, bytes: 0 }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.error.is_some() {
            return Ok(0);
        }
        loop {
            match self.inner.read(buffer) {
                Ok(length) => {
                    self.bytes += length as u64;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error);
                    return Ok(0);
                }
            }
        }
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.error.is_none()
            && let Err(error) = self.inner.write_all(bytes)
        {
            self.error = Some(error);
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs a file beside itself and removes the original.
///
/// # Errors
/// Classes `enospc` and `host`. The original is then still there.
pub fn pack(path: &Path, packing: Compressed) -> Result<Packed, CheckpointError> {
    let mut name = path.as_os_str().to_owned();
    name.push(packing.suffix());
    let target = PathBuf::from(name);
    let failed = |error: &io::Error| {
        // What is half packed is of no use; the original says what happened.
        let _ = std::fs::remove_file(&target);
        CheckpointError::host("pack", path, error)
    };
    let (unpacked_bytes, bytes) = write_packed(path, &target, packing).map_err(|error| failed(&error))?;
    std::fs::remove_file(path).map_err(|error| failed(&error))?;
    Ok(Packed { path: target, unpacked_bytes, bytes })
}

fn write_packed(path: &Path, target: &Path, packing: Compressed) -> io::Result<(u64, u64)> {
    let mut source = Watched::new(io::BufReader::with_capacity(BLOCK, File::open(path)?));
    let file = File::options().write(true).create_new(true).open(target)?;
    let mut drain = Watched::new(io::BufWriter::with_capacity(BLOCK, file));
    match packing {
        Compressed::Zstd => {
            ruzstd::encoding::compress(&mut source, &mut drain, ruzstd::encoding::CompressionLevel::Fastest);
        }
        Compressed::Lz4 => {
            let frame =
                lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max1MB).content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, &mut drain);
            io::copy(&mut source, &mut encoder)?;
            encoder.finish().map_err(io::Error::other)?;
        }
    }
    if let Some(error) = source.error.or(drain.error) {
        return Err(error);
    }
    let bytes = drain.bytes;
    drain.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok((source.bytes, bytes))
}

/// Whether a directory has room for so many bytes more: what a checkpoint says of itself may be anything.
///
/// # Errors
/// Class `enospc`.
pub fn room_for(directory: &Path, bytes: u64) -> Result<(), CheckpointError> {
    let Ok(status) = rustix::fs::statvfs(directory) else { return Ok(()) };
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    if bytes <= free {
        return Ok(());
    }
    let message = format!("it unpacks to {bytes} bytes, and {} has {free} left", directory.display());
    Err(CheckpointError::new(CheckpointClass::Enospc, message)
        .hint("free some space, or copy the checkpoint to where there is more"))
}

/// Unpacks a file into `target`. It unpacks to exactly as many bytes as were packed, or is damaged.
///
/// # Errors
/// Class `altered` if it is damaged; `enospc` and `host`.
pub fn unpack(path: &Path, packing: Compressed, target: &Path, unpacked_bytes: u64) -> Result<(), CheckpointError> {
    let altered = |why: &str| {
        CheckpointError::new(CheckpointClass::Altered, format!("{} does not unpack: {why}", path.display()))
    };
    let host = |error: &io::Error| CheckpointError::host("unpack", path, error);
    let source = io::BufReader::with_capacity(BLOCK, File::open(path).map_err(|error| host(&error))?);
    let mut decoder: Box<dyn Read> = match packing {
        Compressed::Zstd => Box::new(
            ruzstd::decoding::StreamingDecoder::new(source).map_err(|error| altered(&format!("zstd: {error}")))?,
        ),
        Compressed::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(source)),
    };
    let created = File::options().write(true).create_new(true).open(target);
    let mut file = created.map_err(|error| CheckpointError::host("make", target, &error))?;
    let (mut left, mut block) = (unpacked_bytes, vec![0; BLOCK]);
    loop {
        let length = match decoder.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(altered(&error.to_string())),
        };
        left = left.checked_sub(length as u64).ok_or_else(|| altered("it holds more than it should"))?;
        file.write_all(&block[..length]).map_err(|error| CheckpointError::host("write", target, &error))?;
    }
    if left > 0 {
        return Err(altered(&format!("{left} bytes are missing")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = (0..300_000).map(|_| random.u8(..)).collect();
        [vec![0; 3 << 20], noise, b"abc".repeat(100_000)].concat()
    }

    #[test]
    fn what_is_packed_comes_back() {
        for packing in [Compressed::Zstd, Compressed::Lz4] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("pages-1.img");
            std::fs::write(&path, content()).unwrap();
            let packed = pack(&path, packing).unwrap();
            assert!(!path.exists());
            assert_eq!(packing_of(packed.path.to_str().unwrap()), Some(packing));
            assert_eq!(packed.bytes, packed.path.metadata().unwrap().len());
            assert!(packed.bytes < packed.unpacked_bytes / 2, "{packed:?}");
            unpack(&packed.path, packing, &path, packed.unpacked_bytes).unwrap();
            assert!(std::fs::read(&path).unwrap() == content(), "{packing:?}");
        }
    }

    #[test]
    fn more_than_there_is_room_for_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        room_for(directory.path(), 1).unwrap();
        assert_eq!(room_for(directory.path(), u64::MAX).unwrap_err().class, CheckpointClass::Enospc);
    }

    #[test]
    fn damage_and_a_wrong_length_are_found() {
        for packing in [Compressed::Zstd, Compressed::Lz4] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("pages-1.img");
            std::fs::write(&path, content()).unwrap();
            let packed = pack(&path, packing).unwrap();
            for wrong in [packed.unpacked_bytes - 1, packed.unpacked_bytes + 1] {
                let target = directory.path().join("x");
                let error = unpack(&packed.path, packing, &target, wrong).unwrap_err();
                assert_eq!(error.class, CheckpointClass::Altered, "{error}");
                std::fs::remove_file(target).unwrap();
            }
            let bytes = std::fs::read(&packed.path).unwrap();
            std::fs::write(&packed.path, &bytes[..bytes.len() / 2]).unwrap();
            let error = unpack(&packed.path, packing, &path, packed.unpacked_bytes).unwrap_err();
            assert_eq!(error.class, CheckpointClass::Altered, "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_no_packed_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = pack(directory.path(), Compressed::Zstd).unwrap_err();
        assert_eq!(error.class, CheckpointClass::Host, "{error}");
        assert_eq!(pack(&directory.path().join("none"), Compressed::Lz4).unwrap_err().class, CheckpointClass::Host);
    }
}
