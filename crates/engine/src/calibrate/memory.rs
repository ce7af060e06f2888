//! How fast one thread copies memory, by the cache that holds what is copied.

use super::caches::Caches;
use super::copying::{BYTES_PER_TRIAL, Before, limit};
use super::trials::Window;
use super::{Found, pin, skip};
use crate::host::root::HostRoot;
use crate::lab::Lab;
use isodyne_core::unit::DisplayBytes;

/// Without a known cache, memory beyond this is taken to be in none.
const BEYOND_CACHES: u64 = 64 << 20;
/// No buffer is larger; a host with so large a cache is told that it may help.
const LARGEST: u64 = 512 << 20;

/// Copying within each cache, and beyond all of them.
pub(super) fn copies(lab: &Lab, window: Window) -> Found {
    const NAMES: [&str; 4] =
        ["memcpy_l1_bytes_per_s", "memcpy_l2_bytes_per_s", "memcpy_l3_bytes_per_s", "memcpy_dram_bytes_per_s"];
    let Some(cpu) = pin::allowed().first().copied() else {
        return NAMES.iter().map(|name| skip(name, "the host does not tell its processors")).collect();
    };
    let caches = Caches::of(&HostRoot::default(), cpu);
    let windows: [Window; 4] = window.split();
    let sizes = [
        within("first", caches.l1, None),
        within("second", caches.l2, caches.l1),
        within("third", caches.l3, caches.l2),
        beyond(caches, lab.host.fingerprint.memory_bytes),
    ];
    let measure = |((name, size), window): ((&&str, Result<Size, String>), Window)| match size {
        Err(reason) => vec![skip(name, reason)],
        Ok(size) => {
            let method = format!(
                "from a buffer of {} to another of that size, by one thread on processor {cpu}: {}; a trial copies at least {}",
                DisplayBytes(size.bytes as f64),
                size.words,
                DisplayBytes(BYTES_PER_TRIAL as f64),
            );
            on(cpu, name, || limit(lab.clock, window, name, size.bytes, Before::AsLeft, &method))
        }
    };
    NAMES.iter().zip(sizes).zip(windows).flat_map(measure).collect()
}

/// Copies of one frame of 4K video with 24 bits a pixel, as the benchmark `shm` makes them.
pub(super) fn frames(lab: &Lab, window: Window) -> Found {
    const FRAME_BYTES: u64 = 3840 * 2160 * 3;
    const KINDS: [(&str, Before, &str); 3] = [
        (
            "memcpy_4k_frame_bytes_per_s",
            Before::Read,
            "whose source has just been read, the target as the copy before left it",
        ),
        (
            "memcpy_4k_ring_bytes_per_s",
            Before::Passed,
            "one of two that were just read in turn, to one of two places, after the frame before was copied out and checked, as \
             frames go through a ring",
        ),
        ("memcpy_4k_frame_cold_bytes_per_s", Before::Evicted, "which was taken out of all caches, as its place was"),
    ];
    let Some(cpu) = pin::allowed().first().copied() else {
        return KINDS.iter().map(|(name, ..)| skip(name, "the host does not tell its processors")).collect();
    };
    let windows: [Window; KINDS.len()] = window.split();
    let measure = |((name, before, words), window): (&(&str, Before, &str), Window)| {
        let method = format!("a frame of 3840 × 2160 × 3 B, {words}, by one thread on processor {cpu}");
        on(cpu, name, || limit(lab.clock, window, name, FRAME_BYTES, *before, &method))
    };
    KINDS.iter().zip(windows).flat_map(measure).collect()
}

fn on(cpu: usize, name: &str, measure: impl FnOnce() -> Found + Send) -> Found {
    pin::on(cpu, || Ok(measure())).unwrap_or_else(|reason: String| vec![skip(name, reason)])
}

/// How large each of the two buffers is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Size {
    bytes: u64,
    words: String,
}

/// Both buffers together fill a half of a cache, which must be more than the cache before it holds.
fn within(ordinal: &str, cache: Option<u64>, before: Option<u64>) -> Result<Size, String> {
    let cache = cache.ok_or_else(|| format!("the host does not tell the size of a cache of the {ordinal} level"))?;
    let bytes = (cache / 4).min(LARGEST / 4);
    if before.is_some_and(|before| 2 * bytes <= before) {
        return Err(format!("the cache of the {ordinal} level is not much larger than the one before it"));
    }
    let words = format!("both together are within the {} of the {ordinal} level", DisplayBytes(cache as f64));
    Ok(Size { bytes: bytes.max(1), words })
}

/// Both buffers together are at least twice as large as the last cache, as far as memory allows.
fn beyond(caches: Caches, memory_bytes: u64) -> Result<Size, String> {
    let last = caches.last();
    let wanted = last.unwrap_or(0).max(BEYOND_CACHES);
    let bytes = wanted.min(LARGEST).min(memory_bytes / 16);
    if bytes < (4 << 20) {
        return Err("this host has too little memory to copy more than its caches hold".to_owned());
    }
    let words = match last {
        Some(last) if 2 * bytes < 2 * last => {
            format!("a cache of {} may still hold a part of them", DisplayBytes(last as f64))
        }
        Some(last) => format!("both together are twice the last cache of {} or more", DisplayBytes(last as f64)),
        None => "the host does not tell its caches, which may hold a part of them".to_owned(),
    };
    Ok(Size { bytes, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_caches() {
        assert_eq!(within("first", Some(48 << 10), None).unwrap().bytes, 12 << 10);
        assert_eq!(within("second", Some(2 << 20), Some(48 << 10)).unwrap().bytes, 512 << 10);
        assert!(within("third", Some(2 << 20), Some(2 << 20)).unwrap_err().contains("not much larger"));
        assert!(within("third", None, None).unwrap_err().contains("does not tell"));
        let caches = |l3| Caches { l3, ..Caches::default() };
        assert_eq!(beyond(caches(Some(260 << 20)), 24 << 30).unwrap().bytes, 260 << 20);
        assert_eq!(beyond(caches(None), 24 << 30).unwrap().bytes, BEYOND_CACHES);
        let huge = beyond(caches(Some(1 << 30)), 64 << 30).unwrap();
        assert!(huge.bytes == LARGEST && huge.words.contains("may still hold"));
        assert!(beyond(caches(None), 32 << 20).is_err());
    }
}
