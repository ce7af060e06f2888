//! A cache line between two processors: the shortest time in which two threads can answer each other at all.

use super::pin::{self, Pair};
use super::trials::{Trials, Window};
use super::{Found, skip};
use crate::clock::Clock;
use crate::host::root::HostRoot;
use crate::lab::Lab;
use isodyne_core::calibration::LimitKind;
use isodyne_core::unit::DisplayNs;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two lines apart, since processors fetch pairs of lines.
#[repr(align(128))]
struct Line(AtomicU64);

/// What ends the other thread.
const END: u64 = u64::MAX;
/// So many looks lie between two looks at the clock.
const LOOKS: u32 = 1 << 14;

/// Two threads that pass a number back and forth.
pub(super) fn round_trip(lab: &Lab, window: Window) -> Found {
    const NAME: &str = "cache_line_round_trip_ns";
    let pairs = match pin::pairs(&HostRoot::default(), &pin::allowed()) {
        Ok(pairs) => pairs,
        Err(reason) => return vec![skip(NAME, reason)],
    };
    let [first, second] = window.split();
    let mut best = f64::INFINITY;
    let mut typical: Option<Trials> = None;
    let mut words = Vec::new();
    for (pair, window) in pairs.iter().zip([first, second]) {
        let trials = match between(lab.clock, pair, window) {
            Ok(trials) => trials,
            Err(reason) => return vec![skip(NAME, reason)],
        };
        let at = |q| DisplayNs(trials.quantile(q));
        words.push(format!("processors {}: p50 {}, p99 {}, longest {}", pair.words, at(0.5), at(0.99), at(1.0)));
        best = best.min(trials.quantile(0.0));
        // The first pair is what two sandboxes get as a rule.
        typical.get_or_insert(trials);
    }
    let method = format!(
        "one word of one cache line, written by a thread, seen and answered in another line by a second thread, both \
         pinned and spinning; each trip has its own stamps, whose cost is in it; {}",
        words.join("; ")
    );
    let limit = Trials::limit(typical.ok_or_else(|| "no pair".to_owned()), NAME, LimitKind::Floor, method);
    vec![limit.map(|limit| isodyne_core::calibration::Limit { best: best.min(limit.best), ..limit })]
}

fn between(clock: Clock, pair: &Pair, window: Window) -> Result<Trials, String> {
    let (ask, answer) = (Line(AtomicU64::new(0)), Line(AtomicU64::new(0)));
    let window = window.begin();
    std::thread::scope(|scope| {
        let echo = std::thread::Builder::new().name("calibrate-echo".to_owned()).spawn_scoped(scope, || {
            pin::stay_on(pair.cpus.1)?;
            let mut expected = 1;
            loop {
                match wait(&ask.0, window, |seen| seen >= expected) {
                    Some(END) | None => return Ok(()),
                    Some(seen) => {
                        answer.0.store(seen, Ordering::Release);
                        expected = seen + 1;
                    }
                }
            }
        });
        let echo = echo.map_err(|error| format!("no thread: {error}"))?;
        let trials = pin::on(pair.cpus.0, || {
            let mut number = 0;
            let mut trip = || {
                number += 1;
                let begin = clock.now();
                ask.0.store(number, Ordering::Release);
                let seen = wait(&answer.0, window, |seen| seen == number);
                seen.map(|_| clock.now().ns_since(begin) as f64).ok_or("the other thread did not answer in time")
            };
            // The other thread may still be on its way to its processor.
            for _ in 0..100 {
                trip()?;
            }
            window.trials(100, 200_000, trip)
        });
        ask.0.store(END, Ordering::Release);
        let echoed: Result<(), String> = echo.join().unwrap_or_else(|_| Err("the other thread panicked".to_owned()));
        echoed.and(trials)
    })
}

/// Spins until the word is as wanted; `None` if the window is long over.
fn wait(word: &AtomicU64, window: Window, wanted: impl Fn(u64) -> bool) -> Option<u64> {
    loop {
        for _ in 0..LOOKS {
            let seen = word.load(Ordering::Acquire);
            if wanted(seen) {
                return Some(seen);
            }
            std::hint::spin_loop();
        }
        if window.is_over() {
            return None;
        }
    }
}
