//! The map of kept pages, and finding the bytes of an address.

use super::ROUNDS_LIMIT;
use super::memory::PageRun;
use crate::ImageError;
use crate::image::{self, Kind};
use crate::message::Message;
use crate::messages::memory::{PageMapEntry, PageMapHead};
use crate::source::Images;

/// Where the content of pages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// In this checkpoint's image of pages, from this byte on.
    Here(u64),
    /// In the round before.
    Parent,
    /// In no image: it has to be fetched.
    Nowhere,
}

/// Pages that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// How many.
    pub pages: u64,
    /// Where they are.
    pub place: Where,
    /// Whether a restore may fetch them late.
    pub lazy: bool,
}

impl Run {
    pub(super) fn shown(self) -> PageRun {
        let offset = match self.place {
            Where::Here(offset) => Some(offset),
            _ => None,
        };
        PageRun { start: self.start, pages: self.pages, offset, in_parent: self.place == Where::Parent }
    }
}

/// A map of pages.
pub(super) struct Map {
    /// The image with the pages.
    pub file: String,
    /// Its runs, by address; they do not overlap.
    pub runs: Vec<Run>,
}

/// `PE_PARENT`
const PARENT: u32 = 1;
/// `PE_LAZY`
const LAZY: u32 = 2;
/// `PE_PRESENT`
const PRESENT: u32 = 4;

/// Reads a map of pages.
pub(super) fn map(bytes: &[u8], page_bytes: u64) -> Result<Map, ImageError> {
    let mut entries = image::entries(bytes, Kind::PageMap)?;
    let head = PageMapHead::read(entries.next().ok_or(ImageError::Nonsense("it has no entry"))??)?;
    let mut runs: Vec<Run> = Vec::new();
    let mut offset = 0_u64;
    for entry in entries {
        let entry = PageMapEntry::read(entry?)?;
        let pages = entry.pages.unwrap_or(entry.pages_compatible.into());
        let too_far = ImageError::Nonsense("a run of pages leads out of all memory");
        let length = pages.checked_mul(page_bytes).ok_or(too_far.clone())?;
        let end = entry.address.checked_add(length).ok_or(too_far.clone())?;
        if runs.last().is_some_and(|last| entry.address < last.end) {
            return Err(ImageError::Nonsense("its runs of pages are not in order"));
        }
        // Before there were flags, what was not the parent's was present.
        let flags = entry.flags.unwrap_or(if entry.in_parent { PARENT } else { PRESENT });
        let place = if flags & PARENT != 0 {
            Where::Parent
        } else if flags & PRESENT != 0 {
            let here = offset;
            offset = offset.checked_add(length).ok_or(too_far)?;
            Where::Here(here)
        } else {
            Where::Nowhere
        };
        runs.push(Run { start: entry.address, end, pages, place, lazy: flags & LAZY != 0 });
    }
    Ok(Map { file: format!("pages-{}.img", head.pages), runs })
}

/// The largest map that is read to find a few bytes.
const MAP_LIMIT: u64 = 128 << 20;

/// Fills a buffer with what a process had at an address, also from the rounds before.
///
/// # Errors
/// The images do not hold it all.
pub(super) fn read(
    images: &dyn Images,
    map_file: &str,
    page_bytes: u64,
    address: u64,
    buffer: &mut [u8],
) -> Result<(), String> {
    let mut images = images;
    // What is still to be found: pieces of the buffer.
    let mut wanted = vec![(address, 0, buffer.len())];
    for _ in 0..=ROUNDS_LIMIT {
        let length = images.length(map_file)?.ok_or_else(|| format!("{map_file} is not there"))?;
        if length > MAP_LIMIT {
            return Err(format!("{map_file} has {length} bytes, and at most {MAP_LIMIT} are read"));
        }
        let mut bytes = vec![0; length as usize];
        images.read_at(map_file, 0, &mut bytes)?;
        let map = map(&bytes, page_bytes).map_err(|error| format!("{map_file}: {error}"))?;
        let mut older = Vec::new();
        for (address, at, length) in wanted {
            piece(images, &map, (address, at, length), buffer, &mut older)?;
        }
        if older.is_empty() {
            return Ok(());
        }
        wanted = older;
        images = images.parent().ok_or("it is in the images of the round before, which are not there")?;
    }
    Err(format!("more than {ROUNDS_LIMIT} rounds before the freeze"))
}

/// Finds one piece in one round; what the round before has goes to `older`.
fn piece(
    images: &dyn Images,
    map: &Map,
    (mut address, mut at, mut length): (u64, usize, usize),
    buffer: &mut [u8],
    older: &mut Vec<(u64, usize, usize)>,
) -> Result<(), String> {
    let absent = || "its pages are not in the images".to_owned();
    while length > 0 {
        let next = map.runs.partition_point(|run| run.end <= address);
        let run = map.runs.get(next).filter(|run| run.start <= address).ok_or_else(absent)?;
        let here = (run.end - address).min(length as u64) as usize;
        match run.place {
            Where::Here(offset) => {
                let from = offset.checked_add(address - run.start).ok_or_else(absent)?;
                let into = &mut buffer[at..at + here];
                images.read_at(&map.file, from, into).map_err(|reason| format!("{}: {reason}", map.file))?;
            }
            Where::Parent => older.push((address, at, here)),
            Where::Nowhere => return Err("its pages were left behind, to be fetched later".to_owned()),
        }
        (address, at, length) = (address + here as u64, at + here, length - here);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;

    /// A number of variable length.
    fn number(mut value: u64, into: &mut Vec<u8>) {
        while value >= 0x80 {
            into.push(value as u8 | 0x80);
            value >>= 7;
        }
        into.push(value as u8);
    }

    /// A map with its pages in `pages-1.img`: first address, pages, flags.
    fn image(runs: &[(u64, u64, u32)]) -> Vec<u8> {
        let mut bytes = [0x5456_4319_u32, Kind::PageMap.magic(), 2].map(u32::to_le_bytes).concat();
        bytes.extend([0x08, 1]);
        for (address, pages, flags) in runs {
            let mut entry = vec![0x08];
            number(*address, &mut entry);
            entry.push(0x28);
            number(*pages, &mut entry);
            entry.push(0x20);
            number((*flags).into(), &mut entry);
            bytes.extend((entry.len() as u32).to_le_bytes());
            bytes.extend(entry);
        }
        bytes
    }

    fn pages(fill: &[u8]) -> Vec<u8> {
        fill.iter().flat_map(|byte| vec![*byte; 4096]).collect()
    }

    #[test]
    fn bytes_are_found_across_runs_and_rounds() {
        let mut older = InMemory::default();
        older.files.insert("pagemap-7.img".to_owned(), image(&[(0x2000, 1, PRESENT)]));
        older.files.insert("pages-1.img".to_owned(), pages(b"b"));
        let mut newer = InMemory { parent: Some(Box::new(older)), ..InMemory::default() };
        let runs = [(0x1000, 1, PRESENT), (0x2000, 1, PARENT), (0x3000, 2, PRESENT | LAZY), (0x9000, 1, LAZY)];
        newer.files.insert("pagemap-7.img".to_owned(), image(&runs));
        newer.files.insert("pages-1.img".to_owned(), pages(b"acd"));
        let bytes = |address: u64, length: usize| {
            let mut buffer = vec![0; length];
            read(&newer, "pagemap-7.img", 4096, address, &mut buffer).map(|()| String::from_utf8(buffer).unwrap())
        };
        assert_eq!(bytes(0x1ffe, 4).unwrap(), "aabb");
        assert_eq!(bytes(0x2fff, 0x1003).unwrap(), format!("b{}dd", "c".repeat(4096)));
        assert!(bytes(0x4fff, 2).unwrap_err().contains("not in the images"));
        assert!(bytes(0x9000, 2).unwrap_err().contains("fetched later"));
        assert!(bytes(0xfff, 2).is_err() && bytes(u64::MAX, 2).is_err());
        newer.parent = None;
        let mut buffer = [0; 2];
        assert!(read(&newer, "pagemap-7.img", 4096, 0x2000, &mut buffer).unwrap_err().contains("round before"));
    }

    #[test]
    fn runs_that_cannot_be_are_refused() {
        assert!(map(&image(&[(0x2000, 1, 4), (0x1000, 1, 4)]), 4096).is_err());
        assert!(map(&image(&[(0x1000, 2, 4), (0x2000, 1, 4)]), 4096).is_err());
        assert!(map(&image(&[(0, u64::MAX / 8, 4)]), 4096).is_err());
        assert!(map(&image(&[(u64::MAX - 10, 1, 4)]), 4096).is_err());
        assert_eq!(map(&image(&[]), 4096).ok().unwrap().runs, []);
    }
}
