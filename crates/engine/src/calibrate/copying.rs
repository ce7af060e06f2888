//! Copies of one size between two buffers of this program, by every way that the lab and the C library have.

use super::Found;
use super::trials::{Trials, Window};
use crate::clock::Clock;
use isodyne_core::calibration::LimitKind;
use isodyne_shm::check::Check;
use isodyne_shm::copy::{CopyBy, copy_private, evict_private};
use std::hint::black_box;

/// A trial copies about this much, so that two stamps around it cost nothing.
pub(super) const BYTES_PER_TRIAL: u64 = 1 << 20;

/// Fewer trials of one way say nothing.
const LEAST_TRIALS: usize = 3;
/// The same of frames, as many as a sample of the benchmark has by default.
const LEAST_FRAMES: usize = 9;
/// Trials that do not count.
const WARMUP: usize = 4;

/// How the caches are before each copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// As the copy before has left them.
    AsLeft,
    /// The source has just been read, by the benchmark `shm`'s check.
    Read,
    /// The same with two sources and two targets in turn, after the target before was copied out and checked: as frames
    /// that go through a ring leave them, whose buffers together take five times the room.
    Passed,
    /// Source and target are in none of them.
    Evicted,
}

/// A way of copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Library,
    By(CopyBy),
}

impl Way {
    const ALL: [Self; 3] = [Self::Library, Self::By(CopyBy::Strings), Self::By(CopyBy::Past)];

    fn words(self) -> &'static str {
        match self {
            Self::Library => "by memcpy of the C library",
            Self::By(by) => by.words(),
        }
    }

    fn copy(self, to: &mut [u8], from: &[u8]) {
        match self {
            Self::Library => to.copy_from_slice(from),
            Self::By(by) => copy_private(to, from, by),
        }
    }
}

/// The buffers.
struct Pair {
    source: Vec<u8>,
    target: Vec<u8>,
    /// Of a ring: the other source, the other target, and what is copied out.
    ring: Option<[Vec<u8>; 3]>,
}

impl Pair {
    fn of(bytes: u64, before: Before) -> Result<Self, String> {
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
        let mut pair = Self { source, target, ring: None };
        if before == Before::Passed {
            let mut ring = [buffer()?, buffer()?, buffer()?];
            ring.iter_mut().for_each(|bytes| bytes.extend_from_slice(&pair.source));
            pair.ring = Some(ring);
        }
        Ok(pair)
    }

    /// Bytes copied in a second, trial by trial.
    fn trials(&mut self, clock: Clock, window: Window, way: Way, before: Before) -> Result<Trials, String> {
        let Self { source, target, ring } = self;
        let bytes = source.len() as u64;
        let repetitions = if before == Before::AsLeft { (BYTES_PER_TRIAL / bytes.max(1)).max(1) } else { 1 };
        let mut round = source[0];
        let mut one = || {
            round = round.wrapping_add(1);
            if let Some([other_source, other_target, out]) = ring {
                copy_private(out, target, CopyBy::Past);
                black_box(Check::Fast.proof(round.into(), out));
                std::mem::swap(target, other_target);
                if round % 2 == 0 {
                    std::mem::swap(source, other_source);
                }
            }
            // A source that changes cannot be copied once for all.
            source[0] = round;
            match before {
                Before::AsLeft => {}
                Before::Read | Before::Passed => _ = black_box(Check::Fast.proof(round.into(), source)),
                Before::Evicted if evict_private(source) && evict_private(target) => {}
                Before::Evicted => return Err("this program cannot empty the caches of this processor"),
            }
            let begin = clock.now();
            for _ in 0..repetitions {
                way.copy(black_box(&mut target[..]), black_box(&source[..]));
            }
            let took = clock.now().ns_since(begin).max(1);
            if black_box(&target[..])[0] != round {
                return Err("the copy is not what was copied");
            }
            Ok((bytes * repetitions) as f64 * 1e9 / took as f64)
        };
        // Another way has left its targets in the caches: once around the ring.
        for _ in 0..WARMUP {
            one()?;
        }
        let least = if before == Before::AsLeft { LEAST_TRIALS } else { LEAST_FRAMES };
        let trials = window.trials(least, 20_000, one)?;
        if source == target { Ok(trials) } else { Err("the copy is not what was copied".to_owned()) }
    }
}

/// The limit of copies of this size in the calling thread: the typical one is that of the way with the highest median,
/// the best is the best of all ways. `method` is what is done, up to how it is copied.
pub(super) fn limit(clock: Clock, window: Window, name: &str, bytes: u64, before: Before, method: &str) -> Found {
    let mut pair = match Pair::of(bytes, before) {
        Ok(pair) => pair,
        Err(reason) => return vec![super::skip(name, reason)],
    };
    let windows: [Window; Way::ALL.len()] = window.split();
    let mut tried = Vec::new();
    for (way, window) in Way::ALL.into_iter().zip(windows) {
        match pair.trials(clock, window, way, before) {
            Ok(trials) => tried.push((way, trials)),
            Err(reason) => return vec![super::skip(name, reason)],
        }
    }
    tried.sort_by(|one, other| other.1.quantile(0.5).total_cmp(&one.1.quantile(0.5)));
    let best = tried.iter().map(|(_, trials)| trials.quantile(1.0)).fold(0.0, f64::max);
    let medians: Vec<String> =
        tried.iter().map(|(way, trials)| format!("{} ({:.2} GB/s)", way.words(), trials.quantile(0.5) / 1e9)).collect();
    let method = format!(
        "{method}; copied {}: typical is the quickest of these medians, best the best of all trials; bytes copied are \
         counted once; afterwards the copy is compared",
        medians.join(", ")
    );
    let Some((_, trials)) = tried.into_iter().next() else { return vec![super::skip(name, "no way of copying")] };
    let found = Trials::limit(Ok(trials), name, LimitKind::Ceiling, method);
    vec![found.map(|limit| isodyne_core::calibration::Limit { best, ..limit })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_quickest_way_is_typical_and_the_best_of_all_is_the_best() {
        for before in [Before::AsLeft, Before::Read, Before::Passed, Before::Evicted] {
            let window = Window::open(Clock, Duration::from_millis(30));
            let found = limit(Clock, window, "x_bytes_per_s", 300_000, before, "so").remove(0);
            let limit = match found {
                Ok(limit) => limit,
                Err(skipped) => {
                    assert!(before == Before::Evicted && skipped.reason.contains("cannot empty"), "{skipped:?}");
                    continue;
                }
            };
            assert!(limit.best >= limit.typical && limit.typical > 0.0 && limit.n >= 3, "{limit:?}");
            assert!(Way::ALL.iter().all(|way| limit.method.contains(way.words())), "{limit:?}");
        }
    }
}
