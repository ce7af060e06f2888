//! Readings that are kept, in bounded memory.

use super::reading::Reading;

/// Readings in order. Once there are too many, every second one is dropped, and from then on only every second is kept: the
/// series stays evenly spaced and never grows beyond its limit.
#[derive(Clone, Debug)]
pub(super) struct Series {
    readings: Vec<Reading>,
    most: usize,
    stride: u64,
    count: u64,
}

impl Series {
    pub fn new(most: usize) -> Self {
        let most = most.max(2);
        Self { readings: Vec::with_capacity(most.min(1024)), most, stride: 1, count: 0 }
    }

    pub fn add(&mut self, reading: Reading) {
        if self.count.is_multiple_of(self.stride) {
            if self.readings.len() >= self.most {
                let mut number = 0_usize;
                self.readings.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride *= 2;
            }
            if self.count.is_multiple_of(self.stride) {
                self.readings.push(reading);
            }
        }
        self.count += 1;
    }

    /// Takes out what there is, and gives `empty` for what comes.
    pub fn take(&mut self, empty: Vec<Reading>) -> Vec<Reading> {
        (self.stride, self.count) = (1, 0);
        std::mem::replace(&mut self.readings, empty)
    }

    /// One of how many readings is kept.
    pub fn stride(&self) -> u64 {
        self.stride
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::reading::tests::reading;

    #[test]
    fn a_long_series_gets_coarser_and_stays_even() {
        let mut series = Series::new(8);
        (0..100).for_each(|number| series.add(reading(number)));
        let stride = series.stride();
        let readings = series.take(Vec::new());
        assert!(readings.len() <= 8 && readings.len() >= 4, "{}", readings.len());
        for (index, reading) in readings.iter().enumerate() {
            assert_eq!(reading.begin.0, index as u64 * stride);
        }
        series.add(reading(100));
        assert_eq!((series.stride(), series.take(Vec::new()).len()), (1, 1));
    }
}
