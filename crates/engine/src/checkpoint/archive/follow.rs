//! Digests of CRIU's pages while CRIU writes them: when the dump has ended, so have most of the digests.
//!
//! CRIU writes each file of pages from its beginning to its end and never goes back, so that it can be read behind its
//! back. Its other images are small and come late; they are digested with all other files.

use super::digest::Digester;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is read at once.
const BLOCK: usize = 256 << 10;
/// How long is waited where nothing new was found.
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

/// Reads what is there and not read yet; whether there was anything.
fn catch_up(followed: &mut Followed, block: &mut [u8]) -> io::Result<bool> {
    let mut any = false;
    loop {
        match followed.file.read(block) {
            Ok(0) => return Ok(any),
            Ok(length) => {
                followed.digester.add(&block[..length]);
                followed.length += length as u64;
                any = true;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Follows the files of pages in a directory until `done` is set, and then to their ends. A file that cannot be read is
/// left to whoever digests the others.
pub fn follow(directory: &Path, done: &AtomicBool) -> Digests {
    let mut all: BTreeMap<String, Option<Followed>> = BTreeMap::new();
    let mut block = vec![0; BLOCK];
    loop {
        // Asked before looking, so that what was written until then is seen.
        let last = done.load(Ordering::SeqCst);
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_of_pages(&name) && !all.contains_key(&name) {
                let opened = File::open(entry.path()).ok();
                let followed = opened.map(|file| Followed { file, digester: Digester::default(), length: 0 });
                all.insert(name, followed);
            }
        }
        let mut any = false;
        for followed in all.values_mut() {
            match followed.as_mut().map(|file| catch_up(file, &mut block)) {
                Some(Ok(found)) => any |= found,
                Some(Err(_)) => *followed = None,
                None => {}
            }
        }
        if last {
            let ended = all.into_iter().filter_map(|(name, followed)| Some((name, followed?)));
            return ended.map(|(name, file)| (name, (file.length, file.digester.hex()))).collect();
        }
        if !any {
            std::thread::sleep(PAUSE);
        }
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
        let done = AtomicBool::new(false);
        let path = directory.path().join("pages-1.img");
        let digests = std::thread::scope(|scope| {
            let follower = scope.spawn(|| follow(directory.path(), &done));
            let mut file = File::create(&path).unwrap();
            for number in 0..200_u8 {
                file.write_all(&vec![number; 30_000]).unwrap();
                if number % 50 == 0 {
                    std::thread::sleep(PAUSE * 2);
                }
            }
            std::fs::write(directory.path().join("core-1.img"), "x").unwrap();
            done.store(true, Ordering::SeqCst);
            follower.join().unwrap()
        });
        let (length, digest) = digest_of(&path).unwrap();
        assert_eq!(digests, BTreeMap::from([("pages-1.img".to_owned(), (length, digest))]));
        assert_eq!(length, 6_000_000);
    }
}
