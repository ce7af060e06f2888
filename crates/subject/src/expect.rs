//! What the digests of a whole subject must be.

use crate::content::{Kind, Thing, fill, fill_bytes};
use crate::spec::Spec;
use crate::{FILE_BYTES, PAGE_BYTES, PAGE_WORDS, WAITING_BYTES, digest, mix};

/// The digest of the memory after so many writes to the pages that do not stay.
pub fn memory(spec: &Spec, key: u64, writes: u64) -> u64 {
    let (seed, mut page) = (spec.seed(), [0; PAGE_WORDS]);
    // These two are the same wherever they are.
    let [zero, duplicate] = [Kind::Zero, Kind::Duplicate].map(|kind| {
        fill(seed, kind, 0, 0, &mut page);
        digest::page(key, &page)
    });
    let still = spec.still_pages();
    let of_still = (0..still).fold(0_u64, |sum, index| {
        let content = match spec.shares.kind(seed, index) {
            Kind::Zero => zero,
            Kind::Duplicate => duplicate,
            kind => {
                fill(seed, kind, index, 0, &mut page);
                digest::page(key, &page)
            }
        };
        sum.wrapping_add(digest::at(key, index, content))
    });
    (0..spec.dirty_pages).fold(of_still, |sum, number| {
        fill(seed, Kind::Random, still + number, spec.version(number, writes), &mut page);
        sum.wrapping_add(digest::at(key, still + number, digest::page(key, &page)))
    })
}

/// Where an open file stands.
pub fn offset(spec: &Spec, file: u64) -> u64 {
    offset_of(spec, Thing::File, file)
}

/// Where an open file of the sandbox's own, or of a directory of the host, stands.
pub fn offset_of(spec: &Spec, thing: Thing, file: u64) -> u64 {
    mix::two(thing.seed(spec.seed()), !file) % FILE_BYTES as u64
}

/// A file's part in the digest of the open files: its number, where it stands, and what is read from there to its end.
pub fn file_part(key: u64, file: u64, offset: u64, rest: &[u8]) -> u64 {
    mix::three(digest::bytes(key, rest), file, offset)
}

/// The digest of the open files.
pub fn files(spec: &Spec, key: u64) -> u64 {
    open_files(spec, Thing::File, spec.files, key)
}

/// The digest of the open files in directories of the host: each is read from where it stands, and again by its name.
pub fn bound(spec: &Spec, key: u64) -> u64 {
    let mut content = [0; FILE_BYTES];
    (0..spec.bound).fold(open_files(spec, Thing::Bound, spec.bound, key), |sum, file| {
        fill_bytes(Thing::Bound.seed(spec.seed()), file, &mut content);
        sum.wrapping_add(file_part(key, !file, 0, &content))
    })
}

fn open_files(spec: &Spec, thing: Thing, count: u64, key: u64) -> u64 {
    let mut content = [0; FILE_BYTES];
    (0..count).fold(0, |sum, file| {
        fill_bytes(thing.seed(spec.seed()), file, &mut content);
        let offset = offset_of(spec, thing, file);
        let rest = content.get(offset as usize..).unwrap_or_default();
        sum.wrapping_add(file_part(key, file, offset, rest))
    })
}

/// What waits in a pipe or a connection.
pub fn waiting(spec: &Spec, thing: Thing, number: u64) -> [u8; WAITING_BYTES] {
    let mut bytes = [0; WAITING_BYTES];
    fill_bytes(thing.seed(spec.seed()), number, &mut bytes);
    bytes
}

/// A pipe's or a connection's part in the digest of them all.
pub fn waiting_part(key: u64, number: u64, bytes: &[u8]) -> u64 {
    mix::two(digest::bytes(key, bytes), number)
}

/// The digest of what waits in the pipes or connections.
pub fn all_waiting(spec: &Spec, thing: Thing, key: u64) -> u64 {
    let count = if let Thing::Pipe = thing { spec.pipes } else { spec.connections };
    (0..count).fold(0, |sum, number| sum.wrapping_add(waiting_part(key, number, &waiting(spec, thing, number))))
}

/// The seed of a page of a file of the layer.
pub fn layer_index(file: u64, page: u64) -> u64 {
    mix::two(file, page)
}

/// A page's part in the digest of the layer; the last page of a file may be shorter.
pub fn layer_part(key: u64, file: u64, page: u64, bytes: &[u8]) -> u64 {
    mix::three(digest::bytes(key, bytes), file, page)
}

/// The digest of the layer's files.
pub fn layer(spec: &Spec, key: u64) -> u64 {
    let seed = Thing::Layer.seed(spec.seed());
    let mut bytes = [0; PAGE_BYTES];
    let mut sum = 0_u64;
    for file in 0..spec.layer_files {
        for page in 0..spec.layer_file_bytes.div_ceil(PAGE_BYTES as u64) {
            fill_bytes(seed, layer_index(file, page), &mut bytes);
            let length = (spec.layer_file_bytes - page * PAGE_BYTES as u64).min(PAGE_BYTES as u64) as usize;
            let part = layer_part(key, file, page, bytes.get(..length).unwrap_or_default());
            sum = sum.wrapping_add(part);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Shares;

    #[test]
    fn the_memory_of_a_subject_is_the_sum_of_its_pages_as_it_fills_them() {
        let spec = Spec {
            nonce: [3, 4],
            pages: 260,
            dirty_pages: 7,
            shares: Shares { zero: 10, duplicate: 20, compressible: 30 },
            ..Spec::default()
        };
        let (key, writes) = (99, 17);
        let mut page = [0; PAGE_WORDS];
        let mut sum = 0_u64;
        for index in 0..253 {
            fill(spec.seed(), spec.shares.kind(spec.seed(), index), index, 0, &mut page);
            sum = sum.wrapping_add(digest::at(key, index, digest::page(key, &page)));
        }
        let mut versions = [0_u64; 7];
        (0..writes).for_each(|write| versions[write % 7] += 1);
        for (number, version) in versions.iter().enumerate() {
            fill(spec.seed(), Kind::Random, 253 + number as u64, *version, &mut page);
            sum = sum.wrapping_add(digest::at(key, 253 + number as u64, digest::page(key, &page)));
        }
        assert_eq!(memory(&spec, key, writes as u64), sum);
        assert_ne!(memory(&spec, key, writes as u64 + 1), sum);
        assert_ne!(memory(&spec, key + 1, writes as u64), sum);
        assert_ne!(memory(&Spec { nonce: [3, 5], ..spec }, key, writes as u64), sum);
    }

    #[test]
    fn an_offset_that_was_lost_shows() {
        let spec = Spec { nonce: [1, 2], files: 3, ..Spec::default() };
        let expected = files(&spec, 7);
        let mut content = [0; FILE_BYTES];
        let sum = (0..3).fold(0_u64, |sum, file| {
            fill_bytes(Thing::File.seed(spec.seed()), file, &mut content);
            let offset = if file == 1 { 0 } else { offset(&spec, file) };
            sum.wrapping_add(file_part(7, file, offset, &content[offset as usize..]))
        });
        assert_ne!(expected, sum);
        assert!((0..3).all(|file| offset(&spec, file) < FILE_BYTES as u64));
    }

    #[test]
    fn a_file_of_the_hosts_that_has_changed_under_its_name_shows() {
        let spec = Spec { nonce: [1, 2], bound: 2, files: 2, ..Spec::default() };
        let expected = bound(&spec, 7);
        assert_ne!(expected, files(&spec, 7), "they hold other bytes than the sandbox's own files");
        let with = |change: &dyn Fn(u64, &mut [u8])| {
            let mut content = [0; FILE_BYTES];
            (0..2).fold(open_files(&spec, Thing::Bound, 2, 7), |sum, file| {
                fill_bytes(Thing::Bound.seed(spec.seed()), file, &mut content);
                change(file, &mut content);
                sum.wrapping_add(file_part(7, !file, 0, &content))
            })
        };
        assert_eq!(with(&|_, _| ()), expected);
        assert_ne!(with(&|file, content| content[9] ^= u8::from(file == 1)), expected);
        assert_eq!(bound(&Spec { bound: 0, ..spec }, 7), 0);
    }

    #[test]
    fn a_short_last_page_of_a_layers_file_counts() {
        let spec = Spec { nonce: [1, 2], layer_files: 2, layer_file_bytes: 5000, ..Spec::default() };
        let longer = Spec { layer_file_bytes: 5001, ..spec };
        assert_ne!(layer(&spec, 1), layer(&longer, 1));
        assert_eq!(layer(&Spec { layer_files: 0, ..spec }, 1), 0);
    }
}
