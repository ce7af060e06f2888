//! What `core` computes, on all processors: it is pure and has no threads of its own.

use isodyne_core::runner::Runner;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More would wait for one another's memory.
const MOST_THREADS: usize = 8;

/// Does the parts of what `core` computes on all processors.
pub fn runner() -> Runner<'static> {
    Runner::new(&run)
}

/// Calls `each` with every number below `count`.
fn run(count: usize, each: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            each(index);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(count);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread is to be had, the others do its part.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_called_once() {
        let calls: Vec<AtomicUsize> = (0..1_000).map(|_| AtomicUsize::new(0)).collect();
        run(calls.len(), &|index| {
            calls[index].fetch_add(1, Ordering::Relaxed);
        });
        assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) == 1));
        run(0, &|_| panic!("nothing is to be done"));
    }
}
