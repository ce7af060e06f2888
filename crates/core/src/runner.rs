//! Who does independent parts of a computation: this crate has no threads, whoever calls it may have some.

use std::fmt;
use std::sync::OnceLock;

/// Calls a function once with each number below the first argument, on as many threads as it likes, and returns when
/// all calls have returned.
pub type Calls<'a> = &'a (dyn Fn(usize, &(dyn Fn(usize) + Sync)) + Sync);

/// Does independent parts of a computation. Whoever does them, the result is the same.
#[derive(Clone, Copy)]
pub struct Runner<'a>(Calls<'a>);

impl Runner<'static> {
    /// One part after the other, on the caller's thread.
    pub const ALONE: Self = Self(&|count, each| (0..count).for_each(each));
}

impl<'a> Runner<'a> {
    /// A runner by its function.
    pub fn new(calls: Calls<'a>) -> Self {
        Self(calls)
    }

    /// What `part` makes of each number below `count`, in the order of the numbers.
    pub fn map<T: Send + Sync>(self, count: usize, part: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let slots: Vec<OnceLock<T>> = (0..count).map(|_| OnceLock::new()).collect();
        (self.0)(count, &|index| {
            if let Some(slot) = slots.get(index) {
                slot.get_or_init(|| part(index));
            }
        });
        // Nothing is left out, whatever the runner left out.
        let done = |(index, slot): (usize, OnceLock<T>)| slot.into_inner().unwrap_or_else(|| part(index));
        slots.into_iter().enumerate().map(done).collect()
    }
}

impl fmt::Debug for Runner<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Runner")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_in_their_order_whoever_does_them() {
        let squares = vec![0, 1, 4, 9];
        let backwards = |count: usize, each: &(dyn Fn(usize) + Sync)| (0..count).rev().for_each(each);
        let lazy = |_: usize, each: &(dyn Fn(usize) + Sync)| each(2);
        for runner in [Runner::ALONE, Runner::new(&backwards), Runner::new(&lazy)] {
            assert_eq!(runner.map(4, |index| index * index), squares);
        }
    }
}
