//! Files that are packed, unpacked where nothing is left of them.

use crate::image::app::store::Store;
use isodyne_core::checkpoint::Compressed;
use std::fs::File;
use std::io::{self, Read, Write};

/// The largest file that is unpacked, in bytes, where a manifest does not say its length.
pub(super) const LIMIT: u64 = 1 << 40;

/// Unpacks a file into one without a name.
pub(super) fn unpacked(file: File, packing: Compressed, limit: u64) -> io::Result<Store> {
    let source = io::BufReader::with_capacity(1 << 18, file);
    let mut decoder: Box<dyn Read> = match packing {
        Compressed::Zstd => Box::new(ruzstd::decoding::StreamingDecoder::new(source).map_err(io::Error::other)?),
        Compressed::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(source)),
    };
    let mut target = crate::image::app::spool::nameless(&std::env::temp_dir())?;
    let copied = io::copy(&mut (&mut decoder).take(limit.saturating_add(1)), &mut target)?;
    if copied > limit {
        return Err(io::Error::other(format!("it unpacks to more than {limit} bytes")));
    }
    target.flush()?;
    Store::file(target)
}
