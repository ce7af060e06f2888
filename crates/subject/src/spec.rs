//! What the subject is told, as words of the form `key=value`.

use crate::content::Shares;
use alloc::format;
use alloc::string::String;

/// What the subject holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// Drawn for this sample; it lives in the subject's memory alone.
    pub nonce: [u64; 2],
    /// Pages of memory in all, those that are written to again and again among them.
    pub pages: u64,
    /// What the pages that stay are like.
    pub shares: Shares,
    /// Pages that are written to again and again, in the first process.
    pub dirty_pages: u64,
    /// How many of them per second.
    pub dirty_rate: u64,
    /// Processes that share the memory out between them.
    pub processes: u64,
    /// Threads of each process that show that they live.
    pub threads: u64,
    /// Areas of the memory of each process.
    pub areas: u64,
    /// Open files, each at an offset of its own.
    pub files: u64,
    /// Pipes with bytes in them.
    pub pipes: u64,
    /// Established TCP connections within the sandbox, with bytes that wait.
    pub connections: u64,
    /// Locks of files.
    pub locks: u64,
    /// Files in the layer that the sandbox writes to.
    pub layer_files: u64,
    /// The bytes of each.
    pub layer_file_bytes: u64,
    /// Directories of the host that are mounted inside, each with a file that is held open.
    pub bound: u64,
    /// The port on which the first process answers; 0 for none.
    pub port: u64,
}

/// The keys of the words with their limits: what is beyond them, the subject refuses.
pub const KEYS: &[(&str, u64, u64)] = &[
    ("nonce_0", 0, u64::MAX),
    ("nonce_1", 0, u64::MAX),
    ("pages", 1, 1 << 32),
    ("zero", 0, 100),
    ("duplicate", 0, 100),
    ("compressible", 0, 100),
    ("dirty_pages", 0, 1 << 32),
    ("dirty_rate", 0, 10_000_000),
    ("processes", 1, 1_000),
    ("threads", 1, 1_000),
    ("areas", 1, 30_000),
    ("files", 0, 100_000),
    ("pipes", 0, 10_000),
    ("connections", 0, 10_000),
    ("locks", 0, 1_000),
    ("layer_files", 0, 1_000_000),
    ("layer_file_bytes", 0, 1 << 40),
    ("bound", 0, 1_000),
    ("port", 0, 65_535),
];

impl Spec {
    /// The seed of everything that the subject holds.
    pub fn seed(&self) -> u64 {
        crate::mix::two(self.nonce[0], self.nonce[1])
    }

    /// The pages that stay as they are.
    pub fn still_pages(&self) -> u64 {
        self.pages.saturating_sub(self.dirty_pages)
    }

    /// The pages that a process holds, the first of which is process 0: from, to.
    pub fn slice(&self, process: u64) -> (u64, u64) {
        let (pages, processes) = (u128::from(self.still_pages()), u128::from(self.processes.max(1)));
        let cut = |process: u64| (pages * u128::from(process) / processes) as u64;
        (cut(process), cut(process + 1))
    }

    /// How often a page of those that are written to again and again has been written, after so many writes.
    pub fn version(&self, page: u64, writes: u64) -> u64 {
        let reached = writes.saturating_add(self.dirty_pages).saturating_sub(page.saturating_add(1));
        reached.checked_div(self.dirty_pages).unwrap_or(0)
    }

    fn field(&mut self, key: &str) -> Option<&mut u64> {
        Some(match key {
            "nonce_0" => &mut self.nonce[0],
            "nonce_1" => &mut self.nonce[1],
            "pages" => &mut self.pages,
            "dirty_pages" => &mut self.dirty_pages,
            "dirty_rate" => &mut self.dirty_rate,
            "processes" => &mut self.processes,
            "threads" => &mut self.threads,
            "areas" => &mut self.areas,
            "files" => &mut self.files,
            "pipes" => &mut self.pipes,
            "connections" => &mut self.connections,
            "locks" => &mut self.locks,
            "layer_files" => &mut self.layer_files,
            "layer_file_bytes" => &mut self.layer_file_bytes,
            "bound" => &mut self.bound,
            "port" => &mut self.port,
            _ => return None,
        })
    }

    fn share(&mut self, key: &str) -> Option<&mut u32> {
        Some(match key {
            "zero" => &mut self.shares.zero,
            "duplicate" => &mut self.shares.duplicate,
            "compressible" => &mut self.shares.compressible,
            _ => return None,
        })
    }

    /// The words, every key once.
    pub fn words(&self) -> String {
        let mut copy = *self;
        let mut words = String::new();
        for (key, ..) in KEYS {
            let value = match copy.field(key) {
                Some(value) => *value,
                None => copy.share(key).map_or(0, |share| u64::from(*share)),
            };
            words.push_str(&format!("{key}={value} "));
        }
        words
    }

    /// Reads the words.
    ///
    /// # Errors
    /// Which word is unknown, is no number or is out of range.
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut spec = Self { processes: 1, threads: 1, areas: 1, pages: 1, ..Self::default() };
        for word in words.filter(|word| !word.is_empty()) {
            let (key, text) = word.split_once('=').ok_or_else(|| format!("`{word}` is not of the form key=value"))?;
            let known = KEYS.iter().find(|(known, ..)| *known == key);
            let (_, least, most) = known.ok_or_else(|| format!("`{key}` is no key of a subject"))?;
            let value = text.parse::<u64>().ok().filter(|value| (*least..=*most).contains(value));
            let value = value.ok_or_else(|| format!("`{key}` takes a number from {least} to {most}, not `{text}`"))?;
            if let Some(field) = spec.field(key) {
                *field = value;
            } else if let Some(share) = spec.share(key) {
                *share = value as u32;
            }
        }
        if !spec.shares.fit() {
            return Err("the shares of zero, duplicate and compressible pages are more than the whole".into());
        }
        if spec.dirty_pages > spec.pages {
            return Err("more pages are written to than there are".into());
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (words, told) in [
            ("pages", "not of the form"),
            ("pages=x", "from 1 to"),
            ("pages=0", "from 1 to"),
            ("page=1", "no key"),
            ("zero=60 duplicate=50", "more than the whole"),
            ("pages=4 dirty_pages=5", "more pages"),
        ] {
            assert!(Spec::parse(words.split(' ')).unwrap_err().contains(told), "{words}");
        }
    }

    #[test]
    fn pages_are_shared_out_without_a_gap() {
        let spec = Spec { pages: 1003, dirty_pages: 3, processes: 7, ..Spec::default() };
        let slices: Vec<(u64, u64)> = (0..7).map(|process| spec.slice(process)).collect();
        assert_eq!((slices[0].0, slices[6].1), (0, 1000));
        assert!(slices.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    proptest! {
        #[test]
        fn words_come_back(nonce: [u64; 2], pages in 1..1_u64 << 32, zero in 0..50_u32, files in 0..1000_u64, port in 0..65_536_u64) {
            let shares = Shares { zero, duplicate: 50 - zero, compressible: 7 };
            let spec = Spec { nonce, pages, shares, files, port, processes: 3, threads: 2, areas: 5, ..Spec::default() };
            let words = spec.words();
            prop_assert_eq!(Spec::parse(words.split(' ')), Ok(spec));
        }

        #[test]
        fn versions_count_the_writes(pages in 1..50_u64, writes in 0..500_u64) {
            let spec = Spec { pages, dirty_pages: pages, ..Spec::default() };
            let mut slow = vec![0_u64; pages as usize];
            (0..writes).for_each(|write| slow[(write % pages) as usize] += 1);
            let fast: Vec<u64> = (0..pages).map(|page| spec.version(page, writes)).collect();
            prop_assert_eq!(fast, slow);
        }

        #[test]
        fn any_words_are_read_without_a_panic(words in ".{0,200}") {
            let _ = Spec::parse(words.split(' '));
        }
    }
}
