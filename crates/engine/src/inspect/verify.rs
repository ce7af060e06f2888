//! Whether the files of a checkpoint are what its manifest says. All that is wrong is listed, not only the first.

use crate::image::app::store::open_file;
use isodyne_core::checkpoint::Manifest;
use isodyne_core::checkpoint::inspection::Verified;
use std::io::{self, Read};
use std::path::Path;
use twox_hash::XxHash3_128;

/// Holds every file against the manifest.
pub(super) fn verify(directory: &Path, manifest: &Manifest) -> Verified {
    let problem = |file: &isodyne_core::checkpoint::KeptFile| {
        let wrong = |what: String| Some(format!("{}: {what}", file.path));
        match digest(&directory.join(&file.path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => wrong("it is not there".to_owned()),
            Err(error) => wrong(error.to_string()),
            Ok((bytes, _)) if bytes != file.bytes => wrong(format!("it has {bytes} of {} bytes", file.bytes)),
            Ok((_, digest)) if !digest.eq_ignore_ascii_case(&file.xxh3_128) => {
                wrong("its digest is another".to_owned())
            }
            Ok(_) => None,
        }
    };
    let problems = manifest.files.iter().filter_map(problem).collect();
    Verified { files: manifest.files.len() as u64, problems }
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = open_file(path)?;
    let (mut hash, mut bytes, mut buffer) = (XxHash3_128::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, format!("{:032x}", hash.finish_128()))),
            Ok(count) => {
                hash.write(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
