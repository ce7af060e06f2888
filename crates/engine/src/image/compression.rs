//! Unpacking what distributions pack kernels and modules with. Everything is limited in size.

use crate::image::lz4;
use std::io::{Cursor, Read};

/// A kernel or module never unpacks to more than this.
const LIMIT: usize = 256 << 20;

/// Why something cannot be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// The format is not one of those that are known.
    #[error("the compression is not known (first bytes {0:02x?})")]
    Unknown(Vec<u8>),
    /// The stream is damaged, uses an option that is not supported, or is too large.
    #[error("the {0} stream cannot be unpacked")]
    Damaged(&'static str),
}

/// Unpacks gzip, xz, zstd or legacy LZ4, told apart by their first bytes. ELF passes as it is.
///
/// # Errors
/// [`UnpackError`] for anything else and for damage.
pub fn unpack(stream: &[u8]) -> Result<Vec<u8>, UnpackError> {
    match stream {
        [0x7f, b'E', b'L', b'F', ..] => Ok(stream.to_vec()),
        [0x1f, 0x8b, ..] => limited(flate2::read::GzDecoder::new(stream), "gzip"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let mut out = Limited(Vec::new());
            lzma_rs::xz_decompress(&mut Cursor::new(stream), &mut out).map_err(|_| UnpackError::Damaged("xz"))?;
            Ok(out.0)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(stream).map_err(|_| UnpackError::Damaged("zstd"))?;
            limited(decoder, "zstd")
        }
        _ if stream.starts_with(&lz4::MAGIC) => lz4::unpack(stream, LIMIT).ok_or(UnpackError::Damaged("lz4")),
        _ => Err(UnpackError::Unknown(stream.iter().take(6).copied().collect())),
    }
}

fn limited(reader: impl Read, format: &'static str) -> Result<Vec<u8>, UnpackError> {
    let mut out = Vec::new();
    let read = reader.take(LIMIT as u64 + 1).read_to_end(&mut out).map_err(|_| UnpackError::Damaged(format))?;
    if read > LIMIT { Err(UnpackError::Damaged(format)) } else { Ok(out) }
}

/// A writer that refuses to grow beyond the limit.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LIMIT {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
    fn packed_by(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
        let spawned = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = spawned else {
            eprintln!("skipped: there is no {program} program");
            return None;
        };
        child.stdin.take()?.write_all(bytes).ok()?;
        Some(child.wait_with_output().ok()?.stdout)
    }

    #[test]
    fn what_the_programs_pack_is_unpacked() {
        let bytes: Vec<u8> = (0..40_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for (program, arguments) in
            [("gzip", vec!["-c"]), ("xz", vec!["-c", "--check=crc32"]), ("zstd", vec!["-c", "-q", "-19"])]
        {
            if let Some(packed) = packed_by(program, &arguments, &bytes) {
                assert!(unpack(&packed).unwrap() == bytes, "{program}");
                assert!(unpack(&packed[..packed.len() / 2]).is_err(), "{program}");
            }
        }
    }

    #[test]
    fn elf_passes_and_the_unknown_is_named() {
        assert_eq!(unpack(b"\x7fELF rest").unwrap(), b"\x7fELF rest");
        assert_eq!(unpack(b"nonsense"), Err(UnpackError::Unknown(b"nonsen".to_vec())));
    }
}
