//! Unpacking a layer onto the disk, where it can be read at any place: hashed on the way in, within a limit, and with
//! zeros left out, so that a file that is mostly hole takes no space.

use super::digest::Digest;
use super::error::{ImageError, host};
use super::store::{BLOCK, Store, is_zero};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
    /// Whatever the first bytes say.
    Sniff,
}

impl Packing {
    fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None | Self::Sniff => "tar",
        }
    }

    /// Says it of the first bytes.
    pub(crate) fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a frame that is to be skipped before the first one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// A layer on the disk.
#[derive(Debug)]
pub(crate) struct Spooled {
    pub(crate) store: Store,
    /// The digest of what was read.
    pub(crate) packed: Digest,
    pub(crate) packed_bytes: u64,
    /// The digest of what it is unpacked.
    pub(crate) unpacked: Digest,
}

/// Unpacks a stream into a file without a name in a directory. `left` is what may still be unpacked.
pub(crate) fn spool(
    stream: impl Read,
    packing: Packing,
    what: &str,
    directory: &Path,
    left: &mut u64,
    limit: u64,
) -> Result<Spooled, ImageError> {
    let mut file = Sparse { file: nameless(directory).map_err(host("write into", directory))?, at: 0 };
    let mut hashed = BufReader::with_capacity(1 << 18, Hashed { stream, hash: Sha256::new(), count: 0 });
    let packing = if packing == Packing::Sniff {
        Packing::of(io::BufRead::fill_buf(&mut hashed).map_err(reading(what, Packing::None))?)
    } else {
        packing
    };
    let mut hash = Sha256::new();
    let mut sink = |bytes: &[u8]| -> Result<(), ImageError> {
        *left = left
            .checked_sub(bytes.len() as u64)
            .ok_or(ImageError::Limit { what: "bytes in its layers once they are unpacked", limit })?;
        hash.update(bytes);
        file.write(bytes).map_err(host("write into", directory))
    };
    match packing {
        Packing::None | Packing::Sniff => drain(&mut hashed, what, packing, &mut sink)?,
        Packing::Gzip => {
            // `bufread`: nothing is read beyond the last member, and several members may follow each other.
            let mut decoder = flate2::bufread::MultiGzDecoder::new(&mut hashed);
            drain(&mut decoder, what, packing, &mut sink)?;
        }
        Packing::Zstd => unpack_zstd(&mut hashed, what, &mut sink)?,
    }
    // What follows the end of the compressed stream is part of the blob and of its digest.
    io::copy(&mut hashed, &mut io::sink()).map_err(reading(what, Packing::None))?;
    let Hashed { hash: packed, count, .. } = hashed.into_inner();
    Ok(Spooled {
        store: file.finish().map_err(host("write into", directory))?,
        packed: Digest::finish(packed),
        packed_bytes: count,
        unpacked: Digest::finish(hash),
    })
}

fn reading(what: &str, packing: Packing) -> impl FnOnce(io::Error) -> ImageError {
    let (what, format) = (what.to_owned(), packing.word());
    move |source| ImageError::Compression { what, format, source }
}

type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), ImageError> + 'a;

fn drain(stream: &mut impl Read, what: &str, packing: Packing, sink: &mut Sink<'_>) -> Result<(), ImageError> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => sink(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(reading(what, packing)(error)),
        }
    }
}

/// Frame after frame: a layer may be cut into many, with frames between them that are to be skipped.
fn unpack_zstd(stream: &mut impl io::BufRead, what: &str, sink: &mut Sink<'_>) -> Result<(), ImageError> {
    use ruzstd::decoding::StreamingDecoder;
    use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
    loop {
        if stream.fill_buf().map_err(reading(what, Packing::Zstd))?.is_empty() {
            return Ok(());
        }
        match StreamingDecoder::new(&mut *stream) {
            Ok(mut decoder) => drain(&mut decoder, what, Packing::Zstd, sink)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped = io::copy(&mut stream.by_ref().take(length.into()), &mut io::sink());
                skipped.map_err(reading(what, Packing::Zstd))?;
            }
            Err(error) => return Err(reading(what, Packing::Zstd)(io::Error::other(error.to_string()))),
        }
    }
}

/// A file in a directory that has no name, so that nothing is left of it whatever happens.
pub(crate) fn nameless(directory: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(fd.into()),
        // Some file systems cannot do it.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let path = directory.join(format!(".spool-{}", std::process::id()));
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Writes a file from its beginning and leaves blocks of zeros out.
#[derive(Debug)]
struct Sparse {
    file: File,
    at: u64,
}

impl Sparse {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let to_boundary = BLOCK - (self.at % BLOCK as u64) as usize;
            let zero = |block: &[u8]| is_zero(block);
            let mut count = to_boundary.min(bytes.len());
            if zero(&bytes[..count]) {
                // Left out: a file reads as zero where nothing was written.
            } else {
                count += bytes[count..].chunks(BLOCK).take_while(|block| !zero(block)).map(<[u8]>::len).sum::<usize>();
                self.file.write_all_at(&bytes[..count], self.at)?;
            }
            self.at += count as u64;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Store> {
        self.file.set_len(self.at)?;
        Store::file(self.file)
    }
}

/// Hashes what is read through it.
struct Hashed<R> {
    stream: R,
    hash: Sha256,
    count: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}
