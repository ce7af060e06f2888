//! Digests of CRIU's pages while CRIU writes them: when the dump has ended, so have most of the digests.
//!
//! CRIU writes each file of pages from its beginning to its end and never goes back, so that it can be read behind its
//! back. Its other images are small and come late; they are digested with all other files.

use super::digest::Digester;
use crate::clock::Clock;
use crate::wait::readable;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// What is read at once.
const BLOCK: usize = 256 << 10;
/// From one look to the next. Notifications of the kernel would save the looks and cost more: before Linux 6.5 it says
/// nothing of what was spliced, which is how CRIU writes pages, and a process that has had them open ends 10 to 25 ms later.
const PAUSE: Duration = Duration::from_millis(2);

/// Length and digest of files, by name.
pub type Digests = BTreeMap<String, (u64, String)>;

/// A file and what was read of it.
struct Followed {
    file: File,
    digester: Digester,
    length: u64,
}

fn is_of_pages(name: &str) -> bool {
    name.starts_with("pages-") && name.ends_with(".img")
}

/// Reads what is there and not read yet.
fn catch_up(followed: &mut Followed, block: &mut [u8]) -> io::Result<()> {
    loop {
        match followed.file.read(block) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                followed.digester.add(&block[..length]);
                followed.length += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Follows the files of pages in a directory until `done` can be read (its other end is closed), and then to their ends. A
/// file that cannot be read is left to whoever digests the others.
pub fn follow(directory: &Path, done: impl AsFd) -> Digests {
    let mut last = false;
    let mut all: BTreeMap<String, Option<Followed>> = BTreeMap::new();
    let mut block = vec![0; BLOCK];
    loop {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_of_pages(&name) && !all.contains_key(&name) {
                let opened = File::open(entry.path()).ok();
                let followed = opened.map(|file| Followed { file, digester: Digester::default(), length: 0 });
                all.insert(name, followed);
            }
        }
        for followed in all.values_mut() {
            if followed.as_mut().is_some_and(|file| catch_up(file, &mut block).is_err()) {
                *followed = None;
            }
        }
        if last {
            let ended = all.into_iter().filter_map(|(name, followed)| Some((name, followed?)));
            return ended.map(|(name, file)| (name, (file.length, file.digester.hex()))).collect();
        }
        // Found before looking, so that what was written until then is seen. What cannot be waited for is not followed: it is
        // digested with the rest.
        last = readable(Clock, &done, Clock.after(PAUSE)).unwrap_or(true);
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest_of;
    use super::*;
    use std::io::Write;

    #[test]
    fn what_grows_is_digested_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let (done, writing) = io::pipe().unwrap();
        let path = directory.path().join("pages-1.img");
        let digests = std::thread::scope(|scope| {
            let follower = scope.spawn(|| follow(directory.path(), done));
            let mut file = File::create(&path).unwrap();
            for number in 0..200_u8 {
                file.write_all(&vec![number; 30_000]).unwrap();
                if number % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(4));
                }
            }
            std::fs::write(directory.path().join("core-1.img"), "x").unwrap();
            drop(writing);
            follower.join().unwrap()
        });
        let (length, digest) = digest_of(&path).unwrap();
        assert_eq!(digests, BTreeMap::from([("pages-1.img".to_owned(), (length, digest))]));
        assert_eq!(length, 6_000_000);
    }
}
