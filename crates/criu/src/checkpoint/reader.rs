//! Reading images within limits, and keeping a list of what cannot be read.

use super::{ReadError, Unreadable};
use crate::ImageError;
use crate::image::{self, ENTRIES_LIMIT, ENTRY_LIMIT, Kind};
use crate::message::Message;
use crate::source::Images;

/// The largest image that is read whole, in bytes.
const IMAGE_LIMIT: u64 = 128 << 20;
/// The most bytes of images that are read of one checkpoint. Memory is not among them.
const TOTAL_LIMIT: u64 = 256 << 20;
/// The most areas of memory of all processes together.
const AREAS_LIMIT: usize = 1 << 21;
/// The most lines about what cannot be read.
const UNREADABLE_LIMIT: usize = 1_000;

/// A directory of images that is being read.
pub(super) struct Reader<'a> {
    /// The images.
    pub images: &'a dyn Images,
    /// Their names, sorted.
    pub names: Vec<String>,
    /// What could not be read so far.
    pub unreadable: Vec<Unreadable>,
    /// How many areas of memory may still be read.
    pub areas_left: usize,
    left: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(images: &'a dyn Images) -> Self {
        let mut names = images.names();
        names.sort_unstable();
        Self { images, names, unreadable: Vec::new(), areas_left: AREAS_LIMIT, left: TOTAL_LIMIT }
    }

    /// Remembers that something could not be read.
    pub(super) fn note(&mut self, file: &str, reason: impl ToString) {
        if self.unreadable.len() < UNREADABLE_LIMIT {
            self.unreadable.push(Unreadable { file: file.to_owned(), reason: reason.to_string() });
        }
    }

    /// The numbers of the files whose names are a beginning, a number and `.img`; names in the order of the numbers.
    pub(super) fn numbered(&self, beginning: &str) -> Vec<(u64, String)> {
        let number = |name: &String| {
            let digits = name.strip_prefix(beginning)?.strip_suffix(".img")?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            Some((digits.parse().ok().filter(|_| plain)?, name.clone()))
        };
        let mut found: Vec<(u64, String)> = self.names.iter().filter_map(number).collect();
        found.sort_unstable();
        found
    }

    /// A whole image; `None` if there is none.
    fn whole(&mut self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(length) = self.images.length(name)? else { return Ok(None) };
        if length > IMAGE_LIMIT {
            return Err(format!("it has {length} bytes, and at most {IMAGE_LIMIT} are read"));
        }
        self.left = self.left.checked_sub(length).ok_or("the images have too many bytes together")?;
        let mut bytes = vec![0; length as usize];
        self.images.read_at(name, 0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Reads an image and makes something of it. `None` if it is not there, or if it cannot be read, which is noted.
    pub(super) fn image<T>(&mut self, name: &str, make: impl FnOnce(&[u8]) -> Result<T, ImageError>) -> Option<T> {
        match self.whole(name) {
            Ok(None) => None,
            Ok(Some(bytes)) => match make(&bytes) {
                Ok(made) => Some(made),
                Err(error) => {
                    self.note(name, error);
                    None
                }
            },
            Err(reason) => {
                self.note(name, reason);
                None
            }
        }
    }

    /// All entries of an image.
    pub(super) fn messages<T: Message>(&mut self, name: &str, kind: Kind) -> Option<Vec<T>> {
        self.image(name, |bytes| image::messages(bytes, kind))
    }

    /// The one entry of an image.
    pub(super) fn message<T: Message>(&mut self, name: &str, kind: Kind) -> Option<T> {
        self.image(name, |bytes| image::message(bytes, kind))
    }

    /// An image without which nothing can be said.
    pub(super) fn essential<T>(
        &mut self,
        name: &str,
        make: impl FnOnce(&[u8]) -> Result<T, ImageError>,
    ) -> Result<T, ReadError> {
        let fail = |reason: String| ReadError { file: name.to_owned(), reason };
        let bytes = self.whole(name).map_err(fail)?.ok_or_else(|| fail("it is not there".to_owned()))?;
        make(&bytes).map_err(|error| fail(error.to_string()))
    }

    /// Calls `each` with the entries of an image that has data behind them; it says how many bytes those are. What
    /// cannot be read is noted.
    pub(super) fn walk(&mut self, name: &str, kind: Kind, each: &mut dyn FnMut(&[u8]) -> Result<u64, ImageError>) {
        if let Err(reason) = self.try_walk(name, kind, each) {
            self.note(name, reason);
        }
    }

    fn try_walk(
        &mut self,
        name: &str,
        kind: Kind,
        each: &mut dyn FnMut(&[u8]) -> Result<u64, ImageError>,
    ) -> Result<(), String> {
        let Some(length) = self.images.length(name)? else { return Ok(()) };
        let mut head = vec![0; length.min(8) as usize];
        self.images.read_at(name, 0, &mut head)?;
        let behind = image::entries(&head, kind).map_err(|error| error.to_string())?.rest().len();
        let mut at = (head.len() - behind) as u64;
        for _ in 0..ENTRIES_LIMIT {
            if at >= length {
                return Ok(());
            }
            let mut size = [0; 4];
            self.images.read_at(name, at, &mut size)?;
            let size = u64::from(u32::from_le_bytes(size));
            if size > ENTRY_LIMIT as u64 || at + 4 + size > length {
                return Err(ImageError::Cut("an entry").to_string());
            }
            self.left = self.left.checked_sub(size).ok_or("the images have too many bytes together")?;
            let mut entry = vec![0; size as usize];
            self.images.read_at(name, at + 4, &mut entry)?;
            let data = each(&entry).map_err(|error| error.to_string())?;
            at = at.checked_add(4 + size).and_then(|at| at.checked_add(data)).ok_or("it has impossible lengths")?;
            if at > length {
                return Err(ImageError::Cut("the data behind an entry").to_string());
            }
        }
        Err(ImageError::Limit { what: "entries", limit: ENTRIES_LIMIT }.to_string())
    }
}
