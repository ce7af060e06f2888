//! How fast one thread copies memory, by the cache that holds what is copied.

use super::caches::Caches;
use super::trials::{Trials, Window};
use super::{Found, pin, skip};
use crate::clock::Clock;
use crate::host::root::HostRoot;
use crate::lab::Lab;
use isodyne_core::calibration::LimitKind;
use isodyne_core::unit::DisplayBytes;
use std::hint::black_box;

/// A trial copies about this much, so that two stamps around it cost nothing.
const BYTES_PER_TRIAL: u64 = 1 << 20;
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
        Err(reason) => skip(name, reason),
        Ok(size) => {
            let trials = pin::on(cpu, || copy(lab.clock, window, size.bytes));
            let method = format!(
                "memcpy of the C library from a buffer of {} to another of that size, by one thread on processor {cpu}: {}; \
                 bytes copied are counted once; a trial copies at least {}; afterwards the copy is compared",
                DisplayBytes(size.bytes as f64),
                size.words,
                DisplayBytes(BYTES_PER_TRIAL as f64),
            );
            Trials::limit(trials, name, LimitKind::Ceiling, method)
        }
    };
    NAMES.iter().zip(sizes).zip(windows).map(measure).collect()
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

/// Bytes copied in a second, trial by trial.
fn copy(clock: Clock, window: Window, bytes: u64) -> Result<Trials, String> {
    let length = usize::try_from(bytes).map_err(|_| "the buffer does not fit".to_owned())?;
    let buffer = || {
        let mut buffer: Vec<u8> = Vec::new();
        buffer.try_reserve_exact(length).map_err(|_| format!("no memory for buffers of {length} B"))?;
        Ok::<_, String>(buffer)
    };
    let mut source = buffer()?;
    // Every page is written, so that none is the kernel's shared page of zeros.
    let pattern: Vec<u8> = (0..65_521_usize).map(|index| (index.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    while source.len() < length {
        source.extend_from_slice(&pattern[..pattern.len().min(length - source.len())]);
    }
    let mut target = buffer()?;
    target.resize(length, 1);
    let repetitions = (BYTES_PER_TRIAL / bytes).max(1);
    let mut round = 0_u8;
    let trials = window.trials(5, 20_000, || {
        // A source that changes cannot be copied once for all.
        round = round.wrapping_add(1);
        source[0] = round;
        let begin = clock.now();
        for _ in 0..repetitions {
            black_box(&mut target[..]).copy_from_slice(black_box(&source[..]));
        }
        let took = clock.now().ns_since(begin).max(1);
        if black_box(&target[..])[0] != round {
            return Err("the copy is not what was copied");
        }
        Ok((bytes * repetitions) as f64 * 1e9 / took as f64)
    })?;
    if source == target { Ok(trials) } else { Err("the copy is not what was copied".to_owned()) }
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
