//! Unpacking what distributions pack kernels and modules with. Everything is limited in size.

use crate::image::lz4;
use std::io::Read;

/// A kernel or module never unpacks to more than this.
const LIMIT: usize = 256 << 20;
/// What the decoder of xz may take for itself; kernels are packed with dictionaries of up to 128 MiB.
const DICTIONARY_LIMIT_KIB: u32 = 160 << 10;

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
    unpack_within(stream, LIMIT)
}

/// As [`unpack`], with a limit of the caller's on what comes out. ELF passes as it is.
pub(crate) fn unpack_within(stream: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    match stream {
        [0x7f, b'E', b'L', b'F', ..] => Ok(stream.to_vec()),
        [0x1f, 0x8b, ..] => limited(flate2::read::GzDecoder::new(stream), limit, "gzip"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            limited(lzma_rust2::XzReader::new_mem_limit(stream, false, DICTIONARY_LIMIT_KIB), limit, "xz")
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(stream).map_err(|_| UnpackError::Damaged("zstd"))?;
            limited(decoder, limit, "zstd")
        }
        _ if stream.starts_with(&lz4::MAGIC) => lz4::unpack(stream, limit).ok_or(UnpackError::Damaged("lz4")),
        _ => Err(UnpackError::Unknown(stream.iter().take(6).copied().collect())),
    }
}

fn limited(reader: impl Read, limit: usize, format: &'static str) -> Result<Vec<u8>, UnpackError> {
    let mut out = Vec::new();
    let read = reader.take(limit as u64 + 1).read_to_end(&mut out).map_err(|_| UnpackError::Damaged(format))?;
    if read > limit { Err(UnpackError::Damaged(format)) } else { Ok(out) }
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

    const PROGRAMS: [(&str, &[&str]); 5] = [
        ("gzip", &["-c"]),
        ("xz", &["-c", "--check=crc32"]),
        // As kernels are packed: a filter for instructions in front.
        ("xz", &["-c", "--check=crc32", "--x86", "--lzma2=dict=1MiB"]),
        ("xz", &["-c", "--check=sha256"]),
        ("zstd", &["-c", "-q", "-19"]),
    ];

    #[test]
    fn what_the_programs_pack_is_unpacked() {
        let bytes: Vec<u8> = (0..40_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for (program, arguments) in PROGRAMS {
            if let Some(packed) = packed_by(program, arguments, &bytes) {
                assert!(unpack(&packed).unwrap() == bytes, "{program}");
                assert!(unpack(&packed[..packed.len() / 2]).is_err(), "{program}");
            }
        }
    }

    #[test]
    fn what_unpacks_to_more_than_the_limit_is_refused() {
        let zeros = vec![0; 1 << 20];
        for (program, arguments) in PROGRAMS {
            if let Some(packed) = packed_by(program, arguments, &zeros) {
                assert!(packed.len() < 4096, "{program} {arguments:?}");
                assert_eq!(unpack_within(&packed, zeros.len()).map(|out| out.len()), Ok(zeros.len()));
                assert!(unpack_within(&packed, zeros.len() - 1).is_err(), "{program} {arguments:?}");
            }
        }
    }

    #[test]
    fn elf_passes_and_the_unknown_is_named() {
        assert_eq!(unpack(b"\x7fELF rest").unwrap(), b"\x7fELF rest");
        assert_eq!(unpack(b"nonsense"), Err(UnpackError::Unknown(b"nonsen".to_vec())));
    }
}
